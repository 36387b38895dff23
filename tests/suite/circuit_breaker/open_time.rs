//! How long it stays open: escalation, its end, and jitter.

use super::*;
use resil_core::backoff::{Jitter, Ratio};

/// Opens on each failure: 10 s, 20 s, 40 s, 50 s, 50 s, …
fn escalating() -> CircuitBreakerConfigBuilder {
    builder().failure_threshold(1).multiplier(Ratio::TWO).max_timeout(Duration::from_secs(50))
}

/// Fails the call at `now`; how many seconds the breaker is open after that.
fn fail(breaker: &mut CircuitBreaker, now: Instant) -> u64 {
    call(breaker, FAILURE, now);
    breaker.next_deadline(now).unwrap().saturating_since(now).as_secs()
}

#[test]
fn each_reopening_lasts_longer_up_to_the_cap() {
    let mut breaker = breaker(escalating());
    let mut now = s(0);
    let mut open_times = vec![];
    for _ in 0..300 {
        open_times.push(fail(&mut breaker, now));
        now = breaker.next_deadline(now).unwrap();
    }
    assert_eq!(open_times[..5], [10, 20, 40, 50, 50]);
    assert!(open_times[5..].iter().all(|&seconds| seconds == 50));
}

#[test]
fn the_default_is_the_seeds_constant() {
    let mut breaker = breaker(builder().failure_threshold(1));
    for round in 0..20 {
        assert_eq!(fail(&mut breaker, s(10 * round)), 10);
    }
}

#[test]
fn every_way_to_reopen_escalates() {
    let mut failed = breaker(escalating());
    fail(&mut failed, s(0));
    assert_eq!(fail(&mut failed, s(10)), 20);

    let mut lost = breaker(escalating().lease(Duration::from_secs(30)));
    fail(&mut lost, s(0));
    let _lost = lost.try_acquire(never, s(10)).unwrap();
    assert_eq!(lost.retry_at(s(40)), Some(RetryAt::At(s(60))));

    let mut abandoned = breaker(escalating());
    fail(&mut abandoned, s(0));
    for _ in 0..3 {
        call(&mut abandoned, Outcome::Abandoned, s(10));
    }
    assert_eq!(abandoned.retry_at(s(10)), Some(RetryAt::At(s(30))));
}

#[test]
fn escalation_resets_after_one_open_time_closed_without_a_failure() {
    for (quiet, expected) in [(19, 40), (20, 10)] {
        let mut breaker = breaker(escalating());
        fail(&mut breaker, s(0));
        fail(&mut breaker, s(10));
        call(&mut breaker, Outcome::Success, s(30)); // closed; the present open time is 20 s
        assert_eq!(fail(&mut breaker, s(30 + quiet)), expected, "{quiet} s without a failure");
    }
}

#[test]
fn each_counted_failure_starts_the_quiet_time_again() {
    let flapping = |second_failure| {
        let mut breaker = breaker(escalating().failure_threshold(3));
        for _ in 0..3 {
            call(&mut breaker, FAILURE, s(0));
        }
        call(&mut breaker, Outcome::Success, s(10)); // closed; the present open time is 10 s
        call(&mut breaker, FAILURE, s(19));
        call(&mut breaker, FAILURE, s(second_failure));
        fail(&mut breaker, s(second_failure))
    };
    assert_eq!(flapping(28), 20, "9 s after the last failure");
    assert_eq!(flapping(29), 10, "10 s after it");
}

#[test]
fn successes_alone_neither_end_nor_prolong_the_quiet_time() {
    let mut breaker = breaker(escalating());
    fail(&mut breaker, s(0));
    for second in 10..20 {
        call(&mut breaker, Outcome::Success, s(second));
        assert!(!breaker.is_fresh(s(second)));
    }
    assert!(breaker.is_fresh(s(20)));
    assert_eq!(call(&mut breaker, Outcome::Success, s(20)), Recorded::Counted);
    assert_eq!(fail(&mut breaker, s(20)), 10);
}

#[test]
fn a_clock_that_steps_back_prolongs_the_quiet_time_by_one_open_time_at_most() {
    let mut breaker = breaker(escalating());
    fail(&mut breaker, s(1_000));
    call(&mut breaker, Outcome::Success, s(1_010));
    call(&mut breaker, Outcome::Success, s(5)); // the clock stepped back
    assert!(!breaker.is_fresh(s(14)));
    assert!(breaker.is_fresh(s(15)));
}

#[test]
fn a_clock_that_steps_back_while_escalated_waits_for_the_present_open_time() {
    let mut breaker = breaker(escalating());
    fail(&mut breaker, s(1_000));
    fail(&mut breaker, s(1_010)); // open for 20 s
    assert_eq!(breaker.try_acquire(never, s(7)).unwrap_err().retry(), RetryAt::At(s(27)));
}

#[test]
fn a_reset_forgets_the_openings_pitfall_46() {
    let mut breaker = breaker(escalating());
    fail(&mut breaker, s(0));
    fail(&mut breaker, s(10));
    breaker.reset(s(11));
    assert_eq!(fail(&mut breaker, s(11)), 10, "the first again, and not more than that");
}

#[test]
fn equal_jitter_spreads_over_the_upper_half() {
    let open_for = |entropy: u32| {
        let mut breaker = breaker(builder().failure_threshold(1).jitter(Jitter::Equal));
        let permit = breaker.try_acquire(never, s(0)).unwrap();
        breaker.record(permit, FAILURE, entropy, s(0));
        breaker.next_deadline(s(0)).unwrap().as_duration()
    };
    assert_eq!(open_for(0), Duration::from_secs(5));
    assert_eq!(open_for(1 << 31), Duration::from_millis(7_500));
    let longest = open_for(u32::MAX);
    assert!(longest <= Duration::from_secs(10) && longest > Duration::from_nanos(9_999_999_990));
}

#[test]
fn quarter_jitter_stays_below_the_cap_pitfall_78() {
    let longest = |max| {
        let config = builder().failure_threshold(1).jitter(Jitter::Quarter);
        let mut breaker = breaker(config.max_timeout(Duration::from_millis(max)));
        let permit = breaker.try_acquire(never, s(0)).unwrap();
        breaker.record(permit, FAILURE, u32::MAX, s(0));
        breaker.next_deadline(s(0)).unwrap().as_duration().as_millis()
    };
    assert_eq!(longest(60_000), 12_499, "5/4 of 10 s, less what rounding takes");
    assert_eq!(longest(11_000), 11_000);
}

#[test]
fn a_clock_that_steps_back_takes_nothing_from_a_long_draw() {
    let config = builder().failure_threshold(1).jitter(Jitter::Quarter);
    let mut breaker = breaker(config);
    let permit = breaker.try_acquire(never, s(100)).unwrap();
    breaker.record(permit, FAILURE, u32::MAX, s(100));
    let deadline = breaker.next_deadline(s(100)).unwrap();
    assert!(deadline > s(112));
    assert_eq!(breaker.try_acquire(never, s(100)).unwrap_err().retry(), RetryAt::At(deadline));
    let moved = breaker.try_acquire(never, s(3)).unwrap_err().retry();
    assert_eq!(moved, RetryAt::At(s(15).saturating_add(Duration::from_millis(500))));
}

#[test]
fn entropy_is_drawn_once_and_only_when_it_opens() {
    let draws = Cell::new(0);
    let entropy = || {
        draws.set(draws.get() + 1);
        7
    };
    let lease = Duration::from_secs(30);
    let mut breaker = breaker(builder().jitter(Jitter::Equal).lease(lease));
    let mut fail = |now| {
        let permit = breaker.try_acquire(entropy, now).unwrap();
        breaker.record(permit, FAILURE, entropy, now);
        draws.get()
    };
    assert_eq!((fail(s(0)), fail(s(0))), (0, 1), "on opening, not on counting");
    assert_eq!(fail(s(10)), 2, "on reopening");
    let _lost = breaker.try_acquire(entropy, s(20)).unwrap();
    assert_eq!(breaker.state(s(1_000)), State::HalfOpen);
    assert_eq!(draws.get(), 2, "not for looking, nor for a probe");
    let _probe = breaker.try_acquire(entropy, s(1_000)).unwrap();
    assert_eq!(draws.get(), 3, "once for two transitions in one call");
}

#[test]
fn an_undrawn_open_time_reads_as_the_longest() {
    let lease = Duration::from_secs(30);
    let mut breaker = breaker(builder().failure_threshold(1).jitter(Jitter::Equal).lease(lease));
    let permit = breaker.try_acquire(never, s(0)).unwrap();
    breaker.record(permit, FAILURE, 0, s(0));
    let _lost = breaker.try_acquire(never, s(5)).unwrap();
    assert_eq!(breaker.retry_at(s(35)), Some(RetryAt::At(s(45))), "nobody has drawn yet");
    assert!(breaker.poll(0, s(35)).is_some());
    assert_eq!(breaker.retry_at(s(35)), Some(RetryAt::At(s(40))), "half of it was drawn");
}
