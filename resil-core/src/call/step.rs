//! What a call asks its driver to do, and how it ends.

use crate::outcome::Rejected;
use crate::retry::{Refused, Stop};
use crate::time::Instant;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the call goes on only when its driver does"]
pub enum Step {
    /// Start an attempt. When it ends, say how with [`Call::finish`](super::Call::finish).
    Attempt(Ticket),
    /// Poll again at `until`, or when an attempt in flight has ended.
    Wait {
        /// When; `None`: time alone changes nothing.
        until: Option<Instant>,
        /// Attempts in flight: 0, 1, or 2 when one is a hedge.
        in_flight: u8,
    },
    /// It is over. Attempts that are still running are not waited for: stop them.
    Done(Verdict),
}

/// An attempt that its driver makes.
///
/// Neither `Clone` nor `Copy`: it is told back once. One that is lost ends with its deadline. It is
/// good only for the call that gave it, another one cannot tell: there it ends the attempt of the same
/// number.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "start the attempt, and tell how it ended"]
pub struct Ticket {
    pub(super) deadline: Option<Instant>,
    pub(super) number: u32,
    pub(super) is_hedge: bool,
}

impl Ticket {
    /// When the attempt has to be over; the call takes it for timed out from then on.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The number of the attempt, from 1, hedges included.
    #[must_use]
    #[inline]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is a second attempt beside or right after another one: better made elsewhere.
    #[must_use]
    #[inline]
    pub const fn is_hedge(&self) -> bool {
        self.is_hedge
    }
}

/// Whether the end of an attempt counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Finished {
    /// It did; poll for what comes next.
    Counted,
    /// The attempt had timed out already, or the call is over: nothing changed.
    Stale,
}

/// How a call ended. [`Call::error`](super::Call::error) makes the error of one that failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// An attempt succeeded.
    Success,
    /// The last attempt failed, and this is why there is no other one.
    Failed(Stop),
    /// A gate of our own refused.
    Refused(Refused),
    /// The deadline came, while an attempt was in flight or while the call waited; `refusal` is what
    /// it waited for, if it was that.
    Deadline {
        /// What had refused last.
        refusal: Option<Rejected>,
    },
    /// Whoever made the call went away.
    Abandoned,
}
