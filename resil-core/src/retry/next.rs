//! What a step of a call answers.

use crate::error::{ErrorCode, GaveUp};
use crate::outcome::Rejected;
use crate::time::Instant;
use core::time::Duration;

/// What comes next: a wait and another attempt, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the call goes on, or it does not"]
pub enum Next<S = Stop> {
    /// Wait, then make the next attempt.
    Wait(Wait),
    /// It is over; [`Retry::error`](super::Retry::error) or
    /// [`Retry::refusal_error`](super::Retry::refusal_error) makes the error to return.
    Stop(S),
}

/// How long to wait for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wait {
    pub(super) until: Instant,
    pub(super) delay: u64,
    pub(super) attempt: u32,
}

impl Wait {
    /// When to go on.
    #[must_use]
    #[inline]
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// How long that is from the `now` that was passed in.
    #[must_use]
    #[inline]
    pub const fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay)
    }

    /// How long that still is. Never more than [`delay`](Self::delay), even where the clock stepped
    /// back; zero when it is time.
    #[must_use]
    #[inline]
    pub fn remaining(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.until.nanos_since(now).min(self.delay))
    }

    /// The number of the attempt that follows, from 1.
    #[must_use]
    #[inline]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Brings back an end that a backward step of the clock left too far ahead.
    pub(crate) const fn keep_time(&mut self, now: Instant) {
        self.until = self.until.within(self.delay, now);
    }
}

/// Why a failed attempt is the last one.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stop {
    /// The error is one that another attempt will meet again.
    Fatal,
    /// The error is no failure: it is passed through.
    Ignored,
    /// All attempts are used.
    Exhausted,
    /// There is no time for another attempt, or the peer's hint lies beyond the deadline.
    Deadline,
    /// The peer said not to try again.
    Never,
    /// The [budget](super::budget) did not pay for another attempt.
    Budget,
}

impl Stop {
    /// The code of the error that the call ends with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self.gave_up() {
            Some(why) => why.code(),
            None => ErrorCode::OperationFailed,
        }
    }

    /// Why the retry was given up; `None` where the error is passed through.
    #[must_use]
    pub const fn gave_up(self) -> Option<GaveUp> {
        match self {
            Self::Fatal | Self::Ignored => None,
            Self::Exhausted => Some(GaveUp::Attempts),
            Self::Deadline => Some(GaveUp::Deadline),
            Self::Never => Some(GaveUp::Never),
            Self::Budget => Some(GaveUp::Budget),
        }
    }
}

/// A refusal of our own that ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refused {
    pub(crate) rejected: Rejected,
    pub(crate) after_waiting: bool,
}

impl Refused {
    /// Who refused, why, and when to come back.
    pub const fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Whether the policy waits for such refusals, and the waits or the time for them are used up.
    #[must_use]
    pub const fn after_waiting(&self) -> bool {
        self.after_waiting
    }
}
