//! Bulkheads.

use crate::vectors::beside::Subject;
use crate::vectors::machines::{outcome, refused};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use resil_core::Instant;
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, Permit, Recorded};
use resil_core::call::Priority;
use serde::Deserialize;

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

fn priority(word: &str) -> Priority {
    match word {
        "low" => Priority::Low,
        "normal" => Priority::Normal,
        "high" => Priority::High,
        _ => panic!("no priority is called {word}"),
    }
}

pub(super) struct Beside {
    bulkhead: Bulkhead,
    held: BTreeMap<String, Permit>,
}

impl Subject for Beside {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        Self { bulkhead: Bulkhead::new(policy.build()), held: BTreeMap::new() }
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
