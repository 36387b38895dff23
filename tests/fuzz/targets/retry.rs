//! A retry beside its model, and what pays for it beside theirs.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{failure, many, refusal};
use libfuzzer_sys::fuzz_target;
use resil_core::backoff::Jitter;
use resil_tests::laws::budget_models::{
    Attempt, End, Numbers, a_share_is_that_of_the_exact_model, tokens_are_those_of_the_exact_model,
};
use resil_tests::laws::retry::{self as laws, Disorder, Step};
use resil_tests::oracle::budget::Extra;
use resil_tests::oracle::retry::{Failure, Policy};

#[derive(Debug, Arbitrary)]
enum Input {
    Model(Settings, Steps),
    Deadline(Settings, u32, AnyJitter, Failures),
    Disorder(Settings, Calls),
    Tokens(Tokens),
    Share(Share),
}

#[derive(Debug)]
struct Settings(Policy);

impl<'a> Arbitrary<'a> for Settings {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let initial = u.int_in_range(1..=49)?;
        let deadline = if u.arbitrary()? { Some(u.int_in_range(1..=499)?) } else { None };
        Ok(Self(Policy {
            max_attempts: u.int_in_range(1..=11)?,
            initial,
            max: initial + u.int_in_range(0..=99)?,
            deadline,
            max_retry_after: u.int_in_range(0..=119)?,
            max_refusal_waits: if deadline.is_some() { u.int_in_range(0..=4)? } else { 0 },
        }))
    }
}

#[derive(Debug)]
struct Steps(Vec<Step>);

impl<'a> Arbitrary<'a> for Steps {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, |u| {
            let by =
                if u.ratio(4, 5)? { u.int_in_range(0..=39)? } else { u.int_in_range(-300..=299)? };
            if u.ratio(3, 4)? {
                Ok(Step::Fails(by, failure(u, 200)?))
            } else {
                Ok(Step::IsRefused(by, refusal(u, 1_500)?))
            }
        })
        .map(Self)
    }
}

#[derive(Debug)]
struct AnyJitter(Jitter);

impl<'a> Arbitrary<'a> for AnyJitter {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let all = [Jitter::Full, Jitter::Equal, Jitter::Quarter, Jitter::Decorrelated];
        Ok(Self(*u.choose(&all)?))
    }
}

#[derive(Debug)]
struct Failures(Vec<(i128, Failure)>);

impl<'a> Arbitrary<'a> for Failures {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, |u| Ok((u.int_in_range(0..=59)?, failure(u, 200)?))).map(Self)
    }
}

#[derive(Debug)]
struct Calls(Vec<Disorder>);

impl<'a> Arbitrary<'a> for Calls {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, |u| {
            Ok((u.arbitrary()?, failure(u, 200)?, u.arbitrary()?, u.arbitrary()?, u.arbitrary()?))
        })
        .map(Self)
    }
}

#[derive(Debug)]
struct Tokens(Numbers, Vec<Attempt>);

impl<'a> Arbitrary<'a> for Tokens {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let capacity: u32 = u.int_in_range(1..=59)?;
        let costs = [
            u.int_in_range(0..=capacity.min(14))?,
            u.int_in_range(0..=capacity.min(5))?,
            u.int_in_range(0..=capacity)?,
            u.int_in_range(1..=capacity.min(3))?,
        ];
        let reward = u.int_in_range(1..=capacity.min(3) as u16 * 1_000)?;
        let numbers = (capacity, (u.int_in_range(0..=8)?, 9), costs, reward);
        let attempts = many(u, |u| {
            let extras = [None, Some(Extra::Retry), Some(Extra::Throttled), Some(Extra::Hedge)];
            let ends = [End::Succeeds, End::Fails, End::SaysNothing, End::IsNotMade];
            Ok((*u.choose(&extras)?, *u.choose(&ends)?))
        })?;
        Ok(Self(numbers, attempts))
    }
}

#[derive(Debug)]
struct Share {
    ratio: (u16, u16),
    minimum: u32,
    steps: Vec<(i64, u8)>,
}

impl<'a> Arbitrary<'a> for Share {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let ratio = (u.int_in_range(1..=199)?, u.int_in_range(200..=299)?);
        let minimum = u.int_in_range(0..=4)?;
        let steps = many(u, |u| {
            let by = if u.ratio(9, 10)? {
                u.int_in_range(0..=899)?
            } else {
                u.int_in_range(-30_000..=29_999)?
            };
            Ok((by, u.int_in_range(0..=3)?))
        })?;
        Ok(Self { ratio, minimum, steps })
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Model(Settings(policy), Steps(steps)) => {
            laws::any_sequence_of_steps_is_decided_as_the_model_does(policy, &steps);
        }
        Input::Deadline(Settings(policy), entropy, AnyJitter(jitter), Failures(failures)) => {
            laws::no_attempt_starts_at_or_after_the_deadline(policy, &failures, entropy, jitter);
        }
        Input::Disorder(Settings(policy), Calls(calls)) => {
            laws::no_call_order_and_no_clock_panics(policy, &calls);
        }
        Input::Tokens(Tokens(numbers, attempts)) => {
            tokens_are_those_of_the_exact_model(numbers, &attempts)
        }
        Input::Share(Share { ratio, minimum, steps }) => {
            a_share_is_that_of_the_exact_model(ratio, minimum, &steps);
        }
    }
});
