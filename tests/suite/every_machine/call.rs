//! The composed call: a breaker, a limit and a bulkhead, a budget and hedging, and calls that share
//! them.

use proptest::prelude::*;
use resil_tests::laws::call;

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..crate::cases(300)
    })]

    #[test]
    fn a_call_waits_for_what_is_ahead_and_never_twice(turns in super::turns(super::wild())) {
        call::waits(&turns);
    }

    #[test]
    fn calls_that_are_over_hold_nothing_and_the_next_one_ends(
        turns in super::turns(super::wrong()),
    ) {
        call::over(&turns);
    }

    #[test]
    fn no_jump_grants_more_than_the_gates_do(turns in super::turns(super::wild())) {
        call::jumps(&turns);
    }
}
