//! Leave to make one call, and what telling it back changed.

use crate::time::Instant;

/// Leave to make one call, to be told back with `record`.
///
/// Neither `Clone` nor `Copy`: it settles once. One that is dropped without being told back holds its
/// place until a reset, so adapters wrap it in a guard. It is good only for the limit that issued it,
/// another one cannot tell; and for 65,535 of its resets, after which its epoch comes round again.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a permit is lent: tell it back with `record`"]
pub struct Permit {
    pub(super) issued_at: Instant,
    /// Calls in flight when it was issued, this one included.
    pub(super) in_flight: u16,
    pub(super) epoch: u16,
    pub(super) round: u16,
}

const _: () = assert!(size_of::<Permit>() <= 16);

impl Permit {
    /// When it was issued.
    #[must_use]
    #[inline]
    pub const fn issued_at(&self) -> Instant {
        self.issued_at
    }
}

/// What telling a permit back changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recorded {
    /// The outcome was counted; the limit is what it was.
    Counted,
    /// The outcome was counted, and the limit changed.
    Limit {
        /// What it was.
        from: u16,
        /// What it is.
        to: u16,
    },
    /// The permit is back, and the outcome says nothing about how much the peer can take.
    Released,
    /// It is from before a reset: nothing changed.
    Stale,
}

/// What an outcome says about how much the peer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It did the work, in a time that counts.
    Served,
    /// It did not, or not in time.
    Dropped,
    /// Nothing.
    Neutral,
}

impl Sign {
    pub(super) const fn of(outcome: crate::Outcome) -> Self {
        use crate::Outcome::{Abandoned, Failure, Ignored, Success};
        use crate::outcome::FailureClass::{Fatal, Local, Throttled, Timeout, Transient};
        match outcome {
            Success => Self::Served,
            Failure(Transient | Throttled | Timeout) => Self::Dropped,
            Failure(Local | Fatal) | Ignored | Abandoned => Self::Neutral,
        }
    }
}
