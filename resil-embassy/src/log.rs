//! The log: what happened, under core's stable numbers, through `defmt`.
//!
//! A line is the number and the name of an [`EventKind`], who it is about, and what there is to say. A
//! machine says which event it was and never how loud: the level is the kind's severity. Without the
//! feature `defmt` all of it is nothing.

use core::fmt::Debug;
use resil_core::event::{EventKind, Severity};

#[cfg(feature = "defmt")]
pub(crate) use defmt::Format;

/// Nothing is written, so everything can be.
#[cfg(not(feature = "defmt"))]
pub(crate) trait Format {}

#[cfg(not(feature = "defmt"))]
impl<T: ?Sized> Format for T {}

/// `kind` has happened to `who`.
pub(crate) fn event(kind: EventKind, who: &(impl Format + ?Sized), what: &impl Format) {
    write(kind.severity(), kind, who, what);
}

/// `kind` would have happened to `who`, who only watches.
pub(crate) fn detected(kind: EventKind, who: &(impl Format + ?Sized), what: &impl Format) {
    write(kind.severity().only_detected(), kind, who, &(what, Detected));
}

#[cfg(feature = "defmt")]
fn write(severity: Severity, kind: EventKind, who: &(impl Format + ?Sized), what: &impl Format) {
    let number = kind.number();
    match severity {
        Severity::Debug => defmt::debug!("{=u16} {} {}: {}", number, kind, who, what),
        Severity::Info => defmt::info!("{=u16} {} {}: {}", number, kind, who, what),
        Severity::Warn => defmt::warn!("{=u16} {} {}: {}", number, kind, who, what),
        Severity::Error => defmt::error!("{=u16} {} {}: {}", number, kind, who, what),
    }
}

#[cfg(not(feature = "defmt"))]
fn write(severity: Severity, kind: EventKind, who: &(impl Format + ?Sized), what: &impl Format) {
    #[cfg(test)]
    tests::KINDS.with_borrow_mut(|kinds| kinds.push(kind));
    let _ = (severity, kind, who, what);
}

/// Stands behind what was only seen, not done.
struct Detected;

#[cfg(feature = "defmt")]
impl Format for Detected {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "only detected");
    }
}

/// One of several under one name.
#[cfg_attr(not(feature = "defmt"), allow(dead_code, reason = "nothing is written"))]
pub(crate) struct OneOf<'a> {
    pub(crate) name: &'a str,
    /// Which, unless there is but one.
    pub(crate) index: Option<usize>,
}

#[cfg(feature = "defmt")]
impl Format for OneOf<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.index {
            Some(index) => defmt::write!(f, "{=str}[{=usize}]", self.name, index),
            None => defmt::write!(f, "{=str}", self.name),
        }
    }
}

/// An attempt, from 1, and how many there may be.
#[cfg_attr(not(feature = "defmt"), allow(dead_code, reason = "nothing is written"))]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) of: u32,
}

#[cfg(feature = "defmt")]
impl Format for Attempt {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "attempt {=u32} of {=u32}", self.number, self.of);
    }
}

/// An operation's own error, of which nothing is known but `Debug`.
#[cfg_attr(not(feature = "defmt"), allow(dead_code, reason = "nothing is written"))]
pub(crate) struct Shown<'a, E: Debug>(pub(crate) &'a E);

#[cfg(feature = "defmt")]
impl<E: Debug> Format for Shown<'_, E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Debug2Format(self.0));
    }
}

#[cfg(test)]
mod tests;
