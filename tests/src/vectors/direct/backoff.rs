//! A curve, and the delay before.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use crate::vectors::policies::BackoffPolicy;
use alloc::string::String;
use core::time::Duration;
use resil_core::Instant;
use resil_core::backoff::Backoff;

pub(super) struct Delays {
    backoff: Backoff,
    previous: Option<Duration>,
}

impl Subject for Delays {
    type Policy = BackoffPolicy;

    fn new(policy: &BackoffPolicy, _: Instant) -> Self {
        Self { backoff: policy.build().unwrap(), previous: None }
    }

    fn apply(&mut self, event: &[&str], _: Instant, start: Instant) -> String {
        let number = |word: &str| word.parse::<u32>().unwrap();
        let delay = match event {
            ["delay", attempt] => self.backoff.delay(number(attempt)),
            ["jittered", attempt, "entropy", entropy] => {
                self.backoff.jittered(number(attempt), self.previous, number(entropy))
            }
            _ => panic!("a curve knows no event {event:?}"),
        };
        self.previous = Some(delay);
        millis(start.saturating_add(delay), start)
    }
}
