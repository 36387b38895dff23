//! What each setting does.

use super::*;
use resil_core::circuit_breaker::CircuitBreakerState;

#[test]
fn sizes() {
    fn of<W: Window>() -> usize {
        size_of::<CircuitBreakerState<W::Stats>>()
    }
    assert_eq!(size_of::<CircuitBreakerState>(), 16);
    assert_eq!(of::<CountWindow<1>>(), 32, "32 calls");
    assert_eq!(of::<CountWindow<2>>(), 40, "64 calls");
    assert_eq!(of::<CountWindow<4>>(), 56, "128 calls");
    assert_eq!(of::<TimeWindow<5>>(), 16 + 88);
    assert_eq!(of::<TimeWindow<10>>(), 16 + 144);
}

#[test]
fn half_of_the_last_calls_open_it() {
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    for _ in 0..10 {
        call(&mut breaker, Outcome::Success, s(0));
    }
    for failures in 1..5 {
        assert_eq!(call(&mut breaker, FAILURE, s(1)), Recorded::Counted);
        assert_eq!(breaker.counts(s(1)), counts(10, failures, 0));
    }
    assert_eq!(call(&mut breaker, FAILURE, s(1)), OPENS);
    assert_eq!(breaker.counts(s(1)), counts(0, 0, 0), "an opening empties the window");
}

#[test]
fn a_row_opens_it_before_there_is_a_minimum() {
    let policy = CircuitBreakerConfig::builder().failure_threshold(2).count_window::<1>(20);
    let mut breaker = CircuitBreaker::new(policy.build().unwrap());
    assert_eq!(call(&mut breaker, FAILURE, s(0)), Recorded::Counted);
    assert_eq!(call(&mut breaker, FAILURE, s(0)), OPENS);
}

#[test]
fn calls_leave_a_window_of_time() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    for second in [0, 1, 2] {
        assert_eq!(call(&mut breaker, FAILURE, s(second)), Recorded::Counted);
    }
    assert_eq!(breaker.counts(ms(9_999)), counts(3, 3, 0));
    assert_eq!(breaker.counts(s(10)), counts(2, 2, 0));
    assert_eq!(breaker.counts(s(12)), counts(0, 0, 0));
    // The fourth comes when there are two.
    assert_eq!(call(&mut breaker, FAILURE, s(10)), Recorded::Counted);
}

/// Slower than 1 s, 60 % of at least 5.
const SLOW: CircuitBreakerConfig<CountWindow<1>> = valid!(
    CircuitBreakerConfig::builder()
        .count_window(20)
        .slow_calls(seconds(1), Ratio::percent(60))
        .minimum_calls(5)
        .timeout(seconds(10))
        .build()
);

#[test]
fn slow_successes_open_it() {
    let mut breaker = CircuitBreaker::new(SLOW);
    for _ in 0..2 {
        assert_eq!(call(&mut breaker, Outcome::Success, s(0)), Recorded::Counted);
    }
    for _ in 0..2 {
        let recorded = slow_call(&mut breaker, Outcome::Success, s(0), s(1));
        assert_eq!(recorded, Recorded::Counted);
    }
    assert_eq!(breaker.counts(s(1)), counts(4, 0, 2), "1 s is slow");
    let just_faster = Instant::from_nanos(s(1).as_nanos() - 1);
    let mut other = breaker.clone();
    let recorded = slow_call(&mut other, Outcome::Success, s(0), just_faster);
    assert_eq!((recorded, other.counts(s(1))), (Recorded::Counted, counts(5, 0, 2)));
    assert_eq!(slow_call(&mut breaker, Outcome::Success, s(0), s(1)), OPENS);
}

#[test]
fn a_slow_failure_counts_in_both_shares() {
    let mut breaker = CircuitBreaker::new(SLOW);
    slow_call(&mut breaker, FAILURE, s(0), s(3));
    assert_eq!(breaker.counts(s(3)), counts(1, 1, 1));
}

#[test]
fn a_slow_success_of_a_probe_is_held_against_the_peer() {
    let mut breaker = CircuitBreaker::new(SLOW);
    for _ in 0..5 {
        call(&mut breaker, FAILURE, s(0));
    }
    let recorded = slow_call(&mut breaker, Outcome::Success, s(10), s(11));
    let again = Transition { from: State::HalfOpen, to: State::Open };
    assert_eq!(recorded, Recorded::Transition(again));
    let closes = Transition { from: State::HalfOpen, to: State::Closed };
    assert_eq!(call(&mut breaker, Outcome::Success, s(21)), Recorded::Transition(closes));
}

#[test]
fn lease_and_abandonment_follow_what_is_slow() {
    let new = || CircuitBreakerConfig::builder().timeout(seconds(5)).count_window::<1>(20);
    let policy = new().slow_calls(seconds(40), Ratio::ONE).build().unwrap();
    assert_eq!(policy.lease(), seconds(80));
    assert_eq!(policy.abandon_counts_after(), Some(seconds(40)));
    let policy = new().slow_calls(seconds(1), Ratio::ONE).attempt_timeout(seconds(2));
    assert_eq!(policy.build().unwrap().lease(), seconds(5));
}

#[test]
fn what_does_not_hold_is_refused_by_name() {
    let calls = |calls| CircuitBreakerConfig::builder().count_window::<1>(calls);
    let over =
        |nanos| CircuitBreakerConfig::builder().time_window::<4>(Duration::from_nanos(nanos));
    let setting = |result: Result<(), resil_core::ConfigError>| {
        let error = result.unwrap_err();
        assert!(error.message().starts_with(error.setting()), "{error}");
        error.setting()
    };
    let count = |builder: resil_core::circuit_breaker::CircuitBreakerConfigBuilder<
        CountWindow<1>,
    >| { setting(builder.build().map(|_| ())) };
    assert_eq!(count(calls(0)), "count_window");
    assert_eq!(count(calls(33)), "count_window");
    assert_eq!(count(calls(9).failure_rate(Ratio::new(0, 1))), "failure_rate");
    assert_eq!(count(calls(9).failure_rate(Ratio::new(0, 0))), "failure_rate");
    assert_eq!(count(calls(9).failure_rate(Ratio::new(3, 2))), "failure_rate");
    assert_eq!(count(calls(9).slow_calls(Duration::ZERO, Ratio::ONE)), "slow_calls");
    assert_eq!(count(calls(9).slow_calls(Duration::MAX, Ratio::ONE)), "slow_calls");
    assert_eq!(count(calls(9).slow_calls(seconds(1), Ratio::TWO)), "slow_calls");
    assert_eq!(count(calls(9).minimum_calls(0)), "minimum_calls");
    assert_eq!(count(calls(9).minimum_calls(10)), "minimum_calls");
    assert_eq!(count(calls(9).failure_threshold(0)), "failure_threshold");
    assert_eq!(count(calls(9).success_rate(Ratio::ONE, 0)), "success_rate");
    assert_eq!(count(calls(9).success_rate(Ratio::TWO, 5)), "success_rate");
    assert_eq!(count(calls(9).probes(3).success_rate(Ratio::ONE, 2)), "success_rate");
    assert_eq!(setting(over(3).build().map(|_| ())), "time_window");
    assert_eq!(setting(over(u64::MAX).build().map(|_| ())), "time_window");
    let coarse = CircuitBreakerConfig::builder().time_window::<1>(seconds(1));
    assert_eq!(setting(coarse.build().map(|_| ())), "time_window");
    assert_eq!(over(5).build().unwrap().window().time_window(), Duration::from_nanos(8));
    assert_eq!(calls(9).build().unwrap().window().minimum_calls(), 9);
}

/// One half of four probes, two at a time.
const RATE: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .timeout(seconds(10))
        .probes(2)
        .success_rate(Ratio::percent(50), 4)
        .build()
);

#[test]
fn a_rate_of_probes_closes_or_opens_as_soon_as_it_is_sure() {
    let half_open = || {
        let mut breaker = CircuitBreaker::new(RATE);
        call(&mut breaker, FAILURE, s(0));
        breaker
    };
    let to = |state| Recorded::Transition(Transition { from: State::HalfOpen, to: state });
    for (outcomes, verdict) in [
        ("xx.x", State::Open),
        ("xxx", State::Open),
        ("xx..", State::Closed),
        ("..", State::Closed),
        ("x.x.", State::Closed),
        ("x.xx", State::Open),
    ] {
        let mut breaker = half_open();
        let (last, first) = outcomes.as_bytes().split_last().unwrap();
        let outcome = |byte: u8| if byte == b'x' { FAILURE } else { Outcome::Success };
        for byte in first {
            let recorded = call(&mut breaker, outcome(*byte), s(10));
            assert_eq!(recorded, Recorded::Counted, "{outcomes}");
        }
        assert_eq!(call(&mut breaker, outcome(*last), s(10)), to(verdict), "{outcomes}");
    }
}

#[test]
fn local_failures_free_the_slot_and_count_nowhere() {
    let local = Outcome::Failure(FailureClass::Local);
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, local, s(0)), Recorded::Released);
    }
    assert_eq!(breaker.counts(s(0)), counts(0, 0, 0));
    let mut breaker = CircuitBreaker::new(RATE);
    call(&mut breaker, FAILURE, s(0));
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, local, s(10)), Recorded::Released);
    }
    assert_eq!(breaker.state(s(10)), State::HalfOpen);
}

#[test]
fn metrics_only_says_what_would_have_happened_and_refuses_nothing() {
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    breaker.metrics_only(s(0));
    let early = breaker.try_acquire(never, s(0)).unwrap();
    let would = Transition { from: State::Closed, to: State::Open };
    for round in 0..3 {
        for _ in 0..3 {
            assert_eq!(call(&mut breaker, FAILURE, s(round)), Recorded::Counted);
        }
        let recorded = call(&mut breaker, FAILURE, s(round));
        assert_eq!(recorded, Recorded::Detected(would));
        assert_eq!(recorded.transition(), None, "nothing changed");
        assert_eq!(breaker.state(s(round)), State::MetricsOnly);
        assert_eq!(breaker.counts(s(round)), counts(0, 0, 0), "it starts again");
    }
    assert_eq!(breaker.record(early, FAILURE, never, s(3)), Recorded::Stale);
    assert_eq!((breaker.next_deadline(s(3)), breaker.retry_at(s(3))), (None, None));
    let back = Transition { from: State::MetricsOnly, to: State::Closed };
    assert_eq!(breaker.reset(s(3)), Some(back));
}

#[test]
fn a_breaker_can_begin_open() {
    let state = LAST_TEN.opened(never, s(5));
    let mut breaker = CircuitBreaker::from_parts(LAST_TEN, state);
    assert_eq!(breaker.state(s(64)), State::Open);
    assert_eq!(breaker.state(s(65)), State::HalfOpen);
    call(&mut breaker, Outcome::Success, s(65));
    assert_eq!(breaker.state(s(65)), State::Closed);
}

#[test]
fn a_window_is_fresh_only_when_it_is_empty() {
    let mut breaker = CircuitBreaker::new(TEN_SECONDS);
    assert!(breaker.is_fresh(s(0)));
    call(&mut breaker, Outcome::Success, s(0));
    assert!(!breaker.is_fresh(s(9)));
    assert!(breaker.is_fresh(s(10)));
}
