//! Successes that were looked at in one generation and are added in another.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use resil_std::core::circuit_breaker::{
    self as machine, CircuitBreakerConfig, Generation, Glance, Heard, Permit, Recorded, State,
    SubWindow, TimeWindow,
};
use resil_std::core::{Instant, Outcome};

use super::{Past, THIRD, breaker, calls, counts};
use crate::breaker::{FAILED, OPEN_FOR};
use crate::model;

/// A success of a call from before a reset, and one from after it.
fn beside_a_reset(
    late: impl FnOnce() + Send + 'static,
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

fn a_success_beside_a_reset(past: Past) {
    model(move || {
        let (breaker, _) = breaker(past);
        let [late] = calls(&breaker);
        beside_a_reset(
            move || assert!(matches!(late.success(), Recorded::Counted | Recorded::Stale)),
            || breaker.reset(),
            || breaker.try_acquire().unwrap().success() == Recorded::Counted,
            || breaker.counts().calls,
        );
    });
}

#[test]
fn what_is_added_late_does_not_count_after_a_reset() {
    a_success_beside_a_reset(Past::None);
}

#[test]
fn what_is_added_late_does_not_count_after_a_second_reset_either() {
    a_success_beside_a_reset(Past::Reset);
}

/// A success of a call from before a reset, and after it two that count, and a failure that opens.
fn beside_a_decision(
    late: impl FnOnce() + Send + 'static,
    reset: impl FnOnce(),
    succeed: impl Fn() -> bool,
    fail: impl FnOnce() -> bool,
) {
    let tells = thread::spawn(late);
    reset();
    assert!(succeed() && succeed(), "they are of this epoch");
    assert!(fail(), "one of three opens it, whoever is late");
    tells.join().unwrap();
}

#[test]
fn what_is_added_late_does_not_weigh_where_others_decide() {
    model(|| {
        let (breaker, _) = breaker(Past::None);
        let [late] = calls(&breaker);
        beside_a_decision(
            move || assert!(matches!(late.success(), Recorded::Counted | Recorded::Stale)),
            || breaker.reset(),
            || breaker.try_acquire().unwrap().success() == Recorded::Counted,
            || breaker.try_acquire().unwrap().failure(FAILED).transition().is_some(),
        );
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn of_two_that_are_late_each_withdraws_and_all_others_go_on() {
    model(|| {
        let (breaker, _) = breaker(Past::None);
        let late = calls::<2>(&breaker).map(|late| thread::spawn(move || late.success()));
        breaker.reset();
        assert_eq!(breaker.try_acquire().unwrap().success(), Recorded::Counted);
        assert_eq!(breaker.counts(), counts(1, 0), "in the middle of it");
        for late in late {
            assert!(matches!(late.join().unwrap(), Recorded::Counted | Recorded::Stale));
        }
        assert_eq!(breaker.counts(), counts(1, 0));
    });
}

#[test]
fn what_is_added_late_does_not_count_after_it_has_opened_and_closed_again() {
    model(|| {
        let (breaker, clock) = breaker(Past::None);
        let [late, one, two] = calls(&breaker);
        let tells = thread::spawn(move || late.success());
        for call in [one, two] {
            call.failure(FAILED);
        }
        assert_eq!(
            breaker.state(),
            State::Open,
            "by the second failure, or a success between them"
        );
        clock.advance(OPEN_FOR);
        assert!(breaker.try_acquire().unwrap().success().transition().is_some(), "a probe");
        assert_eq!(breaker.try_acquire().unwrap().success(), Recorded::Counted);
        assert_eq!(breaker.counts(), counts(1, 0));
        tells.join().unwrap();
        assert_eq!(breaker.counts(), counts(1, 0));
    });
}

/// What is wrong with one that has to fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// All looks are of one generation.
    OneGeneration,
    /// It decides before those that were late have withdrawn.
    DecidesAtOnce,
}

struct Wrong {
    mistake: Mistake,
    look: AtomicU64,
    told: AtomicU64,
    machine: Mutex<Machine>,
}

type Machine = machine::CircuitBreaker<CircuitBreakerConfig<TimeWindow<2>>, TimeWindow<2>>;

impl Wrong {
    fn new(mistake: Mistake) -> Arc<Self> {
        let machine = Machine::new(THIRD);
        Arc::new(Self {
            mistake,
            look: AtomicU64::new(machine.glance().into_raw().into()),
            told: AtomicU64::new(Generation::FIRST.open()),
            machine: Mutex::new(machine),
        })
    }

    fn look(&self) -> (Glance, Generation) {
        let look = self.look.load(Ordering::Acquire);
        (Glance::from_raw(look as u32), Generation::from_raw((look >> 32) as u16))
    }

    fn locked<R>(&self, run: impl FnOnce(&mut Machine) -> R) -> R {
        let mut machine = self.machine.lock().unwrap();
        let (before, mut generation) = self.look();
        // Of whichever generation they are.
        let told = self.told.swap(Generation::CLOSED, Ordering::AcqRel) as u32 & (u32::MAX >> 1);
        machine.add_successes(told);
        let done = run(&mut machine);
        let glance = machine.glance();
        if glance.has_moved_since(before) && self.mistake != Mistake::OneGeneration {
            generation = generation.next();
        }
        let look = u64::from(glance.into_raw()) | u64::from(generation.into_raw()) << 32;
        self.look.store(look, Ordering::Release);
        if machine.sub_window() != SubWindow::NONE {
            self.told.store(generation.open(), Ordering::Release);
        }
        done
    }

    fn call(&self) -> Permit {
        self.look().0.try_acquire(Instant::EPOCH).unwrap()
    }

    fn succeed(&self, permit: Permit) -> bool {
        let (glance, generation) = self.look();
        if Glance::adding(&permit, Outcome::Success) == Some(glance) {
            let found = self.told.fetch_add(generation.one(), Ordering::AcqRel);
            if generation.hears(found) == Heard::Yes {
                return true;
            }
        }
        self.record(permit, Outcome::Success) == Recorded::Counted
    }

    fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        self.locked(|machine| machine.record(permit, outcome, 0, Instant::EPOCH))
    }

    fn reset(&self) {
        assert_eq!(self.locked(|machine| machine.reset(Instant::EPOCH)), None);
    }
}

#[test]
#[should_panic = "the late one was forgotten, or it is stale"]
fn a_word_that_is_opened_again_for_all_would_take_what_is_added_late() {
    model(|| {
        let wrong = Wrong::new(Mistake::OneGeneration);
        let (others, late) = (Arc::clone(&wrong), wrong.call());
        beside_a_reset(
            move || {
                others.succeed(late);
            },
            || wrong.reset(),
            || wrong.succeed(wrong.call()),
            || wrong.locked(|machine| machine.counts(Instant::EPOCH).calls),
        );
    });
}

#[test]
#[should_panic = "one of three opens it, whoever is late"]
fn who_does_not_wait_for_those_that_are_late_to_withdraw_would_decide_by_them() {
    model(|| {
        let wrong = Wrong::new(Mistake::DecidesAtOnce);
        let (others, late) = (Arc::clone(&wrong), wrong.call());
        beside_a_decision(
            move || {
                others.succeed(late);
            },
            || wrong.reset(),
            || wrong.succeed(wrong.call()),
            || {
                let failed = Outcome::Failure(FAILED);
                wrong.record(wrong.call(), failed).transition().is_some()
            },
        );
    });
}
