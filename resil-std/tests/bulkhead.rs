//! The shared bulkhead, and its queue.

#[path = "bulkhead/model.rs"]
mod model;
mod paused_time;
#[path = "bulkhead/threads.rs"]
mod threads;

use core::cell::Cell;
use core::future::{Future, pending};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use paused_time::{Woken, drop_after, poll_once};
use resil_std::Bulkhead;
use resil_std::bulkhead::Guard;
use resil_std::core::bulkhead::{BulkheadConfig, Recorded};
use resil_std::core::call::Priority::{self, High, Low, Normal};
use resil_std::core::outcome::{Rejected, RetryAt};
use resil_std::core::{ErrorCode, valid};
use std::sync::Arc;
use std::task::Wake;
use tokio::join;
use tokio::task::yield_now;

const STEP: Duration = Duration::from_millis(1);

const FOUR: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(4).build());
const RESERVED: BulkheadConfig =
    valid!(BulkheadConfig::builder().max_concurrent(4).high_reserve(1).low_reserve(1).build());

type Waiting = Pin<Box<dyn Future<Output = Result<Guard, Rejected>>>>;

/// Four permits, and three who can wait.
fn uplink() -> Bulkhead {
    Bulkhead::with_waiters("uplink", FOUR, 3)
}

/// Somebody who has come and waits.
fn waiting(uplink: &Bulkhead, weight: u16, priority: Priority) -> Waiting {
    let mut place: Waiting = {
        let uplink = uplink.clone();
        Box::pin(async move { uplink.acquire(weight, priority).await })
    };
    assert!(poll_once(place.as_mut()).is_pending());
    place
}

fn got(place: &mut Waiting) -> Option<Guard> {
    match poll_once(place.as_mut()) {
        Poll::Ready(guard) => Some(guard.unwrap()),
        Poll::Pending => None,
    }
}

#[test]
fn of_all_who_come_at_once_the_capacity_passes_and_the_queue_waits_pitfall_22() {
    let uplink = uplink();
    let mut all: Vec<_> = (0..100).map(|_| Box::pin(uplink.acquire(1, Normal))).collect();
    let polled: Vec<_> = all.iter_mut().map(|place| poll_once(place.as_mut())).collect();
    let count = |what: fn(&Poll<Result<Guard, Rejected>>) -> bool| {
        polled.iter().filter(|answer| what(answer)).count()
    };
    assert_eq!(count(|answer| matches!(answer, Poll::Ready(Ok(_)))), 4);
    assert_eq!(count(|answer| answer.is_pending()), 3);
    assert_eq!(count(|answer| matches!(answer, Poll::Ready(Err(_)))), 93);
    assert_eq!((uplink.held(), uplink.waiting()), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_and_a_weight_that_never_fits_are_refused_at_once_pitfall_60() {
    let uplink = uplink();
    let never = uplink.acquire(5, High).await.unwrap_err();
    assert_eq!((never.code(), never.retry()), (ErrorCode::BulkheadFull, RetryAt::Never));
    let _all = uplink.try_acquire(4, Normal).unwrap();
    let _queue = [(); 3].map(|()| waiting(&uplink, 1, Normal));
    let full = uplink.acquire(1, Normal).await.unwrap_err();
    assert_eq!((full.code(), full.retry()), (ErrorCode::BulkheadFull, RetryAt::Unknown));
    let never = uplink.try_acquire(5, High).unwrap_err();
    assert_eq!(never.retry(), RetryAt::Never, "also while others wait");
}

#[tokio::test(start_paused = true)]
async fn without_places_nobody_waits() {
    let bare = Bulkhead::with_waiters("bare", FOUR, 0);
    let _all = bare.try_acquire(4, Normal).unwrap();
    assert_eq!(bare.acquire(1, Normal).await.unwrap_err().retry(), RetryAt::Unknown);
}

#[test]
fn whoever_came_first_is_let_in_first() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let mut queue = [(); 3].map(|()| waiting(&uplink, 4, Normal));
    assert_eq!(all.release(), Recorded::Released);
    assert!(got(&mut queue[2]).is_none() && got(&mut queue[1]).is_none());
    for place in &mut queue {
        let guard = got(place).expect("it is their turn");
        assert_eq!((guard.weight(), uplink.held()), (4, 4));
    }
    assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
}

#[test]
fn newcomers_do_not_overtake_and_a_heavy_head_is_not_starved_by_light_ones_pitfall_58() {
    let uplink = uplink();
    let mut held: Vec<_> = (0..4).map(|_| uplink.try_acquire(1, Normal).unwrap()).collect();
    let mut heavy = waiting(&uplink, 3, Normal);
    let mut light = waiting(&uplink, 1, Normal);
    for out in (2..=3).rev() {
        held.pop();
        assert_eq!(uplink.held(), out, "there is room for a light one");
        assert!(got(&mut light).is_none() && got(&mut heavy).is_none());
        assert_eq!(uplink.available(Normal), 0);
        assert!(uplink.try_acquire(1, Normal).is_err(), "nor does one that does not wait");
        assert!(uplink.try_acquire(0, Low).is_ok(), "who wants nothing takes nobody's turn");
    }
    held.pop();
    let heavy = got(&mut heavy).expect("three are free");
    assert!(got(&mut light).is_none());
    drop(heavy);
    assert!(got(&mut light).is_some());
}

#[test]
fn a_higher_priority_goes_first_and_a_reserve_is_not_blocked_by_who_may_not_use_it() {
    let uplink = Bulkhead::with_waiters("uplink", RESERVED, 3);
    let gossip = uplink.try_acquire(2, Low).unwrap();
    let query = uplink.try_acquire(1, Normal).unwrap();
    let mut low = waiting(&uplink, 2, Low);
    let mut normal = waiting(&uplink, 1, Normal);
    let heartbeat = uplink.try_acquire(1, High).expect("the reserve is free");
    let mut high = waiting(&uplink, 1, High);
    drop(gossip);
    assert!(got(&mut low).is_none(), "normal came later and is let in before");
    let answers = (got(&mut high), got(&mut normal));
    assert!(answers.0.is_some() && answers.1.is_none(), "all three of normal's are out");
    drop((query, heartbeat));
    let normal = got(&mut normal).expect("two are free");
    drop(answers);
    assert!(got(&mut low).is_none(), "one is out, and low may fill two");
    drop(normal);
    assert!(got(&mut low).is_some());
}

#[test]
fn a_head_that_is_cancelled_lets_in_whom_it_kept_back_pitfall_16() {
    let uplink = uplink();
    let _held = uplink.try_acquire(2, Normal).unwrap();
    let heavy = waiting(&uplink, 3, Normal);
    let woken = [(); 2].map(|()| Arc::new(Woken::default()));
    let mut light = [(); 2].map(|()| Box::pin(uplink.acquire(1, Normal)));
    for (place, woken) in light.iter_mut().zip(&woken) {
        assert!(woken.poll(place.as_mut()).is_pending());
    }
    drop(heavy);
    assert_eq!(woken.each_ref().map(|woken| woken.times()), [1, 1], "both fit, and both know");
    assert_eq!(uplink.held(), 4);
    assert!(light.iter_mut().all(|place| poll_once(place.as_mut()).is_ready()));
}

#[test]
fn one_who_is_let_in_and_goes_away_before_the_next_poll_keeps_nothing_pitfall_18() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let first = waiting(&uplink, 4, Normal);
    let mut second = waiting(&uplink, 4, Normal);
    drop(all);
    assert_eq!((uplink.held(), uplink.waiting()), (4, 1), "first is let in");
    drop(first);
    assert!(got(&mut second).is_some());
    assert_eq!(uplink.held(), 0);
}

#[test]
fn what_is_held_and_what_is_free_is_the_capacity_after_any_order_of_cancels_pitfall_19() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for released in 0..=3 {
            let uplink = uplink();
            let mut all = Some(uplink.try_acquire(4, Normal).unwrap());
            let mut queue = [(); 3].map(|()| Some(waiting(&uplink, 2, Normal)));
            for (cancels, place) in order.into_iter().enumerate() {
                if cancels == released {
                    all = None;
                }
                queue[place] = None;
                assert_eq!(uplink.held() + uplink.available(High), 4);
            }
            drop(all);
            assert_eq!((uplink.held(), uplink.available(High), uplink.waiting()), (0, 4, 0));
        }
    }
}

#[test]
fn as_many_are_woken_as_there_is_room_for_pitfall_24() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let woken = Arc::new(Woken::default());
    let mut queue = [(); 3].map(|()| Box::pin(uplink.acquire(1, Normal)));
    for place in &mut queue {
        assert!(woken.poll(place.as_mut()).is_pending());
    }
    assert_eq!(woken.times(), 0, "nobody is woken for nothing");
    drop(all);
    assert_eq!(woken.times(), 3, "by one drop, without a poll between");
}

#[test]
fn the_task_that_polled_last_is_the_one_that_is_woken() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut place = Box::pin(uplink.acquire(1, Normal));
    assert!(first.poll(place.as_mut()).is_pending());
    assert!(second.poll(place.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&first), 1, "and the other waker is let go");
    drop(all);
    assert_eq!((first.times(), second.times()), (0, 1));
}

#[test]
fn a_waker_may_use_the_bulkhead_it_is_woken_by_pitfall_108() {
    struct Asks(Bulkhead);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            assert!(self.0.try_acquire(1, Normal).is_ok());
        }
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            assert!(self.0.held() <= 4);
        }
    }
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let mut place = Box::pin(uplink.acquire(1, Normal));
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(Asks(uplink.clone())));
        assert!(place.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(all);
    assert!(poll_once(place.as_mut()).is_ready());
}

#[test]
fn a_place_that_nobody_polls_holds_up_nobody_else() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let forgotten = waiting(&uplink, 1, Normal);
    let mut second = waiting(&uplink, 1, Normal);
    drop(all);
    assert!(got(&mut second).is_some());
    assert!(uplink.try_acquire(3, Normal).is_ok());
    drop(forgotten);
    assert_eq!(uplink.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_owns_its_permits_before_the_operation_runs_pitfall_20() {
    let uplink = uplink();
    let failed = uplink.call(4, Normal, async || Err::<(), _>(uplink.held())).await;
    assert_eq!(failed.unwrap_err().into_operation_error(), Some(4));
    assert_eq!(uplink.held(), 0);
    {
        let mut hung = pin!(uplink.call(4, Normal, async || pending::<Result<(), ()>>().await));
        assert!(poll_once(hung.as_mut()).is_pending());
        assert_eq!(uplink.held(), 4);
    }
    assert_eq!(uplink.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_touch_the_operation_pitfall_23() {
    let (uplink, touched) = (uplink(), Cell::new(false));
    let operation = || {
        touched.set(true);
        async { Ok::<_, ()>(()) }
    };
    let refused = uplink.call(5, High, operation).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BulkheadFull);
    assert!(!touched.get());
}

#[test]
fn a_reset_lets_in_who_waits_and_guards_of_before_give_nothing_back_pitfall_28() {
    let uplink = uplink();
    let late = uplink.try_acquire(4, Normal).unwrap();
    let mut place = waiting(&uplink, 3, Normal);
    uplink.reset();
    let young = got(&mut place).expect("nothing is held");
    assert_eq!(late.release(), Recorded::Stale);
    assert_eq!(uplink.held(), 3);
    assert_eq!(young.release(), Recorded::Released);
    assert_eq!(uplink.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_after_any_number_of_polls_a_call_leaves_nothing_behind() {
    let uplink = uplink();
    // Three calls that wait for each other, each with two await points of its own, behind one guard
    // that is let go at the second poll.
    let busy = async |weight| {
        let operation = async || {
            yield_now().await;
            yield_now().await;
            Ok::<_, ()>(weight)
        };
        uplink.call(weight, Normal, operation).await.unwrap()
    };
    let mut polls = 0;
    loop {
        let mut held = uplink.try_acquire(3, Normal).ok();
        assert!(held.is_some(), "before {polls} polls");
        let release = async {
            yield_now().await;
            held = None;
        };
        let all = async { join!(busy(2), busy(4), busy(1), release) };
        let done = drop_after(polls, all, STEP).await;
        drop(held);
        assert_eq!((uplink.held(), uplink.waiting()), (0, 0), "after {polls} polls");
        assert_eq!(uplink.available(Normal), 4, "after {polls} polls");
        if let Some((first, second, third, ())) = done {
            assert_eq!((first, second, third), (2, 4, 1));
            break;
        }
        polls += 1;
    }
    assert!(polls > 6, "it was cancelled at more await points than {polls}");
}

#[test]
fn a_larger_policy_lets_in_who_waits_and_a_smaller_one_nobody() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let mut queue = [(); 2].map(|()| waiting(&uplink, 2, Normal));
    let six = BulkheadConfig::builder().max_concurrent(6).build().unwrap();
    uplink.reconfigure(six);
    let first = got(&mut queue[0]).expect("two more than before");
    assert!(got(&mut queue[1]).is_none());
    uplink.reconfigure(FOUR);
    assert_eq!((uplink.held(), uplink.available(High)), (6, 0));
    drop(first);
    assert!(got(&mut queue[1]).is_none(), "four are out, and that is all there is");
    drop(all);
    assert!(got(&mut queue[1]).is_some());
}

#[test]
fn whoever_can_never_pass_by_a_smaller_policy_is_refused_and_holds_up_nobody() {
    let uplink = uplink();
    let all = uplink.try_acquire(4, Normal).unwrap();
    let [mut large, mut small] = [4, 1].map(|weight| waiting(&uplink, weight, Normal));
    let one = BulkheadConfig::builder().max_concurrent(1).build().unwrap();
    uplink.reconfigure(one);
    let Poll::Ready(Err(refused)) = poll_once(large.as_mut()) else { panic!("it waits on") };
    assert_eq!((refused.code(), refused.retry()), (ErrorCode::BulkheadFull, RetryAt::Never));
    assert_eq!(uplink.waiting(), 1);
    drop(all);
    assert!(got(&mut small).is_some());
}

#[test]
fn more_may_wait_than_have_a_place_from_the_start() {
    let uplink = Bulkhead::with_waiters("uplink", FOUR, usize::MAX);
    let all = uplink.try_acquire(4, Normal).unwrap();
    let mut queue: Vec<_> = (0..2_000).map(|_| waiting(&uplink, 4, Normal)).collect();
    drop(all);
    for place in &mut queue {
        assert!(got(place).is_some(), "in the order in which they came");
    }
    assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
}
