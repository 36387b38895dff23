//! Row by row of the specification.

use super::*;

#[test]
fn the_failure_that_reaches_the_threshold_opens_it_pitfall_34() {
    let mut breaker = breaker(builder().failure_threshold(3));
    assert_eq!(call(&mut breaker, FAILURE, s(0)), Recorded::Counted);
    assert_eq!(call(&mut breaker, FAILURE, s(1)), Recorded::Counted);
    assert_eq!(breaker.failures(), 2);
    assert_eq!(call(&mut breaker, FAILURE, s(2)), changed(State::Closed, State::Open));
    assert_eq!(breaker.failures(), 0);
}

#[test]
fn a_success_while_closed_clears_the_count() {
    let mut breaker = breaker(builder());
    for second in 0..10 {
        assert_eq!(call(&mut breaker, FAILURE, s(second)), Recorded::Counted);
        assert_eq!(call(&mut breaker, Outcome::Success, s(second)), Recorded::Counted);
        assert_eq!(breaker.failures(), 0);
    }
}

#[test]
fn every_class_of_failure_counts() {
    use FailureClass::{Fatal, Throttled, Timeout, Transient};
    for class in [Transient, Throttled, Timeout, Fatal] {
        let mut breaker = breaker(builder().failure_threshold(1));
        let recorded = call(&mut breaker, Outcome::Failure(class), s(0));
        assert_eq!(recorded, changed(State::Closed, State::Open), "{class:?}");
    }
}

#[test]
fn an_ignored_error_moves_no_counter() {
    let mut breaker = breaker(builder());
    call(&mut breaker, FAILURE, s(0));
    assert_eq!(call(&mut breaker, Outcome::Ignored, s(1)), Recorded::Released);
    assert_eq!(breaker.failures(), 1, "neither counted nor cleared");
    assert_eq!(call(&mut breaker, FAILURE, s(2)), changed(State::Closed, State::Open));
}

#[test]
fn open_refuses_with_the_instant_at_which_a_probe_passes_and_not_1_ns_before() {
    let mut breaker = opened(builder());
    let rejected = breaker.try_acquire(never, s(3)).unwrap_err();
    assert_eq!(rejected, Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(s(10))));
    assert_eq!(breaker.retry_at(s(3)), Some(RetryAt::At(s(10))));
    assert!(breaker.try_acquire(never, just_before(s(10))).is_err());
    assert_eq!(breaker.retry_at(s(10)), None, "at the deadline counts as reached");
    assert!(breaker.try_acquire(never, s(10)).unwrap().is_probe());
}

#[test]
fn a_verdict_needs_success_threshold_successes() {
    let mut breaker = opened(builder().success_threshold(3));
    assert_eq!(call(&mut breaker, Outcome::Success, s(10)), Recorded::Counted);
    assert_eq!(call(&mut breaker, Outcome::Success, s(11)), Recorded::Counted);
    let recorded = call(&mut breaker, Outcome::Success, s(12));
    assert_eq!(recorded, changed(State::HalfOpen, State::Closed));
}

#[test]
fn any_failure_while_half_open_reopens_for_a_full_open_time() {
    let mut breaker = opened(builder().success_threshold(3));
    call(&mut breaker, Outcome::Success, s(10));
    call(&mut breaker, Outcome::Success, s(11));
    let recorded = call(&mut breaker, FAILURE, s(12));
    assert_eq!(recorded, changed(State::HalfOpen, State::Open));
    assert_eq!(breaker.next_deadline(s(12)), Some(s(22)));
}

#[test]
fn a_full_half_open_breaker_says_so_and_cannot_say_when() {
    let (mut breaker, _probes) = probing(builder().probes(2), 2);
    let rejected = breaker.try_acquire(never, s(11)).unwrap_err();
    assert_eq!(rejected, Rejected::new(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown));
}

#[test]
fn a_dropped_probe_frees_its_slot_at_once_and_counts_nothing() {
    let (mut breaker, probes) = probing(builder(), 1);
    for probe in probes {
        let recorded = breaker.record(probe, Outcome::Abandoned, never, s(11));
        assert_eq!(recorded, Recorded::Released);
    }
    assert_eq!(breaker.probes_in_flight(s(11)), 0);
    let recorded = call(&mut breaker, Outcome::Success, s(11));
    assert_eq!(recorded, changed(State::HalfOpen, State::Closed));
}

#[test]
fn three_times_probes_abandonments_reopen_it() {
    let mut breaker = opened(builder().probes(2).success_threshold(2));
    for _ in 0..5 {
        assert_eq!(call(&mut breaker, Outcome::Abandoned, s(10)), Recorded::Released);
    }
    call(&mut breaker, Outcome::Success, s(10)); // does not clear their count
    let recorded = call(&mut breaker, Outcome::Abandoned, s(11));
    assert_eq!(recorded, changed(State::HalfOpen, State::Open));
    assert_eq!(breaker.next_deadline(s(11)), Some(s(21)));
    for _ in 0..5 {
        let recorded = call(&mut breaker, Outcome::Abandoned, s(21));
        assert_eq!(recorded, Recorded::Released, "each half-open period counts anew");
    }
}

#[test]
fn ignored_probes_free_their_slot_without_limit() {
    let mut breaker = opened(builder());
    for _ in 0..1_000 {
        assert_eq!(call(&mut breaker, Outcome::Ignored, s(10)), Recorded::Released);
    }
    assert_eq!(breaker.state(s(10)), State::HalfOpen);
}

#[test]
fn a_forgotten_probe_reopens_it_at_the_lease_deadline() {
    let (mut breaker, probes) = probing(builder().lease(Duration::from_secs(30)), 1);
    assert_eq!(breaker.next_deadline(s(10)), Some(s(40)));
    assert_eq!(breaker.state(just_before(s(40))), State::HalfOpen);
    assert_eq!(breaker.state(s(40)), State::Open);
    // Nobody looked until 45 s; the open time counts from 40 s all the same.
    assert_eq!(
        breaker.poll(never, s(45)),
        Some(Transition { from: State::HalfOpen, to: State::Open })
    );
    assert_eq!(breaker.retry_at(s(45)), Some(RetryAt::At(s(50))));
    for late in probes {
        assert_eq!(breaker.record(late, Outcome::Success, never, s(46)), Recorded::Stale);
    }
    assert!(breaker.try_acquire(never, s(50)).is_ok());
}

#[test]
fn a_result_at_the_lease_deadline_is_late_even_if_nobody_polled() {
    let lease = Duration::from_secs(30);
    let (mut breaker, probes) = probing(builder().lease(lease), 1);
    for late in probes {
        assert_eq!(breaker.record(late, Outcome::Success, never, s(40)), Recorded::Stale);
    }
    assert_eq!(breaker.retry_at(s(40)), Some(RetryAt::At(s(50))));

    let (mut breaker, probes) = probing(builder().lease(lease), 1);
    for timely in probes {
        let recorded = breaker.record(timely, Outcome::Success, never, just_before(s(40)));
        assert_eq!(recorded, changed(State::HalfOpen, State::Closed));
    }
}

#[test]
fn each_grant_renews_the_lease() {
    let (mut breaker, _first) = probing(builder().probes(2).lease(Duration::from_secs(30)), 1);
    let second = breaker.try_acquire(never, s(35)).unwrap();
    assert_eq!(breaker.next_deadline(s(35)), Some(s(65)));
    let recorded = breaker.record(second, Outcome::Success, never, s(64));
    assert_eq!(recorded, changed(State::HalfOpen, State::Closed));
}

#[test]
fn no_live_attempt_with_a_known_timeout_outlives_its_lease() {
    let attempt = Duration::from_secs(20);
    let (mut breaker, probes) = probing(builder().attempt_timeout(attempt), 1);
    for probe in probes {
        let recorded = breaker.record(probe, TIMEOUT, never, s(10).saturating_add(attempt));
        assert_eq!(recorded, changed(State::HalfOpen, State::Open), "counted, not stale");
    }
}

#[test]
fn without_a_known_timeout_a_success_within_60_s_closes_it() {
    let (mut breaker, probes) = probing(builder(), 1);
    for probe in probes {
        let recorded = breaker.record(probe, Outcome::Success, never, just_before(s(70)));
        assert_eq!(recorded, changed(State::HalfOpen, State::Closed));
    }
}

#[test]
fn a_hung_call_behind_someone_elses_timeout_counts_while_closed() {
    let mut breaker = breaker(builder());
    let permits = [(); 3].map(|()| breaker.try_acquire(never, s(0)).unwrap());
    let [short, long, longer] = permits;
    let recorded = breaker.record(short, Outcome::Abandoned, never, just_before(s(5)));
    assert_eq!(recorded, Recorded::Released, "lost interest");
    assert_eq!(breaker.record(long, Outcome::Abandoned, never, s(5)), Recorded::Counted);
    let recorded = breaker.record(longer, Outcome::Abandoned, never, s(6));
    assert_eq!(recorded, changed(State::Closed, State::Open));
}

#[test]
fn counting_abandoned_calls_can_be_switched_off_and_set() {
    let mut off = breaker(builder().failure_threshold(1).abandon_counts_after(None));
    let permit = off.try_acquire(never, s(0)).unwrap();
    assert_eq!(off.record(permit, Outcome::Abandoned, never, s(9_999)), Recorded::Released);

    let enough = Some(Duration::from_secs(2));
    let mut set = breaker(builder().failure_threshold(1).abandon_counts_after(enough));
    let permit = set.try_acquire(never, s(0)).unwrap();
    let recorded = set.record(permit, Outcome::Abandoned, never, s(2));
    assert_eq!(recorded, changed(State::Closed, State::Open));
}

#[test]
fn our_own_timeout_is_a_failure() {
    let mut breaker = breaker(builder().failure_threshold(1));
    assert_eq!(call(&mut breaker, TIMEOUT, s(0)), changed(State::Closed, State::Open));
}

#[test]
fn a_clock_that_jumps_forward_starts_one_round_of_probes() {
    let mut breaker = opened(builder().probes(2));
    let later = s(500 * 365 * 86_400);
    let admitted = (0..1_000).filter(|_| breaker.try_acquire(never, later).is_ok()).count();
    assert_eq!(admitted, 2);
}

#[test]
fn a_clock_that_steps_back_delays_a_probe_by_one_open_time_at_most() {
    let mut breaker = breaker(builder());
    let (late, early) = (s(1_000_000), s(3));
    call(&mut breaker, FAILURE, late);
    call(&mut breaker, FAILURE, late);
    assert_eq!(breaker.state(early), State::Open);
    assert_eq!(breaker.retry_at(early), Some(RetryAt::At(s(13))));
    assert_eq!(breaker.try_acquire(never, early).unwrap_err().retry(), RetryAt::At(s(13)));
    assert!(breaker.try_acquire(never, s(13)).is_ok());
}

#[test]
fn a_small_step_back_moves_no_deadline() {
    let mut breaker = breaker(builder());
    call(&mut breaker, FAILURE, s(100));
    call(&mut breaker, FAILURE, s(100));
    assert!(breaker.try_acquire(never, s(105)).is_err());
    assert_eq!(breaker.retry_at(s(101)), Some(RetryAt::At(s(110))));
}

#[test]
fn a_clock_that_steps_back_renews_a_lease_by_one_lease_at_most() {
    let mut breaker = breaker(builder().lease(Duration::from_secs(30)));
    call(&mut breaker, FAILURE, s(5_000));
    call(&mut breaker, FAILURE, s(5_000));
    let _lost = breaker.try_acquire(never, s(5_010)).unwrap();
    assert_eq!(breaker.poll(never, s(1)), None);
    assert_eq!(breaker.next_deadline(s(1)), Some(s(31)));
    assert_eq!(breaker.state(s(31)), State::Open);
}

#[test]
fn limits_are_65535_and_85() {
    let (mut breaker, probes) = probing(builder().probes(85), 85);
    assert_eq!(code(breaker.try_acquire(never, s(10))), ErrorCode::CircuitBreakerHalfOpen);
    drop(probes);
    let mut breaker = super::breaker(builder().failure_threshold(u16::MAX));
    for _ in 1..u16::MAX {
        assert_eq!(call(&mut breaker, FAILURE, s(0)), Recorded::Counted);
    }
    assert_eq!(call(&mut breaker, FAILURE, s(0)), changed(State::Closed, State::Open));
}

#[test]
fn the_most_probes_can_all_be_abandoned_three_times() {
    let mut breaker = opened(builder().probes(85));
    for _ in 1..3 * 85 {
        assert_eq!(call(&mut breaker, Outcome::Abandoned, s(10)), Recorded::Released);
    }
    let recorded = call(&mut breaker, Outcome::Abandoned, s(10));
    assert_eq!(recorded, changed(State::HalfOpen, State::Open));
}

#[test]
fn invalid_settings_fail_and_valid_ones_are_constants() {
    static ONE: CircuitBreakerConfig =
        valid!(CircuitBreakerConfig::builder().failure_threshold(1).build());
    let mut borrowed = CircuitBreaker::new(&ONE);
    let permit = borrowed.try_acquire(never, s(0)).unwrap();
    borrowed.record(permit, FAILURE, never, s(0));
    assert_eq!(borrowed.state(s(0)), State::Open);
    let error = builder().failure_threshold(0).build().unwrap_err();
    assert_eq!(error.setting(), "failure_threshold");
}

#[test]
fn forced_open_refuses_until_reset_whatever_the_time() {
    let mut breaker = breaker(builder());
    let permit = breaker.try_acquire(never, s(0)).unwrap();
    let transition = breaker.force_open(s(0)).unwrap();
    assert_eq!(transition, Transition { from: State::Closed, to: State::ForcedOpen });
    assert_eq!(breaker.force_open(s(0)), None, "no change, no transition");
    let rejected = breaker.try_acquire(never, s(1_000_000_000)).unwrap_err();
    assert_eq!(rejected, Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown));
    assert_eq!(breaker.next_deadline(s(0)), None);
    assert_eq!(breaker.record(permit, Outcome::Success, never, s(1)), Recorded::Stale);
    assert!(breaker.reset(s(2)).is_some());
    assert!(breaker.is_fresh(s(2)));
}

#[test]
fn disabled_admits_everything_and_counts_nothing() {
    let mut breaker = opened(builder());
    let transition = breaker.disable(s(1)).unwrap();
    assert_eq!(transition, Transition { from: State::Open, to: State::Disabled });
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, FAILURE, s(1)), Recorded::Released);
    }
    assert_eq!((breaker.state(s(1)), breaker.failures()), (State::Disabled, 0));
    let permit = breaker.try_acquire(never, s(1)).unwrap();
    breaker.reset(s(2));
    assert_eq!(breaker.record(permit, FAILURE, never, s(2)), Recorded::Stale);
}

#[test]
fn one_policy_serves_a_table_of_states() {
    let config = builder().failure_threshold(1).build().unwrap();
    let mut peers = [const { CircuitBreakerState::new() }; 8];
    let permit = config.try_acquire(&mut peers[3], never, s(0)).unwrap();
    config.record(&mut peers[3], permit, FAILURE, never, s(0));
    let open: Vec<_> =
        (0..8).filter(|&peer| config.state(&peers[peer], s(0)) == State::Open).collect();
    assert_eq!(open, [3]);
}

#[test]
fn a_snapshot_goes_on_where_the_breaker_was() {
    let breaker = opened(builder());
    let snapshot = breaker.as_state().clone();
    let restored = CircuitBreaker::from_parts(breaker.config(), snapshot);
    assert_eq!(restored.retry_at(s(1)), breaker.retry_at(s(1)));
}

#[test]
fn only_what_answers_like_a_new_one_is_fresh() {
    let mut breaker = breaker(builder());
    assert!(breaker.is_fresh(s(0)));
    call(&mut breaker, FAILURE, s(0));
    assert!(!breaker.is_fresh(s(0)), "a failure is remembered");
    call(&mut breaker, Outcome::Success, s(0));
    assert!(breaker.is_fresh(s(0)));
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, FAILURE, s(0));
    assert!(!breaker.is_fresh(s(0)) && !breaker.is_fresh(s(10)), "open, half-open");
}
