//! Hard limits per window, in bounded memory.

mod exact_log;
mod sub_windows;

pub use exact_log::{ExactLog, ExactLogState, LogCharge};
pub use sub_windows::{SubWindows, SubWindowsCharge, SubWindowsState};

use super::RateLimitConfig;
use crate::config::ConfigError;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;
use core::fmt::Debug;

/// A window that slides over what was admitted; the second half of a
/// [`RateLimit`](super::RateLimit).
///
/// # Law
///
/// What it counts at an instant t is at least what was committed in `(t - time_window, t]`, so a
/// limit on the count is a limit on every window. (The usual estimate from two counters can exceed
/// it, and is not offered.)
pub trait Window: Sized {
    /// What is remembered per peer.
    type State: Clone + Debug;

    /// What a commit counted.
    type Charge: Debug;

    /// A window in which nothing was admitted.
    const FRESH: Self::State;

    /// The window of `config`.
    ///
    /// # Errors
    ///
    /// When it cannot be held in this memory.
    fn from_config(config: &RateLimitConfig) -> Result<Self, ConfigError>;

    /// How much is counted at `now`.
    fn used(&self, state: &Self::State, now: Instant) -> u32;

    /// The first instant, `now` or later, at which `cost` more is within the limit.
    ///
    /// `cost` is at most the limit; [`RateLimit`](super::RateLimit) has checked that.
    fn opens_at(&self, state: &Self::State, cost: u32, now: Instant) -> Instant;

    /// Counts `cost` at `now`; it has to be within the limit.
    fn commit(&self, state: &mut Self::State, cost: u32, now: Instant) -> Self::Charge;

    /// Writes only when the clock has stepped back by more than is waited for: then nothing that was
    /// counted is as if counted later than `now`.
    fn reanchor(&self, state: &mut Self::State, now: Instant);

    /// What `state` counts under `old`, as far as this limit can count it, the latest first. Where
    /// the windows differ in length, all of it is counted at `now`.
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;

    /// What `state` counts under `old`, as the same share of this limit, rounded up. It divides.
    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;

    /// Bytes of a snapshot.
    const BYTES: usize;

    /// Writes [`BYTES`](Self::BYTES) of a snapshot: ages, since instants do not outlive their clock.
    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>);

    /// Reads them back. Where the clock has run for less than an age, what was counted before its
    /// epoch is counted as of the epoch: it leaves later by as much, and never earlier.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Invalid`] for what cannot be counted under this limit.
    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError>;

    /// Takes a charge out of the count, unless it has left the window.
    fn refund(&self, state: &mut Self::State, charge: Self::Charge, now: Instant);

    /// The next instant after `now` at which the count falls.
    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant>;

    /// The first instant, `now` or later, at which nothing is counted.
    fn empty_at(&self, state: &Self::State, now: Instant) -> Instant;
}

/// `count` of `from`, as the same share of `to`, rounded up.
fn share(count: u32, from: u32, to: u32) -> u32 {
    let scaled = u64::from(count).wrapping_mul(to.into());
    let up = scaled.saturating_add(u64::from(from.saturating_sub(1)));
    up.checked_div(from.into()).unwrap_or(0) as u32
}

/// A window that is kept alone.
#[cfg(test)]
#[derive(Debug)]
struct Kept<W>(W);

#[cfg(test)]
impl<W: Window> crate::snapshot::Persist for Kept<W> {
    type State = W::State;

    const KIND: u8 = 251;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = W::BYTES;

    fn write(&self, state: &W::State, now: Instant, to: &mut Writer<'_>) {
        self.0.write(state, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<W::State, SnapshotError> {
        self.0.read(from, now)
    }
}
