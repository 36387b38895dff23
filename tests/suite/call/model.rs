//! The call against its model, over random sequences of operations.

use proptest::prelude::*;
use resil_tests::laws::call_model::{Event, Settings, Turn, decides_as_its_model};
use resil_tests::oracle::retry::{Failure, Refusal};

fn settings() -> impl Strategy<Value = Settings> {
    let time = |up_to| proptest::option::of(1..up_to);
    (1..5_u32, 1..20_u64, time(200_u64), 0..3_u32, time(40), time(20), any::<bool>()).prop_map(
        |(max_attempts, initial, deadline, refusal_waits, attempt_timeout, hedge_after, early)| {
            let refusal_waits = if deadline.is_some() { refusal_waits } else { 0 };
            Settings {
                max_attempts,
                initial,
                deadline,
                refusal_waits,
                attempt_timeout,
                hedge_after,
                early,
            }
        },
    )
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let failure = prop_oneof![
        5 => Just(Failure::Retryable),
        2 => (0..60_i128).prop_map(Failure::After),
        1 => Just(Failure::Fatal),
        1 => Just(Failure::Ignored),
        1 => Just(Failure::Never),
    ];
    let event = prop_oneof![
        12 => Just(Event::Poll),
        8 => (0..3_usize, failure).prop_map(|(which, failure)| Event::Finish(which, Some(failure))),
        1 => (0..3_usize).prop_map(|which| Event::Finish(which, None)),
        1 => Just(Event::Abandon),
    ];
    let refusal = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Refusal::Final)),
        1 => (0..60_i128).prop_map(|in_| Some(Refusal::Until(in_))),
        1 => Just(Some(Refusal::Unknown)),
    ];
    let moves = prop_oneof![8 => 0..30_i64, 1 => -500..0_i64, 1 => 0..1_000_i64];
    let turn = (event, moves, refusal, proptest::bool::weighted(0.8))
        .prop_map(|(event, moves, refusal, pays)| Turn { event, moves, refusal, pays });
    proptest::collection::vec(turn, 1..60)
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn the_call_decides_as_its_model(settings in settings(), turns in turns()) {
        decides_as_its_model(settings, turns);
    }
}
