//! What fuzz targets share: how bytes become operations on a machine under a clock that misbehaves.
//!
//! The laws themselves are those of the suite, in `resil_tests::laws`; here is only what they are held against.
#![forbid(unsafe_code)]

use arbitrary::{Arbitrary, Result, Unstructured};
use resil_tests::laws::{self, Move, Subject, Turn};
use resil_tests::oracle::rate_limit::Quota;
use resil_tests::oracle::retry::{Failure, Refusal};

/// The longest history; what is longer says nothing more and takes longer.
const LONGEST: usize = 40;

/// Which of the laws that hold for every machine, and after what.
///
/// Each comes with the clocks that it holds under: all, all that stay away from the end of time, or such as
/// go forward.
#[derive(Debug)]
pub enum History {
    LooksAndWaits(Vec<Turn>),
    Deadlines(Vec<Turn>),
    Liveness(Vec<Turn>, u64),
    Steps(Vec<Turn>, u64, Move),
    Jumps(Vec<Turn>, u64),
}

impl History {
    /// Holds the law against a machine.
    ///
    /// # Panics
    ///
    /// Where it is broken.
    pub fn hold<S: Subject>(&self, subject: &S) {
        match self {
            Self::LooksAndWaits(turns) => laws::looks_and_waits(subject, turns),
            Self::Deadlines(turns) => laws::deadlines(subject, turns),
            Self::Liveness(turns, choice) => laws::liveness(subject, turns, *choice),
            Self::Steps(turns, choice, back) => laws::steps(subject, turns, *choice, *back),
            Self::Jumps(turns, choice) => laws::jumps(subject, turns, *choice),
        }
    }
}

impl<'a> Arbitrary<'a> for History {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=4)? {
            0 => Self::LooksAndWaits(turns(u, wild)?),
            1 => Self::Deadlines(turns(u, wrong)?),
            2 => {
                let choice = u.arbitrary()?;
                Self::Liveness(turns(u, wrong)?, choice)
            }
            3 => {
                let (choice, step) = (u.arbitrary()?, back(u)?);
                Self::Steps(turns(u, forward)?, choice, step)
            }
            _ => {
                let choice = u.arbitrary()?;
                Self::Jumps(turns(u, wild)?, choice)
            }
        })
    }
}

/// Operations under a clock that may do anything.
#[derive(Debug)]
pub struct Wild(pub Vec<Turn>);

impl<'a> Arbitrary<'a> for Wild {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        turns(u, wild).map(Self)
    }
}

/// Operations under a clock that stays away from the end of time.
#[derive(Debug)]
pub struct Wrong(pub Vec<Turn>);

impl<'a> Arbitrary<'a> for Wrong {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        turns(u, wrong).map(Self)
    }
}

/// As many as the bytes are enough for.
pub fn many<T>(
    u: &mut Unstructured<'_>,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    while !u.is_empty() && all.len() < LONGEST {
        all.push(one(u)?);
    }
    Ok(all)
}

fn turns(
    u: &mut Unstructured<'_>,
    clock: fn(&mut Unstructured<'_>) -> Result<Move>,
) -> Result<Vec<Turn>> {
    many(u, |u| turn_under(u, clock))
}

/// One operation under a clock that may do anything.
pub fn turn(u: &mut Unstructured<'_>) -> Result<Turn> {
    turn_under(u, wild)
}

fn turn_under(
    u: &mut Unstructured<'_>,
    clock: fn(&mut Unstructured<'_>) -> Result<Move>,
) -> Result<Turn> {
    Ok(Turn { clock: clock(u)?, operation: u.arbitrary()?, choice: u.arbitrary()? })
}

fn forward(u: &mut Unstructured<'_>) -> Result<Move> {
    Ok(match u.int_in_range(0..=8)? {
        0..=2 => Move::Forward(0, 0),
        3..=6 => Move::Forward(u.int_in_range(0..=3)?, u.int_in_range(0..=2)?),
        _ => Move::Forward(u.int_in_range(0..=99)?, u.int_in_range(0..=999)?),
    })
}

fn back(u: &mut Unstructured<'_>) -> Result<Move> {
    Ok(match u.int_in_range(0..=3)? {
        0 | 1 => Move::Back(u.int_in_range(0..=7)?, u.int_in_range(0..=2)?),
        2 => Move::Back(u.int_in_range(0..=299)?, u.int_in_range(0..=999)?),
        _ => Move::Epoch,
    })
}

/// Forward and back, but away from the end of time.
fn wrong(u: &mut Unstructured<'_>) -> Result<Move> {
    if u.ratio(3, 4)? { forward(u) } else { back(u) }
}

fn wild(u: &mut Unstructured<'_>) -> Result<Move> {
    Ok(match u.int_in_range(0..=13)? {
        0..=11 => wrong(u)?,
        12 => Move::Jump,
        _ => Move::End(if u.arbitrary()? { 0 } else { u.int_in_range(0..=(1 << 35) - 1)? }),
    })
}

/// A valid quota: whole and fractional token times, small bursts, and such above the maximum.
#[derive(Debug)]
pub struct Small(pub Quota);

impl<'a> Arbitrary<'a> for Small {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let max = u.int_in_range(1..=12)?;
        let token = match u.int_in_range(0..=3)? {
            0 => u.int_in_range(1..=3)?,
            1 => u.int_in_range(1..=99)?,
            2 => u.int_in_range(1..=999_999)?,
            _ => 600_000_000,
        };
        let window = u64::from(max) * token + u.int_in_range(0..=6)?;
        Ok(Self(Quota { max, window, burst: u.int_in_range(1..=14)? }))
    }
}

/// How an attempt fails; a hint is below `longest`.
pub fn failure(u: &mut Unstructured<'_>, longest: i128) -> Result<Failure> {
    Ok(match u.int_in_range(0..=9)? {
        0..=4 => Failure::Retryable,
        5 | 6 => Failure::After(u.int_in_range(0..=longest - 1)?),
        7 => Failure::Fatal,
        8 => Failure::Ignored,
        _ => Failure::Never,
    })
}

/// Why our own machine refuses; a time is below `latest`.
pub fn refusal(u: &mut Unstructured<'_>, latest: i128) -> Result<Refusal> {
    Ok(match u.int_in_range(0..=2)? {
        0 => Refusal::Final,
        1 => Refusal::Until(u.int_in_range(0..=latest - 1)?),
        _ => Refusal::Unknown,
    })
}
