//! What outlives a reboot, byte for byte, on three clocks.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use resil_core::backoff::Jitter;
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState};
use resil_core::outcome::FailureClass;
use resil_core::retry::{Next, Retry, RetryPolicy, Suspended};
use resil_core::snapshot::Persist;
use resil_core::{Instant, Outcome, valid};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

const BREAKER: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;
const JOIN: RetryPolicy =
    valid!(RetryPolicy::builder().max_attempts(1_000).jitter(Jitter::None).build());

/// A breaker and a reconnect loop, by their defaults but for 1,000 attempts and no jitter.
pub(super) struct Node {
    breaker: CircuitBreakerState,
    join: Suspended,
}

impl Node {
    fn look(&self, now: Instant, start: Instant) -> String {
        let until = |until: Option<Instant>| {
            until.map_or(String::new(), |until| format!(" until {}", millis(until, start)))
        };
        let breaker = BREAKER.state(&self.breaker, now);
        format!(
            "{breaker}{}, attempt {}{}",
            until(BREAKER.next_deadline(&self.breaker, now)),
            self.join.retry.attempt(),
            until(self.join.wait.map(|wait| wait.until())),
        )
    }

    fn fail(&mut self, now: Instant) {
        let failure = Outcome::Failure(FailureClass::Transient);
        if let Ok(permit) = BREAKER.try_acquire(&mut self.breaker, 0, now) {
            BREAKER.record(&mut self.breaker, permit, failure, 0, now);
        }
        let lost = FailureClass::Transient.into();
        self.join.wait = match self.join.retry.record(&JOIN, lost, 0, now) {
            Next::Wait(wait) => Some(wait),
            Next::Stop(_) => None,
        };
    }
}

impl Subject for Node {
    type Policy = Settings;

    fn new(_: &Settings, now: Instant) -> Self {
        let join = Suspended { retry: Retry::start(&JOIN, now), wait: None };
        Self { breaker: CircuitBreakerState::new(), join }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match *event {
            ["fail"] => {
                self.fail(now);
                self.look(now, start)
            }
            ["look"] => self.look(now, start),
            ["save", "breaker"] => saved(&BREAKER, &self.breaker, now),
            ["save", "join"] => saved(&JOIN, &self.join, now),
            ["restore", "breaker", hex] => match BREAKER.restore(&bytes(hex), now) {
                Ok(state) => {
                    self.breaker = state;
                    self.look(now, start)
                }
                Err(error) => format!("{error:?}").to_lowercase(),
            },
            ["restore", "join", hex] => match JOIN.restore(&bytes(hex), now) {
                Ok(state) => {
                    self.join = state;
                    self.look(now, start)
                }
                Err(error) => format!("{error:?}").to_lowercase(),
            },
            ref unknown => panic!("the node knows no event {unknown:?}"),
        }
    }
}

fn saved<P: Persist>(policy: &P, state: &P::State, now: Instant) -> String {
    let mut flash = [0; 128];
    let length = policy.save(state, now, &mut flash).unwrap();
    flash[..length].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
