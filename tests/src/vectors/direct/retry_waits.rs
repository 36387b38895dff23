//! The waits of a retry, at instants that go back and forth, out of bits that the script gives.

use crate::vectors::beside::Subject;
use crate::vectors::machines::refused;
use crate::vectors::millis;
use crate::vectors::policies::Spread;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use resil_core::error::{GaveUp, RetryExhaustedError};
use resil_core::outcome::{Classification, Classify, FailureClass, Rejected, RetryAt};
use resil_core::retry::{Guarded, Next, Retry, RetryPolicy, Wait};
use resil_core::{ErrorCode, Instant, ResilienceError};
use serde::Deserialize;

/// A retry's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    max_attempts: u32,
    jitter: Spread,
    deadline: Option<u64>,
    max_refusal_waits: Option<u32>,
}

/// A call that is retried, and what it waits for.
pub(super) struct Waiting {
    policy: RetryPolicy<Guarded>,
    retry: Retry,
    wait: Option<Wait>,
}

impl Waiting {
    fn failed(&mut self, class: Classification, bits: u32, now: Instant, start: Instant) -> String {
        match self.retry.record(&self.policy, class, bits, now) {
            Next::Wait(wait) => self.waits(wait, start),
            Next::Stop(stop) => self.retry.error(stop, ()).code().to_string(),
        }
    }

    fn waits(&mut self, wait: Wait, start: Instant) -> String {
        self.wait = Some(wait);
        format!("again at {}", millis(wait.until(), start))
    }
}

impl Subject for Waiting {
    type Policy = Settings;

    fn new(settings: &Settings, now: Instant) -> Self {
        let mut policy = RetryPolicy::builder()
            .max_attempts(settings.max_attempts)
            .jitter(settings.jitter.into())
            .max_refusal_waits(settings.max_refusal_waits.unwrap_or(0));
        if let Some(deadline) = settings.deadline {
            policy = policy.deadline(Duration::from_millis(deadline));
        }
        let policy = policy.build().unwrap().classify(Guarded::default());
        Self { policy, retry: Retry::start(&policy, now), wait: None }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["start"] => {
                self.retry = Retry::start(&self.policy, now);
                "started".to_owned()
            }
            ["transient", "entropy", bits] => {
                self.failed(FailureClass::Transient.into(), bits.parse().unwrap(), now, start)
            }
            ["transient"] => self.failed(FailureClass::Transient.into(), 0, now, start),
            // A retry further in has used up its attempts.
            ["gave_up"] => {
                let error: ResilienceError<()> =
                    RetryExhaustedError::new(GaveUp::Attempts, 3, ()).into();
                self.failed(self.policy.classifier().classify(&error), 0, now, start)
            }
            ["refused", code, "until", at] => {
                let code = ErrorCode::from_name(code).unwrap();
                let at = start.saturating_add(Duration::from_millis(at.parse().unwrap()));
                let rejected = Rejected::new(code, RetryAt::At(at));
                match self.retry.refused(&self.policy, rejected, 0, now) {
                    Next::Wait(wait) => self.waits(wait, start),
                    Next::Stop(stop) if stop.after_waiting() => "waited long enough".to_owned(),
                    Next::Stop(_) => refused(rejected, start),
                }
            }
            ["remaining"] => {
                let wait = self.wait.expect("it waits");
                format!("{} ms", wait.remaining(now).as_millis())
            }
            ["deadline"] => {
                self.retry.deadline().map_or("never".to_owned(), |at| millis(at, start))
            }
            _ => panic!("a retry knows no event {event:?}"),
        }
    }
}
