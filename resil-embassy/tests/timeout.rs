//! Timeouts under embassy's mock time; what becomes of one that is dropped is in `cancel.rs`.

mod mock_time;

use core::future::{pending, ready};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use mock_time::{advance, at_zero, poll_once, run};
use resil_embassy::clock::sleep_until;
use resil_embassy::core::deadline::Deadline;
use resil_embassy::core::error::TimeoutError;
use resil_embassy::core::{Clock, Instant};
use resil_embassy::{EmbassyClock, timeout, timeout_at};

const STEP: Duration = Duration::from_millis(1);

fn ms(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

#[test]
fn it_ends_after_the_time_and_not_before() {
    let _turn = at_zero();
    advance(Duration::from_millis(100));
    let ended = run(timeout(Duration::from_millis(250), pending::<()>()), STEP);
    assert_eq!(ended, Err(TimeoutError::attempt()));
    assert_eq!(EmbassyClock.now(), ms(350), "from when it was first polled");
    let ended = run(timeout_at(Deadline::at(ms(400)), pending::<()>()), STEP);
    assert_eq!(ended, Err(TimeoutError::deadline()));
    assert_eq!(EmbassyClock.now(), ms(400));
}

#[test]
fn what_is_there_counts_at_the_deadline_and_after_it() {
    let _turn = at_zero();
    let deadline = Deadline::at(ms(250));
    assert_eq!(run(timeout_at(deadline, sleep_until(ms(250))), STEP), Ok(()));
    advance(Duration::from_secs(1));
    assert_eq!(run(timeout_at(deadline, ready(7)), STEP), Ok(7));
    assert_eq!(run(timeout(Duration::ZERO, ready(7)), STEP), Ok(7));
    assert_eq!(run(timeout_at(deadline, pending::<()>()), STEP), Err(TimeoutError::deadline()));
}

#[test]
fn without_a_deadline_it_waits_for_ever() {
    let _turn = at_zero();
    let mut endless = pin!(timeout_at(Deadline::NONE, pending::<()>()));
    let mut nearly = pin!(timeout(Duration::MAX, pending::<()>()));
    for _ in 0..3 {
        assert_eq!(poll_once(endless.as_mut()), Poll::Pending);
        assert_eq!(poll_once(nearly.as_mut()), Poll::Pending);
        advance(Duration::from_secs(100 * 365 * 86_400));
    }
}
