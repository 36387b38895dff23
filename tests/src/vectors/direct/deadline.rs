//! Deadlines, and what of them goes over the wire.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use resil_core::Instant;
use resil_core::deadline::{CallContext, Deadline, WireContext};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// How long a call may take.
    timeout: Option<u64>,
    /// How long a peer's may.
    longest: Option<u64>,
}

pub(super) struct Node {
    context: CallContext,
    longest: Duration,
}

impl Subject for Node {
    type Policy = Policy;

    fn new(policy: &Policy, now: Instant) -> Self {
        let timeout = |millis: Option<u64>| millis.map_or(Duration::MAX, Duration::from_millis);
        let deadline = Deadline::after(now, timeout(policy.timeout));
        Self { context: CallContext::new(deadline), longest: timeout(policy.longest) }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let until = |deadline: Deadline| match deadline.instant() {
            None => "for ever".to_owned(),
            Some(at) => format!("until {}", millis(at, start)),
        };
        match *event {
            ["look"] => {
                let past = if self.context.deadline().is_past(now) { ", past" } else { "" };
                until(self.context.deadline()) + past
            }
            ["attempt", timeout] => {
                let timeout = Duration::from_millis(timeout.parse().unwrap());
                until(self.context.deadline().attempt(timeout, now))
            }
            ["send", "attempt", attempt, ref hedge @ ..] => {
                let child = self.context.child(attempt.parse().unwrap(), !hedge.is_empty());
                child.wire(now).encode().map(|byte| format!("{byte:02x}")).concat()
            }
            ["receive", hex] => {
                let bytes: Vec<_> = (0..hex.len() / 2)
                    .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                    .collect();
                let wire = match WireContext::decode(&bytes) {
                    Ok(wire) => wire,
                    Err(error) => return error.to_string(),
                };
                self.context = wire.received(self.longest, now);
                let hedge = if self.context.is_hedge() { ", a hedge" } else { "" };
                let attempt = self.context.attempt();
                format!("{}, attempt {attempt}{hedge}", until(self.context.deadline()))
            }
            _ => panic!("a deadline knows no event {event:?}"),
        }
    }
}
