//! Bulkheads against a list of what is held, over random sequences of operations; and the gates of all
//! that controls load, one behind the other.

use proptest::prelude::*;
use resil_core::adaptive::{self, Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, BulkheadState, Permit, Recorded};
use resil_core::call::{Bound, End, Gate, Priority, Request};
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::throttle::{AdaptiveThrottle, ThrottleState, Throttler};
use resil_core::{ErrorCode, Instant, Outcome};

#[derive(Clone, Debug)]
enum Op {
    Ask(u16, Priority),
    /// Tells back the `usize`-th of those that are out, modulo their number.
    Tell(usize),
    Reset,
    Reconfigure(u16, u16, u16),
}

fn op() -> impl Strategy<Value = Op> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        6 => (0..6_u16, priority.clone()).prop_map(|(weight, priority)| Op::Ask(weight, priority)),
        1 => (any::<u16>(), priority).prop_map(|(weight, priority)| Op::Ask(weight, priority)),
        5 => any::<usize>().prop_map(Op::Tell),
        1 => Just(Op::Reset),
        1 => policy().prop_map(|(permits, high, low)| Op::Reconfigure(permits, high, low)),
    ]
}

fn policy() -> impl Strategy<Value = (u16, u16, u16)> {
    (3..20_u16).prop_flat_map(|permits| (Just(permits), 0..permits / 2, 0..permits / 2))
}

fn config((permits, high, low): (u16, u16, u16)) -> BulkheadConfig {
    let builder = BulkheadConfig::builder().max_concurrent(permits);
    builder.high_reserve(high).low_reserve(low).build().unwrap()
}

fn limit((permits, high, low): (u16, u16, u16), priority: Priority) -> u32 {
    u32::from(match priority {
        Priority::High => permits,
        Priority::Normal => permits - high,
        Priority::Low => permits - high - low,
    })
}

proptest! {
    #[test]
    fn it_decides_as_a_list_of_what_is_held_pitfalls_20_28(
        mut settings in policy(),
        ops in prop::collection::vec((op(), any::<u64>()), 1..200),
    ) {
        let mut bulkhead = Bulkhead::new(config(settings));
        // Weight, and whether a reset has come since.
        let mut held: Vec<(Permit, u16, bool)> = Vec::new();
        for (op, now) in ops {
            let now = Instant::from_nanos(now);
            let sum = |held: &[(Permit, u16, bool)]| {
                held.iter().filter(|lent| !lent.2).map(|lent| u32::from(lent.1)).sum::<u32>()
            };
            let before = sum(&held);
            match op {
                Op::Ask(weight, priority) => {
                    let (limit, wanted) = (limit(settings, priority), u32::from(weight));
                    let look = bulkhead.peek(weight, priority, now);
                    let answer = bulkhead.try_acquire(weight, priority, now);
                    prop_assert_eq!(look.err(), answer.as_ref().err().copied());
                    match answer {
                        Ok(permit) => {
                            prop_assert!(wanted == 0 || before + wanted <= limit);
                            prop_assert_eq!(permit.weight(), weight);
                            held.push((permit, weight, false));
                        }
                        Err(rejected) => {
                            prop_assert!(wanted > 0 && before + wanted > limit);
                            prop_assert_eq!(rejected.code(), ErrorCode::BulkheadFull);
                            prop_assert_eq!(rejected.retry() == RetryAt::Never, wanted > limit);
                        }
                    }
                }
                Op::Tell(which) if !held.is_empty() => {
                    let (permit, _, is_stale) = held.swap_remove(which % held.len());
                    let recorded = bulkhead.record(permit, Outcome::Success, now);
                    prop_assert_eq!(recorded == Recorded::Stale, is_stale);
                }
                Op::Tell(_) => {}
                Op::Reset => {
                    bulkhead.reset();
                    held.iter_mut().for_each(|lent| lent.2 = true);
                }
                Op::Reconfigure(permits, high, low) => {
                    settings = (permits, high, low);
                    bulkhead.reconfigure(config(settings), now);
                }
            }
            prop_assert_eq!(u32::from(bulkhead.held()), sum(&held));
            for priority in [Priority::Low, Priority::Normal, Priority::High] {
                let free = limit(settings, priority).saturating_sub(sum(&held));
                prop_assert_eq!(u32::from(bulkhead.available(priority)), free);
            }
            prop_assert_eq!(bulkhead.next_deadline(now), None);
        }
    }
}

#[test]
fn of_all_who_come_at_once_exactly_the_capacity_passes_pitfalls_8_22() {
    let mut bulkhead = Bulkhead::new(config((20, 0, 0)));
    let ask = |_| bulkhead.try_acquire(1, Priority::Normal, Instant::EPOCH).ok();
    assert_eq!((0..10_000).filter_map(ask).count(), 20);
}

const NOW: Instant = Instant::EPOCH;

#[test]
fn who_is_refused_further_in_has_taken_nothing_pitfall_20() {
    let (throttle, aimd, bulkhead) = (AdaptiveThrottle::DEFAULT, Aimd::DEFAULT, config((1, 0, 0)));
    let (mut asked, mut limited, mut held) =
        (ThrottleState::new(), aimd.fresh_state(), BulkheadState::new());
    let mut entropy = || u32::MAX;
    let mut gates = (
        Bound::new(&throttle, &mut asked),
        Bound::new(&aimd, &mut limited),
        Bound::new(&bulkhead, &mut held),
    );
    let first = gates.try_acquire(&Request::ONE, &mut entropy, NOW).unwrap();
    let refused = gates.try_acquire(&Request::ONE, &mut entropy, NOW).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BulkheadFull);
    assert_eq!(throttle.requests(gates.0.state, NOW), 1);
    assert_eq!(aimd.in_flight(gates.1.state), 1);

    let overload = End::Attempted(Outcome::Failure(FailureClass::Throttled));
    gates.settle(first, overload, &mut entropy, NOW);
    assert_eq!((throttle.accepts(&asked, NOW), throttle.requests(&asked, NOW)), (0, 1));
    assert_eq!((aimd.in_flight(&limited), aimd.limit(&limited, NOW)), (0, 9));
    assert_eq!(held.held(), 0);
}

#[test]
fn a_gate_of_the_gradient_draws_when_its_probe_ends() {
    let gradient = Gradient::builder().probe_samples(1).build().unwrap();
    let mut state = gradient.fresh_state();
    let mut gate = Bound::new(&gradient, &mut state);
    let mut drawn = 0;
    let mut entropy = || {
        drawn += 1;
        0
    };
    let unused = gate.try_acquire(&Request::ONE, &mut entropy, NOW).unwrap();
    assert_eq!(gate.settle(unused, End::Unused, &mut entropy, NOW), adaptive::Recorded::Released);
    let permit = gate.try_acquire(&Request::ONE, &mut entropy, NOW).unwrap();
    let changed = gate.settle(permit, End::Attempted(Outcome::Success), &mut entropy, NOW);
    assert_eq!(changed, adaptive::Recorded::Limit { from: 3, to: 20 });
    assert_eq!((drawn, gradient.in_flight(&state)), (1, 0));
}

#[test]
fn the_machines_are_gates_too_and_read_weight_and_priority() {
    let mut gates = (
        Throttler::new(AdaptiveThrottle::DEFAULT),
        ConcurrencyLimiter::new(Aimd::DEFAULT),
        Bulkhead::new(config((4, 1, 1))),
    );
    let mut entropy = || u32::MAX;
    let heavy = Request { weight: 3, priority: Priority::Low, ..Request::ONE };
    let refused = gates.try_acquire(&heavy, &mut entropy, NOW).unwrap_err();
    assert_eq!(refused.retry(), RetryAt::Never);
    let urgent = Request { priority: Priority::High, ..heavy };
    let permit = gates.try_acquire(&urgent, &mut entropy, NOW).unwrap();
    assert_eq!((gates.1.in_flight(), gates.2.held()), (1, 3));
    gates.settle(permit, End::Attempted(Outcome::Success), &mut entropy, NOW);
    assert_eq!((gates.0.accepts(NOW), gates.0.requests(NOW)), (1, 1));
    assert_eq!((gates.1.in_flight(), gates.2.held()), (0, 0));
}
