//! Breakers over time: what is counted beside the lock is what the machine would have counted.

use core::time::Duration;
use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use resil_core::Ratio;
use resil_core::circuit_breaker::{Counts, TimeWindow};
use resil_core::outcome::{EveryError, FailureClass};

use super::*;
use crate::circuit_breaker::{CircuitBreaker, Guard};
use crate::clock::MockClock;

type Policy = CircuitBreakerConfig<TimeWindow<5>>;
type OverTime = CircuitBreaker<EveryError, MockClock, TimeWindow<5>>;
type Call = Guard<EveryError, MockClock, TimeWindow<5>>;

const WIDTH: u64 = 100;
const SLOW: u64 = 20;
const FAILED: Outcome = Outcome::Failure(FailureClass::Transient);

/// A share of five sub-windows, of at least six; the open time grows.
fn policy(failures: (u16, u16), width: u64) -> Policy {
    CircuitBreakerConfig::builder()
        .failure_threshold(4)
        .timeout(Duration::from_nanos(150))
        .multiplier(Ratio::TWO)
        .max_timeout(Duration::from_nanos(600))
        .time_window(Duration::from_nanos(5 * width))
        .failure_rate(Ratio::new(failures.0, failures.1))
        .slow_calls(Duration::from_nanos(SLOW), Ratio::new(1, 4))
        .minimum_calls(6)
        .build()
        .unwrap()
}

fn breaker() -> (OverTime, MockClock) {
    let clock = MockClock::default();
    (CircuitBreaker::with("peer", policy((1, 2), WIDTH), EveryError, clock.clone()), clock)
}

#[derive(Clone, Debug)]
enum Op {
    Forward(u64),
    To(u64),
    Ask,
    Tell(usize, Outcome),
    Look,
    Set(u8),
    Reconfigure((u16, u16), u64),
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Success),
        3 => Just(FAILED),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ];
    let width = prop_oneof![Just(WIDTH), Just(WIDTH / 2)];
    prop_oneof![
        4 => (0_u64..60).prop_map(Op::Forward),
        1 => (0_u64..2_000).prop_map(Op::To),
        10 => Just(Op::Ask),
        10 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Op::Tell(which, outcome)),
        2 => Just(Op::Look),
        1 => (0_u8..8).prop_map(Op::Set),
        1 => (prop_oneof![Just((1, 2)), Just((1, 10))], width)
            .prop_map(|(failures, width)| Op::Reconfigure(failures, width)),
    ]
}

/// The machine, driven as the lock drives it.
fn due(machine: &mut Machine<TimeWindow<5>>, now: Instant) {
    machine.poll(0, now);
    machine.poll(0, now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_answer_is_the_machines(ops in prop::collection::vec(op(), 1..120)) {
        let (breaker, clock) = breaker();
        let mut machine = Machine::new(policy((1, 2), WIDTH));
        let mut out: Vec<(Call, Permit)> = Vec::new();
        for op in ops {
            let now = clock.now();
            match op {
                Op::Forward(nanos) => clock.advance(Duration::from_nanos(nanos)),
                Op::To(nanos) => clock.set(Instant::from_nanos(nanos)),
                Op::Ask => {
                    due(&mut machine, now);
                    let (call, permit) = (breaker.try_acquire(), machine.try_acquire(0, now));
                    prop_assert_eq!(call.is_ok(), permit.is_ok());
                    out.extend(call.ok().zip(permit.ok()));
                }
                Op::Tell(..) if out.is_empty() => {}
                Op::Tell(which, outcome) => {
                    due(&mut machine, now);
                    let (call, permit) = out.swap_remove(which % out.len());
                    let recorded = machine.record(permit, outcome, 0, now);
                    prop_assert_eq!(call.tell(outcome), recorded);
                }
                Op::Look => {
                    prop_assert_eq!(breaker.counts(), machine.counts(now));
                    prop_assert_eq!(breaker.state(), machine.state(now));
                    prop_assert_eq!(breaker.retry_at(), machine.retry_at(now));
                    prop_assert_eq!(breaker.0.machine().as_state().clone(), machine.as_state().clone());
                }
                Op::Set(to) => {
                    due(&mut machine, now);
                    match to {
                        0 => { breaker.force_open(); machine.force_open(now) }
                        1 => { breaker.disable(); machine.disable(now) }
                        2 => { breaker.metrics_only(); machine.metrics_only(now) }
                        _ => { breaker.reset(); machine.reset(now) }
                    };
                }
                Op::Reconfigure(failures, width) => {
                    due(&mut machine, now);
                    breaker.reconfigure(policy(failures, width));
                    machine.reconfigure(policy(failures, width), now);
                }
            }
        }
        prop_assert_eq!(breaker.0.machine().as_state().clone(), machine.as_state().clone());
    }
}

/// Whether a success is told with the machine locked by somebody else.
fn needs_no_lock(breaker: &OverTime, permit: Permit) -> bool {
    let shared = &*breaker.0;
    let _held = lock(&shared.locked);
    shared.record_at_a_glance(&permit, Outcome::Success).is_some()
}

#[test]
fn successes_need_no_lock_while_the_share_is_low() {
    let (breaker, _) = breaker();
    let permit = || breaker.0.try_acquire().unwrap();
    assert!(needs_no_lock(&breaker, permit()), "a new one");
    breaker.reset();
    breaker.try_acquire().unwrap().failure(FailureClass::Transient);
    assert!(!needs_no_lock(&breaker, permit()), "half of two fail, if only they were six");
    breaker.try_acquire().unwrap().success();
    assert!(needs_no_lock(&breaker, permit()), "less than half of three do");
}

#[test]
fn the_first_success_of_a_sub_window_and_a_slow_one_take_the_lock() {
    let (breaker, clock) = breaker();
    let succeed = || breaker.try_acquire().unwrap().success();
    succeed();
    clock.advance(Duration::from_nanos(WIDTH));
    assert!(!needs_no_lock(&breaker, breaker.0.try_acquire().unwrap()));
    succeed();
    assert!(needs_no_lock(&breaker, breaker.0.try_acquire().unwrap()));
    let slow = breaker.0.try_acquire().unwrap();
    clock.advance(Duration::from_nanos(SLOW));
    assert!(!needs_no_lock(&breaker, slow));
    assert_eq!(breaker.counts(), Counts { calls: 3, failures: 0, slow: 0 });
}

#[test]
fn after_a_reset_or_under_another_policy_successes_need_no_lock_either() {
    let other_policy = |breaker: &OverTime| breaker.reconfigure(policy((1, 3), WIDTH));
    for (change, late_counts) in [(OverTime::reset as fn(&_), 0), (other_policy, 1)] {
        let (breaker, _) = breaker();
        let late = breaker.0.try_acquire().unwrap();
        change(&breaker);
        assert!(needs_no_lock(&breaker, breaker.0.try_acquire().unwrap()));
        breaker.0.record(late, Outcome::Success);
        assert_eq!(breaker.counts().calls, 1 + late_counts);
    }
}

#[test]
fn those_that_were_told_are_counted_before_there_are_too_many() {
    let (breaker, _) = breaker();
    for _ in 0..2 {
        let before = lock(&breaker.0.locked).machine.counts(Instant::EPOCH).calls;
        assert_eq!(before, 0);
        for _ in 0..=1 << 20 {
            breaker.call_blocking(|| Ok::<_, ()>(())).unwrap();
        }
        let counted = lock(&breaker.0.locked).machine.counts(Instant::EPOCH).calls;
        assert_eq!(counted, (1 << 20) + 1);
        assert_eq!(breaker.counts().calls, counted);
        breaker.reset();
    }
}

#[test]
fn of_what_threads_tell_nothing_is_lost_or_counted_twice() {
    const EACH: u32 = 20_000;
    const ROUNDS: u32 = 100;
    const ANY: Policy = resil_core::valid!(
        CircuitBreakerConfig::builder().time_window(Duration::from_nanos(5 * WIDTH)).build()
    );
    let clock = MockClock::default();
    let breaker = CircuitBreaker::with("peer", ANY, EveryError, clock.clone());
    for _ in 0..2 {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let told = breaker.try_acquire().unwrap().success();
                        assert_eq!(told, Recorded::Counted);
                    }
                });
            }
            // Four sub-windows, none of which has left the window when all is told.
            for round in 1..=ROUNDS {
                // Ahead of each failure are successes enough, whoever runs first.
                for _ in 0..3 {
                    breaker.try_acquire().unwrap().success();
                }
                let failed = breaker.try_acquire().unwrap().failure(FailureClass::Transient);
                assert_eq!(failed, Recorded::Counted);
                assert!(breaker.counts().calls >= 4 * round);
                clock.advance(Duration::from_nanos(3));
            }
        });
        let all = Counts { calls: 3 * EACH + 4 * ROUNDS, failures: ROUNDS, slow: 0 };
        assert_eq!(breaker.counts(), all);
        breaker.reset();
        clock.set(Instant::EPOCH);
    }
}

#[test]
fn threads_beside_resets_and_other_policies_never_wait_for_good() {
    let (breaker, _) = breaker();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let told = breaker.try_acquire().unwrap().success();
                    assert!(matches!(told, Recorded::Counted | Recorded::Stale), "{told:?}");
                }
            });
        }
        for round in 1..=2_000 {
            breaker.reset();
            breaker.reconfigure(policy((1, 1 + round % 3), WIDTH));
            assert_eq!(breaker.try_acquire().unwrap().success(), Recorded::Counted);
            assert!(breaker.counts().calls >= 1, "its own at least");
        }
    });
    breaker.reset();
    assert_eq!(breaker.try_acquire().unwrap().success(), Recorded::Counted);
    assert_eq!(breaker.counts().calls, 1, "of those before nothing is left");
}

/// A clock that does something once, in the middle of whatever reads it: between looking and adding.
#[derive(Clone, Default)]
struct Meddling(Arc<std::sync::Mutex<Option<Meddle>>>);

type Meddle = Box<dyn FnOnce() + Send>;

impl Clock for Meddling {
    fn now(&self) -> Instant {
        let meddle = self.0.lock().unwrap().take();
        if let Some(meddle) = meddle {
            meddle();
        }
        Instant::EPOCH
    }
}

#[test]
fn a_success_that_is_late_is_stale_after_a_reset_and_counts_under_another_policy() {
    type Meddled = CircuitBreaker<EveryError, Meddling, TimeWindow<5>>;
    let reset = |breaker: &Meddled| {
        breaker.reset();
        breaker.try_acquire().unwrap().success();
    };
    let other_policy = |breaker: &Meddled| breaker.reconfigure(policy((1, 3), WIDTH / 2));
    let both = |breaker: &Meddled| {
        breaker.reconfigure(policy((1, 3), WIDTH));
        breaker.reset();
    };
    for (meddle, told, calls) in [
        (reset as fn(&_), Recorded::Stale, 1),
        (other_policy, Recorded::Counted, 1),
        (both, Recorded::Stale, 0),
    ] {
        let clock = Meddling::default();
        let breaker =
            CircuitBreaker::with("peer", policy((1, 2), WIDTH), EveryError, clock.clone());
        breaker.try_acquire().unwrap().success();
        breaker.reset();
        let (late, others) = (breaker.try_acquire().unwrap(), breaker.clone());
        *clock.0.lock().unwrap() = Some(Box::new(move || meddle(&others)));
        assert_eq!(late.success(), told);
        assert_eq!(breaker.counts().calls, calls);
        assert!(breaker.0.published.generation() != Generation::FIRST);
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.counts().calls, calls + 1);
    }
}

#[test]
fn nobody_decides_before_a_success_that_was_late_has_withdrawn() {
    let (breaker, _) = breaker();
    let (shared, late) = (&*breaker.0, Generation::FIRST);
    breaker.reset();
    assert_eq!(breaker.try_acquire().unwrap().success(), Recorded::Counted);
    assert_eq!(shared.told.add(late), Heard::Late);
    thread::scope(|scope| {
        let looks = [(); 2].map(|()| scope.spawn(|| breaker.counts().calls));
        while lock(&shared.locked).taken == Generation::CLOSED {
            thread::yield_now(); // until one of them has the lock, and gives it back
        }
        assert!(looks.iter().all(|look| !look.is_finished()));
        assert_eq!(shared.withdraw(late), None);
        assert_eq!(looks.map(|look| look.join().unwrap()), [1, 1]);
    });
    assert_eq!(breaker.counts().calls, 1);
}
