//! The vectors, replayed on core, on paused tokio and a mock clock through resil-std, and on embassy's mock
//! driver through resil-embassy. The traces are the scripts' own, byte for byte.

mod beside;
mod driven;
mod gate;
mod mock;
mod paused;
pub(crate) mod played;
mod random;

use crate::contract::Engine;
use paused::{Mocked, Runtime};
use played::Through;
use resil_core::ManualClock;
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::{
    BreakerPolicy, BulkheadPolicy, LimitPolicy, NoPolicy, RetrySettings, WatchdogPolicy,
};
use resil_tests::vectors::{Script, direct, load};
use serde::de::DeserializeOwned;

/// What plays scripts, and which ones it can.
struct Player<P> {
    name: &'static str,
    can: fn(&Script<P>) -> bool,
    play: fn(&Script<P>) -> String,
}

impl<P> Player<P> {
    /// Its clock can be set to anything.
    const fn direct(play: fn(&Script<P>) -> String) -> Self {
        Self { name: "core", can: |_| true, play }
    }

    const fn paused(play: fn(&Script<P>) -> String) -> Self {
        Self { name: Runtime::NAME, can: |script| !script.steps_back(), play }
    }

    /// So can this one.
    const fn mocked(play: fn(&Script<P>) -> String) -> Self {
        Self { name: Mocked::NAME, can: |_| true, play }
    }

    const fn mock(play: fn(&Script<P>) -> String) -> Self {
        Self {
            name: "embassy's mock driver",
            can: |script| !script.steps_back() && script.is_within(mock::TICK),
            play,
        }
    }

    /// The names of the scripts that it has played, or the first whose trace is not the expected one.
    fn check<'s>(&self, scripts: &'s [Script<P>]) -> Result<Vec<&'s str>, String> {
        let mut played = vec![];
        for script in scripts.iter().filter(|script| (self.can)(script)) {
            let (trace, expected) = ((self.play)(script), script.expected());
            if trace != expected {
                return Err(format!("{}\n--- expected\n{expected}--- decided\n{trace}", self.name));
            }
            played.push(script.name.as_str());
        }
        if played.is_empty() { Err(format!("{}: nothing played", self.name)) } else { Ok(played) }
    }
}

/// Whether there is a clock of this engine that scripts can set back.
pub(crate) fn can_step_back(engine: Engine) -> bool {
    match engine {
        // The chip plays what core plays.
        Engine::Core | Engine::CortexM => ManualClock::CAN_STEP_BACK,
        Engine::Std => Mocked::CAN_STEP_BACK,
        Engine::Embassy => mock::Driver::CAN_STEP_BACK,
    }
}

fn conform<P: DeserializeOwned>(file: &str, players: &[Player<P>]) {
    let scripts = load(file);
    for player in players {
        match player.check(&scripts) {
            Ok(names) => played::note(file, player.name, &names, Through::ItsAdapter),
            Err(difference) => panic!("{file}.toml, {difference}"),
        }
    }
}

#[test]
fn circuit_breaker() {
    conform::<BreakerPolicy>(
        "circuit_breaker",
        &[
            Player::direct(direct::breaker),
            Player::paused(paused::breaker::<Runtime>),
            Player::mocked(paused::breaker::<Mocked>),
            Player::mock(mock::breaker),
        ],
    );
}

#[test]
fn token_bucket() {
    conform("token_bucket", &LIMITERS);
}

#[test]
fn token_bucket_ns() {
    conform("token_bucket_ns", &LIMITERS);
}

#[test]
fn rate_limit() {
    conform("rate_limit", &LIMITERS);
}

const LIMITERS: [Player<LimitPolicy>; 4] = [
    Player::direct(direct::limiter),
    Player::paused(paused::limiter::<Runtime>),
    Player::mocked(paused::limiter::<Mocked>),
    Player::mock(mock::limiter),
];

#[test]
fn retry() {
    // The embassy adapter retries plain operations, not guarded ones.
    let unguarded = |script: &Script<RetrySettings>| {
        !script.steps.iter().any(|(_, event, _)| event.starts_with("refused"))
    };
    conform::<RetrySettings>(
        "retry",
        &[
            Player::direct(direct::retry),
            Player::paused(paused::retry),
            Player { can: unguarded, ..Player::mock(mock::retry) },
        ],
    );
}

#[test]
fn health() {
    conform::<NoPolicy>("health", &[Player::paused(paused::health), Player::mock(mock::health)]);
}

#[test]
fn bulkhead() {
    // The policy of the embassy adapter is for life, and its clock does not step back.
    let constant = |script: &Script<BulkheadPolicy>| {
        let changes = script.steps.iter().any(|(_, event, _)| event.starts_with("capacity"));
        !changes && !script.steps_back()
    };
    let mock = Player { can: constant, ..Player::mock(mock::bulkhead) };
    conform::<BulkheadPolicy>("bulkhead", &[Player::paused(paused::bulkhead), mock]);
}

#[test]
fn watchdog() {
    conform::<WatchdogPolicy>("watchdog", &[Player::mock(mock::watchdog)]);
}
