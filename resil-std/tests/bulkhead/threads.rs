//! Threads that wait, in the same queue as tasks.

use super::{got, uplink, waiting};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU16, Ordering};
use resil_std::Bulkhead;
use resil_std::core::ErrorCode;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::Priority::Normal;
use resil_std::core::outcome::RetryAt;
use std::panic::catch_unwind;
use std::thread;

/// Until so many wait.
fn until_waiting(uplink: &Bulkhead, count: usize) {
    while uplink.waiting() < count {
        thread::yield_now();
    }
}

#[test]
fn a_thread_waits_its_turn_among_tasks() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let mut before = waiting(&uplink, 4, Normal);
    thread::scope(|scope| {
        let thread = scope.spawn(|| uplink.call_blocking(4, Normal, || Ok::<_, ()>(uplink.held())));
        until_waiting(&uplink, 2);
        let mut behind = waiting(&uplink, 4, Normal);
        drop(all);
        let first = got(&mut before).expect("it came first");
        assert!(!thread.is_finished() && got(&mut behind).is_none());
        drop(first);
        assert_eq!(thread.join().unwrap(), Ok(4));
        assert!(got(&mut behind).is_some());
    });
    assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
}

#[test]
fn a_thread_that_can_never_pass_by_a_smaller_policy_is_refused() {
    let uplink = uplink();
    let _all = uplink.try_acquire(4, Normal).unwrap();
    let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(|| uplink.acquire_blocking(4, Normal).map(drop));
        until_waiting(&uplink, 1);
        uplink.reconfigure(one);
        let refused = thread.join().unwrap().unwrap_err();
        assert_eq!((refused.code(), refused.retry()), (ErrorCode::BulkheadFull, RetryAt::Never));
    });
    assert_eq!(uplink.waiting(), 0);
}

#[test]
fn many_threads_never_hold_more_than_there_is_and_all_get_their_turn() {
    let three = BulkheadConfig::builder().max_concurrent(3).build().unwrap();
    let (uplink, out) = (Bulkhead::new("uplink", three), AtomicU16::new(0));
    thread::scope(|scope| {
        for weight in [1, 2, 3, 1, 2, 3] {
            let (uplink, out) = (uplink.clone(), &out);
            scope.spawn(move || {
                for _ in 0..200 {
                    let guard = uplink.acquire_blocking(weight, Normal).unwrap();
                    let before = out.fetch_add(weight, Ordering::AcqRel);
                    assert!(before + weight <= 3);
                    thread::yield_now();
                    out.fetch_sub(weight, Ordering::AcqRel);
                    drop(guard);
                }
            });
        }
    });
    assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
}

#[test]
fn a_thread_that_can_never_pass_is_not_blocked() {
    let refused = uplink().acquire_blocking(5, Normal).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BulkheadFull);
}

#[test]
fn a_panic_in_an_operation_gives_its_permits_back_pitfall_20() {
    let uplink = uplink();
    let dies = || -> Result<(), ()> { panic!("a fault in the program") };
    let call = || uplink.call_blocking(4, Normal, dies).is_ok();
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(uplink.held(), 0);
}
