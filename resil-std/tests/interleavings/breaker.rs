//! The breaker: the glance against opening, resetting and probing.

mod over_time;

use core::time::Duration;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use resil_std::CircuitBreaker;
use resil_std::core::circuit_breaker::{
    self as machine, CircuitBreakerConfig, Glance, Recorded, State, Transition,
};
use resil_std::core::outcome::{EveryError, FailureClass};
use resil_std::core::{Instant, Outcome};

use crate::{Hand, model};

const OPEN_FOR: u64 = 1_000;

fn config(failures: u16) -> CircuitBreakerConfig {
    CircuitBreakerConfig::builder()
        .failure_threshold(failures)
        .timeout(Duration::from_nanos(OPEN_FOR))
        .build()
        .unwrap()
}

fn breaker(failures: u16) -> (CircuitBreaker<EveryError, Hand>, Hand) {
    let clock = Hand::new(5);
    (CircuitBreaker::with("peer", config(failures), EveryError, clock.clone()), clock)
}

const FAILED: FailureClass = FailureClass::Transient;

#[test]
fn nothing_counts_as_closed_once_the_breaker_is_known_to_be_open() {
    model(|| {
        let (breaker, _) = breaker(1);
        let is_open = Arc::new(AtomicBool::new(false));
        let late = breaker.try_acquire().unwrap();
        let (others, opened) = (breaker.clone(), Arc::clone(&is_open));
        let fails = thread::spawn(move || {
            others.try_acquire().unwrap().failure(FAILED);
            opened.store(true, Ordering::Release);
        });
        let was_open = is_open.load(Ordering::Acquire);
        let recorded = late.success();
        assert!(!was_open || recorded == Recorded::Stale, "{recorded:?}");
        let was_open = is_open.load(Ordering::Acquire);
        assert!(!was_open || breaker.try_acquire().is_err());
        fails.join().unwrap();
        assert_eq!(breaker.state(), State::Open);
        assert!(breaker.try_acquire().is_err());
    });
}

#[test]
fn a_success_beside_two_failures_has_come_before_between_or_after_them() {
    model(|| {
        let (breaker, _) = breaker(2);
        let [one, two, works] = [(); 3].map(|()| breaker.try_acquire().unwrap());
        let fails = thread::spawn(move || {
            one.failure(FAILED);
            two.failure(FAILED).transition().is_some()
        });
        let recorded = works.success();
        let opened = fails.join().unwrap();
        assert!(opened || recorded == Recorded::Counted, "after it opened it is stale");
        if !opened {
            let next = breaker.try_acquire().unwrap().failure(FAILED);
            assert!(next.transition().is_some(), "the second one still counts");
        }
        assert_eq!(breaker.state(), State::Open);
    });
}

/// A reset and a failure that opens: in the end a call passes where the breaker is closed.
fn reset_beside_a_failure(
    fail: impl FnOnce() + Send + 'static,
    reset: impl FnOnce(),
    passes: impl FnOnce() -> bool,
    is_closed: impl FnOnce() -> bool,
) {
    let fails = thread::spawn(fail);
    reset();
    fails.join().unwrap();
    assert_eq!(passes(), is_closed(), "the glance is that of the state");
}

#[test]
fn the_last_word_is_the_last_states() {
    model(|| {
        let (breaker, _) = breaker(1);
        let others = breaker.clone();
        reset_beside_a_failure(
            move || assert!(others.try_acquire().unwrap().failure(FAILED) != Recorded::Released),
            || breaker.reset(),
            || breaker.try_acquire().is_ok(),
            || breaker.state() == State::Closed,
        );
    });
}

#[test]
#[should_panic = "the glance is that of the state"]
fn a_glance_that_is_stored_when_the_lock_is_free_would_outlive_its_state() {
    struct Wrong {
        glance: AtomicU32,
        machine: Mutex<machine::CircuitBreaker>,
    }

    impl Wrong {
        fn change(&self, change: impl FnOnce(&mut machine::CircuitBreaker) -> Option<Transition>) {
            let mut machine = self.machine.lock().unwrap();
            change(&mut machine);
            let glance = machine.glance();
            drop(machine);
            self.glance.store(glance.into_raw(), Ordering::Release);
        }

        fn fail(&self) {
            self.change(|machine| {
                let permit = machine.try_acquire(0, Instant::EPOCH).unwrap();
                machine.record(permit, Outcome::Failure(FAILED), 0, Instant::EPOCH).transition()
            });
        }
    }

    model(|| {
        let machine = machine::CircuitBreaker::new(config(1));
        let glance = AtomicU32::new(machine.glance().into_raw());
        let wrong = Arc::new(Wrong { glance, machine: Mutex::new(machine) });
        let others = Arc::clone(&wrong);
        reset_beside_a_failure(
            move || others.fail(),
            || wrong.change(|machine| machine.reset(Instant::EPOCH)),
            || {
                let glance = Glance::from_raw(wrong.glance.load(Ordering::Acquire));
                glance.try_acquire(Instant::EPOCH).is_some()
            },
            || wrong.machine.lock().unwrap().state(Instant::EPOCH) == State::Closed,
        );
    });
}

#[test]
fn one_probe_is_out_at_a_time_and_none_is_leaked_pitfalls_1_8() {
    model(|| {
        let (breaker, clock) = breaker(1);
        breaker.try_acquire().unwrap().failure(FAILED);
        clock.advance(OPEN_FOR);
        let out = Arc::new(AtomicBool::new(false));
        let (others, taken) = (breaker.clone(), Arc::clone(&out));
        let probe = move |breaker: &CircuitBreaker<EveryError, Hand>, out: &AtomicBool| {
            let Ok(guard) = breaker.try_acquire() else { return };
            assert!(!out.swap(true, Ordering::AcqRel), "a second probe");
            out.store(false, Ordering::Release);
            drop(guard); // whoever called has gone away
        };
        let probes = thread::spawn(move || probe(&others, &taken));
        probe(&breaker, &out);
        probes.join().unwrap();
        assert_eq!(breaker.state(), State::HalfOpen);
        let last = breaker.try_acquire().expect("its slot is free");
        assert!(last.success().transition().is_some());
        assert!(breaker.try_acquire().is_ok());
    });
}

#[test]
fn a_guard_that_is_dropped_beside_a_reset_settles_once() {
    model(|| {
        let (breaker, clock) = breaker(1);
        breaker.try_acquire().unwrap().failure(FAILED);
        clock.advance(OPEN_FOR);
        let probe = breaker.try_acquire().unwrap();
        let drops = thread::spawn(move || drop(probe));
        breaker.reset();
        let call = breaker.try_acquire().unwrap();
        drops.join().unwrap();
        assert_eq!(call.success(), Recorded::Counted);
        assert_eq!(breaker.state(), State::Closed);
    });
}
