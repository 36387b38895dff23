//! The quantile against sorted samples, and what hedging by it adds.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::hedge::{Hedge, HedgePolicy, HedgeState};
use resil_core::{Instant, Ratio, valid};

/// Its range begins at 2^10 ns.
fn policy(percent: u16) -> HedgePolicy {
    let builder = HedgePolicy::builder().min_delay(Duration::from_nanos(1 << 10)).min_samples(1);
    builder.quantile(Ratio::percent(percent)).build().unwrap()
}

fn record(policy: &HedgePolicy, state: &mut HedgeState, nanos: u64) {
    policy.record_latency(state, Instant::EPOCH, Instant::from_nanos(nanos));
}

fn estimate(policy: &HedgePolicy, state: &HedgeState) -> u64 {
    policy.due(state, 0, Instant::EPOCH).unwrap().as_nanos()
}

/// The smallest sample that is no smaller than so many percent of them.
fn nearest_rank(samples: &[u64], percent: usize) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[(samples.len() * percent).div_ceil(100) - 1]
}

/// A uniform number made into a latency, 1 ms at most: even, around one value, with a long tail, of
/// two kinds, always the same.
fn shaped(kind: u8, uniform: u32) -> u64 {
    let share = f64::from(uniform) / f64::from(u32::MAX);
    let nanos = match kind {
        0 => 2_000.0 + share * 900_000.0,
        1 => 100_000.0 - 20_000.0 * (1.0 - share * 0.999_999).ln(),
        2 => 10_000.0 / (1.0 - share * 0.999_9).sqrt(),
        3 if share < 0.9 => 5_000.0 + share * 100.0,
        3 => 800_000.0 + share * 100_000.0,
        _ => 77_777.0,
    };
    nanos as u64
}

proptest! {
    /// As long as nothing was forgotten: never too early, and at most an eighth too late.
    #[test]
    fn the_estimate_is_within_an_eighth_of_the_exact_quantile(
        kind in 0..5_u8,
        uniform in prop::collection::vec(any::<u32>(), 1..=255),
        percent in 50..=99_u16,
    ) {
        let (policy, mut state) = (policy(percent), HedgeState::FRESH);
        let samples: Vec<_> = uniform.iter().map(|&uniform| shaped(kind, uniform)).collect();
        for end in 1..=samples.len() {
            record(&policy, &mut state, samples[end - 1]);
            let exact = nearest_rank(&samples[..end], percent.into());
            let estimate = estimate(&policy, &state);
            prop_assert!(estimate > exact && estimate - exact <= exact / 8, "{} {}", estimate, exact);
        }
    }

    /// The last thousands of samples, of which the oldest have been halved again and again: of those
    /// that are drawn next, about so many are below.
    #[test]
    fn after_many_samples_the_rank_is_still_right(
        kind in 0..4_u8,
        seed in any::<u32>(),
        percent in prop_oneof![Just(50_u16), Just(90), Just(95)],
    ) {
        let (policy, mut state) = (policy(percent), HedgeState::FRESH);
        let mut random = seed | 1;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            shaped(kind, random)
        };
        let samples: Vec<_> = (0..3_000).map(|_| next()).collect();
        samples.iter().for_each(|&sample| record(&policy, &mut state, sample));
        // 127 samples or more: a rank is off by 3.5 of its standard deviations at most.
        let (low, high) = match percent { 50 => (34, 66), 90 => (81, 99), _ => (88, 100) };
        let estimate = estimate(&policy, &state);
        prop_assert!(estimate > nearest_rank(&samples, low), "too early: {}", estimate);
        let latest = nearest_rank(&samples, high);
        prop_assert!(estimate <= latest + latest / 8, "too late: {}", estimate);
    }

    /// Whatever was recorded and by whichever clock.
    #[test]
    fn a_delay_keeps_to_its_bounds_and_a_step_records_nothing(
        times in prop::collection::vec((any::<u64>(), any::<u64>()), 0..300),
    ) {
        const BOUNDED: HedgePolicy =
            valid!(HedgePolicy::builder().max_delay(Duration::from_secs(2)).build());
        let mut hedge = Hedge::new(&BOUNDED);
        for (since, now) in times {
            let before = hedge.as_state().clone();
            hedge.record_latency(Instant::from_nanos(since), Instant::from_nanos(now));
            prop_assert!(now >= since || hedge.as_state() == &before);
            let bounds = Duration::from_millis(1)..=Duration::from_secs(2);
            prop_assert!(hedge.delay().is_none_or(|delay| bounds.contains(&delay)));
            prop_assert_eq!(hedge.delay().is_some(), hedge.as_state().samples() >= 20);
        }
    }
}

#[test]
fn a_peer_that_gets_slower_or_faster_is_followed() {
    let (policy, mut state) = (policy(95), HedgeState::FRESH);
    for nanos in [10_000, 1_000_000, 20_000] {
        for _ in 0..2_000 {
            record(&policy, &mut state, nanos);
        }
        assert!(estimate(&policy, &state) <= nanos + nanos / 8, "{nanos}");
        assert!(estimate(&policy, &state) > nanos);
    }
    // From a full memory, a new latency is the 95th percentile after a twentieth of it, and the old one
    // is gone after five halvings.
    let turns = |state: &mut HedgeState, nanos: u64, is_there: fn(u64, u64) -> bool| {
        (1..).find(|_| {
            record(&policy, state, nanos);
            is_there(estimate(&policy, state), nanos)
        })
    };
    let slower = turns(&mut state, 1_000_000, |estimate, nanos| estimate > nanos).unwrap();
    assert!(slower <= 13, "{slower}");
    for _ in 0..2_000 {
        record(&policy, &mut state, 1_000_000);
    }
    let faster = turns(&mut state, 20_000, |estimate, nanos| estimate < 2 * nanos).unwrap();
    assert!(faster <= 5 * 128, "{faster}");
}

/// Of so many calls, how many hedge, if the time so far of a dropped attempt is recorded or not.
fn hedged(calls: u32, records_dropped: bool) -> u32 {
    let mut hedge = Hedge::new(HedgePolicy::DEFAULT);
    let (mut hedges, mut random) = (0, 0x9E37_79B9_u32);
    let mut latency = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        1_000 * shaped(2, random)
    };
    for _ in 0..calls {
        let (first, second) = (latency(), latency());
        let at = Instant::from_nanos;
        match hedge.due(0, Instant::EPOCH).map(Instant::as_nanos).filter(|&due| due < first) {
            None => hedge.record_latency(Instant::EPOCH, at(first)),
            Some(due) => {
                hedges += 1;
                if first <= due + second {
                    hedge.record_latency(Instant::EPOCH, at(first));
                } else {
                    hedge.record_latency(at(due), at(due + second));
                    if records_dropped {
                        hedge.record_latency(Instant::EPOCH, at(due + second));
                    }
                }
            }
        }
    }
    hedges
}

#[test]
fn hedging_by_the_95th_percentile_adds_a_twentieth_if_dropped_attempts_are_recorded() {
    let hedges = hedged(20_000, true);
    assert!((300..=1_300).contains(&hedges), "{hedges}");
    let spiral = hedged(20_000, false);
    assert!(2 * spiral > 3 * hedges, "{spiral} and {hedges}: which is why they are");
}
