//! The one way to the outside: what happened is logged as an event of `tracing`, and counted.
//!
//! A machine says which event it was and whom it is about.

use tracing::level_filters::LevelFilter;

/// Whether anybody listens at all, or counts. Where nobody does, this is all that the log costs.
#[inline]
pub(crate) fn is_on() -> bool {
    cfg!(feature = "metrics") || LevelFilter::current() != LevelFilter::OFF
}

/// Whether anybody hears what is logged of a call that goes well, or counts.
#[inline]
pub(crate) fn hears_successes() -> bool {
    cfg!(feature = "metrics") || LevelFilter::current() >= LevelFilter::DEBUG
}

/// Logs an [`EventKind`](resil_core::event::EventKind) at the level that is its severity, with its
/// message. The first field says whom it is about.
macro_rules! event {
    ($target:expr, $kind:expr, $who:ident $($fields:tt)*) => {{
        use resil_core::event::Severity;
        let kind: resil_core::event::EventKind = $kind;
        match kind.severity() {
            Severity::Debug => {
                crate::log::at!(debug, $target, kind; $who $($fields)*, "{}", kind.message());
            }
            Severity::Info => {
                crate::log::at!(info, $target, kind; $who $($fields)*, "{}", kind.message());
            }
            Severity::Warn => {
                crate::log::at!(warn, $target, kind; $who $($fields)*, "{}", kind.message());
            }
            Severity::Error => {
                crate::log::at!(error, $target, kind; $who $($fields)*, "{}", kind.message());
            }
        }
    }};
}

/// Logs an [`EventKind`](resil_core::event::EventKind) at this level, with fields and a message as
/// `tracing` writes them, and counts it. The first field says whom it is about; `_` stands for nobody
/// whom one may name.
macro_rules! at {
    ($level:ident, $target:expr, $kind:expr; _, $($fields:tt)+) => {
        crate::log::at!(@ $level, $target, $kind, ""; $($fields)+)
    };
    ($level:ident, $target:expr, $kind:expr; $who:ident $($fields:tt)+) => {
        crate::log::at!(@ $level, $target, $kind, $who; $who $($fields)+)
    };
    (@ $level:ident, $target:expr, $kind:expr, $who:expr; $($fields:tt)+) => {{
        let kind: resil_core::event::EventKind = $kind;
        let event = kind.number();
        #[cfg(feature = "metrics")]
        crate::metrics::happened($target, kind, $who);
        tracing::$level!(target: $target, event, $($fields)+);
    }};
}

pub(crate) use {at, event};
