//! Time as a number that you pass in.
//!
//! No machine of this crate reads a clock. An [`Instant`] is a count of nanoseconds since the epoch
//! of whichever clock made it (584 years fit), and `now` is the last argument of every decision. A
//! test moves time by writing another number, a simulation replays a year in a millisecond, and a
//! superloop reads its timer once per turn.
//!
//! # Laws
//!
//! - Arithmetic saturates: no pair of instants and durations overflows or panics.
//! - A deadline is reached when `now >= deadline` ([`Instant::is_reached`]); every machine asks here.
//! - Conversions from and to [`Duration`] are total.
//!
//! Instants of two clocks must not be mixed: their epochs differ, and nothing can tell. They never
//! cross the wire; what does is the time that remains.

mod scale;
pub mod ticks;

pub(crate) use scale::Scale;
pub use ticks::{TickCounter, TickRate};

use crate::fixed;
use core::cell::Cell;
use core::time::Duration;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A point in time: nanoseconds since the epoch of the clock that made it.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
///
/// let start = Instant::from_nanos(5);
/// let deadline = start.saturating_add(Duration::from_nanos(10));
/// assert_eq!(deadline.as_nanos(), 15);
/// assert!(deadline.is_reached(Instant::from_nanos(15)), "at the deadline counts as reached");
/// assert_eq!(start.saturating_since(deadline), Duration::ZERO, "never negative, never a panic");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The epoch of the clock: zero nanoseconds.
    pub const EPOCH: Self = Self(0);

    /// The last instant there is, 584 years after the epoch.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `since_epoch` after the epoch; [`Instant::MAX`] where that is further than it.
    #[must_use]
    #[inline]
    pub const fn from_duration(since_epoch: Duration) -> Self {
        Self(saturating_nanos(since_epoch))
    }

    /// The time since the epoch.
    #[must_use]
    #[inline]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// This instant moved later, at most to [`Instant::MAX`].
    #[must_use]
    #[inline]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        self.plus_nanos(saturating_nanos(duration))
    }

    /// This instant moved earlier, at most to [`Instant::EPOCH`].
    #[must_use]
    #[inline]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(duration)))
    }

    /// The time from `earlier` to this instant; zero where `earlier` is the later of the two.
    #[must_use]
    #[inline]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// Whether a deadline at this instant has come: `now >= self`.
    #[must_use]
    #[inline]
    pub const fn is_reached(self, now: Self) -> bool {
        now.0 >= self.0
    }

    /// [`saturating_add`](Self::saturating_add) in nanoseconds.
    #[inline]
    pub(crate) const fn plus_nanos(self, nanos: u64) -> Self {
        Self(fixed::sum(self.0, nanos))
    }

    /// [`saturating_since`](Self::saturating_since) in nanoseconds.
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(target_has_atomic = "32", inline)]
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant, but at most `nanos` after `now`: where a clock that stepped back leaves a deadline
    /// too far ahead.
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(target_has_atomic = "32", inline)]
    pub(crate) const fn within(self, nanos: u64, now: Self) -> Self {
        self.min(now.plus_nanos(nanos))
    }

    /// The earlier of two instants (`Ord::min` is not `const`).
    #[inline]
    pub(crate) const fn min(self, other: Self) -> Self {
        if self.0 <= other.0 { self } else { other }
    }
}

/// `duration` in nanoseconds; `u64::MAX` where it has more.
///
/// Settings are `Duration`s, which do not compare in `const`; this is the form in which they do.
#[must_use]
#[inline]
pub(crate) const fn saturating_nanos(duration: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos() as u64);
    if seconds > u64::MAX / SECOND {
        return u64::MAX;
    }
    fixed::sum(seconds.wrapping_mul(SECOND), nanos)
}

/// The earlier of two deadlines, where `None` means "never".
///
/// The one place where deadlines are merged: `Option::min` takes `None` for the smallest and so
/// drops live deadlines.
///
/// ```
/// use resil_core::{Instant, time::earliest};
///
/// let soon = Instant::from_nanos(1);
/// assert_eq!(earliest(Some(soon), None), Some(soon));
/// assert_eq!(earliest(Some(soon), Some(Instant::MAX)), Some(soon));
/// assert_eq!(earliest(None, None), None);
/// ```
#[must_use]
#[inline]
pub const fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

/// A source of time, read only at the edges: by adapters and by your own loop.
///
/// An implementation must never fail, never wrap (widen a narrow counter) and be callable from
/// wherever the machines are driven. It should never go back; the machines stay safe when it does
/// (each says how), but they may wait longer than they had to.
///
/// Whether time goes on while the machine sleeps is the clock's choice: `std::time::Instant` stands
/// still during suspend on Linux and macOS and runs on Windows. The machines are correct under both.
///
/// An [`Instant`] is itself a clock that stands still:
///
/// ```
/// use resil_core::{Clock, Instant};
///
/// fn uptime(clock: &impl Clock) -> u64 {
///     clock.now().as_nanos()
/// }
/// assert_eq!(uptime(&Instant::from_nanos(7)), 7);
/// ```
pub trait Clock {
    /// The present instant.
    fn now(&self) -> Instant;
}

impl Clock for Instant {
    #[inline]
    fn now(&self) -> Instant {
        *self
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    #[inline]
    fn now(&self) -> Instant {
        (**self).now()
    }
}

/// A clock that moves only when told to, for tests and simulations.
///
/// It is a `Cell`, so it is not `Sync` (this crate uses no atomics); `resil-std` has the one that
/// threads can share.
///
/// ```
/// use core::time::Duration;
/// use resil_core::{Clock, Instant, ManualClock};
///
/// let clock = ManualClock::new(Instant::EPOCH);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now(), Instant::from_nanos(1_000_000_000));
/// clock.set(Instant::EPOCH); // a clock that steps back is worth a test
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Cell<Instant>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self(Cell::new(now))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.set(self.0.get().saturating_add(by));
    }

    /// Sets the clock, backward as well.
    pub fn set(&self, now: Instant) {
        self.0.set(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends_pitfall_70() {
        assert_eq!(Instant::MAX.saturating_add(Duration::MAX), Instant::MAX);
        assert_eq!(Instant::EPOCH.saturating_sub(Duration::MAX), Instant::EPOCH);
        assert_eq!(Instant::EPOCH.saturating_since(Instant::MAX), Duration::ZERO);
        assert_eq!(Instant::MAX.saturating_since(Instant::EPOCH).as_nanos(), u64::MAX.into());
    }

    #[test]
    fn at_the_deadline_counts_as_reached() {
        let deadline = Instant::from_nanos(5);
        assert_eq!(
            [4, 5, 6].map(|now| deadline.is_reached(Instant::from_nanos(now))),
            [false, true, true]
        );
    }

    #[test]
    fn a_duration_is_exact_up_to_the_last_nanosecond_of_a_word() {
        let longest = Duration::from_nanos(u64::MAX);
        let second = Duration::new(longest.as_secs(), 0);
        assert_eq!(saturating_nanos(second), u64::MAX / SECOND * SECOND);
        assert_eq!(saturating_nanos(longest - Duration::from_nanos(1)), u64::MAX - 1);
        for longer in [longest, second + Duration::from_secs(1), second * 3, Duration::MAX] {
            assert_eq!(saturating_nanos(longer), u64::MAX, "{longer:?}");
        }
    }

    #[test]
    fn conversions_with_duration_are_total() {
        for nanos in [0, 1, SECOND - 1, SECOND, u64::MAX] {
            let instant = Instant::from_nanos(nanos);
            assert_eq!(Instant::from_duration(instant.as_duration()), instant);
        }
        assert_eq!(Instant::from_duration(Duration::MAX), Instant::MAX);
    }

    #[test]
    fn none_is_never_the_earliest_deadline() {
        let soon = Instant::from_nanos(3);
        assert_eq!(earliest(None, Some(soon)), Some(soon));
        assert_eq!(earliest(Some(Instant::MAX), Some(soon)), Some(soon));
    }
}
