//! What our own limits refuse burns no attempt, and is waited for only where the policy says so.

use super::*;
use resil_core::retry::Refused;

#[test]
fn a_breaker_or_a_never_of_our_own_ends_the_call_at_once_pitfall_95() {
    let policy = policy(EXACT.deadline(60 * SECOND).max_refusal_waits(9));
    for rejected in [
        refusal(ErrorCode::CircuitBreakerOpen, RetryAt::At(at(1))),
        refusal(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown),
        refusal(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never),
        refusal(ErrorCode::BulkheadFull, RetryAt::Never),
        refusal(ErrorCode::LoadShed, RetryAt::Unknown),
    ] {
        let mut retry = Retry::start(&policy, at(0));
        let refused = stops(retry.refused(&policy, rejected, 0, at(0)));
        assert!(!refused.after_waiting());
        let error = retry.refusal_error::<Lost>(refused, None);
        assert_eq!(error.code(), rejected.code(), "the refusal's own error");
    }
}

#[test]
fn by_default_no_refusal_is_waited_for_pitfall_95() {
    for deadline in [Duration::MAX, 60 * SECOND] {
        let policy = policy(EXACT.deadline(deadline));
        let mut retry = Retry::start(&policy, at(0));
        let limited = refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(1)));
        let refused = stops(retry.refused(&policy, limited, 0, at(0)));
        let error = retry.refusal_error::<Lost>(refused, None);
        assert_eq!(error.code(), ErrorCode::RateLimitExceeded);
    }
}

#[test]
fn waiting_without_a_deadline_is_an_invalid_policy() {
    let error = RetryPolicy::builder().max_refusal_waits(1).build().unwrap_err();
    assert_eq!(error.setting(), "max_refusal_waits");
}

#[test]
fn a_limiters_refusal_is_waited_for_until_its_instant_where_the_policy_says_so() {
    let policy = policy(EXACT.deadline(60 * SECOND).max_refusal_waits(1));
    let mut retry = Retry::start(&policy, at(0));
    let limited = refusal(ErrorCode::RateLimitQuotaExhausted, RetryAt::At(at(7)));
    let wait = waits(retry.refused(&policy, limited, || panic!("nothing to draw"), at(0)));
    assert_eq!((wait.until(), wait.attempt()), (at(7), 1));
}

#[test]
fn a_bulkheads_refusal_is_waited_for_by_the_backoff() {
    let policy = policy(RetryPolicy::builder().deadline(60 * SECOND).max_refusal_waits(2));
    let mut retry = Retry::start(&policy, at(0));
    let full = refusal(ErrorCode::BulkheadFull, RetryAt::Unknown);
    for delay in [SECOND / 2, SECOND] {
        assert_eq!(waits(retry.refused(&policy, full, 1 << 31, at(0))).delay(), delay);
    }
}

#[test]
fn refusals_consume_no_attempt() {
    let policy = policy(EXACT.deadline(600 * SECOND).max_refusal_waits(50));
    let mut retry = Retry::start(&policy, at(0));
    let limited = refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(1)));
    for attempt in 1..=3 {
        for _ in 0..10 {
            let wait = waits(retry.refused(&policy, limited, 0, at(1)));
            assert_eq!((wait.attempt(), retry.attempt()), (attempt, attempt));
        }
        let next = retry.record(&policy, LOST, 0, at(1));
        assert_eq!(next == Next::Stop(Stop::Exhausted), attempt == 3);
    }
    assert_eq!(retry.failed(), 3);
}

#[test]
fn more_refusals_than_waits_end_as_retry_failed_with_the_refusal_as_source() {
    let policy = policy(EXACT.deadline(60 * SECOND).max_refusal_waits(2));
    let mut retry = Retry::start(&policy, at(0));
    let limited = refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(1)));
    let _ = waits(retry.refused(&policy, limited, 0, at(0)));
    let _ = waits(retry.refused(&policy, limited, 0, at(0)));
    let refused = stops(retry.refused(&policy, limited, 0, at(0)));
    assert!(refused.after_waiting());
    assert_retry_failed(&retry, refused, limited);
}

#[test]
fn a_refusal_beyond_the_deadline_ends_as_retry_failed_at_once() {
    let policy = policy(EXACT.deadline(10 * SECOND).max_refusal_waits(9));
    let mut retry = Retry::start(&policy, at(0));
    let limited = refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(10)));
    let refused = stops(retry.refused(&policy, limited, 0, at(0)));
    assert_retry_failed(&retry, refused, limited);
}

fn assert_retry_failed(retry: &Retry, refused: Refused, rejected: Rejected) {
    let error = retry.refusal_error(refused, Some(Lost));
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&rejected));
    assert_eq!(error.operation_error(), Some(&Lost), "the last error is not lost");
}
