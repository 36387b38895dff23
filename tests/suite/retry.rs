//! Retry: what is promised, one by one, and the pitfalls, by name.

use core::error::Error;
use core::fmt;
use core::time::Duration;
use resil_core::backoff::{Jitter, Ratio};
use resil_core::outcome::{Classification, Classify, EveryError, FailureClass, RetryHint};
use resil_core::retry::{Next, Refused, Retry, RetryPolicy, RetryPolicyBuilder, Stop, Wait};
use resil_core::{ErrorCode, Instant, Rejected, ResilienceError, RetryAt, valid};

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

mod spec_1_2 {
    use super::*;

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
}

mod spec_3 {
    use super::*;

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
    fn a_hint_raises_the_delay_and_never_lowers_it() {
        let policy = policy(EXACT.initial_delay(5 * SECOND).max_retry_after(20 * SECOND));
        for (hint, delay) in [(0, 5), (4, 5), (6, 6), (20, 20), (21, 20), (u64::MAX, 20)] {
            let mut retry = Retry::start(&policy, at(0));
            let wait = waits(retry.record(&policy, after(hint), 0, at(0)));
            assert_eq!(wait.delay(), delay * SECOND, "hint of {hint} s");
        }
    }

    #[test]
    fn a_hint_does_not_disturb_the_curve() {
        let policy = policy(EXACT);
        let mut retry = Retry::start(&policy, at(0));
        assert_eq!(waits(retry.record(&policy, after(50), 0, at(0))).delay(), 50 * SECOND);
        assert_eq!(waits(retry.record(&policy, LOST, 0, at(50))).delay(), 2 * SECOND);
    }

    #[test]
    fn never_stops() {
        let policy = policy(EXACT);
        let mut retry = Retry::start(&policy, at(0));
        let stop = stops(retry.record(&policy, hinted(RetryHint::Never), 0, at(0)));
        assert_eq!(stop, Stop::Never);
        let error = retry.error(stop, Lost);
        assert_eq!(error.code(), ErrorCode::RetryFailed);
        assert_eq!(error.retry_at(), Some(RetryAt::Never));
    }

    #[test]
    fn never_at_the_last_attempt_is_exhausted_all_the_same() {
        let policy = policy(EXACT.max_attempts(1));
        let mut retry = Retry::start(&policy, at(0));
        let stop = stops(retry.record(&policy, hinted(RetryHint::Never), 0, at(0)));
        assert_eq!(stop, Stop::Exhausted);
    }

    #[test]
    fn a_hint_beyond_the_deadline_stops_now_without_sleeping() {
        let policy = policy(EXACT.deadline(30 * SECOND).max_retry_after(5 * SECOND));
        for (hint, stopped) in [(29, false), (30, true), (31, true), (u64::MAX, true)] {
            let mut retry = Retry::start(&policy, at(0));
            let next = retry.record(&policy, after(hint), 0, at(0));
            assert_eq!(next == Next::Stop(Stop::Deadline), stopped, "hint of {hint} s");
        }
    }

    #[test]
    fn a_sleep_that_would_end_at_the_deadline_is_not_begun() {
        for (deadline, attempts) in [(7, 3), (8, 4)] {
            let policy = policy(EXACT.max_attempts(9).deadline(deadline * SECOND));
            let (starts, stop) = starts(&policy, LOST, at(100));
            assert_eq!((starts.len(), stop), (attempts, Stop::Deadline), "deadline {deadline} s");
        }
    }

    #[test]
    fn a_sleep_that_overslept_is_noticed() {
        let policy = policy(EXACT.deadline(10 * SECOND));
        let mut retry = Retry::start(&policy, at(0));
        let wait = waits(retry.record(&policy, LOST, 0, at(0)));
        assert!(!retry.is_past_deadline(wait.until()));
        assert!(!retry.is_past_deadline(at(9)));
        assert!(retry.is_past_deadline(at(10)), "at the deadline counts as reached");
        let error = retry.error(Stop::Deadline, Lost);
        assert_eq!(error.code(), ErrorCode::RetryFailed);
        assert!(error.to_string().contains("attempts=1"), "the second never started: {error}");
    }

    #[test]
    fn our_own_timeout_is_a_failure_like_any_other() {
        let policy = policy(EXACT);
        let mut retry = Retry::start(&policy, at(0));
        assert_eq!(
            waits(retry.record(&policy, FailureClass::Timeout.into(), 0, at(9))).attempt(),
            2
        );
    }

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
    fn waiting_without_a_deadline_is_an_invalid_policy() {
        let error = RetryPolicy::builder().max_refusal_waits(1).build().unwrap_err();
        assert_eq!(error.setting(), "max_refusal_waits");
    }

    #[test]
    fn a_clock_that_steps_back_lengthens_no_wait() {
        let policy = policy(EXACT);
        let mut retry = Retry::start(&policy, at(1_000));
        let wait = waits(retry.record(&policy, LOST, 0, at(1_000)));
        assert_eq!(wait.remaining(at(1_000)), SECOND);
        assert_eq!(wait.remaining(at(3)), SECOND, "not 998 s");
        assert_eq!(wait.remaining(at(1_001)), Duration::ZERO);
        assert_eq!(wait.remaining(Instant::MAX), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_steps_back_moves_the_deadline_by_one_horizon_at_most() {
        let policy = policy(EXACT.max_attempts(99).deadline(10 * SECOND));
        let mut retry = Retry::start(&policy, at(1_000));
        let _ = waits(retry.record(&policy, LOST, 0, at(0)));
        assert_eq!(retry.deadline(), Some(at(10)), "not 1010");
        let stop = stops(retry.record(&policy, LOST, 0, at(9)));
        assert_eq!(stop, Stop::Deadline);
    }

    #[test]
    fn a_refusal_after_a_step_back_moves_the_deadline_likewise() {
        let policy = policy(EXACT.deadline(10 * SECOND).max_refusal_waits(9));
        let mut retry = Retry::start(&policy, at(1_000));
        let limited = |until| refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(until)));
        assert_eq!(waits(retry.refused(&policy, limited(9), 0, at(0))).until(), at(9));
        assert_eq!(retry.deadline(), Some(at(10)));
        assert!(stops(retry.refused(&policy, limited(12), 0, at(9))).after_waiting());
    }

    #[test]
    fn a_clock_that_jumps_forward_ends_the_call_once() {
        let policy = policy(EXACT.deadline(10 * SECOND));
        let mut retry = Retry::start(&policy, at(0));
        assert_eq!(stops(retry.record(&policy, LOST, 0, Instant::MAX)), Stop::Deadline);
    }
}

mod pitfalls {
    use super::*;

    #[test]
    fn the_deadline_begins_at_the_first_attempt_pitfall_85() {
        let policy = policy(EXACT.max_attempts(9).deadline(8 * SECOND));
        for begin in [0, 1_000_000] {
            let (starts, _) = starts(&policy, LOST, at(begin));
            assert_eq!(starts, [0, 1, 3, 7].map(|seconds| at(begin + seconds)));
        }
    }

    #[test]
    fn jitter_is_not_fed_back_into_the_curve_pitfall_86() {
        let policy = policy(RetryPolicy::builder().max_attempts(9));
        for earlier in [0, u32::MAX] {
            let mut retry = Retry::start(&policy, at(0));
            for _ in 0..3 {
                let _ = waits(retry.record(&policy, LOST, earlier, at(0)));
            }
            let wait = waits(retry.record(&policy, LOST, 1 << 31, at(0)));
            assert_eq!(wait.delay(), 4 * SECOND, "half of 8 s, whatever was drawn before");
        }
    }

    #[test]
    fn decorrelated_jitter_goes_on_from_its_own_delay_not_from_the_hint() {
        let policy = policy(RetryPolicy::builder().jitter(Jitter::Decorrelated).max_attempts(9));
        let mut retry = Retry::start(&policy, at(0));
        let _ = waits(retry.record(&policy, after(60), 0, at(0)));
        let delay = waits(retry.record(&policy, LOST, u32::MAX, at(60))).delay();
        assert!(delay <= 3 * SECOND, "{delay:?}");
        assert!(waits(retry.record(&policy, LOST, u32::MAX, at(60))).delay() > 8 * SECOND);
    }

    #[test]
    fn absurd_hints_are_clamped_and_count_against_the_deadline_pitfall_88() {
        let absurd = hinted(RetryHint::After(Duration::MAX));
        let (starts, stop) = starts(&policy(EXACT.max_attempts(4)), absurd, at(0));
        assert_eq!(starts, [0, 60, 120, 180].map(at), "capped at the longest delay");
        assert_eq!(stop, Stop::Exhausted);

        let minute = policy(EXACT.max_attempts(99).deadline(60 * SECOND));
        let (starts, stop) = self::starts(&minute, after(25), at(0));
        assert_eq!((starts, stop), ([0, 25, 50].map(at).to_vec(), Stop::Deadline));
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
}

mod budgets_and_classes {
    use super::*;
    use resil_core::call::{Budget, Extra};
    use resil_core::error::{GaveUp, TimeoutError};
    use resil_core::outcome::Outcome;
    use resil_core::retry::budget::{RetryBudget, TokenBudget};

    const BUSY: Classification = Classification::Failure(FailureClass::Throttled, RetryHint::None);

    #[test]
    fn a_throttled_failure_has_a_curve_of_its_own_where_one_is_set() {
        let builder = EXACT.initial_delay(Duration::from_millis(50)).max_attempts(4);
        let aws = policy(builder.throttled_delay(SECOND));
        assert_eq!(aws.backoff_after(FailureClass::Throttled).delay(0), SECOND);
        let mut retry = Retry::start(&aws, at(0));
        let delay = |next: Next| waits(next).delay();
        assert_eq!(delay(retry.record(&aws, LOST, 0, at(0))), Duration::from_millis(50));
        assert_eq!(delay(retry.record(&aws, BUSY, 0, at(1))), 2 * SECOND);
        assert_eq!(delay(retry.record(&aws, LOST, 0, at(2))), Duration::from_millis(200));

        let one_curve = policy(builder);
        for class in [FailureClass::Throttled, FailureClass::Timeout, FailureClass::Local] {
            assert_eq!(one_curve.backoff_after(class), one_curve.backoff());
            let mut retry = Retry::start(&one_curve, at(0));
            let delay = delay(retry.record(&one_curve, class.into(), 0, at(0)));
            assert_eq!(delay, Duration::from_millis(50));
        }
        assert_eq!(
            aws.classify(EveryError).backoff_after(FailureClass::Throttled).delay(0),
            SECOND
        );
    }

    #[test]
    fn a_throttled_delay_is_jittered_and_capped_like_any_other() {
        let builder = RetryPolicy::builder().throttled_delay(8 * SECOND).max_delay(10 * SECOND);
        let policy = policy(builder.jitter(Jitter::Decorrelated));
        for entropy in [0, 1 << 31, u32::MAX] {
            let mut retry = Retry::start(&policy, at(0));
            let first = waits(retry.record(&policy, LOST, entropy, at(0))).delay();
            let second = waits(retry.record(&policy, BUSY, entropy, at(1))).delay();
            assert!(first <= 3 * SECOND && second >= 8 * SECOND && second <= 10 * SECOND);
        }
    }

    #[test]
    fn a_budget_that_is_spent_ends_the_call_with_the_last_error() {
        const ONE: TokenBudget = valid!(TokenBudget::builder().capacity(14).build());
        let mut budget = RetryBudget::new(ONE);
        let policy = policy(EXACT);
        let mut retry = Retry::start(&policy, at(0));
        let (_, charge) = retry.record_within(&policy, &mut budget, LOST, 0, at(0)).unwrap();
        budget.settle(Some(charge), Outcome::Failure(FailureClass::Transient), at(1));
        let stop = retry.record_within(&policy, &mut budget, LOST, 0, at(1)).unwrap_err();
        assert_eq!((stop, stop.code()), (Stop::Budget, ErrorCode::RetryFailed));
        assert_eq!(stop.gave_up(), Some(GaveUp::Budget));
        let error = retry.error(stop, Lost);
        assert_eq!(error.to_string(), "RETRY_FAILED: the budget for retries is spent (attempts=2)");
        assert_eq!(error.into_operation_error(), Some(Lost));
    }

    #[test]
    fn a_call_that_ends_anyway_costs_no_budget() {
        let once = policy(EXACT.max_attempts(1));
        let short = policy(EXACT.deadline(SECOND));
        let many = policy(EXACT);
        let mut budget = RetryBudget::new(TokenBudget::AWS);
        for (policy, class, stop) in [
            (&once, LOST, Stop::Exhausted),
            (&short, LOST, Stop::Deadline),
            (&many, hinted(RetryHint::Never), Stop::Never),
            (&many, FailureClass::Fatal.into(), Stop::Fatal),
            (&many, Classification::Ignored, Stop::Ignored),
        ] {
            let mut retry = Retry::start(policy, at(0));
            let stopped = retry.record_within(policy, &mut budget, class, 0, at(0)).unwrap_err();
            assert_eq!(stopped, stop);
        }
        assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), 500_000);
        assert!(budget.peek(Extra::Hedge, at(0)).is_ok());
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
}
