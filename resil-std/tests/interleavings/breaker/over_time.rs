//! Successes that are counted beside the lock, against whoever takes it.

mod late;

use core::time::Duration;

use loom::thread;
use resil_std::CircuitBreaker;
use resil_std::circuit_breaker::Guard;
use resil_std::core::Ratio;
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, Counts, Recorded, State, TimeWindow};
use resil_std::core::outcome::EveryError;

use super::{FAILED, OPEN_FOR};
use crate::{Hand, model};

const WIDTH: u64 = 100;

/// A third of two sub-windows, of at least two calls.
const THIRD: CircuitBreakerConfig<TimeWindow<2>> = resil_std::core::valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(9)
        .timeout(Duration::from_nanos(OPEN_FOR))
        .time_window(Duration::from_nanos(2 * WIDTH))
        .failure_rate(Ratio::new(1, 3))
        .minimum_calls(2)
        .build()
);

type OverTime = CircuitBreaker<EveryError, Hand, TimeWindow<2>>;
type Call = Guard<EveryError, Hand, TimeWindow<2>>;

/// What a breaker has been through.
#[derive(Clone, Copy)]
enum Past {
    None,
    Reset,
}

fn breaker(past: Past) -> (OverTime, Hand) {
    let clock = Hand::new(5);
    let breaker = CircuitBreaker::with("peer", THIRD, EveryError, clock.clone());
    if let Past::Reset = past {
        breaker.reset();
    }
    (breaker, clock)
}

fn calls<const N: usize>(breaker: &OverTime) -> [Call; N] {
    [(); N].map(|()| breaker.try_acquire().unwrap())
}

fn counts(calls: u32, failures: u32) -> Counts {
    Counts { calls, failures, slow: 0 }
}

/// One success is known. A failure opens the breaker unless two more are counted before.
fn two_successes_beside_a_failure(past: Past) {
    model(move || {
        let (breaker, _) = breaker(past);
        let [first, one, two, fails] = calls(&breaker);
        first.success();
        let told = thread::spawn(move || [one, two].map(Call::success));
        let opened = fails.failure(FAILED).transition().is_some();
        let told = told.join().unwrap();
        let counted = told.iter().filter(|recorded| **recorded == Recorded::Counted).count();
        if opened {
            assert!(counted < 2, "with both before it, it would not have opened");
            assert_eq!((breaker.state(), breaker.counts()), (State::Open, counts(0, 0)));
        } else {
            assert_eq!(counted, 2, "nothing is stale");
            assert_eq!(breaker.counts(), counts(4, 1), "and nothing is lost");
        }
    });
}

#[test]
fn a_success_counts_before_the_breaker_opens_or_not_at_all() {
    two_successes_beside_a_failure(Past::None);
}

#[test]
fn after_a_reset_a_success_counts_before_the_breaker_opens_or_not_at_all() {
    two_successes_beside_a_failure(Past::Reset);
}

/// Somebody looks while two tell, in a sub-window that may end meanwhile.
fn a_look_beside_two_successes(past: Past) {
    model(move || {
        let (breaker, clock) = breaker(past);
        let [one, two] = calls(&breaker);
        let tells = thread::spawn(move || assert_eq!(one.success(), Recorded::Counted));
        let others = breaker.clone();
        let looks = thread::spawn(move || {
            clock.advance(WIDTH);
            assert!(others.counts().calls <= 2);
        });
        assert_eq!(two.success(), Recorded::Counted);
        assert!(breaker.counts().calls >= 1, "its own at least");
        tells.join().unwrap();
        looks.join().unwrap();
        assert_eq!(breaker.counts(), counts(2, 0));
    });
}

#[test]
fn what_is_added_beside_a_look_is_counted_once() {
    a_look_beside_two_successes(Past::None);
}

#[test]
fn after_a_reset_what_is_added_beside_a_look_is_counted_once() {
    a_look_beside_two_successes(Past::Reset);
}

/// A call that is slow under another policy, whose window forgets what was before.
fn a_success_beside_another_policy(past: Past) {
    const SLOW: CircuitBreakerConfig<TimeWindow<2>> = resil_std::core::valid!(
        CircuitBreakerConfig::builder()
            .time_window(Duration::from_nanos(4 * WIDTH))
            .slow_calls(Duration::from_nanos(2), Ratio::ONE)
            .minimum_calls(2)
            .build()
    );
    model(move || {
        let (breaker, clock) = breaker(past);
        let [call] = calls(&breaker);
        clock.advance(2);
        let tells = thread::spawn(move || assert_eq!(call.success(), Recorded::Counted));
        breaker.reconfigure(SLOW);
        tells.join().unwrap();
        let told = breaker.counts();
        let after = Counts { calls: 1, failures: 0, slow: 1 };
        assert!(told == counts(0, 0) || told == after, "{told:?}");
    });
}

#[test]
fn what_is_added_beside_another_policy_is_under_the_one_or_the_other() {
    a_success_beside_another_policy(Past::None);
}

#[test]
fn after_a_reset_what_is_added_beside_another_policy_is_under_the_one_or_the_other() {
    a_success_beside_another_policy(Past::Reset);
}
