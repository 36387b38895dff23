//! The arithmetic: latencies in units of 1,024 ns, the limit in 2^-16 of a call, the baseline in
//! 2^-20 of a unit.

use super::config::Gradient;
use super::state::{GradientState, Results};
use crate::fixed;
use core::time::Duration;

/// No latency counts for more: 68 s, so that 64 of them fit into a sum of 32 bits.
pub(super) const LONGEST: u32 = (1 << 26) - 1;

/// Windows whose plain mean the baseline is at first: Netflix's warm-up.
pub(super) const WARM_UP: u8 = 10;

/// 95 %, in parts of 2^32: what is left of a baseline that an overload has lifted.
const RELAXED: u32 = 4_080_218_931;

/// `nanos` in units of 1,024 ns.
pub(super) const fn units(nanos: u64) -> u32 {
    let units = nanos >> 10;
    if units < LONGEST as u64 { units as u32 } else { LONGEST }
}

/// A latency in units as a baseline.
pub(super) const fn baseline(units: u32) -> u64 {
    (units as u64) << 20
}

impl Gradient {
    /// The usual latency, to 1.024 µs; `None` while nothing was measured. To look at, not to decide
    /// by: making a `Duration` divides a wide number.
    #[must_use]
    pub const fn baseline(&self, state: &GradientState) -> Option<Duration> {
        match state.learned {
            0 => None,
            _ => Some(Duration::from_nanos(state.long >> 20 << 10)),
        }
    }

    /// Moves the limit by what has come in.
    pub(super) fn update(&self, state: &mut GradientState) {
        let results = core::mem::replace(&mut state.results, Results::NONE);
        let limit = u64::from(state.limit);
        let towards = match results.mean() {
            Some(short) if results.drops == 0 => {
                let gradient = self.gradient(self.learn(state, short), short);
                if u64::from(results.in_flight) << 17 < limit {
                    return;
                }
                let queue = u64::from(self.queue) << 16;
                (limit.saturating_mul(gradient.into()) >> 16).saturating_add(queue)
            }
            _ => limit >> 1,
        };
        let moved = if towards >= limit {
            limit.saturating_add(fixed::share(towards.saturating_sub(limit), self.smoothing))
        } else {
            limit.saturating_sub(fixed::share(limit.saturating_sub(towards), self.smoothing))
        };
        state.limit = self.clamp(moved);
    }

    /// `limit`, in 2^-16 of a call, between the lowest and the highest.
    pub(super) fn clamp(&self, limit: u64) -> u32 {
        let (min, max) = (u32::from(self.min) << 16, u32::from(self.max) << 16);
        u32::try_from(limit).unwrap_or(max).min(max).max(min)
    }

    /// Averages `short` into the usual latency, and returns that as it was before it is cut.
    fn learn(&self, state: &mut GradientState, short: u32) -> u64 {
        let sample = baseline(short);
        let step = if state.learned < WARM_UP {
            state.learned = state.learned.saturating_add(1);
            // The next of `learned` equal parts; of one, all but 2^-32.
            u32::MAX.checked_div(state.learned.into()).unwrap_or(u32::MAX)
        } else {
            self.learning
        };
        let long = if state.learned == 1 {
            sample
        } else if sample >= state.long {
            state.long.saturating_add(fixed::share(sample.saturating_sub(state.long), step))
        } else {
            state.long.saturating_sub(fixed::share(state.long.saturating_sub(sample), step))
        };
        state.long =
            if long > sample.saturating_mul(2) { fixed::share(long, RELAXED) } else { long };
        long
    }

    /// `clamp(tolerance · long / short, ½, 1)`, in 2^-16.
    fn gradient(&self, long: u64, short: u32) -> u32 {
        let usual = long.saturating_mul(self.tolerance.numerator().into());
        let present = baseline(short).saturating_mul(self.tolerance.denominator().into());
        if usual >= present { 1 << 16 } else { fixed::quotient(usual, present, 16).max(1 << 15) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ratio;

    const UNPROBED: Gradient = crate::valid!(Gradient::builder().probe_interval(None).build());

    #[test]
    fn sixty_four_of_the_longest_latencies_fit_into_a_sum() {
        assert_eq!((units(1_023), units(1_024), units(u64::MAX)), (0, 1, LONGEST));
        assert!(LONGEST.checked_mul(64).is_some());
    }

    #[test]
    fn the_gradient_is_the_quotient_between_a_half_and_one() {
        let one = |long, short| UNPROBED.gradient(baseline(long), short);
        assert_eq!(one(100, 100), 1 << 16);
        assert_eq!(one(100, 150), 1 << 16);
        assert_eq!(one(100, 200), 3 << 14);
        assert_eq!(one(100, 300), 1 << 15);
        assert_eq!(one(1, LONGEST), 1 << 15);
        assert_eq!(one(LONGEST, LONGEST), 1 << 16);
        let steep = Gradient { tolerance: Ratio::new(u16::MAX, u16::MAX - 1), ..UNPROBED };
        assert_eq!(steep.gradient(baseline(LONGEST), LONGEST), 1 << 16);
        assert_eq!(steep.gradient(baseline(LONGEST / 4), LONGEST), 1 << 15);
    }

    #[test]
    fn ten_windows_are_averaged_and_then_the_usual_moves_slowly() {
        let mut state = UNPROBED.fresh_state();
        for (short, mean) in [(100, 100), (200, 150), (300, 200)] {
            UNPROBED.learn(&mut state, short);
            assert!((state.long >> 20).abs_diff(mean) <= 1, "{}", state.long >> 20);
        }
        for _ in 3..10 {
            UNPROBED.learn(&mut state, 200);
        }
        // 2/601 of the way.
        UNPROBED.learn(&mut state, 801);
        assert_eq!(state.long >> 20, 202 - 1);
    }

    #[test]
    fn a_baseline_more_than_twice_the_present_is_cut_by_a_twentieth() {
        let mut state = UNPROBED.fresh_state();
        (state.long, state.learned) = (baseline(10_000), WARM_UP);
        let before = UNPROBED.learn(&mut state, 1_000);
        assert_eq!(before >> 20, 9_970);
        assert_eq!(state.long >> 20, 9_471);
    }

    #[test]
    fn a_baseline_of_exactly_twice_the_present_stands() {
        let still = Gradient { learning: 0, ..UNPROBED };
        let mut state = still.fresh_state();
        (state.long, state.learned) = (baseline(2_000), WARM_UP);
        still.learn(&mut state, 1_000);
        assert_eq!(state.long, baseline(2_000));
        still.learn(&mut state, 999);
        assert!(state.long < baseline(2_000));
    }

    #[test]
    fn a_limit_moves_once_half_of_it_is_in_use() {
        for (in_flight, moves) in [(9, false), (10, true)] {
            let mut state = UNPROBED.fresh_state();
            state.limit = 20 << 16;
            state.results = Results { sum: 100, samples: 1, drops: 0, in_flight };
            UNPROBED.update(&mut state);
            assert_eq!(state.limit > 20 << 16, moves, "{in_flight}");
        }
    }

    #[test]
    fn a_baseline_is_told_once_there_is_one() {
        let mut state = UNPROBED.fresh_state();
        assert_eq!(UNPROBED.baseline(&state), None);
        UNPROBED.learn(&mut state, 100);
        assert_eq!(UNPROBED.baseline(&state), Some(Duration::from_nanos(102_400)));
    }
}
