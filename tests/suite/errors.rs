//! Errors between machines and nodes: what a machine refuses is what a peer reads and obeys.

use core::error::Error;
use core::time::Duration;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::error::{
    CircuitBreakerOpenError, ErrorCode, Family, NetworkError, RateLimitError, Value, WireError,
};
use resil_core::outcome::{Classification, FailureClass, Outcome};
use resil_core::rate_limit::{Limiter, RateLimit, RateLimitConfig, SubWindows, TokenBucket};
use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
use resil_core::{Instant, Rejected, ResilienceError, RetryAt, valid};

const LIMIT: RateLimitConfig =
    valid!(RateLimitConfig::builder().max_requests(100).burst_size(10).build());

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn one_ns_before(instant: Instant) -> Instant {
    at(instant.as_nanos() - 1)
}

/// Takes until it is refused.
fn drain<L: resil_core::rate_limit::Limit>(limiter: &mut Limiter<L>, now: Instant) -> Rejected {
    (0..=1000).find_map(|_| limiter.try_acquire(1, now).err()).expect("a limit limits")
}

/// A peer's clock shares no epoch with ours.
const PEER: Instant = Instant::from_nanos(77_000_000_000);

#[test]
fn a_limited_peer_reads_the_code_and_a_wait_that_is_exact_for_the_machine() {
    let mut limiter = Limiter::new(TokenBucket::new(LIMIT));
    let refusal = drain(&mut limiter, at(5));
    let wire = ResilienceError::<()>::from(refusal).with_detail("peer", "node-3").wire(at(5));
    assert_eq!(wire.code(), Ok(ErrorCode::RateLimitExceeded));
    assert_eq!(wire.get("peer"), Some(&Value::from("node-3")));
    let passes = at(5).saturating_add(wire.retry_after().unwrap());
    assert!(limiter.peek(1, one_ns_before(passes)).is_err());
    assert!(limiter.peek(1, passes).is_ok());
}

#[test]
fn the_wait_on_the_wire_shrinks_as_time_passes() {
    let refusal = drain(&mut Limiter::new(TokenBucket::new(LIMIT)), at(0));
    let error = RateLimitError::new(refusal);
    let (early, late) = (error.retry_after(at(0)).unwrap(), error.retry_after(at(100)).unwrap());
    assert_eq!(early - late, Duration::from_nanos(100));
}

#[test]
fn each_reason_of_a_limiter_has_its_code() {
    let quota = valid!(RateLimitConfig::builder().max_requests(10).burst_size(10).build());
    let mut limiter = Limiter::new(RateLimit::<SubWindows<10>>::new(quota));
    let error = ResilienceError::<()>::from(drain(&mut limiter, at(0)));
    assert_eq!(error.code(), ErrorCode::RateLimitQuotaExhausted);
    let never = limiter.try_acquire(11, at(0)).unwrap_err();
    let error = ResilienceError::<()>::from(never);
    assert_eq!(error.code(), ErrorCode::RateLimitCostExceedsBurst);
    assert_eq!(error.retry_at(), Some(RetryAt::Never));
    assert!(error.wire(at(0)).never());
}

#[test]
fn an_open_and_a_half_open_breaker_refuse_with_their_own_codes() {
    const CONFIG: CircuitBreakerConfig =
        valid!(CircuitBreakerConfig::builder().failure_threshold(1).build());
    let mut breaker = CircuitBreaker::new(CONFIG);
    let permit = breaker.try_acquire(0, at(0)).unwrap();
    let _ = breaker.record(permit, Outcome::Failure(FailureClass::Transient), 0, at(0));

    let open = CircuitBreakerOpenError::new(breaker.try_acquire(0, at(1)).unwrap_err());
    assert_eq!(open.code(), ErrorCode::CircuitBreakerOpen);
    let RetryAt::At(probe) = open.retry() else { panic!("{open:?} says when") };
    assert_eq!(open.retry_after(at(1)), Some(probe.saturating_since(at(1))));

    let _probing = breaker.try_acquire(0, probe).unwrap();
    let taken = breaker.try_acquire(0, probe).unwrap_err();
    assert_eq!(CircuitBreakerOpenError::new(taken).code(), ErrorCode::CircuitBreakerHalfOpen);
    assert_eq!(taken.code().family(), Family::CircuitBreaker);
}

#[test]
fn a_retry_raises_its_delay_to_what_the_wire_error_says() {
    let policy = RetryPolicy::builder().build().unwrap().classify(|error: &WireError| {
        Classification::Failure(FailureClass::Throttled, error.hint())
    });
    let refusal = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at(30_000_000_900)));
    let wire = ResilienceError::<()>::from(refusal).wire(at(900));
    let mut retry = Retry::start(&policy, PEER);
    let class = resil_core::outcome::Classify::classify(policy.classifier(), &wire);
    let Next::Wait(wait) = retry.record(&policy, class, u32::MAX, PEER) else { panic!() };
    assert_eq!(wait.until(), PEER.saturating_add(Duration::from_secs(30)));

    let never = Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never);
    let wire = ResilienceError::<()>::from(never).wire(at(900));
    let class = resil_core::outcome::Classify::classify(policy.classifier(), &wire);
    assert_eq!(retry.record(&policy, class, u32::MAX, PEER), Next::Stop(Stop::Never));
    let error = retry.error(Stop::Never, wire);
    assert_eq!((error.code(), error.retry_at()), (ErrorCode::RetryFailed, Some(RetryAt::Never)));
    assert!(error.source().unwrap().is::<WireError>());
}

#[test]
fn a_retry_ends_in_the_error_that_its_stop_names() {
    let policy = RetryPolicy::builder().build().unwrap().classify(|_: &NetworkError| true);
    let lost: Classification = FailureClass::Transient.into();
    let mut retry = Retry::start(&policy, at(0));
    let mut now = at(0);
    let stop = loop {
        match retry.record(&policy, lost, 0, now) {
            Next::Wait(wait) => now = wait.until(),
            Next::Stop(stop) => break stop,
        }
    };
    let error = retry.error(stop, NetworkError::timeout());
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.details().get("attempts"), Some(&Value::Unsigned(3)));
    assert!(error.source().unwrap().is::<NetworkError>());

    for failures_before in 0..2 {
        let mut retry = Retry::start(&policy, at(0));
        for _ in 0..failures_before {
            let _ = retry.record(&policy, lost, 0, at(0));
        }
        let fatal = retry.record(&policy, FailureClass::Fatal.into(), 0, at(0));
        assert_eq!(fatal, Next::Stop(Stop::Fatal));
        let error = retry.error(Stop::Fatal, NetworkError::unreachable());
        assert_eq!(error.code(), ErrorCode::OperationFailed, "on any attempt");
    }
}
