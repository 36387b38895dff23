//! What goes over a wire, as bytes that may be flipped on the way.

use core::time::Duration;
use resil_core::outcome::{Classification, FailureClass, RetryAt, RetryHint};
use resil_core::{Instant, Rejected};

/// Bytes of an answer.
pub(super) const ANSWER: usize = 9;

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const NEVER: u64 = u64::MAX;

/// An answer: that it is done, or a refusal and when to come back.
pub(super) type Answer = [u8; ANSWER];

/// That a request was served.
pub(super) const fn done() -> Answer {
    let mut bytes = [0; ANSWER];
    bytes[0] = DONE;
    bytes
}

/// That it was refused, and how many nanoseconds to stay away.
pub(super) fn refused_for(nanos: u64) -> Answer {
    let mut bytes = [REFUSED; ANSWER];
    bytes[1..].copy_from_slice(&nanos.to_le_bytes());
    bytes
}

/// What a refusal says to whoever is refused.
pub(super) fn refused(rejected: Rejected, now: Instant) -> Answer {
    refused_for(match rejected.retry() {
        RetryAt::At(at) => at.saturating_since(now).as_nanos() as u64,
        RetryAt::Unknown => 0,
        RetryAt::Never => NEVER,
    })
}

/// What an answer means to a call; `None` of one that makes no sense.
pub(super) fn read(answer: &Answer) -> Option<Result<(), Classification>> {
    let [kind, nanos @ ..] = answer;
    let hint = match u64::from_le_bytes(*nanos) {
        NEVER => RetryHint::Never,
        nanos => RetryHint::After(Duration::from_nanos(nanos)),
    };
    match *kind {
        DONE => Some(Ok(())),
        REFUSED => Some(Err(Classification::Failure(FailureClass::Throttled, hint))),
        _ => None,
    }
}

/// Flips up to three bits.
pub(super) fn corrupt(bytes: &mut [u8], mut drawn: u64) {
    for _ in 0..3 {
        let bit = drawn as usize % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        drawn >>= 16;
    }
}
