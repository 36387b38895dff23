//! Adaptive throttling.

use crate::vectors::beside::Subject;
use crate::vectors::machines::{outcome, refused};
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use resil_core::throttle::{AdaptiveThrottle, Permit, Recorded, Throttler};
use resil_core::{Instant, Ratio};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    multiplier: Option<(u16, u16)>,
    max_share: Option<(u16, u16)>,
    window: Option<u64>,
    min_requests: Option<u32>,
}

impl Policy {
    fn build(&self) -> AdaptiveThrottle {
        let (k_above, k_below) = self.multiplier.unwrap_or((2, 1));
        let (above, below) = self.max_share.unwrap_or((9, 10));
        AdaptiveThrottle::builder()
            .multiplier(Ratio::new(k_above, k_below))
            .max_share(Ratio::new(above, below))
            .window(Duration::from_millis(self.window.unwrap_or(120_000)))
            .min_requests(self.min_requests.unwrap_or(10))
            .build()
            .unwrap()
    }
}

pub(super) struct Beside {
    throttle: Throttler,
    held: Vec<Permit>,
}

impl Beside {
    fn counts(&self, now: Instant) -> String {
        format!("{} of {}", self.throttle.accepts(now), self.throttle.requests(now))
    }

    /// Asks for calls that nothing can refuse.
    fn ask(&mut self, count: usize, now: Instant) -> String {
        for _ in 0..count {
            let permit = self.throttle.try_acquire(u32::MAX, now).expect("the dice fall high");
            self.held.push(permit);
        }
        self.counts(now)
    }

    fn tell(&mut self, ended: &str, count: usize, now: Instant) -> String {
        let from = self.held.len().checked_sub(count).expect("so many are out");
        let told: Vec<_> = self
            .held
            .drain(from..)
            .map(|permit| self.throttle.record(permit, outcome(ended), now))
            .collect();
        if told.contains(&Recorded::Stale) { "stale".to_owned() } else { self.counts(now) }
    }
}

impl Subject for Beside {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        Self { throttle: Throttler::new(policy.build()), held: Vec::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match *event {
            ["ask", "entropy", bits] => {
                match self.throttle.try_acquire(bits.parse::<u32>().unwrap(), now) {
                    Ok(permit) => {
                        self.held.push(permit);
                        "admitted".to_owned()
                    }
                    Err(rejected) => refused(rejected, start),
                }
            }
            ["ask", count] => self.ask(count.parse().unwrap(), now),
            ["counts"] => self.counts(now),
            ["share"] => self.throttle.reject_share(now).to_string(),
            ["next"] => {
                let next = self.throttle.next_deadline(now);
                next.map_or("nothing due".to_owned(), |at| millis(at, start))
            }
            ["reset"] => {
                self.throttle.reset();
                self.counts(now)
            }
            [ended, count] => self.tell(ended, count.parse().unwrap(), now),
            _ => panic!("a throttle knows no event {event:?}"),
        }
    }
}
