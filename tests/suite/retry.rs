//! Retry: what is promised, one by one, and the pitfalls, by name.

mod attempts;
mod budget;
mod delays;
mod refusals;
mod time;

use core::error::Error;
use core::fmt;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::{Next, Retry, RetryPolicy, RetryPolicyBuilder, Stop, Wait};
use resil_core::{ErrorCode, Instant, Rejected, RetryAt};

const SECOND: Duration = Duration::from_secs(1);
const LOST: Classification = Classification::Failure(FailureClass::Transient, RetryHint::None);
/// Settings with round delays.
const EXACT: RetryPolicyBuilder = RetryPolicy::builder().jitter(Jitter::None);

#[derive(Debug, Clone, PartialEq)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is lost")
    }
}

impl Error for Lost {}

fn at(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

fn policy(builder: RetryPolicyBuilder) -> RetryPolicy {
    builder.build().unwrap()
}

fn hinted(hint: RetryHint) -> Classification {
    Classification::Failure(FailureClass::Throttled, hint)
}

fn after(seconds: u64) -> Classification {
    hinted(RetryHint::After(Duration::from_secs(seconds)))
}

fn refusal(code: ErrorCode, retry: RetryAt) -> Rejected {
    Rejected::new(code, retry)
}

#[track_caller]
fn waits<S: fmt::Debug>(next: Next<S>) -> Wait {
    match next {
        Next::Wait(wait) => wait,
        Next::Stop(stop) => panic!("stopped: {stop:?}"),
    }
}

#[track_caller]
fn stops<S>(next: Next<S>) -> S {
    match next {
        Next::Stop(stop) => stop,
        Next::Wait(wait) => panic!("waits: {wait:?}"),
    }
}

/// Drives a call whose attempts all fail at once; returns when each started, and why it stopped.
fn starts(policy: &RetryPolicy, class: Classification, begin: Instant) -> (Vec<Instant>, Stop) {
    let mut retry = Retry::start(policy, begin);
    let mut starts = vec![begin];
    loop {
        let now = *starts.last().unwrap();
        match retry.record(policy, class, 0x8000_0000, now) {
            Next::Wait(wait) => starts.push(wait.until()),
            Next::Stop(stop) => return (starts, stop),
        }
    }
}
