//! Retries under embassy's mock time.

mod mock_time;

use core::cell::{Cell, RefCell};
use core::future::{pending, ready};
use core::pin::pin;
use core::time::Duration;
use mock_time::{advance, at_zero, poll_once, run};
use resil_embassy::core::backoff::Jitter;
use resil_embassy::core::outcome::{Classification, EveryError, FailureClass, RetryHint};
use resil_embassy::core::retry::{Guarded, RetryPolicy};
use resil_embassy::core::{Clock, ErrorCode, Instant, valid};
use resil_embassy::{EmbassyClock, retry_with_policy};

const STEP: Duration = Duration::from_millis(1);

const FOUR: RetryPolicy =
    valid!(RetryPolicy::builder().max_attempts(4).jitter(Jitter::None).build());

const JITTERED: RetryPolicy = valid!(RetryPolicy::builder().jitter(Jitter::Full).build());

const FIVE_SECONDS: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(10)
        .jitter(Jitter::None)
        .deadline(Duration::from_secs(5))
        .build()
);

fn no_entropy() -> u32 {
    panic!("no jitter, so nothing to draw")
}

fn now_millis() -> u64 {
    EmbassyClock.now().as_nanos() / 1_000_000
}

#[test]
fn attempts_start_when_the_policy_says() {
    let _turn = at_zero();
    let starts = RefCell::new(Vec::new());
    let operation = || {
        starts.borrow_mut().push(now_millis());
        ready(Err::<(), _>("no answer"))
    };
    let error = run(retry_with_policy(operation, &FOUR, "join", no_entropy), STEP).unwrap_err();
    assert_eq!(*starts.borrow(), [0, 1_000, 3_000, 7_000]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.operation_error(), Some(&"no answer"));
}

#[test]
fn a_retry_inside_a_retry_does_not_multiply_pitfall_91() {
    static AROUND: RetryPolicy<Guarded> = FOUR.classify(Guarded(EveryError));
    let _turn = at_zero();
    let calls = Cell::new(0);
    let send = || {
        calls.set(calls.get() + 1);
        ready(Err::<(), _>("no answer"))
    };
    let inside = || retry_with_policy(send, &FOUR, "inside", no_entropy);
    let error = run(retry_with_policy(inside, &AROUND, "around", no_entropy), STEP).unwrap_err();
    assert_eq!((error.code(), calls.get()), (ErrorCode::OperationFailed, 4));
    let inner = error.into_operation_error().unwrap();
    assert_eq!(inner.code(), ErrorCode::RetryExhausted);
}

#[test]
fn it_stops_at_the_first_success() {
    let _turn = at_zero();
    let calls = Cell::new(0);
    let operation = async || {
        calls.set(calls.get() + 1);
        if calls.get() == 3 { Ok("joined") } else { Err("no answer") }
    };
    assert_eq!(run(retry_with_policy(operation, &FOUR, "join", no_entropy), STEP), Ok("joined"));
    assert_eq!((calls.get(), now_millis()), (3, 3_000));
}

#[test]
fn a_fatal_error_is_the_operations_own_and_comes_at_once() {
    let _turn = at_zero();
    let policy = FOUR.classify(|error: &&str| *error == "no answer");
    let operation = || ready(Err::<(), _>("wrong key"));
    let error = run(retry_with_policy(operation, &policy, "join", no_entropy), STEP).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OperationFailed);
    assert_eq!(error.into_operation_error(), Some("wrong key"));
    assert_eq!(EmbassyClock.now(), Instant::EPOCH);
}

#[test]
fn no_sleep_outlives_the_deadline_pitfall_85() {
    let _turn = at_zero();
    let operation = || ready(Err::<(), _>("no answer"));
    let retry = retry_with_policy(operation, &FIVE_SECONDS, "join", no_entropy);
    let error = run(retry, STEP).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(now_millis(), 3_000, "the wait of 4 s would have ended past 5 s");
}

#[test]
fn an_overslept_deadline_starts_no_attempt() {
    let _turn = at_zero();
    let calls = Cell::new(0);
    let operation = || {
        calls.set(calls.get() + 1);
        ready(Err::<(), _>("no answer"))
    };
    let mut retry = pin!(retry_with_policy(operation, &FIVE_SECONDS, "join", no_entropy));
    assert!(poll_once(retry.as_mut()).is_pending());
    advance(Duration::from_secs(60));
    let code = run(retry, STEP).unwrap_err().code();
    assert_eq!((code, calls.get()), (ErrorCode::RetryFailed, 1));
}

#[test]
fn a_hint_raises_the_wait() {
    let _turn = at_zero();
    let busy = |_: &&str| {
        Classification::Failure(FailureClass::Throttled, RetryHint::After(Duration::from_secs(20)))
    };
    let policy = valid!(RetryPolicy::builder().max_attempts(2).jitter(Jitter::None).build());
    let operation = || ready(Err::<(), _>("busy"));
    let policy = policy.classify(busy);
    assert!(run(retry_with_policy(operation, &policy, "join", no_entropy), STEP).is_err());
    assert_eq!(now_millis(), 20_000);
}

#[test]
fn jitter_comes_from_the_entropy_that_was_given_pitfall_80() {
    let _turn = at_zero();
    let draws = Cell::new(0);
    let half = || {
        draws.set(draws.get() + 1);
        u32::MAX / 2
    };
    let operation = || ready(Err::<(), _>("no answer"));
    assert!(run(retry_with_policy(operation, &JITTERED, "join", half), STEP).is_err());
    assert_eq!(draws.get(), 2, "one for each wait");
    assert_eq!(now_millis(), 1_500, "half of 1 s and of 2 s");
}

#[test]
fn dropping_it_drops_the_attempt() {
    struct Noted<'a>(&'a Cell<bool>);
    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let _turn = at_zero();
    let dropped = Cell::new(false);
    let operation = async || {
        let _noted = Noted(&dropped);
        pending::<Result<(), ()>>().await
    };
    {
        let mut retry = pin!(retry_with_policy(operation, &FOUR, "join", no_entropy));
        assert!(poll_once(retry.as_mut()).is_pending());
        assert!(!dropped.get());
    }
    assert!(dropped.get());
}
