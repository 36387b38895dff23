//! Successes that are counted beside the lock, against whoever takes it.

use core::time::Duration;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use resil_std::CircuitBreaker;
use resil_std::circuit_breaker::Guard;
use resil_std::core::circuit_breaker::{
    self as machine, CircuitBreakerConfig, Counts, Glance, Recorded, State, SubWindow, TimeWindow,
};
use resil_std::core::outcome::EveryError;
use resil_std::core::{Instant, Outcome, Ratio};

use super::FAILED;
use crate::{Hand, model};

const WIDTH: u64 = 100;

/// A third of two sub-windows, of at least two calls.
const THIRD: CircuitBreakerConfig<TimeWindow<2>> = resil_std::core::valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(9)
        .time_window(Duration::from_nanos(2 * WIDTH))
        .failure_rate(Ratio::new(1, 3))
        .minimum_calls(2)
        .build()
);

type OverTime = CircuitBreaker<EveryError, Hand, TimeWindow<2>>;
type Call = Guard<EveryError, Hand, TimeWindow<2>>;

/// How successes are told.
#[derive(Clone, Copy)]
enum By {
    Adding,
    Exchanging,
}

fn breaker(by: By) -> (OverTime, Hand) {
    let clock = Hand::new(5);
    let breaker = CircuitBreaker::with("peer", THIRD, EveryError, clock.clone());
    if let By::Exchanging = by {
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
fn two_successes_beside_a_failure(by: By) {
    model(move || {
        let (breaker, _) = breaker(by);
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
fn a_success_that_is_added_counts_before_the_breaker_opens_or_not_at_all() {
    two_successes_beside_a_failure(By::Adding);
}

#[test]
fn a_success_that_is_exchanged_counts_before_the_breaker_opens_or_not_at_all() {
    two_successes_beside_a_failure(By::Exchanging);
}

/// Somebody looks while two tell, in a sub-window that may end meanwhile.
fn a_look_beside_two_successes(by: By) {
    model(move || {
        let (breaker, clock) = breaker(by);
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
    a_look_beside_two_successes(By::Adding);
}

#[test]
fn what_is_exchanged_beside_a_look_is_counted_once() {
    a_look_beside_two_successes(By::Exchanging);
}

/// A call that is slow under another policy, whose window forgets what was before.
fn a_success_beside_another_policy(by: By) {
    const SLOW: CircuitBreakerConfig<TimeWindow<2>> = resil_std::core::valid!(
        CircuitBreakerConfig::builder()
            .time_window(Duration::from_nanos(4 * WIDTH))
            .slow_calls(Duration::from_nanos(2), Ratio::ONE)
            .minimum_calls(2)
            .build()
    );
    model(move || {
        let (breaker, clock) = breaker(by);
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
    a_success_beside_another_policy(By::Adding);
}

#[test]
fn what_is_exchanged_beside_another_policy_is_under_the_one_or_the_other() {
    a_success_beside_another_policy(By::Exchanging);
}

/// A success of a call from before a reset, and one from after it.
fn a_late_success_beside_a_reset(
    late: impl FnOnce() -> bool + Send + 'static,
    reset: impl FnOnce(),
    next: impl FnOnce() -> bool,
    counted: impl FnOnce() -> u32,
) {
    let tells = thread::spawn(late);
    reset();
    assert!(next(), "it is of this epoch");
    tells.join().unwrap();
    assert_eq!(counted(), 1, "the late one was forgotten, or it is stale");
}

fn a_late_success(by: By) {
    model(move || {
        let (breaker, _) = breaker(by);
        let [late] = calls(&breaker);
        a_late_success_beside_a_reset(
            move || late.success() == Recorded::Counted,
            || breaker.reset(),
            || breaker.try_acquire().unwrap().success() == Recorded::Counted,
            || breaker.counts().calls,
        );
    });
}

#[test]
fn what_is_added_late_does_not_count_after_a_reset() {
    a_late_success(By::Adding);
}

#[test]
fn what_is_exchanged_late_does_not_count_after_a_reset() {
    a_late_success(By::Exchanging);
}

#[test]
#[should_panic = "the late one was forgotten, or it is stale"]
fn a_word_that_is_opened_again_after_a_reset_would_take_what_is_added_late() {
    const OPEN: u64 = 1 << 63;
    type Machine = machine::CircuitBreaker<CircuitBreakerConfig<TimeWindow<2>>, TimeWindow<2>>;

    struct Wrong {
        glance: AtomicU64,
        told: AtomicU64,
        machine: Mutex<Machine>,
    }

    impl Wrong {
        fn locked<R>(&self, run: impl FnOnce(&mut Machine) -> R) -> R {
            let mut machine = self.machine.lock().unwrap();
            machine.add_successes(self.told.swap(0, Ordering::AcqRel) as u32);
            let done = run(&mut machine);
            self.glance.store(machine.glance().into_raw().into(), Ordering::Release);
            assert!(machine.sub_window() != SubWindow::NONE);
            self.told.store(OPEN, Ordering::Release);
            done
        }

        fn glance(&self) -> Glance {
            Glance::from_raw(self.glance.load(Ordering::Acquire) as u32)
        }

        fn succeed(&self, permit: machine::Permit) -> bool {
            let adds_up = Glance::adding(&permit, Outcome::Success) == Some(self.glance());
            let added = adds_up && self.told.fetch_add(1, Ordering::AcqRel) & OPEN != 0;
            let record = |machine: &mut Machine| {
                machine.record(permit, Outcome::Success, 0, Instant::EPOCH) == Recorded::Counted
            };
            added || self.locked(record)
        }
    }

    model(|| {
        let machine = Machine::new(THIRD);
        let wrong = Arc::new(Wrong {
            glance: AtomicU64::new(machine.glance().into_raw().into()),
            told: AtomicU64::new(OPEN),
            machine: Mutex::new(machine),
        });
        let late = wrong.glance().try_acquire(Instant::EPOCH).unwrap();
        let others = Arc::clone(&wrong);
        a_late_success_beside_a_reset(
            move || others.succeed(late),
            || assert_eq!(wrong.locked(|machine| machine.reset(Instant::EPOCH)), None),
            || wrong.succeed(wrong.glance().try_acquire(Instant::EPOCH).unwrap()),
            || wrong.locked(|machine| machine.counts(Instant::EPOCH).calls),
        );
    });
}
