//! What a throttle remembers and hands out.

use crate::tally::Tally;

/// Parts of the window. Ten: the least recent tenth leaves at once, and nobody notices.
pub(super) const SUB_WINDOWS: usize = 10;

/// What was asked for.
pub(super) const REQUESTS: usize = 0;
/// What the peer accepted.
pub(super) const ACCEPTS: usize = 1;
/// What was asked for and says nothing.
pub(super) const NEUTRAL: usize = 2;

/// What an [`AdaptiveThrottle`](super::AdaptiveThrottle) remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ThrottleState {
    pub(super) counts: Tally<3, SUB_WINDOWS>,
    pub(super) epoch: u16,
}

const _: () = assert!(size_of::<ThrottleState>() <= 152);

impl ThrottleState {
    /// Nothing was asked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Tally::EMPTY, epoch: 0 }
    }
}

impl Default for ThrottleState {
    fn default() -> Self {
        Self::new()
    }
}

/// Leave to make one call, to be told back with `record`.
///
/// Neither `Clone` nor `Copy`: it settles once. One that is dropped without being told back is a
/// request that the peer has not accepted, so adapters wrap it in a guard.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a permit is to be told back with `record`: unless accepted, the call counts as refused by the peer"]
pub struct Permit {
    pub(super) epoch: u16,
}

/// What telling a permit back changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Recorded {
    /// The peer has accepted it.
    Accepted,
    /// The peer has not: the request stays counted, and nothing else.
    NotAccepted,
    /// It says nothing about the peer: the request is off the count.
    Released,
    /// It is from before a reset: nothing changed.
    Stale,
}
