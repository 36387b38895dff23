//! Timeouts under tokio's paused time; what becomes of one that is dropped is in `cancel.rs`.

mod paused_time;

use core::future::{pending, ready};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use paused_time::{at_zero, ms, now_millis, poll_once};
use resil_std::clock::Sleep;
use resil_std::core::deadline::Deadline;
use resil_std::core::error::TimeoutError;
use resil_std::{SystemClock, timeout, timeout_at};
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn it_ends_after_the_time_and_not_before() {
    at_zero();
    advance(Duration::from_millis(100)).await;
    let ended = timeout(Duration::from_millis(250), pending::<()>()).await;
    assert_eq!(ended, Err(TimeoutError::attempt()));
    assert_eq!(now_millis(), 350, "from when it was first polled");
    let ended = timeout_at(Deadline::at(ms(400)), pending::<()>()).await;
    assert_eq!(ended, Err(TimeoutError::deadline()));
    assert_eq!(now_millis(), 400);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_counts_at_the_deadline_and_after_it() {
    at_zero();
    let deadline = Deadline::at(ms(250));
    assert_eq!(timeout_at(deadline, SystemClock.sleep_until(ms(250))).await, Ok(()));
    advance(Duration::from_secs(1)).await;
    assert_eq!(timeout_at(deadline, ready(7)).await, Ok(7));
    assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7));
    assert_eq!(timeout_at(deadline, pending::<()>()).await, Err(TimeoutError::deadline()));
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_it_waits_for_ever() {
    at_zero();
    let mut endless = pin!(timeout_at(Deadline::NONE, pending::<()>()));
    let mut nearly = pin!(timeout(Duration::MAX, pending::<()>()));
    for _ in 0..3 {
        assert_eq!(poll_once(endless.as_mut()), Poll::Pending);
        assert_eq!(poll_once(nearly.as_mut()), Poll::Pending);
        advance(Duration::from_secs(100 * 365 * 86_400)).await;
    }
}
