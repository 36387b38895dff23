//! Bulkheads.

use super::beside::{Subject, conform};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, Permit, Recorded};
use resil_core::call::Priority;
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};
use resil_tests::vectors::machines::refused;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    max_concurrent: Option<u16>,
    high_reserve: Option<u16>,
    low_reserve: Option<u16>,
}

impl Policy {
    fn build(&self) -> BulkheadConfig {
        BulkheadConfig::builder()
            .max_concurrent(self.max_concurrent.unwrap_or(25))
            .high_reserve(self.high_reserve.unwrap_or(0))
            .low_reserve(self.low_reserve.unwrap_or(0))
            .build()
            .unwrap()
    }
}

/// How a call ended, in the words of the vector files.
pub(super) fn outcome(word: &str) -> Outcome {
    Outcome::Failure(match word {
        "success" => return Outcome::Success,
        "ignored" => return Outcome::Ignored,
        "abandoned" => return Outcome::Abandoned,
        "transient" => FailureClass::Transient,
        "throttled" => FailureClass::Throttled,
        "timeout" => FailureClass::Timeout,
        "local" => FailureClass::Local,
        "fatal" => FailureClass::Fatal,
        _ => panic!("no call ends with {word}"),
    })
}

fn priority(word: &str) -> Priority {
    match word {
        "low" => Priority::Low,
        "normal" => Priority::Normal,
        "high" => Priority::High,
        _ => panic!("no priority is called {word}"),
    }
}

struct Beside {
    bulkhead: Bulkhead,
    held: HashMap<String, Permit>,
}

impl Subject for Beside {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        Self { bulkhead: Bulkhead::new(policy.build()), held: HashMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match *event {
            ["ask", name, importance, weight] => {
                let weight = weight.parse().unwrap();
                match self.bulkhead.try_acquire(weight, priority(importance), now) {
                    Ok(permit) => {
                        assert!(self.held.insert(name.to_owned(), permit).is_none());
                        "admitted".to_owned()
                    }
                    Err(rejected) => refused(rejected, start),
                }
            }
            ["available", importance] => self.bulkhead.available(priority(importance)).to_string(),
            ["capacity", permits] => {
                let config = BulkheadConfig::builder().max_concurrent(permits.parse().unwrap());
                self.bulkhead.reconfigure(config.build().unwrap(), now);
                format!("{} held", self.bulkhead.held())
            }
            ["reset"] => {
                self.bulkhead.reset();
                format!("{} held", self.bulkhead.held())
            }
            [ended, name] => {
                let permit = self.held.remove(name).expect("a permit of this name");
                match self.bulkhead.record(permit, outcome(ended), now) {
                    Recorded::Released => format!("{} held", self.bulkhead.held()),
                    Recorded::Stale => "stale".to_owned(),
                }
            }
            _ => panic!("a bulkhead knows no event {event:?}"),
        }
    }
}

#[test]
fn bulkhead() {
    conform::<Beside>("bulkhead");
}
