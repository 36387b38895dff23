use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;

use resil_core::circuit_breaker::{CountWindow, Recorded, TimeWindow};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Ratio};

use super::*;
use crate::clock::MockClock;

type Mocked = CircuitBreaker<EveryError, MockClock>;

/// Opens at the second failure, for 10 s; an abandonment that ran for 5 s counts.
fn breaker() -> (Mocked, MockClock) {
    let config = CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let clock = MockClock::default();
    (CircuitBreaker::with("peer", config, EveryError, clock.clone()), clock)
}

fn open(breaker: &Mocked) {
    for _ in 0..2 {
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    }
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_refused_operation_is_not_touched_pitfall_23() {
    let (breaker, _) = breaker();
    open(&breaker);
    let refused = breaker.call_blocking(|| -> Result<(), ()> { panic!("called") });
    assert!(refused.is_err());
}

#[test]
fn a_guard_that_is_dropped_frees_its_probe_pitfall_1() {
    let (breaker, clock) = breaker();
    open(&breaker);
    clock.advance(Duration::from_secs(10));
    let probe = breaker.try_acquire().unwrap();
    assert!(breaker.try_acquire().is_err(), "one probe at a time");
    drop(probe);
    let next = breaker.try_acquire();
    assert!(next.is_ok(), "the slot is free again");
    next.unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_panic_is_a_failure_and_leaves_the_breaker_usable_pitfall_111() {
    let (breaker, clock) = breaker();
    for _ in 0..2 {
        let dies = || -> Result<(), ()> { panic!() };
        let call = AssertUnwindSafe(|| breaker.call_blocking(dies).is_ok());
        assert!(catch_unwind(call).is_err());
    }
    assert_eq!(breaker.state(), State::Open);
    clock.advance(Duration::from_secs(10));
    assert!(breaker.call_blocking(|| Ok::<_, ()>(())).is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_guard_taken_during_a_panic_is_not_blamed_for_it() {
    struct CallsOnDrop<'a>(&'a Mocked);
    impl Drop for CallsOnDrop<'_> {
        fn drop(&mut self) {
            for _ in 0..2 {
                drop(self.0.try_acquire());
            }
        }
    }
    let (breaker, _) = breaker();
    let unwind = AssertUnwindSafe(|| {
        let _cleanup = CallsOnDrop(&breaker);
        panic!()
    });
    assert!(catch_unwind(unwind).is_err());
    assert_eq!(breaker.state(), State::Closed, "two failures would have opened it");
}

#[test]
fn a_classifier_that_panics_settles_the_permit_pitfall_20() {
    let config = CircuitBreakerConfig::builder().failure_threshold(1).build().unwrap();
    let broken = |_: &()| -> bool { panic!("classifier") };
    let breaker = CircuitBreaker::with_classifier("peer", config, broken);
    let call = AssertUnwindSafe(|| breaker.call_blocking(|| Err::<(), _>(())).is_ok());
    assert!(catch_unwind(call).is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_poisoned_lock_is_still_a_lock_pitfall_112() {
    struct Broken(MockClock);
    impl Clock for Broken {
        fn now(&self) -> Instant {
            assert_ne!(self.0.now(), Instant::EPOCH, "not set yet");
            self.0.now()
        }
    }
    let clock = MockClock::default();
    let config = CircuitBreakerConfig::DEFAULT;
    let breaker = CircuitBreaker::with("peer", config, EveryError, Broken(clock.clone()));
    assert!(catch_unwind(AssertUnwindSafe(|| breaker.state())).is_err());
    clock.advance(Duration::from_secs(1));
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_stale_guard_says_so_pitfall_31() {
    let (breaker, _) = breaker();
    let late = breaker.try_acquire().unwrap();
    open(&breaker);
    assert_eq!(late.success(), Recorded::Stale);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn looking_takes_no_probe_pitfall_5() {
    let (breaker, clock) = breaker();
    open(&breaker);
    clock.advance(Duration::from_secs(10));
    for _ in 0..100 {
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.retry_at(), None);
    }
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn forced_states_last_until_the_reset() {
    let (breaker, clock) = breaker();
    breaker.force_open();
    clock.advance(Duration::from_secs(1000));
    assert_eq!(breaker.retry_at(), Some(RetryAt::Unknown));
    breaker.disable();
    for _ in 0..10 {
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    }
    assert_eq!(breaker.state(), State::Disabled);
    breaker.metrics_only();
    let recorded =
        [(); 2].map(|()| breaker.try_acquire().unwrap().failure(FailureClass::Transient));
    assert!(matches!(recorded[1], Recorded::Detected(_)), "{recorded:?}");
    assert_eq!(breaker.state(), State::MetricsOnly);
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn another_policy_keeps_what_is_known_and_is_in_force_for_calls_under_way() {
    let policy = |failures, seconds| {
        CircuitBreakerConfig::builder()
            .failure_threshold(failures)
            .timeout(Duration::from_secs(seconds))
            .build()
            .unwrap()
    };
    let (breaker, clock) = breaker();
    let under_way = breaker.try_acquire().unwrap();
    breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    breaker.reconfigure(policy(3, 5));
    assert_eq!(under_way.failure(FailureClass::Transient), Recorded::Counted, "two of three");
    breaker.reconfigure(policy(1, 20));
    assert_eq!(breaker.state(), State::Closed, "as it was, until the next failure");
    let opens = breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    assert!(opens.transition().is_some());
    breaker.reconfigure(policy(1, 60));
    let until = |seconds| Some(RetryAt::At(Instant::from_duration(Duration::from_secs(seconds))));
    assert_eq!(breaker.retry_at(), until(20), "no later than it was");
    breaker.reconfigure(policy(1, 4));
    assert_eq!(breaker.retry_at(), until(4), "and as soon as the new one lets it");
    clock.advance(Duration::from_secs(4));
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn what_is_in_the_window_stays_where_another_policy_looks_back_as_far() {
    let policy = |seconds, failures: u16| {
        CircuitBreakerConfig::builder()
            .time_window::<5>(Duration::from_secs(seconds))
            .failure_rate(Ratio::new(1, failures))
            .build()
            .unwrap()
    };
    let clock = MockClock::default();
    let breaker = CircuitBreaker::with("peer", policy(10, 2), EveryError, clock);
    for _ in 0..7 {
        breaker.try_acquire().unwrap().success();
    }
    let under_way = breaker.try_acquire().unwrap();
    breaker.reconfigure(policy(10, 4));
    assert_eq!(breaker.counts().calls, 7);
    assert_eq!(under_way.success(), Recorded::Counted);
    assert_eq!(breaker.counts().calls, 8);
    breaker.reconfigure(policy(20, 4));
    assert_eq!(breaker.counts().calls, 0);
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.counts().calls, 1);
}

#[test]
fn a_success_clears_what_others_have_failed_without_the_lock_and_with_it() {
    let (breaker, _) = breaker();
    let calls = [(); 4].map(|()| breaker.try_acquire().unwrap());
    let [first, second, third, fourth] = calls;
    assert_eq!(first.success(), Recorded::Counted);
    assert_eq!(second.failure(FailureClass::Transient), Recorded::Counted);
    assert_eq!(third.success(), Recorded::Counted, "has a failure to clear");
    assert_eq!(fourth.failure(FailureClass::Transient), Recorded::Counted, "the first in a row");
    assert_eq!(breaker.state(), State::Closed);
    breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn permits_of_threads_are_of_their_own_epoch_whatever_races_with_them() {
    let (breaker, _) = breaker();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let Ok(guard) = breaker.try_acquire() else { continue };
                    assert!(matches!(guard.success(), Recorded::Counted | Recorded::Stale));
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..2_000 {
                let late = breaker.try_acquire().unwrap();
                let [one, other] = [(); 2].map(|()| breaker.try_acquire().unwrap());
                // One of them may be the second in a row, with one from the turn before.
                let told = [one, other].map(|guard| guard.failure(FailureClass::Transient));
                if told.iter().any(|recorded| recorded.transition().is_some()) {
                    assert!(breaker.try_acquire().is_err(), "it is open");
                    assert_eq!(late.success(), Recorded::Stale, "and nothing counts");
                    breaker.reset();
                }
            }
        });
    });
    breaker.reset();
    open(&breaker);
}

#[test]
fn windows_measure_what_threads_share() {
    const LAST: CircuitBreakerConfig<CountWindow<1>> = resil_core::valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(u16::MAX)
            .count_window(32)
            .minimum_calls(10)
            .failure_rate(Ratio::new(1, 2))
            .build()
    );
    const WHILE: CircuitBreakerConfig<TimeWindow<5>> = resil_core::valid!(
        CircuitBreakerConfig::builder()
            .time_window(Duration::from_secs(10))
            .minimum_calls(2)
            .slow_calls(Duration::from_secs(1), Ratio::ONE)
            .build()
    );
    let clock = MockClock::default();
    let breaker = CircuitBreaker::with("peer", LAST, EveryError, clock.clone());
    for call in 1..=10 {
        assert_eq!(breaker.state(), State::Closed, "call {call}");
        let _ = breaker.call_blocking(|| if call <= 5 { Err(()) } else { Ok(()) });
    }
    assert_eq!(breaker.state(), State::Open, "a success was the tenth call");

    let breaker = CircuitBreaker::with("peer", WHILE, EveryError, clock.clone());
    for _ in 0..2 {
        assert_eq!(breaker.state(), State::Closed);
        let slow = breaker.try_acquire().unwrap();
        clock.advance(Duration::from_secs(1));
        slow.success();
    }
    assert_eq!(breaker.state(), State::Open, "slow is down");
}
