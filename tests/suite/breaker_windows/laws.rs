//! What holds after any history, under any clock.

use super::*;
use proptest::prelude::*;
use resil_tests::laws::breaker_windows::{OF_TWELVE, OF_TWENTY_SECONDS, Op, any_history};

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        3 => Just(FAILURE),
        1 => Just(Outcome::Failure(FailureClass::Local)),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ];
    prop_oneof![
        6 => Just(Op::Ask),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Op::Tell(which, outcome)),
        1 => (0_u8..8).prop_map(Op::Force),
        1 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Op::To),
        3 => (0_u64..40_000_000_000).prop_map(Op::Forward),
        1 => (0_u64..40_000_000_000).prop_map(Op::Back),
    ]
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn any_history_keeps_the_laws_of_a_count_window(ops in prop::collection::vec(op(), 1..120)) {
        any_history(OF_TWELVE, ops);
    }

    #[test]
    fn any_history_keeps_the_laws_of_a_time_window(ops in prop::collection::vec(op(), 1..120)) {
        any_history(OF_TWENTY_SECONDS, ops);
    }

    /// Under a clock that goes back, what was counted leaves after a window and a half at the latest.
    #[test]
    fn a_clock_that_steps_back_keeps_nothing_for_long(
        first in any::<u64>(),
        then in 0..u64::MAX - 15_000_000_000,
    ) {
        let mut breaker = CircuitBreaker::new(TEN_SECONDS);
        call(&mut breaker, FAILURE, Instant::from_nanos(first));
        call(&mut breaker, FAILURE, Instant::from_nanos(then));
        let later = Instant::from_nanos(then + 15_000_000_000);
        prop_assert_eq!(breaker.counts(later), counts(0, 0, 0));
    }
}
