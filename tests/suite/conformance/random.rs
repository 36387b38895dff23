//! Scripts that nobody wrote: whatever the three engines are told, they decide alike.

use super::{mock, paused};
use proptest::collection::vec;
use proptest::prelude::*;
use resil_tests::vectors::policies::{BreakerPolicy, LimitKind, LimitPolicy};
use resil_tests::vectors::{Script, Step, Unit, direct};
use std::collections::VecDeque;

/// Steps from `choices`: how long to wait, and what then. Permits are called by their number; what
/// is settled is the oldest that was asked for.
fn steps(
    choices: Vec<(u64, usize)>,
    asks: &[&str],
    settles: &[&str],
    others: &[&str],
) -> Vec<Step> {
    let (mut at, mut out, mut steps) = (0, VecDeque::new(), vec![]);
    for (number, (wait, choice)) in choices.into_iter().enumerate() {
        at += wait;
        let choice = choice % (asks.len() + settles.len() + others.len());
        let event = if let Some(ask) = asks.get(choice) {
            out.push_back(number);
            ask.replace('#', &number.to_string())
        } else if let Some(settle) = settles.get(choice - asks.len()) {
            let Some(oldest) = out.pop_front() else { continue };
            format!("{settle} {oldest}")
        } else {
            others[choice - asks.len() - settles.len()].to_owned()
        };
        steps.push((at, event, String::new()));
    }
    steps
}

fn choices() -> impl Strategy<Value = Vec<(u64, usize)>> {
    let wait = prop_oneof![3 => Just(0), 3 => 0..50_u64, 2 => 0..2_000_u64, 1 => 0..100_000_u64];
    vec((wait, any::<usize>()), 1..60)
}

proptest! {
    #![proptest_config(crate::cases(200))]

    #[test]
    fn a_breaker_decides_alike_everywhere(
        (failures, successes, probes) in (1_u16..4, 1_u16..3, 1_u8..3),
        (timeout, lease) in (1..3_000_u64, 1..9_000_u64),
        multiplier in prop_oneof![Just((1, 1)), Just((2, 1)), Just((3, 2))],
        choices in choices(),
    ) {
        let policy = BreakerPolicy {
            failure_threshold: Some(failures),
            success_threshold: Some(successes),
            probes: Some(probes),
            timeout: Some(timeout),
            multiplier: Some(multiplier),
            max_timeout: None,
            lease: Some(lease),
            attempt_timeout: None,
            abandon_counts_after: None,
            abandon_never_counts: None,
        };
        let settles = ["success", "failure", "failure", "ignore", "abandon"];
        let steps = steps(choices, &["ask #"; 6], &settles, &["look", "look", "reset"]);
        let script = Script { name: "random".to_owned(), policy, unit: Unit::Ms, steps };
        let trace = direct::breaker(&script);
        prop_assert_eq!(&paused::breaker::<paused::Runtime>(&script), &trace);
        prop_assert_eq!(&mock::breaker(&script), &trace);
    }

    #[test]
    fn a_limiter_decides_alike_everywhere(
        kind in prop_oneof![
            Just(LimitKind::TokenBucket), Just(LimitKind::RateLimit), Just(LimitKind::StrictBucket),
        ],
        (max_requests, time_window, burst) in (2_u32..200, 10..100_000_u64, 1_u32..20),
        choices in choices(),
    ) {
        let burst_size = Some(burst.min(max_requests - 1));
        let policy = LimitPolicy {
            kind, max_requests: Some(max_requests), time_window: Some(time_window), burst_size,
        };
        let asks = ["ask #", "ask #", "ask # cost 2", "ask # cost 0", "ask # cost 19"];
        let steps = steps(choices, &asks, &["refund"], &["available", "peek 1"]);
        let script = Script { name: "random".to_owned(), policy, unit: Unit::Ms, steps };
        let trace = direct::limiter(&script);
        prop_assert_eq!(&paused::limiter::<paused::Runtime>(&script), &trace);
        prop_assert_eq!(&mock::limiter(&script), &trace);
    }
}
