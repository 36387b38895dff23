//! The calls of the last while.

use super::rates::{Counts, RateSettings, Rates};
use super::{Call, Statistics, Window};
use crate::circuit_breaker::builder::LONGEST;
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tally::Tally;
use crate::time::Instant;
use core::time::Duration;

const CALLS: usize = 0;
const FAILURES: usize = 1;
const SLOW: usize = 2;

/// Opens by a share of the calls of the last while, in `K` sub-windows.
///
/// A call counts for at least `K - 1` sub-windows and at most `K`: the more there are, the sharper
/// the window, at 12 bytes each. 10, as Hystrix, Polly and failsafe-go have, is a good number. A peer
/// with less than the minimum of calls in a window is not judged by it: see
/// [low traffic](super#low-traffic).
///
/// Chosen with [`time_window`](crate::circuit_breaker::CircuitBreakerConfigBuilder::time_window).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimeWindow<const K: usize> {
    rates: Rates,
    width: u64,
}

impl<const K: usize> TimeWindow<K> {
    pub(in crate::circuit_breaker) const fn checked(
        rates: RateSettings,
        window: u64,
    ) -> Result<Self, ConfigError> {
        const REFUSED: ConfigError = ConfigError::new(
            "time_window",
            "time_window must be of 2 to 255 sub-windows of 1 ns or more, and at most 2^62 ns (146 years)",
        );
        if K < 2 || K > 255 || window < K as u64 || window > LONGEST {
            return Err(REFUSED);
        }
        match rates.checked(u16::MAX) {
            Ok(rates) => Ok(Self { rates, width: window.div_ceil(K as u64) }),
            Err(error) => Err(error),
        }
    }

    /// How long it looks back: what was set, rounded up to whole nanoseconds a sub-window.
    #[must_use]
    pub const fn time_window(&self) -> Duration {
        Duration::from_nanos(self.width.saturating_mul(K as u64))
    }

    /// The share of failures that opens the breaker.
    #[must_use]
    pub const fn failure_rate(&self) -> Ratio {
        self.rates.failures
    }

    /// From when on a call is slow, and the share of slow calls that opens the breaker.
    #[must_use]
    pub const fn slow_calls(&self) -> Option<(Duration, Ratio)> {
        self.rates.slow_calls()
    }

    /// Of how many calls, at least.
    #[must_use]
    pub const fn minimum_calls(&self) -> u16 {
        self.rates.minimum
    }
}

/// What a [`TimeWindow`] remembers: three counters a sub-window, and their sums.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimeStats<const K: usize>(Tally<3, K>);

const _: () = assert!(size_of::<TimeStats<10>>() <= 24 + 10 * 12);

impl<const K: usize> Statistics for TimeStats<K> {
    const EMPTY: Self = Self(Tally::EMPTY);

    fn is_empty(&self) -> bool {
        counts(*self.0.totals()).calls == 0
    }
}

const fn counts([calls, failures, slow]: [u32; 3]) -> Counts {
    Counts { calls, failures, slow }
}

impl<const K: usize> Window for TimeWindow<K> {
    type Stats = TimeStats<K>;

    const MEASURES: bool = true;
    const PAYLOAD: usize = Tally::<3, K>::PAYLOAD;

    #[inline]
    fn slow_nanos(&self) -> Option<u64> {
        self.rates.slow_nanos()
    }

    #[inline]
    fn count(&self, TimeStats(tally): &mut Self::Stats, call: Call, now: Instant) -> bool {
        tally.advance(self.width, now);
        tally.add(CALLS, 1);
        tally.add(FAILURES, call.failed.into());
        tally.add(SLOW, call.slow.into());
        self.rates.are_reached(counts(*tally.totals()))
    }

    /// Never: each success is one more of its while.
    #[inline]
    fn is_settled(&self, _: &Self::Stats) -> bool {
        false
    }

    const ADDS_UP: bool = true;

    #[inline]
    fn adds_up(&self, TimeStats(tally): &Self::Stats) -> Option<(Instant, u64)> {
        let adds_up = self.rates.are_out_of_reach(counts(*tally.totals()));
        adds_up.then_some((tally.since(), self.width))
    }

    /// One by one, those that still fit would be counted.
    #[inline]
    fn add(&self, TimeStats(tally): &mut Self::Stats, successes: u32) {
        let [calls, ..] = *tally.totals();
        tally.add(CALLS, successes.min(u32::MAX.saturating_sub(calls)));
    }

    fn counts(&self, TimeStats(tally): &Self::Stats, now: Instant) -> Counts {
        counts(tally.totals_at(self.width, now))
    }

    fn continues(&self, old: &Self) -> bool {
        self.width == old.width
    }

    fn write(&self, TimeStats(tally): &Self::Stats, now: Instant, to: &mut Writer<'_>) {
        tally.write(self.width, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::Stats, SnapshotError> {
        let tally = Tally::read(self.width, from, now)?;
        let is_possible = |[calls, failures, slow]: [u32; 3]| failures <= calls && slow <= calls;
        if tally.rows().all(is_possible) {
            Ok(TimeStats(tally))
        } else {
            Err(SnapshotError::Invalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
    use crate::outcome::Outcome;

    fn window<const K: usize>(
        nanos: u64,
    ) -> Result<CircuitBreakerConfig<TimeWindow<K>>, ConfigError> {
        CircuitBreakerConfig::builder().time_window(Duration::from_nanos(nanos)).build()
    }

    #[test]
    fn two_to_255_sub_windows_of_a_nanosecond_or_more_up_to_146_years() {
        assert!(window::<1>(1_000).is_err() && window::<256>(1_000).is_err());
        assert!(window::<2>(1).is_err() && window::<2>(LONGEST + 1).is_err());
        assert!(
            window::<2>(2).is_ok() && window::<255>(255).is_ok() && window::<2>(LONGEST).is_ok()
        );
    }

    #[test]
    fn it_says_what_is_slow_and_of_how_many_calls() {
        let (second, half) = (Duration::from_secs(1), Ratio::percent(50));
        let builder = CircuitBreakerConfig::builder().time_window::<2>(10 * second);
        let plain = builder.build().unwrap();
        assert_eq!((plain.window().slow_calls(), plain.window().minimum_calls()), (None, 10));
        let built = builder.slow_calls(second, half).minimum_calls(7).build().unwrap();
        let slow = (built.window().slow_calls(), built.window().slow_nanos());
        assert_eq!(slow, (Some((second, half)), Some(1_000_000_000)));
        assert_eq!(built.window().minimum_calls(), 7);
    }

    #[test]
    fn what_is_in_it_stays_in_a_window_of_the_same_length_only() {
        let now = Instant::from_nanos(5);
        let [same, other] = [100, 102].map(|nanos| window::<2>(nanos).unwrap());
        let mut breaker = CircuitBreaker::new(same);
        let permit = breaker.try_acquire(0, now).unwrap();
        let _ = breaker.record(permit, Outcome::Success, 0, now);
        for (policy, calls) in [(&same, 1), (&other, 0)] {
            let state = policy.inherit(&same, breaker.as_state(), now);
            assert_eq!(policy.counts(&state, now).calls, calls);
        }
    }
}
