//! Circuit breakers with every window, beside the oracle too, and the rule that ejects peers.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{History, many};
use libfuzzer_sys::fuzz_target;
use resil_core::Outcome;
use resil_core::outcome::FailureClass;
use resil_tests::laws::breaker_model::{self, is_the_oracles};
use resil_tests::laws::breaker_windows::{self, OF_TWELVE, OF_TWENTY_SECONDS, any_history};
use resil_tests::laws::breakers::{FAILURES_IN_A_ROW, OF_A_SECOND, OF_TEN_CALLS, OfEjection};
use resil_tests::oracle::breaker as oracle;

#[derive(Debug, Arbitrary)]
enum Input {
    InARow(History),
    OfCalls(History),
    OfTime(History),
    Ejection(History),
    Model(Model),
    Twelve(Windows),
    TwentySeconds(Windows),
}

/// The open time of the oracle's policies: 3/2 can be taken of it eleven times without a remainder.
const TIMEOUT: u64 = 2_048_000_000;

#[derive(Debug)]
struct Model {
    policy: oracle::Policy,
    start: u64,
    ops: Vec<(breaker_model::Op, u32)>,
}

impl<'a> Arbitrary<'a> for Model {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (multiplier, max_timeout) = *u.choose(&[
            ((1, 1), TIMEOUT),
            ((2, 1), 10 * TIMEOUT),
            ((3, 2), 40 * TIMEOUT),
            ((64, 1), 65 * TIMEOUT),
        ])?;
        let policy = oracle::Policy {
            failure_threshold: u.int_in_range(1..=3)?,
            success_threshold: u.int_in_range(1..=3)?,
            probes: u.int_in_range(1..=3)?,
            timeout: TIMEOUT,
            multiplier,
            max_timeout,
            jitter: u.arbitrary()?,
            lease: *u.choose(&[TIMEOUT, TIMEOUT / 3, 5 * TIMEOUT])?,
            abandon_counts_after: *u.choose(&[None, Some(0), Some(TIMEOUT / 2)])?,
        };
        let start = if u.arbitrary()? { TIMEOUT * 100 } else { u.arbitrary()? };
        let ops = many(u, |u| Ok((op(u)?, u.arbitrary()?)))?;
        Ok(Self { policy, start, ops })
    }
}

fn op(u: &mut Unstructured<'_>) -> Result<breaker_model::Op> {
    use breaker_model::Op;
    use oracle::Outcome::{Abandoned, Failure, Ignored, Success};
    Ok(match u.int_in_range(0..=12)? {
        0..=2 => Op::Ask,
        3..=5 => {
            let which: u8 = u.arbitrary()?;
            Op::Tell(which.into(), *u.choose(&[Failure, Success, Ignored, Abandoned])?)
        }
        6 => Op::Forget(u.arbitrary::<u8>()?.into()),
        7 => Op::Poll,
        8 => Op::Forward(step(u)?),
        9 => Op::Back(step(u)?),
        10 | 11 => Op::ToDeadline,
        _ => match u.int_in_range(0..=2)? {
            0 => Op::ForceOpen,
            1 => Op::Disable,
            _ => Op::Reset,
        },
    })
}

fn step(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match u.int_in_range(0..=4)? {
        0 | 1 => u.int_in_range(0..=3 * TIMEOUT)?,
        2 => TIMEOUT,
        3 => 1,
        _ => u.arbitrary()?,
    })
}

#[derive(Debug)]
struct Windows(Vec<breaker_windows::Op>);

impl<'a> Arbitrary<'a> for Windows {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        use breaker_windows::Op;
        many(u, |u| {
            Ok(match u.int_in_range(0..=12)? {
                0..=3 => Op::Ask,
                4..=7 => {
                    let which: u8 = u.arbitrary()?;
                    Op::Tell(which.into(), outcome(u)?)
                }
                8 => Op::Force(u.int_in_range(0..=7)?),
                9 => Op::To(u.arbitrary()?),
                10 | 11 => Op::Forward(u.int_in_range(0..=40_000_000_000)?),
                _ => Op::Back(u.int_in_range(0..=40_000_000_000)?),
            })
        })
        .map(Self)
    }
}

fn outcome(u: &mut Unstructured<'_>) -> Result<Outcome> {
    Ok(*u.choose(&[
        Outcome::Success,
        Outcome::Failure(FailureClass::Transient),
        Outcome::Failure(FailureClass::Local),
        Outcome::Ignored,
        Outcome::Abandoned,
    ])?)
}

fuzz_target!(|input: Input| {
    match input {
        Input::InARow(history) => history.hold(&FAILURES_IN_A_ROW),
        Input::OfCalls(history) => history.hold(&OF_TEN_CALLS),
        Input::OfTime(history) => history.hold(&OF_A_SECOND),
        Input::Ejection(history) => history.hold(&OfEjection),
        Input::Model(Model { policy, start, ops }) => is_the_oracles(policy, start, ops),
        Input::Twelve(Windows(ops)) => any_history(OF_TWELVE, ops),
        Input::TwentySeconds(Windows(ops)) => any_history(OF_TWENTY_SECONDS, ops),
    }
});
