//! A breaker that is polled, and may draw: every transition is told, and how long it stays open.

use crate::vectors::beside::Subject;
use crate::vectors::machines::{refused, told};
use crate::vectors::millis;
use crate::vectors::policies::Spread;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::cell::Cell;
use core::time::Duration;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Permit};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};
use serde::Deserialize;

/// A breaker's settings, all of them given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    failure_threshold: u16,
    timeout: u64,
    max_timeout: u64,
    lease: u64,
    jitter: Spread,
}

/// A breaker, and the permits it has lent.
pub(super) struct Polled {
    breaker: CircuitBreaker,
    held: BTreeMap<String, Permit>,
}

impl Subject for Polled {
    type Policy = Settings;

    fn new(policy: &Settings, _: Instant) -> Self {
        let config = CircuitBreakerConfig::builder()
            .failure_threshold(policy.failure_threshold)
            .timeout(Duration::from_millis(policy.timeout))
            .max_timeout(Duration::from_millis(policy.max_timeout))
            .lease(Duration::from_millis(policy.lease))
            .jitter(policy.jitter.into());
        Self { breaker: CircuitBreaker::new(config.build().unwrap()), held: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let (event, bits) = match event {
            [event @ .., "entropy", bits] => (event, Some(bits.parse().unwrap())),
            event => (event, None),
        };
        let draws = Cell::new(0_u32);
        let draw = || {
            draws.set(draws.get() + 1);
            bits.unwrap_or(0)
        };
        let decision = match event {
            ["ask", name] => match self.breaker.try_acquire(draw, now) {
                Ok(permit) => {
                    assert!(self.held.insert((*name).to_owned(), permit).is_none());
                    "admitted".to_owned()
                }
                Err(rejected) => refused(rejected, start),
            },
            ["poll"] => {
                let transition = self.breaker.poll(draw, now);
                transition.map_or("nothing".to_owned(), |transition| transition.to_string())
            }
            ["look"] => {
                let state = self.breaker.state(now);
                let next = self.breaker.next_deadline(now);
                next.map_or(state.to_string(), |at| format!("{state} until {}", millis(at, start)))
            }
            [end, name] => {
                let outcome = match *end {
                    "success" => Outcome::Success,
                    "failure" => Outcome::Failure(FailureClass::Transient),
                    "ignore" => Outcome::Ignored,
                    _ => panic!("a breaker knows no event {event:?}"),
                };
                let permit = self.held.remove(*name).expect("only what was lent is told back");
                told(self.breaker.record(permit, outcome, draw, now))
            }
            _ => panic!("a breaker knows no event {event:?}"),
        };
        match draws.get() {
            0 => decision,
            1 => format!("{decision}, drew"),
            times => format!("{decision}, drew {times} times"),
        }
    }
}
