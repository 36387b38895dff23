//! Windows, and what went wrong with them elsewhere.

use super::*;

/// Three failures, then the success that makes four: three of four have failed.
#[test]
fn the_success_that_makes_the_minimum_opens_it_pitfall_33() {
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    for _ in 0..3 {
        assert_eq!(call(&mut breaker, FAILURE, s(0)), Recorded::Counted);
    }
    assert_eq!(call(&mut breaker, Outcome::Success, s(0)), OPENS);
}

/// The failure that begins a sub-window is in it.
#[test]
fn a_call_is_in_the_sub_window_that_it_begins_pitfall_34() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    for second in [0, 2, 4] {
        assert_eq!(call(&mut breaker, FAILURE, s(second)), Recorded::Counted);
    }
    assert_eq!(call(&mut breaker, FAILURE, s(6)), OPENS);
}

/// Every field leaves with its call.
#[test]
fn slow_calls_leave_with_the_rest_pitfall_35() {
    let policy = CircuitBreakerConfig::builder()
        .failure_threshold(100)
        .time_window::<5>(seconds(5))
        .slow_calls(seconds(1), Ratio::ONE)
        .minimum_calls(100)
        .build()
        .unwrap();
    let mut breaker = CircuitBreaker::new(policy);
    for second in 1..50 {
        slow_call(&mut breaker, FAILURE, s(second - 1), s(second));
        let calls = second.min(5) as u32;
        assert_eq!(breaker.counts(s(second)), counts(calls, calls, calls));
    }
    assert_eq!(breaker.counts(s(100)), counts(0, 0, 0));
}

/// A pause of three sub-windows skips three.
#[test]
fn a_pause_skips_as_many_sub_windows_as_it_lasted_pitfall_36() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    for second in [0, 1, 2] {
        call(&mut breaker, FAILURE, s(second));
    }
    // At 11.5 s those of the seconds 0 and 1 have left.
    call(&mut breaker, Outcome::Success, ms(11_500));
    assert_eq!(breaker.counts(ms(11_500)), counts(2, 1, 0));
}

/// One failure every nine seconds never makes four in ten.
#[test]
fn sparse_failures_leave_on_schedule_pitfall_44() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    for round in 0..49 {
        assert_eq!(call(&mut breaker, FAILURE, s(9 * round)), Recorded::Counted, "{round}");
    }
}

/// The minimum is of closed breakers: one failed probe is enough.
#[test]
fn no_minimum_gates_a_probe_pitfall_15() {
    let mut breaker = CircuitBreaker::from_parts(LAST_TEN, LAST_TEN.opened(never, s(0)));
    let again = Transition { from: State::HalfOpen, to: State::Open };
    assert_eq!(call(&mut breaker, FAILURE, s(60)), Recorded::Transition(again));
    let closes = Transition { from: State::HalfOpen, to: State::Closed };
    assert_eq!(call(&mut breaker, Outcome::Success, s(120)), Recorded::Transition(closes));
}

/// What was in the window before it opened is not there after.
#[test]
fn closed_again_is_like_new_pitfall_46() {
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    for _ in 0..4 {
        call(&mut breaker, FAILURE, s(0));
    }
    call(&mut breaker, Outcome::Success, s(60));
    assert!(breaker.is_fresh(s(60)));
    for _ in 0..3 {
        assert_eq!(call(&mut breaker, FAILURE, s(60)), Recorded::Counted);
    }
    assert_eq!(call(&mut breaker, FAILURE, s(60)), OPENS);
}
