//! No wait ends at or after the deadline, whatever the clock does.

use super::*;

#[test]
fn the_deadline_begins_at_the_first_attempt_pitfall_85() {
    let policy = policy(EXACT.max_attempts(9).deadline(8 * SECOND));
    for begin in [0, 1_000_000] {
        let (starts, _) = starts(&policy, LOST, at(begin));
        assert_eq!(starts, [0, 1, 3, 7].map(|seconds| at(begin + seconds)));
    }
}

#[test]
fn a_sleep_that_would_end_at_the_deadline_is_not_begun() {
    for (deadline, attempts) in [(7, 3), (8, 4)] {
        let policy = policy(EXACT.max_attempts(9).deadline(deadline * SECOND));
        let (starts, stop) = starts(&policy, LOST, at(100));
        assert_eq!((starts.len(), stop), (attempts, Stop::Deadline), "deadline {deadline} s");
    }
}

#[test]
fn a_hint_beyond_the_deadline_stops_now_without_sleeping() {
    let policy = policy(EXACT.deadline(30 * SECOND).max_retry_after(5 * SECOND));
    for (hint, stopped) in [(29, false), (30, true), (31, true), (u64::MAX, true)] {
        let mut retry = Retry::start(&policy, at(0));
        let next = retry.record(&policy, after(hint), 0, at(0));
        assert_eq!(next == Next::Stop(Stop::Deadline), stopped, "hint of {hint} s");
    }
}

#[test]
fn a_sleep_that_overslept_is_noticed() {
    let policy = policy(EXACT.deadline(10 * SECOND));
    let mut retry = Retry::start(&policy, at(0));
    let wait = waits(retry.record(&policy, LOST, 0, at(0)));
    assert!(!retry.is_past_deadline(wait.until()));
    assert!(!retry.is_past_deadline(at(9)));
    assert!(retry.is_past_deadline(at(10)), "at the deadline counts as reached");
    let error = retry.error(Stop::Deadline, Lost);
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert!(error.to_string().contains("attempts=1"), "the second never started: {error}");
}

#[test]
fn a_clock_that_steps_back_lengthens_no_wait() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(1_000));
    let wait = waits(retry.record(&policy, LOST, 0, at(1_000)));
    assert_eq!(wait.remaining(at(1_000)), SECOND);
    assert_eq!(wait.remaining(at(3)), SECOND, "not 998 s");
    assert_eq!(wait.remaining(at(1_001)), Duration::ZERO);
    assert_eq!(wait.remaining(Instant::MAX), Duration::ZERO);
}

#[test]
fn a_clock_that_steps_back_moves_the_deadline_by_one_horizon_at_most() {
    let policy = policy(EXACT.max_attempts(99).deadline(10 * SECOND));
    let mut retry = Retry::start(&policy, at(1_000));
    let _ = waits(retry.record(&policy, LOST, 0, at(0)));
    assert_eq!(retry.deadline(), Some(at(10)), "not 1010");
    let stop = stops(retry.record(&policy, LOST, 0, at(9)));
    assert_eq!(stop, Stop::Deadline);
}

#[test]
fn a_refusal_after_a_step_back_moves_the_deadline_likewise() {
    let policy = policy(EXACT.deadline(10 * SECOND).max_refusal_waits(9));
    let mut retry = Retry::start(&policy, at(1_000));
    let limited = |until| refusal(ErrorCode::RateLimitExceeded, RetryAt::At(at(until)));
    assert_eq!(waits(retry.refused(&policy, limited(9), 0, at(0))).until(), at(9));
    assert_eq!(retry.deadline(), Some(at(10)));
    assert!(stops(retry.refused(&policy, limited(12), 0, at(9))).after_waiting());
}

#[test]
fn a_clock_that_jumps_forward_ends_the_call_once() {
    let policy = policy(EXACT.deadline(10 * SECOND));
    let mut retry = Retry::start(&policy, at(0));
    assert_eq!(stops(retry.record(&policy, LOST, 0, Instant::MAX)), Stop::Deadline);
}
