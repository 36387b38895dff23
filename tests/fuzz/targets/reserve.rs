//! What a bucket lends ahead and is owed: reservations, refunds and charges, against exact fractions.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{Small, many};
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::admission::Op as Clock;
use resil_tests::laws::reservations::{self as laws, Op};

#[derive(Debug, Arbitrary)]
enum Input {
    Cancelled(Small, Ops<0>, u32),
    Charged(Small, Ops<1>, u32),
    AnyClock(Small, Ops<2>, u32),
    InOrder(Small, Ops<1>, u32),
    Fractions(Small, Ops<1>, u32),
    Owed(Small, u32, Vec<u32>),
}

/// With charges from 1 on, under any clock from 2 on.
#[derive(Debug)]
struct Ops<const KIND: u8>(Vec<Op>);

impl<'a, const KIND: u8> Arbitrary<'a> for Ops<KIND> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let last = [6, 7, 9][usize::from(KIND)];
        many(u, |u| {
            Ok(match u.int_in_range(0..=last)? {
                0 | 1 => Op::Clock(Clock::Step(u.int_in_range(0..=11)?, u.int_in_range(0..=2)?)),
                2 => Op::Acquire(u.int_in_range(0..=3)?),
                3..=5 => Op::Reserve(u.int_in_range(0..=5)?, u.int_in_range(0..=79)?),
                6 => Op::GiveBack(u.int_in_range(0..=4)?),
                7 => Op::Charge(u.int_in_range(0..=19)?),
                8 => Op::Clock(Clock::Back(u.int_in_range(0..=199)?, u.int_in_range(0..=8)?)),
                _ => Op::Clock(Clock::Jump),
            })
        })
        .map(Self)
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Cancelled(Small(quota), Ops(ops), start) => {
            laws::reservations_keep_the_law_at_their_instants_whatever_is_cancelled(
                quota,
                &ops,
                start.into(),
            );
        }
        Input::Charged(Small(quota), Ops(ops), start) => {
            laws::who_asks_after_a_charge_waits_for_it(quota, &ops, start.into());
        }
        Input::AnyClock(Small(quota), Ops(ops), start) => {
            laws::a_step_of_the_clock_forgives_no_more_than_a_burst(quota, &ops, start.into());
        }
        Input::InOrder(Small(quota), Ops(ops), start) => {
            laws::first_come_first_served(quota, &ops, start.into());
        }
        Input::Fractions(Small(quota), Ops(ops), start) => {
            laws::what_is_lent_and_owed_differs_from_exact_fractions_by_a_nanosecond(
                quota,
                &ops,
                start.into(),
            );
        }
        Input::Owed(Small(quota), start, costs) => {
            laws::it_never_owes_more_than_a_refill(quota, &costs, start.into());
        }
    }
});
