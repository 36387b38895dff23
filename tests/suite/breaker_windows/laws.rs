//! What holds after any history, under any clock.

use super::*;
use proptest::prelude::*;
use resil_core::circuit_breaker::Permit;

const PROBES: u8 = 2;

#[derive(Clone, Copy, Debug)]
enum Op {
    Ask,
    Tell(usize, Outcome),
    Force(u8),
    To(u64),
    Forward(u64),
    Back(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        3 => Just(FAILURE),
        1 => Just(Outcome::Failure(FailureClass::Local)),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ];
    prop_oneof![
        6 => Just(Op::Ask),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Op::Tell(which, outcome)),
        1 => (0_u8..8).prop_map(Op::Force),
        1 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Op::To),
        3 => (0_u64..40_000_000_000).prop_map(Op::Forward),
        1 => (0_u64..40_000_000_000).prop_map(Op::Back),
    ]
}

fn play<W: Window>(policy: CircuitBreakerConfig<W>, ops: Vec<Op>) {
    let mut breaker = CircuitBreaker::new(policy);
    let (mut out, mut now) = (Vec::<Permit>::new(), Instant::from_nanos(1 << 40));
    for op in ops {
        match op {
            Op::Ask => out.extend(breaker.try_acquire(u32::MAX, now)),
            Op::Tell(which, outcome) if !out.is_empty() => {
                let permit = out.swap_remove(which % out.len());
                breaker.record(permit, outcome, 0, now);
            }
            Op::Tell(..) => {}
            Op::Force(to) => {
                match to {
                    0 => breaker.force_open(now),
                    1 => breaker.disable(now),
                    2 => breaker.metrics_only(now),
                    _ => breaker.reset(now),
                };
            }
            Op::To(nanos) => now = Instant::from_nanos(nanos),
            Op::Forward(nanos) => now = now.saturating_add(Duration::from_nanos(nanos)),
            Op::Back(nanos) => now = now.saturating_sub(Duration::from_nanos(nanos)),
        }
        let Counts { calls, failures, slow } = breaker.counts(now);
        assert!(failures <= calls && slow <= calls, "parts are within the whole");
        assert!(breaker.probes_in_flight(now) <= PROBES);
        let state = breaker.state(now);
        if !matches!(state, State::Closed | State::MetricsOnly) {
            assert_eq!(breaker.counts(now), counts(0, 0, 0), "{state} measures nothing");
        }
        // It never sticks.
        let mut later = breaker.clone();
        later.poll(u32::MAX, now);
        let bound = policy.lease() + policy.max_timeout();
        let then = now.saturating_add(bound);
        if state != State::ForcedOpen && then < Instant::MAX {
            assert!(later.try_acquire(u32::MAX, then).is_ok(), "{state} sticks");
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn any_history_keeps_the_laws_of_a_count_window(ops in prop::collection::vec(op(), 1..120)) {
        let policy = CircuitBreakerConfig::builder()
            .probes(PROBES)
            .timeout(seconds(10))
            .success_rate(Ratio::percent(60), 5)
            .count_window::<1>(12)
            .minimum_calls(4)
            .slow_calls(seconds(3), Ratio::percent(50));
        play(policy.build().unwrap(), ops);
    }

    #[test]
    fn any_history_keeps_the_laws_of_a_time_window(ops in prop::collection::vec(op(), 1..120)) {
        let policy = CircuitBreakerConfig::builder()
            .probes(PROBES)
            .timeout(seconds(10))
            .multiplier(Ratio::TWO)
            .time_window::<4>(seconds(20))
            .minimum_calls(4)
            .slow_calls(seconds(3), Ratio::percent(50));
        play(policy.build().unwrap(), ops);
    }

    /// Under a clock that goes back, what was counted leaves after a window and a half at the latest.
    #[test]
    fn a_clock_that_steps_back_keeps_nothing_for_long(
        first in any::<u64>(),
        then in 0..u64::MAX - 15_000_000_000,
    ) {
        let mut breaker = CircuitBreaker::new(TEN_SECONDS);
        call(&mut breaker, FAILURE, Instant::from_nanos(first));
        call(&mut breaker, FAILURE, Instant::from_nanos(then));
        let later = Instant::from_nanos(then + 15_000_000_000);
        prop_assert_eq!(breaker.counts(later), counts(0, 0, 0));
    }
}
