//! The breaker beside its oracle, over random sequences of operations.

use proptest::prelude::*;
use resil_tests::laws::breaker_model::{Op, is_the_oracles};
use resil_tests::oracle::breaker::{self as oracle, Policy};

const MILLISECOND: u64 = 1_000_000;

/// The open time of every policy here: 3/2 can be taken of it eleven times without a remainder.
const TIMEOUT: u64 = 2_048 * MILLISECOND;

fn time_step() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..3 * TIMEOUT,
        2 => Just(TIMEOUT),
        1 => Just(1),
        1 => Just(500 * 365 * 86_400 * 1_000 * MILLISECOND),
        1 => any::<u64>(),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        4 => Just(oracle::Outcome::Failure),
        3 => Just(oracle::Outcome::Success),
        1 => Just(oracle::Outcome::Ignored),
        2 => Just(oracle::Outcome::Abandoned),
    ];
    prop_oneof![
        12 => Just(Op::Ask),
        12 => (any::<usize>(), outcome).prop_map(|(which, how)| Op::Tell(which, how)),
        1 => any::<usize>().prop_map(Op::Forget),
        2 => Just(Op::Poll),
        4 => time_step().prop_map(Op::Forward),
        1 => time_step().prop_map(Op::Back),
        5 => Just(Op::ToDeadline),
        1 => prop_oneof![1 => Just(Op::ForceOpen), 1 => Just(Op::Disable), 4 => Just(Op::Reset)],
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let lease = prop_oneof![Just(TIMEOUT), Just(TIMEOUT / 3), Just(5 * TIMEOUT)];
    let abandon = prop_oneof![Just(None), Just(Some(0)), Just(Some(TIMEOUT / 2))];
    let growth = prop_oneof![
        Just(((1, 1), TIMEOUT)),
        Just(((2, 1), 10 * TIMEOUT)),
        Just(((3, 2), 40 * TIMEOUT)),
        Just(((64, 1), 65 * TIMEOUT)),
    ];
    (1_u16..4, 1_u16..4, 1_u8..4, lease, abandon, growth, any::<bool>()).prop_map(
        |(
            failure_threshold,
            success_threshold,
            probes,
            lease,
            abandon_counts_after,
            (multiplier, max_timeout),
            jitter,
        )| Policy {
            failure_threshold,
            success_threshold,
            probes,
            timeout: TIMEOUT,
            multiplier,
            max_timeout,
            jitter,
            lease,
            abandon_counts_after,
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    /// Answers, states, deadlines and transitions are the oracle's, whatever happens in which order.
    #[test]
    fn any_history_is_the_oracles(
        policy in policy(),
        start in prop_oneof![Just(0), Just(TIMEOUT * 100), any::<u64>()],
        ops in prop::collection::vec((op(), any::<u32>()), 1..80),
    ) {
        is_the_oracles(policy, start, ops);
    }
}
