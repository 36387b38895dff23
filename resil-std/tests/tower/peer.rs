//! The composed call, and retries, as services.

use core::future::pending;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use resil_std::core::backoff::Jitter;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, HedgedPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::error::Cause;
use resil_std::core::hedge::HedgePolicy;
use resil_std::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::core::{ErrorCode, ResilienceError};
use resil_std::tower::{BulkheadLayer, OperationLayer, PeerLayer, RetryLayer, TimeoutLayer};
use resil_std::{Bulkhead, Peer};
use tokio::time::advance;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::paused_time::{Woken, at_zero, now_millis, poll_once};
use super::{Watched, behind, is_ready, next};

/// So many attempts, a second apart, then two.
fn call(attempts: u32) -> CallPolicy {
    let retry = RetryPolicy::builder().max_attempts(attempts).jitter(Jitter::None);
    CallPolicy::new(retry.build().unwrap())
}

fn policy(attempts: u32) -> PeerPolicy {
    let limit = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(3_600))
        .burst_size(10);
    let limit = TokenBucket::new(limit.build().unwrap());
    PeerPolicy::new(call(attempts), CircuitBreakerConfig::DEFAULT, limit)
}

/// A budget that pays for so many retries.
fn budget(retries: u32) -> TokenBudget {
    TokenBudget::builder().capacity(retries).retry_cost(1).throttle_cost(1).build().unwrap()
}

/// A service that fails, and counts how often it was called.
fn counted() -> (
    impl Service<(), Response = (), Error = ResilienceError<&'static str>, Future: Send> + Clone,
    Arc<AtomicU32>,
) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let fails = service_fn(move |(): ()| {
        count.fetch_add(1, Ordering::Relaxed);
        core::future::ready(Err::<(), _>("no route"))
    });
    (OperationLayer.layer(fails), calls)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_down_is_not_touched_pitfall_23() {
    let peer = Peer::new("store", policy(3));
    peer.handle().apply(|policy, peer, now| policy.breaker().force_open(&mut peer.breaker, now));
    let (mut service, handle) = behind(PeerLayer::new(peer));
    drop(handle); // to poll or to call the mock would fail
    assert!(is_ready(&mut service));
    assert_eq!(service.call("hello").await.unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_limit_leaves_the_service_alone_pitfall_23() {
    let limit = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(1))
        .burst_size(1);
    let limit = TokenBucket::new(limit.build().unwrap());
    let waits =
        RetryPolicy::builder().max_refusal_waits(2).deadline(Duration::from_secs(9)).build();
    let call = CallPolicy::new(waits.unwrap());
    let policy = PeerPolicy::new(call, CircuitBreakerConfig::DEFAULT, limit);
    let (peer, watched) = (Peer::new("store", policy), Watched::default());
    peer.handle()
        .apply(|policy, peer, now| policy.limit().try_acquire(&mut peer.limit, 1, now))
        .unwrap();
    let mut service = watched.behind(PeerLayer::new(peer));
    assert!(is_ready(&mut service));
    let mut call = pin!(service.call("hello"));
    for _ in 0..3 {
        assert!(poll_once(call.as_mut()).is_pending());
        assert_eq!(watched.touched(), (0, 0), "it waits for a token");
        advance(Duration::from_millis(300)).await;
    }
    advance(Duration::from_millis(101)).await;
    assert_eq!((poll_once(call.as_mut()).is_ready(), watched.touched()), (true, (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_calls_a_clone_that_it_has_made_ready() {
    at_zero();
    let peer = Peer::new("store", policy(3));
    let (mut service, mut handle) = behind(PeerLayer::new(peer.clone()));
    assert!(is_ready(&mut service));
    let call = tokio::spawn(service.call("hello"));
    // The mock panics where it is called without having been ready.
    for _ in 0..2 {
        next(&mut handle).await.send_error("no");
    }
    next(&mut handle).await.send_response("yes");
    assert_eq!((call.await.unwrap().unwrap(), now_millis()), ("yes", 3_000));
    let left = peer.handle().apply(|policy, peer, now| policy.limit().available(&peer.limit, now));
    assert_eq!(left, 7, "three attempts, three tokens");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_next_attempt_wakes_once_and_an_end_not_at_all() {
    let (service, calls) = counted();
    let mut service = PeerLayer::new(Peer::new("store", policy(2))).layer(service);
    let (task, mut call) = (Arc::new(Woken::default()), pin!(service.call(())));
    assert!(task.poll(call.as_mut()).is_pending());
    advance(Duration::from_millis(990)).await;
    assert_eq!(task.times(), 0);
    advance(Duration::from_millis(11)).await;
    assert_eq!(task.times(), 1);
    assert!(task.poll(call.as_mut()).is_ready());
    assert_eq!((task.times(), calls.load(Ordering::Relaxed)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_is_known_of_the_peer() {
    let (service, calls) = counted();
    let service = PeerLayer::new(Peer::new("store", policy(1))).layer(service);
    for _ in 0..5 {
        service.clone().oneshot(()).await.unwrap_err();
    }
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!((error.code(), calls.load(Ordering::Relaxed)), (ErrorCode::CircuitBreakerOpen, 5));
}

#[tokio::test(start_paused = true)]
async fn one_budget_pays_for_the_retries_of_all_clones_pitfall_89() {
    let (service, calls) = counted();
    let service = RetryLayer::with_budget("store", call(4), budget(5)).layer(service);
    for _ in 0..20 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(error.operation_error(), Some(&"no route"));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 20 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_layer_further_in_is_not_retried_pitfall_95() {
    let full = Bulkhead::with_waiters("full", BulkheadConfig::DEFAULT, 0);
    let _held = full.try_acquire(25, Default::default()).unwrap();
    let (service, calls) = counted();
    let peer = Peer::new("store", policy(9));
    let service = ServiceBuilder::new()
        .layer(PeerLayer::new(peer.clone()))
        .layer(BulkheadLayer::new(full))
        .service(service);
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!((error.code(), calls.load(Ordering::Relaxed)), (ErrorCode::BulkheadFull, 0));
    let state = |policy: &PeerPolicy, peer: &mut resil_std::core::call::PeerState, now| {
        (policy.breaker().failures(&peer.breaker), policy.breaker().state(&peer.breaker, now))
    };
    assert_eq!(peer.handle().apply(state), (0, State::Closed), "it says nothing about the peer");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_has_given_up_is_not_retried_pitfall_91() {
    let (service, calls) = counted();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::with_budget("outer", call(3), budget(100)))
        .layer(RetryLayer::with_budget("inner", call(3), budget(100)))
        .service(service);
    let error = service.oneshot(()).await.unwrap_err();
    let Cause::RetryExhausted(inner) = error.cause() else { panic!("{error:?}") };
    assert_eq!((inner.attempts(), inner.last_error()), (3, Some(&"no route")));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_an_attempt_is_retried() {
    at_zero();
    let hangs = service_fn(async |_: ()| pending::<Result<(), BoxError>>().await);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::with_budget("store", call(2), budget(100)))
        .layer(TimeoutLayer::new(Duration::from_secs(5)))
        .layer(OperationLayer)
        .service(hangs);
    let error = service.oneshot(()).await.unwrap_err();
    let Cause::RetryExhausted(exhausted) = error.cause() else { panic!("{error:?}") };
    assert_eq!((exhausted.attempts(), exhausted.last_error().is_none()), (2, true));
    assert_eq!(now_millis(), 11_000);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_not_needed_leaves_no_readiness_behind_pitfall_21() {
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).build().unwrap();
    let peer = Peer::new("store", HedgedPolicy::new(policy(2), TokenBudget::DEFAULT, hedge));
    let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
    let bulkhead = Bulkhead::new("one", one);
    let (inner, mut handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    let mut service = PeerLayer::new(peer).layer(inner);
    let call = tokio::spawn(service.call("hello"));
    let first = next(&mut handle).await;
    advance(Duration::from_millis(600)).await;
    tokio::task::yield_now().await;
    assert_eq!((bulkhead.held(), bulkhead.waiting()), (1, 1), "the hedge waits its turn");
    first.send_response("yes");
    assert_eq!(call.await.unwrap().unwrap(), "yes");
    assert_eq!((bulkhead.held(), bulkhead.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_answers_for_a_service_that_hangs() {
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).build().unwrap();
    let peer = Peer::new("store", HedgedPolicy::new(policy(2), TokenBudget::DEFAULT, hedge));
    let (mut service, mut handle) = behind(PeerLayer::new(peer));
    let call = tokio::spawn(service.call("hello"));
    let _hangs = next(&mut handle).await;
    next(&mut handle).await.send_response("from the hedge");
    assert_eq!(call.await.unwrap().unwrap(), "from the hedge");
}
