//! Which errors are retried, how often, and what is told in the end.

use super::*;
use resil_core::backoff::Ratio;
use resil_core::error::{ResilienceError, TimeoutError};
use resil_core::outcome::{Classify, EveryError};
use resil_core::valid;

#[test]
fn the_seeds_defaults() {
    let policy = RetryPolicy::DEFAULT;
    assert_eq!(policy, RetryPolicy::default());
    assert_eq!(policy.max_attempts(), 3);
    assert_eq!(policy.backoff().delay(0), SECOND);
    assert_eq!(policy.backoff().delay(1), 2 * SECOND);
    assert_eq!(policy.backoff().max_delay(), 60 * SECOND);
    assert_eq!(policy.backoff().jitter(), Jitter::Full);
    assert_eq!((policy.deadline(), policy.max_refusal_waits()), (None, 0));
}

#[test]
fn a_policy_is_checked_by_the_compiler() {
    const POLICY: RetryPolicy = valid!(
        RetryPolicy::builder()
            .max_attempts(5)
            .exponential_base(Ratio::new(3, 2))
            .deadline(Duration::from_secs(30))
            .max_refusal_waits(2)
            .build()
    );
    assert_eq!(POLICY.deadline(), Some(30 * SECOND));
}

#[test]
fn the_default_classifier_retries_every_error() {
    assert_eq!(EveryError.classify(&Lost), LOST);
    assert_eq!(RetryPolicy::DEFAULT.classifier().classify(&()), LOST);
}

#[test]
fn a_fatal_error_is_the_operations_own_on_any_attempt() {
    let policy = policy(EXACT.max_attempts(4));
    for fatal_at in 1..=4 {
        let mut retry = Retry::start(&policy, at(0));
        for _ in 1..fatal_at {
            let _ = waits(retry.record(&policy, LOST, 0, at(0)));
        }
        let stop = stops(retry.record(&policy, FailureClass::Fatal.into(), 0, at(0)));
        assert_eq!(stop, Stop::Fatal);
        let error = retry.error(stop, Lost);
        assert_eq!(error.code(), ErrorCode::OperationFailed);
        assert_eq!(error.into_operation_error(), Some(Lost));
    }
}

#[test]
fn an_ignored_error_is_passed_through() {
    let mut retry = Retry::start(&RetryPolicy::DEFAULT, at(0));
    let stop = stops(retry.record(&RetryPolicy::DEFAULT, Classification::Ignored, 0, at(0)));
    assert_eq!(stop, Stop::Ignored);
    assert_eq!(retry.error(stop, Lost), ResilienceError::operation(Lost));
}

#[test]
fn max_attempts_counts_the_first_and_delays_begin_at_index_zero() {
    let (starts, stop) = starts(&policy(EXACT.max_attempts(5)), LOST, at(10));
    assert_eq!(starts, [10, 11, 13, 17, 25].map(at));
    assert_eq!(stop, Stop::Exhausted);
}

#[test]
fn one_attempt_is_no_retry() {
    let (starts, stop) = starts(&policy(EXACT.max_attempts(1)), LOST, at(10));
    assert_eq!((starts, stop), (vec![at(10)], Stop::Exhausted));
}

#[test]
fn our_own_timeout_is_a_failure_like_any_other() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    assert_eq!(waits(retry.record(&policy, FailureClass::Timeout.into(), 0, at(9))).attempt(), 2);
}

#[test]
fn an_exhausted_retry_carries_attempts_and_the_last_error() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    let _ = waits(retry.record(&policy, LOST, 0, at(0)));
    let _ = waits(retry.record(&policy, LOST, 0, at(1)));
    let stop = stops(retry.record(&policy, LOST, 0, at(3)));
    let error = retry.error(stop, Lost);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.source().unwrap().to_string(), "the connection is lost");
    assert!(error.to_string().contains("attempts=3"), "{error}");
}

#[test]
fn attempts_that_all_timed_out_have_an_error_without_one_of_the_operation() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    let timeout = Classification::from(FailureClass::Timeout);
    let _ = waits(retry.record(&policy, timeout, 0, at(0)));
    let _ = waits(retry.record(&policy, timeout, 0, at(1)));
    let stop = stops(retry.record(&policy, timeout, 0, at(3)));
    let error = retry.last_error::<Lost>(stop, None);
    assert_eq!(
        error.to_string(),
        "RETRY_EXHAUSTED: all attempts failed (attempts=3, last=ATTEMPT_TIMEOUT)"
    );
    assert_eq!(error.operation_error(), None);
    assert!(error.source().unwrap().is::<TimeoutError>());
    for (stop, code) in [
        (Stop::Deadline, ErrorCode::RetryFailed),
        (Stop::Budget, ErrorCode::RetryFailed),
        (Stop::Ignored, ErrorCode::AttemptTimeout),
        (Stop::Fatal, ErrorCode::AttemptTimeout),
    ] {
        assert_eq!(retry.last_error::<Lost>(stop, None).code(), code);
        assert_eq!(retry.last_error(stop, Some(Lost)), retry.error(stop, Lost));
    }
}

#[test]
fn ambiguous_failures_can_be_kept_from_running_twice_pitfall_98() {
    enum Pay {
        NeverSent,
        NoReply,
    }
    let policy = policy(EXACT).classify(|error: &Pay| matches!(error, Pay::NeverSent));
    let mut retry = Retry::start(&policy, at(0));
    let class = policy.classifier().classify(&Pay::NeverSent);
    let _ = waits(retry.record(&policy, class, 0, at(0)));
    let class = policy.classifier().classify(&Pay::NoReply);
    assert_eq!(stops(retry.record(&policy, class, 0, at(1))), Stop::Fatal);
}
