//! Clocks that are wrong.

use crate::config::ConfigError;
use crate::time::{Clock, Instant, Scale, saturating_nanos};
use core::time::Duration;

/// What a wrong clock shows: it is off, it drifts, and somebody may set it right now and then.
///
/// A pure function of the true instant, total, and saturating at both ends. Without
/// [`corrected_every`](Self::corrected_every) it never goes back. With it, it is a quartz under a time
/// service that steps: the drift grows for a period, and at its end is taken back at once, so a fast clock
/// **steps back** and a slow one jumps ahead.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::chaos::Skew;
///
/// const HOUR: Duration = Duration::from_secs(3_600);
/// let fast = Skew::NONE.drift(50)?.corrected_every(HOUR)?;
/// let shows = |seconds| fast.show(Instant::from_duration(Duration::from_secs(seconds))).as_duration();
/// assert_eq!(shows(1_000), Duration::from_millis(1_000_050));
/// assert_eq!(shows(3_599), Duration::from_nanos(3_599_179_950_000));
/// assert_eq!(shows(3_600), HOUR, "180 ms back");
/// # Ok::<(), resil_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Skew {
    ahead: u64,
    behind: u64,
    drift: Scale,
    is_slow: bool,
    /// Nanoseconds to whole periods; `None` where nobody corrects it.
    periods: Option<Scale>,
    period: u64,
}

impl Skew {
    /// A clock that is right.
    pub const NONE: Self = Self {
        ahead: 0,
        behind: 0,
        drift: Scale::new(1, 0),
        is_slow: false,
        periods: None,
        period: 0,
    };

    /// The same, and further ahead by this.
    #[must_use]
    pub const fn ahead(mut self, by: Duration) -> Self {
        self.ahead = self.ahead.saturating_add(saturating_nanos(by));
        self
    }

    /// The same, and further behind by this.
    #[must_use]
    pub const fn behind(mut self, by: Duration) -> Self {
        self.behind = self.behind.saturating_add(saturating_nanos(by));
        self
    }

    /// The same, but gaining this many microseconds a second (millionths), or losing them. A cheap
    /// quartz is within 50.
    ///
    /// # Errors
    ///
    /// The clock would stand still, or run backward: `drift` is below -999,999.
    pub const fn drift(mut self, millionths: i32) -> Result<Self, ConfigError> {
        if millionths < -999_999 {
            return Err(ConfigError::new("drift", "drift must be above -1,000,000 millionths"));
        }
        self.drift = Scale::new(1_000_000, millionths.unsigned_abs() as u64);
        self.is_slow = millionths < 0;
        Ok(self)
    }

    /// The same, but set right at the end of every `period` since the epoch. The
    /// [offset](Self::ahead) stays.
    ///
    /// # Errors
    ///
    /// `period` is zero, or above 292 years.
    pub const fn corrected_every(mut self, period: Duration) -> Result<Self, ConfigError> {
        self.period = saturating_nanos(period);
        if self.period == 0 || self.period > Scale::MAX_FROM {
            return Err(ConfigError::new(
                "corrected_every",
                "corrected_every must be above zero and at most 2^63 - 1 ns",
            ));
        }
        self.periods = Some(Scale::new(self.period, 1));
        Ok(self)
    }

    /// What the clock shows at the true instant `now`.
    #[must_use]
    #[inline]
    pub const fn show(&self, now: Instant) -> Instant {
        let nanos = now.as_nanos();
        let uncorrected = match self.periods {
            Some(periods) => nanos.wrapping_sub(periods.floor(nanos).wrapping_mul(self.period)),
            None => nanos,
        };
        let drift = self.drift.floor(uncorrected);
        let drifted =
            if self.is_slow { nanos.saturating_sub(drift) } else { nanos.saturating_add(drift) };
        // The smaller of the two offsets is taken off both, so that no end is met on the way.
        if self.ahead >= self.behind {
            Instant::from_nanos(drifted.saturating_add(self.ahead.wrapping_sub(self.behind)))
        } else {
            Instant::from_nanos(drifted.saturating_sub(self.behind.wrapping_sub(self.ahead)))
        }
    }
}

impl Default for Skew {
    fn default() -> Self {
        Self::NONE
    }
}

/// A clock seen through a [`Skew`].
///
/// ```
/// use core::time::Duration;
/// use resil_core::chaos::{Skew, SkewedClock};
/// use resil_core::{Clock, Instant, ManualClock};
///
/// let truth = ManualClock::new(Instant::from_nanos(100));
/// let late = SkewedClock::new(&truth, Skew::NONE.behind(Duration::from_nanos(40)));
/// assert_eq!(late.now(), Instant::from_nanos(60));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SkewedClock<C> {
    clock: C,
    skew: Skew,
}

impl<C> SkewedClock<C> {
    /// `clock`, as wrong as `skew` says.
    #[must_use]
    pub const fn new(clock: C, skew: Skew) -> Self {
        Self { clock, skew }
    }

    /// Wrong in another way from now on: a step, if you like.
    pub const fn set(&mut self, skew: Skew) {
        self.skew = skew;
    }
}

impl<C: Clock> Clock for SkewedClock<C> {
    #[inline]
    fn now(&self) -> Instant {
        self.skew.show(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_hold_are_named() {
        assert_eq!(Skew::NONE.drift(-1_000_000).unwrap_err().setting(), "drift");
        for period in [Duration::ZERO, Duration::MAX] {
            let error = Skew::NONE.corrected_every(period).unwrap_err();
            assert_eq!(error.setting(), "corrected_every");
        }
        assert!(Skew::NONE.corrected_every(Duration::from_nanos(Scale::MAX_FROM)).is_ok());
        assert!(Skew::NONE.drift(-999_999).is_ok() && Skew::NONE.drift(i32::MAX).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_shows_another_time_from_then_on() {
        let truth = crate::ManualClock::new(Instant::from_nanos(100));
        let mut clock = SkewedClock::new(&truth, Skew::NONE);
        assert_eq!(clock.now(), Instant::from_nanos(100));
        clock.set(Skew::NONE.ahead(Duration::from_nanos(5)));
        assert_eq!(clock.now(), Instant::from_nanos(105));
    }

    #[test]
    fn it_saturates_at_both_ends_and_not_on_the_way() {
        let far = Skew::NONE.ahead(Duration::MAX);
        assert_eq!(far.show(Instant::EPOCH), Instant::MAX);
        assert_eq!(Skew::NONE.behind(Duration::MAX).show(Instant::MAX), Instant::EPOCH);
        let nano = Duration::from_nanos(1);
        let both = Skew::NONE.ahead(5 * nano).behind(3 * nano);
        assert_eq!(both.show(Instant::from_nanos(1)), Instant::from_nanos(3));
        let racing = Skew::NONE.drift(i32::MAX).unwrap();
        assert_eq!(racing.show(Instant::MAX), Instant::MAX);
    }

    #[test]
    fn drift_is_exact_and_a_slow_clock_jumps_ahead_when_it_is_set_right() {
        let slow = Skew::NONE.drift(-333_333).unwrap();
        let exact = |nanos: u64| nanos - (u128::from(nanos) * 333_333 / 1_000_000) as u64;
        for nanos in [0, 1, 3, 1_000_003, 1 << 40, u64::MAX] {
            assert_eq!(slow.show(Instant::from_nanos(nanos)).as_nanos(), exact(nanos));
        }
        let set = slow.corrected_every(Duration::from_nanos(1_000)).unwrap();
        let shows =
            [999, 1_000, 1_001, 1_999].map(|now| set.show(Instant::from_nanos(now)).as_nanos());
        assert_eq!(shows, [667, 1_000, 1_001, 1_667]);
    }

    #[test]
    fn a_clock_that_neither_gains_nor_loses_is_right() {
        assert_eq!(Skew::NONE.drift(50).unwrap().drift(0).unwrap(), Skew::NONE);
    }
}
