//! The clock and the sleep on embassy's own time driver.

mod mock_time;

use core::pin::pin;
use core::time::Duration;
use mock_time::{advance, at_zero, poll_once, run};
use resil_embassy::EmbassyClock;
use resil_embassy::clock::sleep_until;
use resil_embassy::core::{Clock, Instant};

#[test]
fn the_clock_is_the_drivers() {
    let _turn = at_zero();
    assert_eq!(EmbassyClock.now(), Instant::EPOCH);
    advance(Duration::from_micros(1_500_001));
    assert_eq!(EmbassyClock.now(), Instant::from_nanos(1_500_001_000));
}

/// One nanosecond past a tick is the next tick: rounding down would wake too early.
#[test]
fn a_sleep_between_two_ticks_ends_at_the_later_one() {
    let _turn = at_zero();
    let deadline = Instant::from_nanos(2_000_001);
    run(sleep_until(deadline), Duration::from_micros(1));
    assert!(deadline.is_reached(EmbassyClock.now()));
    assert_eq!(EmbassyClock.now(), Instant::from_nanos(2_001_000));
}

#[test]
fn a_deadline_that_has_passed_fires_pitfall_73() {
    let _turn = at_zero();
    advance(Duration::from_secs(5));
    run(sleep_until(Instant::from_nanos(1)), Duration::from_micros(1));
    assert!(EmbassyClock.now() <= Instant::from_nanos(5_000_001_000), "after one yield at most");
}

#[test]
fn the_last_instant_is_a_legal_deadline_pitfall_71() {
    let _turn = at_zero();
    let mut sleep = pin!(sleep_until(Instant::MAX));
    for _ in 0..10 {
        assert!(poll_once(sleep.as_mut()).is_pending());
        advance(Duration::from_secs(500_000_000)); // 15 years
    }
}
