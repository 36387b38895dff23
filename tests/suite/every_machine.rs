//! The laws that hold for every machine ([`resil_tests::laws`]), over sequences that proptest makes.

mod breakers;
mod budgets;
mod call;
mod health;
mod limits;
mod load;

use proptest::prelude::*;
use resil_tests::laws::{Move, Turn};

fn turn(clock: impl Strategy<Value = Move>) -> impl Strategy<Value = Turn> {
    (clock, any::<u8>(), any::<u64>()).prop_map(|(clock, operation, choice)| Turn {
        clock,
        operation,
        choice,
    })
}

fn forward() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => Just(Move::Forward(0, 0)),
        4 => (0_u64..4, 0_u64..3).prop_map(|(parts, odd)| Move::Forward(parts, odd)),
        2 => (0_u64..100, 0_u64..1_000).prop_map(|(parts, odd)| Move::Forward(parts, odd)),
    ]
}

fn back() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => (0_u64..8, 0_u64..3).prop_map(|(parts, odd)| Move::Back(parts, odd)),
        1 => (0_u64..300, 0_u64..1_000).prop_map(|(parts, odd)| Move::Back(parts, odd)),
        1 => Just(Move::Epoch),
    ]
}

/// Forward and back, but away from the end of time.
pub(crate) fn wrong() -> impl Strategy<Value = Move> {
    prop_oneof![3 => forward(), 1 => back()]
}

pub(crate) fn wild() -> impl Strategy<Value = Move> {
    prop_oneof![
        12 => wrong(),
        1 => Just(Move::Jump),
        1 => prop_oneof![Just(0), 0_u64..1 << 35].prop_map(Move::End),
    ]
}

pub(crate) fn turns(clock: impl Strategy<Value = Move>) -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec(turn(clock), 1..40)
}

/// The tests of one machine each.
macro_rules! every_law {
    ($($name:ident: $subject:expr;)*) => {$(
        mod $name {
            use super::*;
            use crate::every_machine as given;
            use resil_tests::laws;
            use proptest::prelude::*;

            proptest! {
                #![proptest_config(ProptestConfig { failure_persistence: None, ..crate::cases(200) })]

                #[test]
                fn looks_are_pure_and_waits_are_ahead(turns in given::turns(given::wild())) {
                    laws::looks_and_waits(&$subject, &turns);
                }

                #[test]
                fn something_changes_at_the_deadline_and_nothing_before(
                    turns in given::turns(given::wrong()),
                ) {
                    laws::deadlines(&$subject, &turns);
                }

                #[test]
                fn a_call_passes_within_the_bound(
                    turns in given::turns(given::wrong()), choice in any::<u64>(),
                ) {
                    laws::liveness(&$subject, &turns, choice);
                }

                #[test]
                fn a_step_back_delays_by_the_horizon_at_most(
                    turns in given::turns(given::forward()), choice in any::<u64>(),
                    back in given::back(),
                ) {
                    laws::steps(&$subject, &turns, choice, back);
                }

                #[test]
                fn no_jump_grants_more_than_the_capacity(
                    turns in given::turns(given::wild()), choice in any::<u64>(),
                ) {
                    laws::jumps(&$subject, &turns, choice);
                }
            }
        }
    )*};
}
use every_law;
