//! Bytes that somebody has written who knows the checksum: what restores is a machine like any other.

use crate::every_machine as given;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use resil_core::Instant;
use resil_tests::laws;
use resil_tests::laws::kept::{Damage, Kept, Restored, payload, restores, sealed};

/// A few other bytes, or none.
fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let byte = prop_oneof![2 => Just(0), 2 => Just(1), 1 => Just(u8::MAX), 3 => any::<u8>()];
    prop::collection::vec((any::<usize>(), byte), 0..6)
}

/// Whether the payload restores; if so, it does at every time.
fn restores_at_any_time<S: Kept>(subject: &S, payload: &[u8], now: u64) -> bool {
    let bytes = sealed::<S::Policy>(payload);
    let is_state = Restored::of(subject, payload).is_some();
    for now in [0, now, u64::MAX] {
        let restored = restores(subject.policy(), &bytes, Instant::from_nanos(now));
        assert_eq!(restored.is_some(), is_state, "at {now}");
    }
    is_state
}

macro_rules! every_law_after_a_restore {
    ($($name:ident: $subject:expr;)*) => {$(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig {
                    failure_persistence: None,
                    ..ProptestConfig::with_cases(200)
                })]

                #[test]
                fn any_bytes_are_refused_or_keep_every_law(
                    before in given::turns(given::wild()),
                    damage in damage(),
                    now in any::<u64>(),
                    wild in given::turns(given::wild()),
                    wrong in given::turns(given::wrong()),
                    choice in any::<u64>(),
                ) {
                    let payload = payload(&$subject, &before, &damage);
                    if restores_at_any_time(&$subject, &payload, now) {
                        let restored = Restored::of(&$subject, &payload).expect("it does");
                        laws::looks_and_waits(&restored, &wild);
                        laws::deadlines(&restored, &wrong);
                        laws::liveness(&restored, &wrong, choice);
                        laws::jumps(&restored, &wild, choice);
                    }
                }
            }

            #[test]
            fn some_of_them_restore() {
                let mut runner = TestRunner::deterministic();
                let (turns, damage) = (given::turns(given::wild()), damage());
                let restored = (0..200).filter(|_| {
                    let turns = turns.new_tree(&mut runner).unwrap().current();
                    let damage = damage.new_tree(&mut runner).unwrap().current();
                    let payload = payload(&$subject, &turns, &damage);
                    !damage.is_empty() && Restored::of(&$subject, &payload).is_some()
                });
                assert!(restored.count() > 5, "the law above is about nothing");
            }
        }
    )*};
}

every_law_after_a_restore! {
    breaker_in_a_row: laws::breakers::FAILURES_IN_A_ROW;
    breaker_of_calls: laws::breakers::OF_TEN_CALLS;
    breaker_over_time: laws::breakers::OF_A_SECOND;
    ejection: laws::breakers::OfEjection;
    token_bucket: laws::limits::TOKEN_BUCKET;
    strict_bucket: laws::limits::STRICT_BUCKET;
    rate_limit: laws::limits::SUB_WINDOWS;
    warm_up: laws::limits::WARM_UP;
    token_budget: laws::budgets::TOKEN_BUDGET;
    ratio_budget: laws::budgets::RATIO_BUDGET;
    hedge: laws::budgets::OfHedge;
    aimd: laws::load::AIMD;
    gradient: laws::load::GRADIENT;
    throttle: laws::load::OfThrottle;
    hysteresis: laws::health::OfHysteresis;
    heartbeat: laws::health::HEARTBEAT;
}
