//! What is lent and what is owed, against exact fractions.

use crate::rate_limit_laws::{Op as Clock, quota};
use proptest::prelude::*;
use resil_tests::laws::reservations::{self as laws, Op};

fn forward() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..12, 0_u64..3).prop_map(|(quarters, odd)| Op::Clock(Clock::Step(quarters, odd))),
        2 => (0_u32..4).prop_map(Op::Acquire),
        8 => (0_u32..6, 0_u64..80).prop_map(|(cost, wait)| Op::Reserve(cost, wait)),
        4 => (0_usize..5).prop_map(Op::GiveBack),
    ]
}

fn with_charges() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => forward(),
        1 => (0_u32..20).prop_map(Op::Charge),
    ]
}

fn any_way() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => with_charges(),
        2 => (0_u64..200, 0_u64..9).prop_map(|(quarters, odd)| Op::Clock(Clock::Back(quarters, odd))),
        1 => Just(Op::Clock(Clock::Jump)),
    ]
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn reservations_keep_the_law_at_their_instants_whatever_is_cancelled(
        quota in quota(), ops in prop::collection::vec(forward(), 1..60), start in 0_u64..1 << 40,
    ) {
        laws::reservations_keep_the_law_at_their_instants_whatever_is_cancelled(quota, &ops, start);
    }

    #[test]
    fn who_asks_after_a_charge_waits_for_it(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        laws::who_asks_after_a_charge_waits_for_it(quota, &ops, start);
    }

    /// By the time that has passed forward: what is lent ahead, and one burst for each step of the
    /// clock that met a debt.
    #[test]
    fn a_step_of_the_clock_forgives_no_more_than_a_burst_pitfall_65(
        quota in quota(), ops in prop::collection::vec(any_way(), 1..60), start in 0_u64..1 << 40,
    ) {
        laws::a_step_of_the_clock_forgives_no_more_than_a_burst(quota, &ops, start);
    }

    #[test]
    fn first_come_first_served(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        laws::first_come_first_served(quota, &ops, start);
    }

    /// Against the rational bucket that may be in debt, as `x/time/rate` reckons.
    #[test]
    fn what_is_lent_and_owed_differs_from_exact_fractions_by_a_nanosecond(
        quota in quota(), ops in prop::collection::vec(with_charges(), 1..60), start in 0_u64..1 << 40,
    ) {
        laws::what_is_lent_and_owed_differs_from_exact_fractions_by_a_nanosecond(quota, &ops, start);
    }

    #[test]
    fn it_never_owes_more_than_a_refill(
        quota in quota(), costs in prop::collection::vec(any::<u32>(), 1..20), start in 0_u64..1 << 40,
    ) {
        laws::it_never_owes_more_than_a_refill(quota, &costs, start);
    }
}
