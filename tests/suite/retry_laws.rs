//! Retry: random sequences of steps, against a plain model and against the laws.

use proptest::prelude::*;
use resil_core::backoff::Jitter;
use resil_tests::laws::retry::{self as laws, Step};
use resil_tests::oracle::retry as oracle;

fn failures() -> impl Strategy<Value = oracle::Failure> {
    use oracle::Failure;
    prop_oneof![
        6 => Just(Failure::Retryable),
        3 => (0..200_i128).prop_map(Failure::After),
        1 => Just(Failure::Fatal),
        1 => Just(Failure::Ignored),
        1 => Just(Failure::Never),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use oracle::Refusal;
    let moves = || prop_oneof![4 => 0..40_i64, 1 => -300..300_i64];
    let refusals = prop_oneof![
        4 => (0..1_500_i128).prop_map(Refusal::Until),
        3 => Just(Refusal::Unknown),
        1 => Just(Refusal::Final),
    ];
    prop::collection::vec(
        prop_oneof![
            3 => (moves(), failures()).prop_map(|(by, failure)| Step::Fails(by, failure)),
            1 => (moves(), refusals).prop_map(|(by, refusal)| Step::IsRefused(by, refusal)),
        ],
        1..40,
    )
}

fn policies() -> impl Strategy<Value = oracle::Policy> {
    (1..12_u32, 1..50_i128, 0..100_i128, prop::option::of(1..500_i128), 0..120_i128, 0..5_u32)
        .prop_map(|(max_attempts, initial, above, deadline, max_retry_after, waits)| {
            oracle::Policy {
                max_attempts,
                initial,
                max: initial + above,
                deadline,
                max_retry_after,
                max_refusal_waits: if deadline.is_some() { waits } else { 0 },
            }
        })
}

proptest! {
    #[test]
    fn any_sequence_of_steps_is_decided_as_the_model_does(
        settings in policies(), steps in steps()
    ) {
        laws::any_sequence_of_steps_is_decided_as_the_model_does(settings, &steps);
    }

    #[test]
    fn no_attempt_starts_at_or_after_the_deadline_pitfall_85(
        settings in policies(), failures in prop::collection::vec((0..60_i128, failures()), 12),
        entropy in any::<u32>(), jitter in prop::sample::select(vec![Jitter::Full, Jitter::Equal,
            Jitter::Quarter, Jitter::Decorrelated])
    ) {
        laws::no_attempt_starts_at_or_after_the_deadline(settings, &failures, entropy, jitter);
    }

    #[test]
    fn no_call_order_and_no_clock_panics(
        settings in policies(), calls in prop::collection::vec(
            (any::<bool>(), failures(), any::<u32>(), any::<u64>(), any::<Option<u64>>()), 0..30
        )
    ) {
        laws::no_call_order_and_no_clock_panics(settings, &calls);
    }
}
