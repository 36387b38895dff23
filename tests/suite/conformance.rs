//! The vectors, replayed on core, on paused tokio through resil-std and on embassy's mock driver
//! through resil-embassy. The traces are the scripts' own, byte for byte.

mod direct;
mod gate;
mod mock;
mod paused;

use resil_core::Instant;
use resil_tests::vectors::policies::{
    BackoffPolicy, BreakerPolicy, LimitPolicy, NoPolicy, RetrySettings,
};
use resil_tests::vectors::{Script, load};
use serde::de::DeserializeOwned;

/// Where scripts begin: two days after the epoch, so that there is time to step back to.
const ORIGIN: Instant = Instant::from_nanos(2 * 86_400 * 1_000_000_000);

/// What plays a script, and whether its clock can step back.
struct Player<P> {
    name: &'static str,
    steps_back: bool,
    play: fn(&Script<P>) -> String,
}

impl<P> Player<P> {
    /// A player whose clock can be set to anything.
    const fn direct(play: fn(&Script<P>) -> String) -> Self {
        Self { name: "core", steps_back: true, play }
    }

    const fn paused(play: fn(&Script<P>) -> String) -> Self {
        Self { name: "paused tokio", steps_back: false, play }
    }

    const fn mock(play: fn(&Script<P>) -> String) -> Self {
        Self { name: "embassy's mock driver", steps_back: false, play }
    }

    /// The first script whose trace is not the expected one.
    fn check(&self, scripts: &[Script<P>]) -> Result<(), String> {
        let playable = |script: &&Script<P>| self.steps_back || !script.steps_back();
        let mut played = 0;
        for script in scripts.iter().filter(playable) {
            let (trace, expected) = ((self.play)(script), script.expected());
            if trace != expected {
                return Err(format!("{}\n--- expected\n{expected}--- decided\n{trace}", self.name));
            }
            played += 1;
        }
        if played == 0 { Err(format!("{}: nothing played", self.name)) } else { Ok(()) }
    }
}

fn conform<P: DeserializeOwned>(file: &str, players: &[Player<P>]) {
    let scripts = load(file);
    for player in players {
        player.check(&scripts).unwrap_or_else(|difference| panic!("{file}.toml, {difference}"));
    }
}

#[test]
fn circuit_breaker() {
    conform::<BreakerPolicy>(
        "circuit_breaker",
        &[
            Player::direct(direct::breaker),
            Player::paused(paused::breaker),
            Player::mock(mock::breaker),
        ],
    );
}

#[test]
fn token_bucket() {
    conform::<LimitPolicy>(
        "token_bucket",
        &[Player::direct(direct::limiter), Player::paused(paused::limiter)],
    );
}

#[test]
fn rate_limit() {
    conform::<LimitPolicy>(
        "rate_limit",
        &[Player::direct(direct::limiter), Player::paused(paused::limiter)],
    );
}

#[test]
fn backoff() {
    conform::<BackoffPolicy>("backoff", &[Player::direct(direct::backoff)]);
}

#[test]
fn retry() {
    conform::<RetrySettings>(
        "retry",
        &[Player::direct(direct::retry), Player::paused(paused::retry)],
    );
}

#[test]
fn health() {
    conform::<NoPolicy>("health", &[Player::direct(direct::health)]);
}
