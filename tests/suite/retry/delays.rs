//! How long it waits for the next attempt: by its curve, or by the hint of a peer.

use super::*;
use resil_core::outcome::EveryError;

const BUSY: Classification = Classification::Failure(FailureClass::Throttled, RetryHint::None);

#[test]
fn a_hint_raises_the_delay_and_never_lowers_it() {
    let policy = policy(EXACT.initial_delay(5 * SECOND).max_retry_after(20 * SECOND));
    for (hint, delay) in [(0, 5), (4, 5), (6, 6), (20, 20), (21, 20), (u64::MAX, 20)] {
        let mut retry = Retry::start(&policy, at(0));
        let wait = waits(retry.record(&policy, after(hint), 0, at(0)));
        assert_eq!(wait.delay(), delay * SECOND, "hint of {hint} s");
    }
}

#[test]
fn a_hint_does_not_disturb_the_curve() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    assert_eq!(waits(retry.record(&policy, after(50), 0, at(0))).delay(), 50 * SECOND);
    assert_eq!(waits(retry.record(&policy, LOST, 0, at(50))).delay(), 2 * SECOND);
}

#[test]
fn never_stops() {
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    let stop = stops(retry.record(&policy, hinted(RetryHint::Never), 0, at(0)));
    assert_eq!(stop, Stop::Never);
    let error = retry.error(stop, Lost);
    assert_eq!(error.code(), ErrorCode::RetryFailed);
    assert_eq!(error.retry_at(), Some(RetryAt::Never));
}

#[test]
fn never_at_the_last_attempt_is_exhausted_all_the_same() {
    let policy = policy(EXACT.max_attempts(1));
    let mut retry = Retry::start(&policy, at(0));
    let stop = stops(retry.record(&policy, hinted(RetryHint::Never), 0, at(0)));
    assert_eq!(stop, Stop::Exhausted);
}

#[test]
fn absurd_hints_are_clamped_and_count_against_the_deadline_pitfall_88() {
    let absurd = hinted(RetryHint::After(Duration::MAX));
    let (starts, stop) = starts(&policy(EXACT.max_attempts(4)), absurd, at(0));
    assert_eq!(starts, [0, 60, 120, 180].map(at), "capped at the longest delay");
    assert_eq!(stop, Stop::Exhausted);

    let minute = policy(EXACT.max_attempts(99).deadline(60 * SECOND));
    let (starts, stop) = self::starts(&minute, after(25), at(0));
    assert_eq!((starts, stop), ([0, 25, 50].map(at).to_vec(), Stop::Deadline));
}

#[test]
fn jitter_is_not_fed_back_into_the_curve_pitfall_86() {
    let policy = policy(RetryPolicy::builder().max_attempts(9));
    for earlier in [0, u32::MAX] {
        let mut retry = Retry::start(&policy, at(0));
        for _ in 0..3 {
            let _ = waits(retry.record(&policy, LOST, earlier, at(0)));
        }
        let wait = waits(retry.record(&policy, LOST, 1 << 31, at(0)));
        assert_eq!(wait.delay(), 4 * SECOND, "half of 8 s, whatever was drawn before");
    }
}

#[test]
fn decorrelated_jitter_goes_on_from_its_own_delay_not_from_the_hint() {
    let policy = policy(RetryPolicy::builder().jitter(Jitter::Decorrelated).max_attempts(9));
    let mut retry = Retry::start(&policy, at(0));
    let _ = waits(retry.record(&policy, after(60), 0, at(0)));
    let delay = waits(retry.record(&policy, LOST, u32::MAX, at(60))).delay();
    assert!(delay <= 3 * SECOND, "{delay:?}");
    assert!(waits(retry.record(&policy, LOST, u32::MAX, at(60))).delay() > 8 * SECOND);
}

#[test]
fn a_throttled_failure_has_a_curve_of_its_own_where_one_is_set() {
    let builder = EXACT.initial_delay(Duration::from_millis(50)).max_attempts(4);
    let aws = policy(builder.throttled_delay(SECOND));
    assert_eq!(aws.backoff_after(FailureClass::Throttled).delay(0), SECOND);
    let mut retry = Retry::start(&aws, at(0));
    let delay = |next: Next| waits(next).delay();
    assert_eq!(delay(retry.record(&aws, LOST, 0, at(0))), Duration::from_millis(50));
    assert_eq!(delay(retry.record(&aws, BUSY, 0, at(1))), 2 * SECOND);
    assert_eq!(delay(retry.record(&aws, LOST, 0, at(2))), Duration::from_millis(200));

    let one_curve = policy(builder);
    for class in [FailureClass::Throttled, FailureClass::Timeout, FailureClass::Local] {
        assert_eq!(one_curve.backoff_after(class), one_curve.backoff());
        let mut retry = Retry::start(&one_curve, at(0));
        let delay = delay(retry.record(&one_curve, class.into(), 0, at(0)));
        assert_eq!(delay, Duration::from_millis(50));
    }
    assert_eq!(aws.classify(EveryError).backoff_after(FailureClass::Throttled).delay(0), SECOND);
}

#[test]
fn a_throttled_delay_is_jittered_and_capped_like_any_other() {
    let builder = RetryPolicy::builder().throttled_delay(8 * SECOND).max_delay(10 * SECOND);
    let policy = policy(builder.jitter(Jitter::Decorrelated));
    for entropy in [0, 1 << 31, u32::MAX] {
        let mut retry = Retry::start(&policy, at(0));
        let first = waits(retry.record(&policy, LOST, entropy, at(0))).delay();
        let second = waits(retry.record(&policy, BUSY, entropy, at(1))).delay();
        assert!(first <= 3 * SECOND && second >= 8 * SECOND && second <= 10 * SECOND);
    }
}
