//! A retry: each answer is its model's, and no clock, jitter or hint breaks its bounds.

use crate::oracle::retry as oracle;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::{Next, Retry, RetryPolicy, Wait};
use resil_core::{ErrorCode, Instant, Rejected, ResilienceError, RetryAt};

/// A step of a call: the clock moves by so much, then this happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The attempt fails.
    Fails(i64, oracle::Failure),
    /// Our own machine refuses.
    IsRefused(i64, oracle::Refusal),
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(nanos.try_into().unwrap())
}

fn instant(nanos: i128) -> Instant {
    Instant::from_duration(duration(nanos))
}

fn build(policy: oracle::Policy, jitter: Jitter) -> RetryPolicy {
    let builder = RetryPolicy::builder()
        .jitter(jitter)
        .max_attempts(policy.max_attempts)
        .initial_delay(duration(policy.initial))
        .max_delay(duration(policy.max))
        .max_retry_after(duration(policy.max_retry_after))
        .max_refusal_waits(policy.max_refusal_waits);
    let builder = match policy.deadline {
        Some(deadline) => builder.deadline(duration(deadline)),
        None => builder,
    };
    builder.build().unwrap()
}

fn throttled(hint: RetryHint) -> Classification {
    Classification::Failure(FailureClass::Throttled, hint)
}

fn classification(failure: oracle::Failure) -> Classification {
    use oracle::Failure;
    match failure {
        Failure::Fatal => FailureClass::Fatal.into(),
        Failure::Ignored => Classification::Ignored,
        Failure::Retryable => FailureClass::Transient.into(),
        Failure::After(hint) => throttled(RetryHint::After(duration(hint))),
        Failure::Never => throttled(RetryHint::Never),
    }
}

fn rejected(refusal: oracle::Refusal) -> Rejected {
    use oracle::Refusal;
    match refusal {
        Refusal::Final => Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown),
        Refusal::Unknown => Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown),
        Refusal::Until(at) => Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(instant(at))),
    }
}

/// What the machine's answer means to the caller.
fn answer(wait: Option<Wait>, error: impl FnOnce() -> ResilienceError<()>) -> oracle::Answer {
    use oracle::Answer;
    let Some(wait) = wait else {
        return match error().code() {
            ErrorCode::OperationFailed => Answer::Own,
            ErrorCode::RetryExhausted => Answer::Exhausted,
            ErrorCode::RetryFailed => Answer::Failed,
            _ => Answer::Refused,
        };
    };
    Answer::Wait(wait.until().as_nanos().into())
}

/// Each answer is the model's.
///
/// # Panics
///
/// Where it does not hold.
pub fn any_sequence_of_steps_is_decided_as_the_model_does(
    settings: oracle::Policy,
    steps: &[Step],
) {
    let policy = build(settings, Jitter::None);
    let mut now: i128 = 1_000;
    let mut retry = Retry::start(&policy, instant(now));
    let mut model = oracle::Call::start(settings, now);
    for &step in steps {
        let (Step::Fails(by, _) | Step::IsRefused(by, _)) = step;
        now = (now + i128::from(by)).max(0);
        let (machine, model) = match step {
            Step::Fails(_, failure) => {
                let next = retry.record(&policy, classification(failure), 0, instant(now));
                let got = match next {
                    Next::Wait(wait) => answer(Some(wait), || unreachable!()),
                    Next::Stop(stop) => answer(None, || retry.error(stop, ())),
                };
                (got, model.record(failure, now))
            }
            Step::IsRefused(_, refusal) => {
                let next = retry.refused(&policy, rejected(refusal), 0, instant(now));
                let got = match next {
                    Next::Wait(wait) => answer(Some(wait), || unreachable!()),
                    Next::Stop(refused) => answer(None, || retry.refusal_error(refused, Some(()))),
                };
                (got, model.refused(refusal, now))
            }
        };
        assert_eq!(machine, model, "{:?}", step);
        if !matches!(machine, oracle::Answer::Wait(_)) {
            break;
        }
    }
    assert_eq!(retry.failed(), model.failed);
}

/// With each failure comes how long the attempt took.
///
/// # Panics
///
/// Where it does not hold.
pub fn no_attempt_starts_at_or_after_the_deadline(
    settings: oracle::Policy,
    failures: &[(i128, oracle::Failure)],
    entropy: u32,
    jitter: Jitter,
) {
    let policy = build(settings, jitter);
    let mut now = 1_000;
    let mut retry = Retry::start(&policy, instant(now));
    let deadline = settings.deadline.map(|deadline| now + deadline);
    let mut attempts = 1;
    for (took, failure) in failures.iter().copied() {
        let next = retry.record(&policy, classification(failure), entropy, instant(now + took));
        let Next::Wait(wait) = next else { break };
        attempts += 1;
        assert_eq!(wait.attempt(), attempts);
        assert!(wait.delay() <= policy.backoff().max_delay().max(policy.max_retry_after()));
        now = wait.until().as_nanos().into();
        assert!(deadline.is_none_or(|deadline| now < deadline));
    }
    assert!(attempts <= settings.max_attempts);
}

/// What is done in no order: whether it fails or is refused, how, what is drawn, when, and until when.
pub type Disorder = (bool, oracle::Failure, u32, u64, Option<u64>);

/// Whatever is done in which order.
///
/// # Panics
///
/// Where it does not hold.
pub fn no_call_order_and_no_clock_panics(settings: oracle::Policy, calls: &[Disorder]) {
    let policy = build(settings, Jitter::Full);
    let mut retry = Retry::start(&policy, Instant::MAX);
    for (fails, failure, entropy, now, until) in calls.iter().copied() {
        let now = Instant::from_nanos(now);
        if fails {
            let _ = retry.record(&policy, classification(failure), entropy, now);
        } else {
            let at = until.map_or(RetryAt::Unknown, |at| RetryAt::At(Instant::from_nanos(at)));
            let limited = Rejected::new(ErrorCode::RateLimitExceeded, at);
            let _ = retry.refused(&policy, limited, entropy, now);
        }
        assert!(retry.attempt() == retry.failed() + 1);
    }
}
