//! Successes that are counted beside the state.

use super::*;
use proptest::prelude::*;
use resil_core::circuit_breaker::{Glance, SubWindow};

/// Half of five sub-windows of 100 ns, a quarter slow, of at least six.
const OF_500: CircuitBreakerConfig<TimeWindow<5>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(4)
        .timeout(Duration::from_nanos(150))
        .time_window(Duration::from_nanos(500))
        .minimum_calls(6)
        .slow_calls(Duration::from_nanos(20), Ratio::new(1, 4))
        .build()
);

type Breaker = CircuitBreaker<CircuitBreakerConfig<TimeWindow<5>>, TimeWindow<5>>;

#[derive(Clone, Debug)]
enum Op {
    /// To that time, be it in the past.
    To(u64),
    Call(Outcome, u64),
    /// Successes, all in the present sub-window if that has them, and how far into it each is.
    Successes(Vec<u64>),
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    let outcome =
        prop_oneof![2 => Just(Outcome::Success), 2 => Just(FAILURE), 1 => Just(Outcome::Ignored)];
    prop_oneof![
        1 => (0_u64..4_000).prop_map(Op::To),
        6 => (outcome, 0_u64..60).prop_map(|(outcome, takes)| Op::Call(outcome, takes)),
        6 => prop::collection::vec(0_u64..120, 1..6).prop_map(Op::Successes),
        1 => Just(Op::Reset),
    ]
}

fn begins(sub_window: SubWindow) -> u64 {
    let [begins, ..] = sub_window.into_raw();
    begins
}

proptest! {
    #![proptest_config(crate::cases(600))]

    #[test]
    fn successes_counted_at_once_are_those_counted_one_by_one(ops in prop::collection::vec(op(), 1..80)) {
        let mut breaker: Breaker = CircuitBreaker::new(OF_500);
        let mut now = 0;
        for op in ops {
            match op {
                Op::To(at) => now = at,
                Op::Reset => drop(breaker.reset(Instant::from_nanos(now))),
                Op::Call(outcome, takes) => {
                    let Ok(permit) = breaker.try_acquire(never, Instant::from_nanos(now)) else { continue };
                    now += takes;
                    breaker.record(permit, outcome, never, Instant::from_nanos(now));
                }
                Op::Successes(offsets) => {
                    let (sub_window, glance) = (breaker.sub_window(), breaker.glance());
                    let mut one_by_one = breaker.clone();
                    let mut added = 0;
                    for offset in offsets {
                        let at = Instant::from_nanos(begins(sub_window) + offset);
                        let Some(permit) = glance.try_acquire(at) else { continue };
                        let adds_up = Glance::adding(&permit, Outcome::Success) == Some(glance);
                        prop_assert_eq!(adds_up, sub_window != SubWindow::NONE);
                        if !sub_window.has(&permit, at) {
                            prop_assert!(!adds_up || offset >= 100, "{:?}", breaker);
                            continue;
                        }
                        let recorded = one_by_one.record(permit, Outcome::Success, never, at);
                        prop_assert_eq!(recorded, Recorded::Counted);
                        prop_assert_eq!(one_by_one.sub_window(), sub_window, "as long as they add up");
                        added += 1;
                    }
                    breaker.add_successes(added);
                    prop_assert_eq!(breaker.as_state(), one_by_one.as_state());
                }
            }
        }
    }
}

#[test]
fn a_success_that_may_open_the_breaker_is_weighed() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    for (outcome, adds_up) in [
        (Outcome::Success, true), // half, at the worst, needs a failure among two
        (FAILURE, true),
        (FAILURE, false), // two of four would open it, and three are there
    ] {
        assert_eq!(call(&mut breaker, outcome, s(0)), Recorded::Counted);
        assert_eq!(breaker.sub_window() != SubWindow::NONE, adds_up, "{breaker:?}");
    }
    breaker.add_successes(1);
    assert_eq!(breaker.counts(s(0)), counts(3, 2, 0), "nothing adds up, and nothing is added");
    assert_eq!(call(&mut breaker, Outcome::Success, s(0)), OPENS);
    assert_eq!(breaker.sub_window(), SubWindow::NONE, "it is open");
}

#[test]
fn one_failure_at_the_start_is_outweighed_by_nothing_yet() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    call(&mut breaker, FAILURE, s(0));
    assert_eq!(breaker.sub_window(), SubWindow::NONE, "one of two is half of them");
    call(&mut breaker, Outcome::Success, s(0));
    assert_ne!(breaker.sub_window(), SubWindow::NONE, "one of three is not");
}

#[test]
fn what_is_slow_or_of_another_epoch_or_sub_window_does_not_add_up() {
    let mut breaker: Breaker = CircuitBreaker::new(OF_500);
    let at = Instant::from_nanos;
    let (sub_window, glance) = (breaker.sub_window(), breaker.glance());
    let permit = breaker.try_acquire(never, at(70)).unwrap();
    for (now, has) in [(0, true), (70, true), (89, true), (90, false), (99, false), (100, false)] {
        assert_eq!(sub_window.has(&permit, at(now)), has, "{now}");
    }
    for outcome in [FAILURE, Outcome::Ignored, Outcome::Abandoned] {
        assert_eq!(Glance::adding(&permit, outcome), None);
    }
    breaker.reset(at(70));
    assert!(breaker.glance().has_moved_since(glance));
    assert_ne!(Glance::adding(&permit, Outcome::Success), Some(breaker.glance()));
}

#[test]
fn only_closed_breakers_over_time_have_a_sub_window() {
    let mut breaker: Breaker = CircuitBreaker::new(OF_500);
    let now = Instant::EPOCH;
    breaker.metrics_only(now);
    assert_eq!(breaker.sub_window(), SubWindow::NONE);
    breaker.disable(now);
    assert_eq!(breaker.sub_window(), SubWindow::NONE);
    breaker.force_open(now);
    assert_eq!(breaker.sub_window(), SubWindow::NONE);
    breaker.reset(now);
    assert_ne!(breaker.sub_window(), SubWindow::NONE);
    assert_eq!(CircuitBreaker::new(LAST_TEN).sub_window(), SubWindow::NONE);
    assert_eq!(<CircuitBreaker>::default().sub_window(), SubWindow::NONE);
}

#[test]
fn a_success_clears_the_failures_in_a_row_however_it_is_counted() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    breaker.add_successes(9);
    call(&mut breaker, FAILURE, s(0));
    breaker.add_successes(0);
    assert_eq!(breaker.failures(), 1);
    breaker.add_successes(1);
    assert_eq!((breaker.failures(), breaker.counts(s(0))), (0, counts(11, 1, 0)));
}

#[test]
fn what_no_longer_fits_is_not_counted_at_once_either() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    breaker.add_successes(u32::MAX - 1);
    breaker.add_successes(5);
    assert_eq!(breaker.counts(s(0)), counts(u32::MAX, 0, 0));
    assert_eq!(breaker.counts(s(10)), counts(0, 0, 0), "and all of them leave");
}
