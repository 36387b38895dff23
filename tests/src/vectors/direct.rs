//! Core, driven by hand: what each vector file is played to. The same on a host and on a chip.

mod adaptive;
mod backoff;
mod breaker;
mod breaker_windows;
mod budget;
mod bulkhead;
pub mod call;
mod chaos;
mod deadline;
mod ejection;
mod event;
mod health;
mod health_groups;
mod heartbeat;
mod hedge;
mod lending;
mod limiter;
mod limits;
mod peers;
pub mod phi;
mod retry;
mod retry_waits;
mod snapshot;
mod throttle;
mod ticks;
mod transitions;
mod watchdog;

pub use breaker::breaker;
pub use limiter::limiter;
pub use retry::retry;

use super::beside::{self, Subject};
use super::{Replay, Script, parse};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use resil_core::ManualClock;
use resil_core::circuit_breaker::ejection::Ejection;
use resil_core::health::Heartbeat;
use resil_core::hedge::Hedge;
use serde::de::DeserializeOwned;

/// Plays every script of `vectors/<file>.toml`, which says `text`.
///
/// # Errors
///
/// What is wrong with the file: not the schema, no script, or a file that nobody plays.
///
/// # Panics
///
/// If a script says what its machine does not understand.
pub fn play(file: &str, text: &str) -> Result<Vec<Replay>, String> {
    struct OnCore<'t>(&'t str);

    impl Visitor for OnCore<'_> {
        type Output = Result<Vec<Replay>, String>;

        fn visit<S: Subject>(self) -> Self::Output {
            each(self.0, beside::play::<ManualClock, S>)
        }
    }

    match file {
        "circuit_breaker" => each(text, breaker),
        "token_bucket" | "token_bucket_ns" | "rate_limit" => each(text, limiter),
        "retry" => each(text, retry),
        "phi" => phi::play(text),
        _ => {
            subject(file, OnCore(text)).unwrap_or_else(|| Err(format!("nobody plays {file}.toml")))
        }
    }
}

fn each<P: DeserializeOwned>(
    text: &str,
    play: fn(&Script<P>) -> String,
) -> Result<Vec<Replay>, String> {
    let replay = |script: Script<P>| Replay {
        trace: play(&script),
        expected: script.expected(),
        name: script.name,
    };
    Ok(parse(text)?.into_iter().map(replay).collect())
}

/// What is to be done with the machine of a vector file.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it with the machine `S`.
    fn visit<S: Subject>(self) -> Self::Output;
}

/// Has `visitor` meet the machine that `vectors/<file>.toml` is played to beside any clock; `None`
/// where there is no such file, or the adapters have a player of their own for it.
pub fn subject<V: Visitor>(file: &str, visitor: V) -> Option<V::Output> {
    Some(match file {
        "adaptive" => visitor.visit::<adaptive::Beside>(),
        "all_of" => visitor.visit::<limits::Agreeing>(),
        "backoff" => visitor.visit::<backoff::Delays>(),
        "breaker_windows" => visitor.visit::<breaker_windows::Measured>(),
        "budget" => visitor.visit::<budget::Either>(),
        "bulkhead" => visitor.visit::<bulkhead::Beside>(),
        "call" => visitor.visit::<call::Peer>(),
        "chaos" => visitor.visit::<chaos::Disturbed>(),
        "classes" => visitor.visit::<limits::Classes>(),
        "deadline" => visitor.visit::<deadline::Node>(),
        "ejection" => visitor.visit::<Ejection>(),
        "event" => visitor.visit::<event::Log>(),
        "health" => visitor.visit::<health::Health>(),
        "health_groups" => visitor.visit::<health_groups::Checks>(),
        "heartbeat" => visitor.visit::<Heartbeat>(),
        "hedge" => visitor.visit::<Hedge>(),
        "peers" => visitor.visit::<peers::Table>(),
        "quota_change" => visitor.visit::<limits::Changing>(),
        "reserve" => visitor.visit::<limits::Owing>(),
        "retry_waits" => visitor.visit::<retry_waits::Waiting>(),
        "snapshot" => visitor.visit::<snapshot::Node>(),
        "throttle" => visitor.visit::<throttle::Beside>(),
        "ticks" => visitor.visit::<ticks::Timer>(),
        "transitions" => visitor.visit::<transitions::Polled>(),
        "warm_up" => visitor.visit::<limits::Warming>(),
        "watchdog" => visitor.visit::<watchdog::Gate>(),
        _ => return None,
    })
}

/// No policy of the scripts that get this draws.
fn no_entropy() -> u32 {
    panic!("drew entropy")
}
