//! Tokens that are reserved.

use core::time::Duration;
use std::sync::Arc;

use resil_std::RateLimiter;
use resil_std::core::error::Cause;
use resil_std::core::outcome::RetryAt;
use resil_std::core::rate_limit::RateLimitConfig;
use resil_std::core::{Clock, ErrorCode};
use resil_std::tower::{BulkheadLayer, KeyedRateLimitLayer, OperationLayer, RateLimitLayer};
use resil_std::{Bulkhead, SystemClock};
use tokio::time::advance;
use tower::{Layer, Service};

use super::paused_time::Woken;
use super::waits_without_touching_what_is_behind;
use super::{Watched, behind, is_ready, is_ready_for, later, limiter, next, now};

#[tokio::test(start_paused = true)]
async fn ready_means_that_the_token_is_taken_pitfall_22() {
    let limiter = limiter(2);
    let (mut service, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let (mut second, mut third) = (service.clone(), service.clone());
    assert!(is_ready(&mut service) && is_ready(&mut service), "once is enough");
    assert_eq!(limiter.available(), 1);
    assert!(is_ready(&mut second));
    assert!(!is_ready(&mut third), "a clone has nothing of its own");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_dropped_gives_its_token_back_pitfall_21() {
    let limiter = limiter(1);
    let (service, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let mut ready = service.clone();
    assert!(is_ready(&mut ready));
    let clone = ready.clone();
    drop(clone);
    assert_eq!(limiter.available(), 0, "it was not the clone's");
    drop(ready);
    assert_eq!(limiter.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_made_has_spent_its_token_however_it_ends() {
    let limiter = limiter(3);
    let (mut service, mut handle) = behind(RateLimitLayer::new(limiter.clone()));
    assert!(is_ready(&mut service));
    drop(service.call("never polled"));
    assert!(is_ready(&mut service));
    let call = service.call("fails");
    drop(next(&mut handle).await);
    next(&mut handle).await.send_error("no");
    call.await.unwrap_err();
    assert_eq!(limiter.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_in_line_does_not_stand_in_the_way_of_its_own_call() {
    let (limiter, watched) = (limiter(1), Watched::default());
    limiter.allow(1).unwrap();
    let mut service = watched.behind(RateLimitLayer::new(limiter.clone()));
    assert!(!is_ready(&mut service));
    advance(Duration::from_secs(1)).await;
    assert_eq!(now(service.call("not polled since")).unwrap(), "not polled since");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_the_token_is_there_and_not_before_pitfall_22() {
    let limiter = limiter(1);
    limiter.allow(1).unwrap();
    let (mut service, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let task = Arc::new(Woken::default());
    assert!(!is_ready_for(&mut service, &task));
    advance(Duration::from_millis(999)).await;
    assert_eq!(task.times(), 0);
    advance(Duration::from_millis(2)).await;
    assert_eq!(task.times(), 1);
    assert!(is_ready_for(&mut service, &task));
    advance(Duration::from_secs(60)).await;
    assert_eq!(task.times(), 1, "and nothing is left that wakes it");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_get_one_token_each_in_order_pitfall_63() {
    let limiter = limiter(1);
    limiter.allow(1).unwrap();
    let (service, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let mut line: Vec<_> = (0..4).map(|_| (service.clone(), Arc::new(Woken::default()))).collect();
    for (service, task) in &mut line {
        assert!(!is_ready_for(service, task));
    }
    for turn in 0..line.len() {
        advance(Duration::from_millis(1_001)).await;
        // Woken or not, everybody looks: one is admitted, the others are not.
        let ready: Vec<_> =
            line.iter_mut().map(|(service, task)| is_ready_for(service, task)).collect();
        let admitted = ready.iter().filter(|&&is_ready| is_ready).count();
        assert_eq!((admitted, ready[turn]), (turn + 1, true), "{ready:?}");
    }
    assert!(limiter.check(1).is_err(), "nothing is left over");
}

#[tokio::test(start_paused = true)]
async fn a_place_in_line_that_is_dropped_lets_the_next_one_go_on_pitfalls_16_18() {
    let limiter = limiter(1);
    limiter.allow(1).unwrap();
    let (mut first, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let mut second = first.clone();
    let task = Arc::new(Woken::default());
    assert!(!is_ready(&mut first) && !is_ready_for(&mut second, &task));
    advance(Duration::from_millis(1_001)).await; // it is the first one's turn, and nobody polls it
    drop(first);
    assert_eq!(task.times(), 1);
    assert!(is_ready_for(&mut second, &task));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_sheds_says_when_to_come_back_and_leaves_the_service_alone_pitfall_23() {
    let limiter = limiter(1);
    limiter.allow(1).unwrap();
    let (mut service, mut handle) = behind(RateLimitLayer::new(limiter.clone()).shed());
    handle.allow(0); // a poll of the mock would wait
    assert!(is_ready(&mut service), "to be called, and refuse");
    let error = now(service.call("refused")).unwrap_err();
    let Cause::RateLimit(refused) = error.cause() else { panic!("{error:?}") };
    assert_eq!(refused.retry(), RetryAt::At(later(SystemClock.now(), 1_000)));

    advance(Duration::from_secs(1)).await;
    handle.allow(1);
    assert!(is_ready(&mut service), "it asks anew");
    let call = service.call("passes");
    next(&mut handle).await.send_response("passed");
    assert_eq!(call.await.unwrap(), "passed");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_token_leaves_the_service_alone_pitfall_23() {
    let (limiter, watched) = (limiter(1), Watched::default());
    limiter.allow(1).unwrap();
    let service = watched.behind(RateLimitLayer::new(limiter));
    waits_without_touching_what_is_behind(&watched, service, async || {
        advance(Duration::from_millis(1_001)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_can_never_pass_is_refused_and_does_not_wait() {
    let (mut service, _handle) = behind(RateLimitLayer::new(limiter(2)).tokens(3));
    assert!(is_ready(&mut service));
    let error = now(service.call("too heavy")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimitCostExceedsBurst);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_gives_the_tokens_back_pitfall_6() {
    let (limiter, full) = (limiter(1), Bulkhead::with_waiters("full", Default::default(), 0));
    let _held = full.try_acquire(25, Default::default()).unwrap();
    let (inner, _handle) = behind(BulkheadLayer::new(full));
    let mut service = RateLimitLayer::new(limiter.clone()).layer(inner);
    assert!(is_ready(&mut service));
    assert_eq!(now(service.call("refused")).unwrap_err().code(), ErrorCode::BulkheadFull);
    assert_eq!(limiter.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_poll_ready_asks_and_does_not_wait() {
    let limiter = limiter(1);
    limiter.allow(1).unwrap();
    let (mut service, _handle) = behind(RateLimitLayer::new(limiter.clone()));
    let error = now(service.call("not ready")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimitExceeded);

    // Nor is a place in line left behind.
    assert!(!is_ready(&mut service));
    now(service.call("not ready")).unwrap_err();
    advance(Duration::from_secs(1)).await;
    assert_eq!(limiter.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_peer_has_its_own_limit() {
    let config = RateLimitConfig::builder().burst_size(1).build().unwrap();
    let limiter = RateLimiter::new(config);
    let key = |request: &&'static str| *request;
    let echo = tower::service_fn(async |request: &'static str| Ok::<_, tower::BoxError>(request));
    let layer = KeyedRateLimitLayer::new(limiter.clone(), key);
    let mut service = layer.layer(OperationLayer.layer(echo));
    assert_eq!(service.call("a").await.unwrap(), "a");
    assert_eq!(service.call("b").await.unwrap(), "b");
    assert_eq!(service.call("a").await.unwrap_err().code(), ErrorCode::RateLimitExceeded);
    assert_eq!(limiter.available(&"a"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_gives_the_peer_s_token_back_pitfall_6() {
    let config = RateLimitConfig::builder().burst_size(1).build().unwrap();
    let limiter = RateLimiter::new(config);
    let full = Bulkhead::with_waiters("full", Default::default(), 0);
    let _held = full.try_acquire(25, Default::default()).unwrap();
    let (inner, _handle) = behind(BulkheadLayer::new(full));
    let mut service = KeyedRateLimitLayer::new(limiter.clone(), |_: &&str| 7).layer(inner);
    assert!(is_ready(&mut service));
    assert_eq!(now(service.call("refused")).unwrap_err().code(), ErrorCode::BulkheadFull);
    assert_eq!(limiter.available(&7), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_not_behind_the_limit_of_each_peer_either() {
    let (inner, mut handle) = behind(tower::layer::util::Identity::new());
    let mut service = KeyedRateLimitLayer::new(RateLimiter::default(), |_: &&str| 7).layer(inner);
    handle.allow(0);
    assert!(!is_ready(&mut service));
    handle.allow(1);
    assert!(is_ready(&mut service));
}
