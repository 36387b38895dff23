//! Permits that are reserved.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use resil_std::Bulkhead;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::Priority;
use resil_std::core::{ErrorCode, ResilienceError};
use resil_std::tower::{BulkheadLayer, OperationLayer};
use tower::{BoxError, Layer, Service, service_fn};

use super::paused_time::Woken;
use super::waits_without_touching_what_is_behind;
use super::{Watched, behind, is_ready, is_ready_for, next, now};

fn bulkhead(permits: u16, waiters: usize) -> Bulkhead {
    let policy = BulkheadConfig::builder().max_concurrent(permits).build().unwrap();
    Bulkhead::with_waiters("store", policy, waiters)
}

#[tokio::test]
async fn no_more_are_ready_or_running_than_there_are_permits_pitfall_22() {
    let bulkhead = bulkhead(2, 8);
    let (service, mut handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    let mut clones: Vec<_> = (0..5).map(|_| service.clone()).collect();
    let ready = clones.iter_mut().map(is_ready).filter(|&is_ready| is_ready).count();
    assert_eq!((ready, bulkhead.held(), bulkhead.waiting()), (2, 2, 3));

    let call = clones[0].call("first");
    assert!(!is_ready(&mut clones[4]), "a call that runs holds its permit");
    next(&mut handle).await.send_response("done");
    call.await.unwrap();
    assert!(is_ready(&mut clones[2]) && !is_ready(&mut clones[3]));
    drop((clones, service));
    assert_eq!((bulkhead.held(), bulkhead.waiting()), (0, 0));
}

#[tokio::test]
async fn a_service_that_is_ready_and_dropped_lets_the_next_one_in_pitfall_21() {
    let bulkhead = bulkhead(1, 8);
    let (mut first, _handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    let mut second = first.clone();
    let task = Arc::new(Woken::default());
    assert!(is_ready(&mut first) && !is_ready_for(&mut second, &task));
    assert_eq!(task.times(), 0, "it waits, and nothing wakes it");
    drop(first);
    assert_eq!(task.times(), 1);
    assert!(is_ready_for(&mut second, &task));
}

#[tokio::test]
async fn a_service_that_was_let_in_and_not_polled_gives_the_permit_on_pitfall_18() {
    let bulkhead = bulkhead(1, 8);
    let (mut first, _handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    let (mut second, mut third) = (first.clone(), first.clone());
    let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    assert!(is_ready(&mut first));
    assert!(!is_ready_for(&mut second, &tasks[0]) && !is_ready_for(&mut third, &tasks[1]));
    drop(first);
    assert_eq!([tasks[0].times(), tasks[1].times()], [1, 0], "one permit wakes one");
    drop(second);
    assert_eq!(tasks[1].times(), 1);
    assert!(is_ready_for(&mut third, &tasks[1]));
    drop(third);
    assert_eq!(bulkhead.held(), 0);
}

#[tokio::test]
async fn a_place_in_line_does_not_stand_in_the_way_of_its_own_call() {
    let (bulkhead, watched) = (bulkhead(1, 8), Watched::default());
    let held = bulkhead.try_acquire(1, Priority::Normal).unwrap();
    let mut service = watched.behind(BulkheadLayer::new(bulkhead.clone()));
    assert!(!is_ready(&mut service));
    drop(held);
    assert_eq!(
        now(service.call("let in, and not polled since")).unwrap(),
        "let in, and not polled since"
    );
    assert_eq!((bulkhead.held(), bulkhead.waiting()), (0, 0));
}

#[tokio::test]
async fn a_permit_waits_with_who_has_it_for_the_inner_service() {
    let bulkhead = bulkhead(1, 8);
    let (mut service, mut handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    handle.allow(0);
    assert!(!is_ready(&mut service));
    assert_eq!(bulkhead.held(), 1);
    handle.allow(1);
    assert!(is_ready(&mut service));
    assert_eq!(bulkhead.held(), 1, "the same one");
}

#[tokio::test]
async fn who_waits_for_a_permit_leaves_the_service_alone_pitfall_23() {
    let (bulkhead, watched) = (bulkhead(1, 8), Watched::default());
    let held = bulkhead.try_acquire(1, Default::default()).unwrap();
    let service = watched.behind(BulkheadLayer::new(bulkhead));
    waits_without_touching_what_is_behind(&watched, service, async || drop(held)).await;
}

#[tokio::test]
async fn an_inner_service_that_has_failed_keeps_no_permit_pitfall_20() {
    let bulkhead = bulkhead(1, 8);
    let (mut service, handle) = behind(BulkheadLayer::new(bulkhead.clone()));
    drop(handle); // the mock's `poll_ready` fails from now on
    let poll = super::poll_ready(&mut service, core::task::Waker::noop());
    assert!(matches!(poll, core::task::Poll::Ready(Err(error)) if error.refusal().is_none()));
    assert_eq!(bulkhead.held(), 0);
}

#[tokio::test]
async fn a_panic_gives_the_permit_back_pitfalls_20_111() {
    let bulkhead = bulkhead(1, 8);
    let panics = service_fn(|at_once: bool| {
        assert!(!at_once, "in the call itself");
        async move { if at_once { Ok::<_, BoxError>(()) } else { panic!("in its future") } }
    });
    let mut service = BulkheadLayer::new(bulkhead.clone()).layer(OperationLayer.layer(panics));
    for at_once in [true, false] {
        let poll = super::poll_ready(&mut service, core::task::Waker::noop());
        assert!(poll.is_ready());
        assert_eq!(bulkhead.held(), 1);
        let call = AssertUnwindSafe(|| {
            now(service.call(at_once)).map_err(|error: ResilienceError<BoxError>| error.code())
        });
        catch_unwind(call).unwrap_err();
        assert_eq!(bulkhead.held(), 0);
    }
}

#[tokio::test]
async fn more_than_can_wait_are_refused_and_so_is_everybody_where_nobody_waits() {
    for shed in [false, true] {
        let bulkhead = bulkhead(1, if shed { 8 } else { 0 });
        let layer = BulkheadLayer::new(bulkhead.clone());
        let (mut service, _handle) = behind(if shed { layer.shed() } else { layer });
        let mut other = service.clone();
        assert!(is_ready(&mut service) && is_ready(&mut other));
        let error = now(other.call("refused")).unwrap_err();
        assert_eq!((error.code(), bulkhead.held()), (ErrorCode::BulkheadFull, 1));
    }
}
