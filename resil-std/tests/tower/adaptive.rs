//! Room that is reserved, while the limit moves.

use core::time::Duration;
use std::sync::Arc;

use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::core::ErrorCode;
use resil_std::core::adaptive::{Aimd, Gradient};
use resil_std::core::outcome::FailureClass;
use resil_std::tower::AdaptiveLayer;
use tokio::time::advance;
use tower::Service;

use super::paused_time::Woken;
use super::waits_without_touching_what_is_behind;
use super::{Watched, behind, is_ready, is_ready_for, next, now};

/// So many at once to begin with; slower than a second is a loss.
fn limiter(initial: u16) -> ConcurrencyLimiter {
    let policy =
        Aimd::builder().min_limit(1).initial_limit(initial).timeout(Duration::from_secs(1));
    ConcurrencyLimiter::new("work", policy.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn no_more_are_ready_or_running_than_the_limit_says_pitfall_22() {
    let limiter = limiter(2);
    let (service, mut handle) = behind(AdaptiveLayer::new(limiter.clone()));
    let mut clones: Vec<_> = (0..4).map(|_| service.clone()).collect();
    let ready: Vec<_> = clones.iter_mut().map(is_ready).collect();
    assert_eq!((ready, limiter.in_flight()), (vec![true, true, false, false], 2));
    let call = clones[0].call("first");
    next(&mut handle).await.send_response("done");
    call.await.unwrap();
    let ready: Vec<_> = clones[2..].iter_mut().map(is_ready).collect();
    assert_eq!((ready, limiter.in_flight()), (vec![true, false], 2));
    drop((clones, service));
    assert_eq!((limiter.in_flight(), limiter.limit()), (0, 2));
    limiter.try_acquire().unwrap().ignore(); // and nobody is left in line
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_there_is_room_and_not_otherwise_pitfall_22() {
    let limiter = limiter(2);
    let held = [limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap()];
    let (mut service, _handle) = behind(AdaptiveLayer::new(limiter.clone()));
    let mut second = service.clone();
    let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    assert!(!is_ready_for(&mut service, &tasks[0]) && !is_ready_for(&mut second, &tasks[1]));
    let [one, two] = held;
    one.failure(FailureClass::Timeout); // makes the limit one less: no room
    assert_eq!((limiter.limit(), limiter.in_flight()), (1, 1));
    advance(Duration::from_secs(600)).await;
    assert_eq!([tasks[0].times(), tasks[1].times()], [0, 0]);
    two.success();
    assert_eq!([tasks[0].times(), tasks[1].times()], [1, 0]);
    assert!(is_ready_for(&mut service, &tasks[0]));
    drop(service);
    assert_eq!([tasks[0].times(), tasks[1].times()], [1, 1], "the first in line hands on");
    assert!(is_ready_for(&mut second, &tasks[1]));
}

#[tokio::test(start_paused = true)]
async fn a_service_in_line_that_is_dropped_lets_the_next_one_go_on_pitfalls_16_18() {
    let limiter = limiter(1);
    let held = limiter.try_acquire().unwrap();
    let (mut first, _handle) = behind(AdaptiveLayer::new(limiter.clone()));
    let mut second = first.clone();
    let task = Arc::new(Woken::default());
    assert!(!is_ready(&mut first) && !is_ready_for(&mut second, &task));
    held.success(); // tells the first one, which nobody polls
    drop(first);
    assert!(task.times() >= 1);
    assert!(is_ready_for(&mut second, &task));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_leaves_the_service_alone_pitfall_23() {
    let (limiter, watched) = (limiter(1), Watched::default());
    let held = limiter.try_acquire().unwrap();
    let service = watched.behind(AdaptiveLayer::new(limiter));
    waits_without_touching_what_is_behind(&watched, service, async || {
        held.ignore();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_latency_begins_with_the_call_and_not_with_being_ready() {
    let limiter = limiter(1);
    let (mut service, mut handle) = behind(AdaptiveLayer::new(limiter.clone()));
    assert!(is_ready(&mut service));
    advance(Duration::from_secs(3_600)).await;
    let call = service.call("quick");
    next(&mut handle).await.send_response("done");
    call.await.unwrap();
    assert_eq!(limiter.limit(), 2, "a success that counts, and none that came too late");
}

#[tokio::test(start_paused = true)]
async fn what_no_longer_fits_when_it_is_called_is_refused() {
    let limiter = limiter(2);
    let (mut service, _handle) = behind(AdaptiveLayer::new(limiter.clone()));
    assert!(is_ready(&mut service));
    let one = limiter.try_acquire().unwrap();
    limiter.reconfigure(Aimd::builder().initial_limit(1).max_limit(1).build().unwrap());
    let error = now(service.call("does not fit")).unwrap_err();
    assert_eq!((error.code(), limiter.in_flight()), (ErrorCode::LoadShed, 1));
    one.success();
    assert_eq!(limiter.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_sheds_refuses_at_once_and_follows_latency_as_well() {
    let policy = Gradient::builder().min_limit(1).initial_limit(1).build().unwrap();
    let limiter = ConcurrencyLimiter::new("work", policy);
    let (mut service, _handle) = behind(AdaptiveLayer::new(limiter.clone()).shed());
    let mut second = service.clone();
    assert!(is_ready(&mut service) && is_ready(&mut second));
    assert_eq!(now(second.call("refused")).unwrap_err().code(), ErrorCode::LoadShed);
    assert_eq!(limiter.in_flight(), 1);
}
