//! What happened, as values of a fixed size.
//!
//! The machines call nobody back: what they decide, they return. An [`Event`] is such a return value
//! with an instant, a source and a number that never changes, in 24 bytes; an [`EventLog`] keeps the
//! last ones in place. On a microcontroller they go to `defmt`, on a server to `tracing` and to metrics,
//! under the same numbers, so that one dashboard reads both.
//!
//! # When not to use it
//!
//! - For decisions. An event says what was decided; ask the machine for what is.
//! - As an audit trail. The ring overwrites what nobody reads, and says how much ([`EventLog::lost`]).
//!
//! # Laws
//!
//! - A number stands for the same kind for ever ([`EventKind`]); kinds are added, never renumbered.
//! - Read + lost + waiting = pushed, for the log's own reader and for every [`Cursor`].
//! - Making, keeping and reading an event is copies and shifts: it allocates, formats and divides nothing.
//!   (Writing it as text is for hosts.)
//!
//! # Timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
//! use resil_core::event::{Event, EventKind, EventLog, Severity};
//! use resil_core::outcome::FailureClass;
//! use resil_core::{Clock, ManualClock, Outcome, valid};
//!
//! const ONE_STRIKE: CircuitBreakerConfig =
//!     valid!(CircuitBreakerConfig::builder().failure_threshold(1).build());
//! const PEER: u16 = 7;
//! let (clock, mut log) = (ManualClock::default(), EventLog::<16>::new());
//! let mut breaker = CircuitBreaker::new(ONE_STRIKE);
//!
//! // 0 s: the peer fails, and the breaker opens for 60 s.
//! let permit = breaker.try_acquire(0, clock.now())?;
//! let failed = Outcome::Failure(FailureClass::Timeout);
//! let recorded = breaker.record(permit, failed, 0, clock.now());
//! if let Some(transition) = recorded.transition() {
//!     log.push(Event::of_transition(transition, PEER, clock.now()));
//! }
//!
//! // 20 s: somebody calls all the same.
//! clock.advance(Duration::from_secs(20));
//! let rejected = breaker.try_acquire(0, clock.now()).unwrap_err();
//! log.push(Event::of_refusal(rejected, PEER, clock.now()));
//!
//! // 30 s: whoever writes the log comes by.
//! let opened = log.pop().unwrap();
//! assert_eq!((opened.kind(), opened.severity()), (EventKind::BreakerOpened, Severity::Error));
//! assert_eq!((opened.at().as_nanos(), opened.source()), (0, PEER));
//! let refused = log.pop().unwrap();
//! assert_eq!(refused.to_string(), "BREAKER_REFUSED by 7: CIRCUIT_BREAKER_OPEN, wait 40.000 s");
//! assert_eq!((log.pop(), log.lost()), (None, 0));
//! # Ok::<(), resil_core::Rejected>(())
//! ```

mod from;
mod kind;
mod ring;
mod span;

pub use kind::{EventKind, Family, Field, UnknownKind, UnknownKindName};
pub use ring::{Cursor, EventLog};
pub use span::Span;

use crate::ErrorCode;
use crate::time::Instant;
use core::fmt;

/// How loud an event is. Ordered: what is louder is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Severity {
    /// Happens all the time; for whoever looks for something.
    Debug,
    /// Worth knowing afterwards.
    Info,
    /// A machine did its work because something did not.
    Warn,
    /// Somebody should look at it.
    Error,
}

impl Severity {
    /// How loud the same is where it was only seen, not done: at most information.
    #[must_use]
    #[inline]
    pub const fn only_detected(self) -> Self {
        match self {
            Self::Debug => Self::Debug,
            Self::Info | Self::Warn | Self::Error => Self::Info,
        }
    }
}

/// Something that happened: when, what, to whom, and two numbers about it.
///
/// 24 bytes and `Copy`. What the numbers say depends on the [kind](EventKind::fields).
///
/// With the feature `serde` it travels with its instant as nanoseconds of the clock that made it: good
/// for a log of one node, meaningless beside another node's.
///
/// ```
/// use resil_core::Instant;
/// use resil_core::event::{Event, EventKind, Span};
///
/// let wait = Span::from_nanos(2_000_000_000);
/// let event = Event::new(EventKind::RetryWaits, 3, 2, wait.units(), Instant::from_nanos(9));
/// assert_eq!(event.to_string(), "RETRY_WAITS by 3: attempt 2, wait 2.000 s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Form", from = "Form"))]
pub struct Event {
    at: Instant,
    a: u32,
    b: u32,
    source: u16,
    kind: EventKind,
    is_enforced: bool,
}

const _: () = assert!(size_of::<Event>() <= 24 && size_of::<Option<Event>>() <= 24);

impl Event {
    /// What a log holds where it holds nothing yet; never given out.
    const NOTHING: Self = Self::new(EventKind::CallStarted, 0, 0, 0, Instant::EPOCH);

    /// An event of `kind` at `source`, which is any number that tells your machines apart.
    ///
    /// [`EventKind::fields`] says what `a` and `b` are.
    #[must_use]
    #[inline]
    pub const fn new(kind: EventKind, source: u16, a: u32, b: u32, at: Instant) -> Self {
        Self { at, a, b, source, kind, is_enforced: true }
    }

    /// The same, but only seen, not done: a machine that is being tried out said so, and the call went
    /// on as if it had not.
    #[must_use]
    #[inline]
    pub const fn only_detected(mut self) -> Self {
        self.is_enforced = false;
        self
    }

    /// When.
    #[must_use]
    #[inline]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// What.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// Which of your machines.
    #[must_use]
    #[inline]
    pub const fn source(&self) -> u16 {
        self.source
    }

    /// The first number; see [`EventKind::fields`].
    #[must_use]
    #[inline]
    pub const fn a(&self) -> u32 {
        self.a
    }

    /// The second number; see [`EventKind::fields`].
    #[must_use]
    #[inline]
    pub const fn b(&self) -> u32 {
        self.b
    }

    /// Whether it took effect; not after [`only_detected`](Self::only_detected).
    #[must_use]
    #[inline]
    pub const fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// How loud: the kind's severity. What was only detected is at most information.
    #[must_use]
    #[inline]
    pub const fn severity(&self) -> Severity {
        if self.is_enforced { self.kind.severity() } else { self.kind.severity().only_detected() }
    }
}

/// Name, source and the numbers as their fields say; without the instant, which loggers write anyway.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.kind, self.source)?;
        let mut separator = ": ";
        for (field, number) in self.kind.fields().into_iter().zip([self.a, self.b]) {
            match field {
                Field::Unused => continue,
                Field::Number(name) => write!(f, "{separator}{name} {number}")?,
                Field::Span(name) => write!(f, "{separator}{name} {}", Span::from_units(number))?,
                Field::Code => match u16::try_from(number).ok().and_then(ErrorCode::from_number) {
                    Some(code) => write!(f, "{separator}{code}")?,
                    None => write!(f, "{separator}code {number}")?,
                },
            }
            separator = ", ";
        }
        f.write_str(if self.is_enforced { "" } else { " (only detected)" })
    }
}

/// How an event travels.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Form {
    at: u64,
    kind: EventKind,
    source: u16,
    a: u32,
    b: u32,
    enforced: bool,
}

#[cfg(feature = "serde")]
impl From<Event> for Form {
    fn from(event: Event) -> Self {
        let Event { at, a, b, source, kind, is_enforced } = event;
        Self { at: at.as_nanos(), kind, source, a, b, enforced: is_enforced }
    }
}

#[cfg(feature = "serde")]
impl From<Form> for Event {
    fn from(form: Form) -> Self {
        let Form { at, kind, source, a, b, enforced } = form;
        Self { at: Instant::from_nanos(at), a, b, source, kind, is_enforced: enforced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const NOW: Instant = Instant::from_nanos(5);

    #[test]
    fn what_was_only_detected_says_so_and_is_not_loud() {
        let event = Event::new(EventKind::BreakerOpened, 1, 0, 1, NOW);
        assert!(event.is_enforced());
        let event = event.only_detected();
        assert!(!event.is_enforced());
        assert_eq!(event.severity(), Severity::Info);
        assert_eq!(event.to_string(), "BREAKER_OPENED by 1: from 0, to 1 (only detected)");
        let quiet = Event::new(EventKind::AttemptStarted, 1, 0, 1, NOW).only_detected();
        assert_eq!(quiet.severity(), Severity::Debug);
    }

    #[test]
    fn a_code_that_nobody_knows_is_written_as_a_number() {
        let code = |a| Event::new(EventKind::CallFailed, 0, a, 0, NOW).to_string();
        assert_eq!(code(6001), "CALL_FAILED by 0: DEADLINE_EXCEEDED, took 0.000 s");
        assert_eq!(code(6999), "CALL_FAILED by 0: code 6999, took 0.000 s");
        assert_eq!(code(u32::MAX), "CALL_FAILED by 0: code 4294967295, took 0.000 s");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn it_survives_both_wire_forms() {
        let mut bytes = [0; 64];
        for &kind in EventKind::ALL {
            let event = Event::new(kind, 77, u32::MAX, 3, Instant::MAX).only_detected();
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
            let short = postcard::to_slice(&event, &mut bytes).unwrap();
            assert_eq!(postcard::from_bytes::<Event>(short).unwrap(), event);
        }
        let unknown = r#"{"at":0,"kind":999,"source":0,"a":0,"b":0,"enforced":true}"#;
        let error = serde_json::from_str::<Event>(unknown).unwrap_err().to_string();
        assert!(error.contains("no kind of event has the number 999"), "{error}");
    }
}
