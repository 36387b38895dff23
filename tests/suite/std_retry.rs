//! resil-std's retry: paused time, cancellation, refusals from inside.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;
use core::time::Duration;

use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::clock::{MockClock, Sleep, SystemClock};
use resil_std::core::backoff::Jitter;
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::error::Cause;
use resil_std::core::outcome::{Classification, FailureClass, RetryAt, RetryHint};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::{RetryPolicy, RetryPolicyBuilder};
use resil_std::core::{Clock, ErrorCode, Instant, Rejected, ResilienceError};
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::{Retry, retry_sync, retry_with_policy};

const SECOND: Duration = Duration::from_secs(1);

/// Delays of 1, 2, 4, ... seconds, not jittered.
fn plain() -> RetryPolicyBuilder {
    RetryPolicy::builder().jitter(Jitter::None)
}

#[tokio::test(start_paused = true)]
async fn the_waits_are_the_policys_and_the_first_attempt_waits_for_nothing() {
    let policy = plain().max_attempts(4).build().unwrap();
    let start = SystemClock.now();
    let mut at = Vec::new();
    let fails = || {
        at.push(SystemClock.now().saturating_since(start).as_secs());
        async { Err::<(), _>("down") }
    };
    let error = retry_with_policy(fails, &policy, "test").await.unwrap_err();
    assert_eq!(at, [0, 1, 1 + 2, 1 + 2 + 4]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
}

#[test]
fn the_blocking_form_makes_the_same_decisions() {
    let policy = plain().max_attempts(4).build().unwrap();
    let clock = MockClock::default();
    let mut at = Vec::new();
    let fails = || {
        at.push(clock.now().as_duration().as_secs());
        Err::<(), _>("down")
    };
    let error = Retry::new(&policy, "test").clock(clock.clone()).call_blocking(fails).unwrap_err();
    assert_eq!(at, [0, 1, 1 + 2, 1 + 2 + 4]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
}

#[test]
fn callers_that_fail_together_come_back_at_different_times() {
    let policy = plain().jitter(Jitter::Full).build().unwrap();
    let over = |_| {
        let clock = MockClock::default();
        let retry = Retry::new(&policy, "connect").clock(clock.clone());
        retry.call_blocking(|| Err::<(), _>("no route")).unwrap_err();
        clock.now()
    };
    let first = over(0);
    assert!((1..9).map(over).any(|other| other != first), "or a chance of one in 2^200");
}

#[test]
fn retry_sync_needs_no_runtime() {
    let policy = plain().initial_delay(Duration::from_nanos(1)).build().unwrap();
    let calls = Cell::new(0);
    let second = || {
        calls.set(calls.get() + 1);
        if calls.get() < 2 { Err("down") } else { Ok(calls.get()) }
    };
    assert_eq!(retry_sync(second, &policy, "test"), Ok(2));
}

/// A clock that counts how often it is read.
#[derive(Default)]
struct Counted {
    time: MockClock,
    readings: AtomicU32,
}

impl Clock for Counted {
    fn now(&self) -> Instant {
        self.readings.fetch_add(1, Ordering::Relaxed);
        self.time.now()
    }
}

impl Sleep for Counted {
    async fn sleep_until(&self, deadline: Instant) {
        self.block_until(deadline);
    }

    fn block_until(&self, deadline: Instant) {
        self.time.block_until(deadline);
    }
}

#[tokio::test]
async fn before_the_first_failure_the_clock_is_read_only_where_a_deadline_counts_from_there() {
    let without = plain().build().unwrap();
    let with = plain().deadline(60 * SECOND).build().unwrap();
    for (policy, expected) in [(&without, 0), (&with, 1)] {
        let clock = Counted::default();
        let retry = Retry::new(policy, "test").clock(&clock);
        assert_eq!(retry.call(async || Ok::<_, ()>(7)).await, Ok(7));
        assert_eq!(clock.readings.swap(0, Ordering::Relaxed), expected);
        assert_eq!(retry.call_guarded_blocking(|| Ok::<_, ResilienceError<()>>(7)), Ok(7));
        assert_eq!(clock.readings.swap(0, Ordering::Relaxed), expected);
    }
}

#[tokio::test]
async fn a_deadline_counts_from_the_first_attempt_however_long_that_takes() {
    let policy = plain().deadline(60 * SECOND).build().unwrap();
    for blocking in [false, true] {
        let clock = Counted::default();
        let retry = Retry::new(&policy, "test").clock(&clock);
        let slow = || {
            clock.time.advance(59 * SECOND);
            Err::<(), _>("down")
        };
        let failed =
            if blocking { retry.call_blocking(slow) } else { retry.call(async || slow()).await };
        // A wait of a second would end at the deadline, and is not begun.
        assert_eq!(failed.unwrap_err().code(), ErrorCode::RetryFailed);
        assert_eq!(clock.time.now(), Instant::from_duration(59 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_returns_as_it_is_on_any_attempt() {
    let policy = plain().max_attempts(5).build().unwrap().classify(|error: &u32| *error < 2);
    let calls = Cell::new(0);
    let counts = || {
        calls.set(calls.get() + 1);
        let error = calls.get();
        async move { Err::<(), u32>(error) }
    };
    let error = retry_with_policy(counts, &policy, "test").await.unwrap_err();
    assert_eq!((error.code(), error.into_operation_error()), (ErrorCode::OperationFailed, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_hint_raises_the_delay_and_never_stops() {
    let after = |secs| Classification::Failure(FailureClass::Throttled, RetryHint::After(secs));
    let policy = plain().max_attempts(2).build().unwrap().classify(move |_: &()| after(5 * SECOND));
    let start = SystemClock.now();
    assert!(retry_with_policy(async || Err::<(), ()>(()), &policy, "test").await.is_err());
    assert_eq!(SystemClock.now().saturating_since(start).as_secs(), 5);

    let never = |_: &()| Classification::Failure(FailureClass::Throttled, RetryHint::Never);
    let policy = plain().build().unwrap().classify(never);
    let error = retry_with_policy(async || Err::<(), ()>(()), &policy, "test").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(SystemClock.now().saturating_since(start).as_secs(), 5, "no further wait");
}

#[tokio::test(start_paused = true)]
async fn no_sleep_outlives_the_deadline_pitfall_85() {
    let policy = plain().max_attempts(10).deadline(6 * SECOND).build().unwrap();
    let start = SystemClock.now();
    let error = retry_with_policy(async || Err::<(), ()>(()), &policy, "test").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(SystemClock.now().saturating_since(start).as_secs(), 3, "not 3 + 4");
}

/// A clock that oversleeps by an hour.
#[derive(Clone, Default)]
struct Sleepyhead(MockClock);

impl Clock for Sleepyhead {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl Sleep for Sleepyhead {
    async fn sleep_until(&self, deadline: Instant) {
        self.block_until(deadline);
    }

    fn block_until(&self, deadline: Instant) {
        self.0.block_until(deadline.saturating_add(3600 * SECOND));
    }
}

#[test]
fn no_attempt_starts_after_the_deadline_however_long_the_sleep_was() {
    let policy = plain().deadline(60 * SECOND).build().unwrap();
    let calls = Cell::new(0);
    let counts = || {
        calls.set(calls.get() + 1);
        Err::<(), _>("down")
    };
    let retry = Retry::new(&policy, "test").clock(Sleepyhead::default());
    let error = retry.call_blocking(counts).unwrap_err();
    assert_eq!((error.code(), calls.get()), (ErrorCode::RetryFailed, 1));
    assert_eq!(error.into_operation_error(), Some("down"));
}

#[test]
fn a_refusal_that_was_overslept_is_the_source() {
    let policy = plain().deadline(60 * SECOND).max_refusal_waits(5).build().unwrap();
    let at = RetryAt::At(Instant::from_duration(SECOND));
    let refusal = Rejected::new(ErrorCode::RateLimitExceeded, at);
    let refused = || Err::<(), ResilienceError<()>>(refusal.into());
    let retry = Retry::new(&policy, "test").clock(Sleepyhead::default());
    let error = retry.call_guarded_blocking(refused).unwrap_err();
    let Cause::RetryExhausted(error) = error.cause() else { panic!("{error}") };
    assert_eq!((error.refusal(), error.attempts()), (Some(&refusal), 0));
}

#[tokio::test(start_paused = true)]
async fn a_breakers_refusal_ends_the_call_and_burns_no_attempt_pitfall_95() {
    let policy = plain().max_attempts(10).build().unwrap();
    let config = CircuitBreakerConfig::builder().failure_threshold(3).build().unwrap();
    let breaker = CircuitBreaker::new("peer", config);
    let calls = Cell::new(0);
    let send = async || {
        calls.set(calls.get() + 1);
        Err::<(), _>("reset")
    };
    let error = Retry::new(&policy, "send").call_guarded(|| breaker.call(send)).await.unwrap_err();
    assert_eq!((error.code(), calls.get()), (ErrorCode::CircuitBreakerOpen, 3));
    assert_eq!(error.to_string(), "CIRCUIT_BREAKER_OPEN: the breaker is open (breaker=peer)");
}

#[tokio::test(start_paused = true)]
async fn a_limiters_refusal_is_waited_for_where_the_policy_says_so() {
    let config = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(10 * SECOND)
        .burst_size(1)
        .build()
        .unwrap();
    let limiter: RateLimiter<u8, _> =
        RateLimiter::builder(TokenBucket::new(config)).build().unwrap();
    limiter.allow(&7, 1).unwrap();
    let guarded = async || -> Result<(), ResilienceError<()>> { Ok(limiter.allow(&7, 1)?) };

    let hasty = plain().max_attempts(9).build().unwrap();
    let refused = Retry::new(&hasty, "send").call_guarded(guarded).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);

    let start = SystemClock.now();
    let patient =
        plain().max_attempts(1).deadline(60 * SECOND).max_refusal_waits(1).build().unwrap();
    assert_eq!(Retry::new(&patient, "send").call_guarded(guarded).await, Ok(()));
    assert_eq!(SystemClock.now().saturating_since(start).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_retry_inside_a_retry_does_not_multiply_pitfall_91() {
    let policy = plain().max_attempts(3).build().unwrap();
    let calls = Cell::new(0);
    let send = async || {
        calls.set(calls.get() + 1);
        Err::<(), _>("reset")
    };
    let inner = || retry_with_policy(send, &policy, "inner");
    let error = Retry::new(&policy, "outer").call_guarded(inner).await.unwrap_err();
    assert_eq!((error.code(), calls.get()), (ErrorCode::RetryExhausted, 3));
}

#[test]
fn its_futures_can_be_spawned() {
    fn spawnable(_: impl Future + Send + 'static) {}
    static POLICY: RetryPolicy = RetryPolicy::DEFAULT;
    let breaker = CircuitBreaker::new("peer", CircuitBreakerConfig::DEFAULT);
    spawnable(retry_with_policy(async || Err::<(), ()>(()), &POLICY, "test"));
    spawnable(async move {
        let send = || breaker.call(async || Err::<(), ()>(()));
        Retry::new(&POLICY, "test").call_guarded(send).await
    });
}

/// Polls `future` `polls` times and drops it; whether it was ready by then.
async fn poll_and_drop(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if poll.is_ready() {
            return true;
        }
        tokio::time::advance(SECOND).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_await_point_it_leaves_no_permit_behind_pitfall_18() {
    let policy = plain().max_attempts(3).build().unwrap();
    let opens_at_once = CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .timeout(SECOND)
        .abandon_counts_after(None)
        .build()
        .unwrap();
    for polls in 0.. {
        let breaker = CircuitBreaker::new("peer", opens_at_once);
        breaker.call_blocking(|| Err::<(), ()>(())).unwrap_err();
        tokio::time::advance(SECOND).await;
        assert_eq!(breaker.state(), State::HalfOpen);

        let slow = async || {
            tokio::task::yield_now().await;
            tokio::time::sleep(2 * SECOND).await;
            Ok::<_, ()>(())
        };
        let call = Retry::new(&policy, "probe");
        let done = poll_and_drop(call.call_guarded(|| breaker.call(slow)), polls).await;
        if done {
            assert!(polls > 2, "there were await points to drop it at");
            return;
        }
        assert!(breaker.try_acquire().is_ok(), "the only probe slot is free after {polls} polls");
    }
}
