//! The last calls, however long ago they were.

use super::rates::{Counts, RateSettings, Rates};
use super::{Call, Statistics, Window};
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;
use core::time::Duration;

/// Opens by a share of the last calls; `WORDS` words of 32 calls hold them.
///
/// It waits for calls and not for time, so it suits a peer that is called rarely. What it has seen
/// long ago counts like what it saw just now: where that is wrong, take a
/// [`TimeWindow`](super::TimeWindow).
///
/// Chosen with [`count_window`](crate::circuit_breaker::CircuitBreakerConfigBuilder::count_window).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CountWindow<const WORDS: usize> {
    rates: Rates,
    calls: u16,
}

impl<const WORDS: usize> CountWindow<WORDS> {
    pub(in crate::circuit_breaker) const fn checked(
        rates: RateSettings,
        calls: u16,
    ) -> Result<Self, ConfigError> {
        let room = WORDS.saturating_mul(32);
        if calls == 0 || calls as usize > room {
            return Err(ConfigError::new(
                "count_window",
                "count_window must be of at least one call and no more than its words have bits",
            ));
        }
        match rates.checked(calls) {
            Ok(rates) => Ok(Self { rates, calls }),
            Err(error) => Err(error),
        }
    }

    /// How many calls it holds.
    #[must_use]
    pub const fn calls(&self) -> u16 {
        self.calls
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

    /// Whether `stats` could have come about here.
    fn is_possible(&self, stats: &CountStats<WORDS>) -> bool {
        let in_use = |word: &u32, index: usize| {
            let before = index.saturating_mul(32);
            let bits = usize::from(stats.calls).saturating_sub(before).min(32) as u32;
            u64::from(*word) >> bits == 0
        };
        let rings = [&stats.failed, &stats.slow];
        stats.calls <= self.calls
            && stats.next < self.calls
            && (stats.calls == self.calls || stats.next == stats.calls)
            && rings
                .into_iter()
                .all(|ring| ring.iter().enumerate().all(|(index, word)| in_use(word, index)))
    }
}

/// What a [`CountWindow`] remembers: two bits a call, and their sums.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CountStats<const WORDS: usize> {
    failed: [u32; WORDS],
    slow: [u32; WORDS],
    /// Where the next call goes: over the oldest, once all places are taken.
    next: u16,
    calls: u16,
    failures: u16,
    slow_calls: u16,
}

const _: () = assert!(size_of::<CountStats<2>>() <= 24);

impl<const WORDS: usize> CountStats<WORDS> {
    fn total(&self) -> Counts {
        Counts {
            calls: self.calls.into(),
            failures: self.failures.into(),
            slow: self.slow_calls.into(),
        }
    }
}

impl<const WORDS: usize> Statistics for CountStats<WORDS> {
    const EMPTY: Self = {
        assert!(WORDS >= 1 && WORDS <= 2_047, "a window has 32 to 65,504 calls");
        Self { failed: [0; WORDS], slow: [0; WORDS], next: 0, calls: 0, failures: 0, slow_calls: 0 }
    };

    fn is_empty(&self) -> bool {
        self.calls == 0
    }
}

/// Writes a bit of a ring over the one that leaves, and keeps their sum. A place that is not taken
/// yet holds no bit.
#[inline]
fn replace(ring: &mut [u32], sum: &mut u16, place: u16, bit: bool) {
    let Some(word) = ring.get_mut(usize::from(place >> 5)) else { return };
    let mask = 1_u32.wrapping_shl(place.into());
    *sum = sum.wrapping_add(bit.into()).wrapping_sub((*word & mask != 0).into());
    *word = if bit { *word | mask } else { *word & !mask };
}

impl<const WORDS: usize> Window for CountWindow<WORDS> {
    type Stats = CountStats<WORDS>;

    const MEASURES: bool = true;
    const PAYLOAD: usize = WORDS.saturating_mul(8).saturating_add(4);

    #[inline]
    fn slow_nanos(&self) -> Option<u64> {
        self.rates.slow_nanos()
    }

    #[inline]
    fn count(&self, stats: &mut Self::Stats, call: Call, _: Instant) -> bool {
        replace(&mut stats.failed, &mut stats.failures, stats.next, call.failed);
        replace(&mut stats.slow, &mut stats.slow_calls, stats.next, call.slow);
        if stats.calls < self.calls {
            stats.calls = stats.calls.saturating_add(1);
        }
        stats.next = stats.next.saturating_add(1);
        if stats.next >= self.calls {
            stats.next = 0;
        }
        self.rates.are_reached(stats.total())
    }

    /// A full window without a failure: which of the successes is the oldest makes no difference.
    #[inline]
    fn is_settled(&self, stats: &Self::Stats) -> bool {
        let is_clean = stats.failures == 0 && self.rates.slow.is_none();
        is_clean && stats.calls == self.calls
    }

    fn counts(&self, stats: &Self::Stats, _: Instant) -> Counts {
        stats.total()
    }

    fn continues(&self, old: &Self) -> bool {
        self.calls == old.calls
    }

    fn write(&self, stats: &Self::Stats, _: Instant, to: &mut Writer<'_>) {
        for word in stats.failed.iter().chain(&stats.slow) {
            to.u32(*word);
        }
        to.u16(stats.next);
        to.u16(stats.calls);
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<Self::Stats, SnapshotError> {
        let mut stats = CountStats::EMPTY;
        for word in stats.failed.iter_mut().chain(&mut stats.slow) {
            *word = from.u32()?;
        }
        let ones = |ring: &[u32]| {
            ring.iter().fold(0_u16, |sum, word| sum.saturating_add(word.count_ones() as u16))
        };
        stats.failures = ones(&stats.failed);
        stats.slow_calls = ones(&stats.slow);
        stats.next = from.u16()?;
        stats.calls = from.u16()?;
        if self.is_possible(&stats) { Ok(stats) } else { Err(SnapshotError::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of `calls` that opens at nothing.
    fn window<const WORDS: usize>(calls: u16) -> CountWindow<WORDS> {
        let rates = RateSettings { failures: Ratio::ONE, slow: None, minimum: Some(calls) };
        CountWindow::checked(rates, calls).unwrap()
    }

    fn call(failed: bool, slow: bool) -> Call {
        Call { failed, slow }
    }

    #[test]
    fn what_leaves_is_subtracted_in_every_field_pitfall_35() {
        let (window, mut stats) = (window::<2>(37), CountStats::EMPTY);
        let mut history = std::vec::Vec::new();
        for step in 0..1_000_u32 {
            let bits = step.wrapping_mul(2_654_435_761) >> 30;
            let new = call(bits & 1 != 0, bits & 2 != 0);
            history.push(new);
            window.count(&mut stats, new, Instant::EPOCH);
            let last = &history[history.len().saturating_sub(37)..];
            let sum = |is: fn(&Call) -> bool| last.iter().filter(|call| is(call)).count() as u32;
            let expected = Counts {
                calls: last.len() as u32,
                failures: sum(|call| call.failed),
                slow: sum(|call| call.slow),
            };
            assert_eq!(window.counts(&stats, Instant::EPOCH), expected, "{step}");
        }
    }

    #[test]
    fn a_window_of_one_call_and_one_of_all_bits_wrap() {
        let mut stats = CountStats::EMPTY;
        for failed in [true, false, true] {
            assert_eq!(
                window::<1>(1).count(&mut stats, call(failed, false), Instant::EPOCH),
                failed
            );
        }
        let (window, mut stats) = (window::<1>(32), CountStats::EMPTY);
        for _ in 0..70 {
            window.count(&mut stats, call(true, true), Instant::EPOCH);
        }
        let all = Counts { calls: 32, failures: 32, slow: 32 };
        assert_eq!(window.counts(&stats, Instant::EPOCH), all);
    }
}
