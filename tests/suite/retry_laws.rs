//! Retry: random sequences of steps, against a plain model and against the laws.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::backoff::Jitter;
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::{Next, Retry, RetryPolicy, Wait};
use resil_core::{ErrorCode, Instant, Rejected, ResilienceError, RetryAt};
use resil_tests::oracle::retry as oracle;

/// A step of a call: the clock moves by so much, then this happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fails(i64, oracle::Failure),
    IsRefused(i64, oracle::Refusal),
}

fn failures() -> impl Strategy<Value = oracle::Failure> {
    use oracle::Failure;
    prop_oneof![
        6 => Just(Failure::Retryable),
        3 => (0..200_i128).prop_map(Failure::After),
        1 => Just(Failure::Fatal),
        1 => Just(Failure::Ignored),
        1 => Just(Failure::Never),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use oracle::Refusal;
    let moves = || prop_oneof![4 => 0..40_i64, 1 => -300..300_i64];
    let refusals = prop_oneof![
        4 => (0..1_500_i128).prop_map(Refusal::Until),
        3 => Just(Refusal::Unknown),
        1 => Just(Refusal::Final),
    ];
    prop::collection::vec(
        prop_oneof![
            3 => (moves(), failures()).prop_map(|(by, failure)| Step::Fails(by, failure)),
            1 => (moves(), refusals).prop_map(|(by, refusal)| Step::IsRefused(by, refusal)),
        ],
        1..40,
    )
}

fn policies() -> impl Strategy<Value = oracle::Policy> {
    (1..12_u32, 1..50_i128, 0..100_i128, prop::option::of(1..500_i128), 0..120_i128, 0..5_u32)
        .prop_map(|(max_attempts, initial, above, deadline, max_retry_after, waits)| {
            oracle::Policy {
                max_attempts,
                initial,
                max: initial + above,
                deadline,
                max_retry_after,
                max_refusal_waits: if deadline.is_some() { waits } else { 0 },
            }
        })
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

proptest! {
    #[test]
    fn any_sequence_of_steps_is_decided_as_the_model_does(
        settings in policies(), steps in steps()
    ) {
        let policy = build(settings, Jitter::None);
        let mut now: i128 = 1_000;
        let mut retry = Retry::start(&policy, instant(now));
        let mut model = oracle::Call::start(settings, now);
        for step in steps {
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
                        Next::Stop(refused) => {
                            answer(None, || retry.refusal_error(refused, Some(())))
                        }
                    };
                    (got, model.refused(refusal, now))
                }
            };
            prop_assert_eq!(machine, model, "{:?}", step);
            if !matches!(machine, oracle::Answer::Wait(_)) {
                break;
            }
        }
        prop_assert_eq!(retry.failed(), model.failed);
    }

    #[test]
    fn no_attempt_starts_at_or_after_the_deadline_pitfall_85(
        settings in policies(), failures in prop::collection::vec((0..60_i128, failures()), 12),
        entropy in any::<u32>(), jitter in prop::sample::select(vec![Jitter::Full, Jitter::Equal,
            Jitter::Quarter, Jitter::Decorrelated])
    ) {
        let policy = build(settings, jitter);
        let mut now = 1_000;
        let mut retry = Retry::start(&policy, instant(now));
        let deadline = settings.deadline.map(|deadline| now + deadline);
        let mut attempts = 1;
        for (took, failure) in failures {
            let next = retry.record(&policy, classification(failure), entropy, instant(now + took));
            let Next::Wait(wait) = next else { break };
            attempts += 1;
            prop_assert_eq!(wait.attempt(), attempts);
            prop_assert!(wait.delay() <= policy.backoff().max_delay().max(policy.max_retry_after()));
            now = wait.until().as_nanos().into();
            prop_assert!(deadline.is_none_or(|deadline| now < deadline));
        }
        prop_assert!(attempts <= settings.max_attempts);
    }

    #[test]
    fn no_call_order_and_no_clock_panics(
        settings in policies(), calls in prop::collection::vec(
            (any::<bool>(), failures(), any::<u32>(), any::<u64>(), any::<Option<u64>>()), 0..30
        )
    ) {
        let policy = build(settings, Jitter::Full);
        let mut retry = Retry::start(&policy, Instant::MAX);
        for (fails, failure, entropy, now, until) in calls {
            let now = Instant::from_nanos(now);
            if fails {
                let _ = retry.record(&policy, classification(failure), entropy, now);
            } else {
                let at = until.map_or(RetryAt::Unknown, |at| RetryAt::At(Instant::from_nanos(at)));
                let limited = Rejected::new(ErrorCode::RateLimitExceeded, at);
                let _ = retry.refused(&policy, limited, entropy, now);
            }
            prop_assert!(retry.attempt() == retry.failed() + 1);
        }
    }
}
