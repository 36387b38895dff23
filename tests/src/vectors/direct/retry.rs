//! A retry, whose script is what its attempts do.

use super::no_entropy;
use crate::vectors::attempts::{Attempts, Failure};
use crate::vectors::policies::RetrySettings;
use crate::vectors::{ORIGIN, Script};
use alloc::string::String;
use resil_core::ResilienceError;
use resil_core::outcome::Classification;
use resil_core::retry::{Next, Retry, Stop};

/// The trace of a script of `retry.toml`.
///
/// # Panics
///
/// If the script ends before the retry does, or says what no attempt does.
#[must_use]
pub fn retry(script: &Script<RetrySettings>) -> String {
    let policy = script.policy.build().unwrap().classify(|error: &Classification| *error);
    let (mut attempts, mut now) = (Attempts::new(script, ORIGIN), ORIGIN);
    let mut retry = Retry::start(&policy, now);
    let mut last = None;
    let result = loop {
        let attempt = attempts.begin(now);
        now = now.saturating_add(attempt.takes);
        let wait = match attempt.end {
            Ok(()) => break Ok(()),
            Err(Failure::Error(error)) => {
                last = Some(error);
                match retry.record(&policy, error, no_entropy, now) {
                    Next::Wait(wait) => wait,
                    Next::Stop(stop) => break Err(retry.error(stop, error)),
                }
            }
            Err(Failure::Refused(rejected)) => {
                match retry.refused(&policy, rejected, no_entropy, now) {
                    Next::Wait(wait) => wait,
                    Next::Stop(refused) => break Err(retry.refusal_error(refused, last)),
                }
            }
        };
        now = wait.until();
        if retry.is_past_deadline(now) {
            break Err(last.map_or_else(
                || panic!("no wait outlives the deadline"),
                |error| -> ResilienceError<_> { retry.error(Stop::Deadline, error) },
            ));
        }
    };
    attempts.finish(&result)
}
