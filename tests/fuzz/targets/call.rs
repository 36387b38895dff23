//! The composed call: three calls that share a breaker, limits, a bulkhead, a budget and hedging; and one
//! beside its model.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{Wild, Wrong, failure, many, refusal};
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::call;
use resil_tests::laws::call_model::{Event, Settings, Turn, decides_as_its_model};

#[derive(Debug, Arbitrary)]
enum Input {
    Waits(Wild),
    Over(Wrong),
    Jumps(Wild),
    Model(Model),
}

#[derive(Debug)]
struct Model(Settings, Vec<Turn>);

impl<'a> Arbitrary<'a> for Model {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let deadline = time(u, 200)?;
        let settings = Settings {
            max_attempts: u.int_in_range(1..=4)?,
            initial: u.int_in_range(1..=19)?,
            deadline,
            refusal_waits: if deadline.is_some() { u.int_in_range(0..=2)? } else { 0 },
            attempt_timeout: time(u, 40)?,
            hedge_after: time(u, 20)?,
            early: u.arbitrary()?,
        };
        many(u, turn).map(|turns| Self(settings, turns))
    }
}

fn time(u: &mut Unstructured<'_>, below: u64) -> Result<Option<u64>> {
    Ok(if u.arbitrary()? { Some(u.int_in_range(1..=below - 1)?) } else { None })
}

fn turn(u: &mut Unstructured<'_>) -> Result<Turn> {
    let event = match u.int_in_range(0..=10)? {
        0..=5 => Event::Poll,
        6..=8 => Event::Finish(u.int_in_range(0..=2)?, Some(failure(u, 60)?)),
        9 => Event::Finish(u.int_in_range(0..=2)?, None),
        _ => Event::Abandon,
    };
    let moves = match u.int_in_range(0..=9)? {
        0..=7 => u.int_in_range(0..=29)?,
        8 => u.int_in_range(-500..=-1)?,
        _ => u.int_in_range(0..=999)?,
    };
    let refusal = if u.ratio(1, 4)? { Some(refusal(u, 60)?) } else { None };
    Ok(Turn { event, moves, refusal, pays: u.ratio(4, 5)? })
}

fuzz_target!(|input: Input| {
    match input {
        Input::Waits(Wild(turns)) => call::waits(&turns),
        Input::Over(Wrong(turns)) => call::over(&turns),
        Input::Jumps(Wild(turns)) => call::jumps(&turns),
        Input::Model(Model(settings, turns)) => decides_as_its_model(settings, turns),
    }
});
