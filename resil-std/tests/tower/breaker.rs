//! Probes that are reserved.

use core::task::Poll;
use core::time::Duration;

use resil_std::CircuitBreaker;
use resil_std::core::ErrorCode;
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, Consecutive, CountWindow, State};
use resil_std::core::ratio::Ratio;
use resil_std::tower::{CircuitBreakerLayer, TimeoutLayer};
use tokio::time::advance;
use tower::{Layer, Service};

use super::{behind, is_ready, next, now};

/// Opens at the first failure, for a minute, and then lets two probes pass.
fn breaker() -> CircuitBreaker {
    let config = CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .timeout(Duration::from_secs(60))
        .probes(2)
        .success_threshold(2);
    CircuitBreaker::new("peer", config.build().unwrap())
}

/// Half-open, with nothing out.
async fn half_open(breaker: &CircuitBreaker) {
    let _ = breaker.call(async || Err::<(), _>(())).await;
    assert_eq!(breaker.state(), State::Open);
    advance(Duration::from_secs(61)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_touches_nothing_behind_it_pitfall_23() {
    let breaker = breaker();
    let (mut service, handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    breaker.force_open();
    drop(handle); // to poll or to call the mock would fail
    for _ in 0..3 {
        assert!(is_ready(&mut service));
        let error = now(service.call("refused")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::CircuitBreakerOpen);
        assert_eq!(error.details().get("breaker").unwrap().to_string(), "peer");
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_services_get_a_probe_as_there_are_pitfall_8() {
    let breaker = breaker();
    let (service, mut handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    half_open(&breaker).await;
    let mut clones: Vec<_> = (0..10).map(|_| service.clone()).collect();
    assert!(clones.iter_mut().all(is_ready));
    let calls: Vec<_> =
        clones.iter_mut().map(|service| tokio::spawn(service.call("hello"))).collect();
    for _ in 0..2 {
        next(&mut handle).await.send_response("up");
    }
    let mut passed = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => passed += 1,
            Err(error) => assert_eq!(error.code(), ErrorCode::CircuitBreakerHalfOpen),
        }
    }
    assert_eq!((passed, breaker.state()), (2, State::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_reserved_and_dropped_is_free_again_and_counts_nowhere_pitfalls_1_21() {
    let breaker = breaker();
    let (service, _handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    half_open(&breaker).await;
    for _ in 0..10 {
        let (mut one, mut two) = (service.clone(), service.clone());
        assert!(is_ready(&mut one) && is_ready(&mut two));
        assert!(breaker.try_acquire().is_err(), "both probes are out");
        let clone = one.clone();
        drop((one, two, clone));
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    let _probes = (breaker.try_acquire().unwrap(), breaker.try_acquire().unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_reserved_before_the_breaker_opened_lets_nobody_pass_after() {
    let breaker = breaker();
    let (mut service, handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    assert!(is_ready(&mut service));
    let _ = breaker.call(async || Err::<(), _>(())).await;
    drop(handle);
    let error = now(service.call("refused")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CircuitBreakerOpen);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_reserved_for_longer_than_its_lease_is_asked_for_anew_pitfalls_4_7() {
    let breaker = breaker();
    let (mut service, mut handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    half_open(&breaker).await;
    assert!(is_ready(&mut service));
    advance(Duration::from_secs(24 * 60 * 60)).await; // whatever became of the breaker meanwhile
    let mut calls = 0;
    while breaker.state() != State::Closed {
        assert!(is_ready(&mut service));
        let mut call = Box::pin(service.call("hello"));
        if let Poll::Ready(answer) = super::poll_once(call.as_mut()) {
            answer.unwrap_err(); // refused
        } else {
            next(&mut handle).await.send_response("up");
            call.await.unwrap();
        }
        advance(Duration::from_secs(61)).await;
        calls += 1;
        assert!(calls < 10, "{breaker:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_a_service_was_ready_is_not_how_long_a_call_took() {
    let config = CircuitBreakerConfig::builder()
        .count_window(4)
        .minimum_calls(1)
        .slow_calls(Duration::from_secs(1), Ratio::new(1, 2));
    let breaker = CircuitBreaker::<_, _, CountWindow<1>>::new("peer", config.build().unwrap());
    let (mut service, mut handle) = behind(CircuitBreakerLayer::new(breaker.clone()));
    for (waits, takes, state) in [(3_600, 0, State::Closed), (0, 2, State::Open)] {
        assert!(is_ready(&mut service));
        advance(Duration::from_secs(waits)).await;
        let call = tokio::spawn(service.call("hello"));
        let request = next(&mut handle).await;
        advance(Duration::from_secs(takes)).await;
        request.send_response("up");
        call.await.unwrap().unwrap();
        assert_eq!(breaker.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_further_in_is_a_failure_and_a_call_that_is_dropped_is_none() {
    let config = CircuitBreakerConfig::<Consecutive>::builder().failure_threshold(1).build();
    let breaker = CircuitBreaker::new("peer", config.unwrap());
    let (inner, _handle) = behind(TimeoutLayer::new(Duration::from_secs(1)));
    let mut service = CircuitBreakerLayer::new(breaker.clone()).layer(inner);
    assert!(is_ready(&mut service));
    drop(service.call("given up"));
    assert_eq!(breaker.state(), State::Closed);
    assert!(is_ready(&mut service));
    let error = service.call("hangs").await.unwrap_err();
    assert_eq!((error.code(), breaker.state()), (ErrorCode::AttemptTimeout, State::Open));
}
