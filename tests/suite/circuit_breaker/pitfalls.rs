//! What went wrong in other breakers; the number is the row of the catalogue.

use super::*;

#[test]
fn a_dropped_probe_leaves_a_way_to_the_next_one_pitfall_1() {
    let (mut breaker, probes) = probing(builder(), 1);
    for probe in probes {
        breaker.record(probe, Outcome::Abandoned, never, s(11));
    }
    assert!(breaker.try_acquire(never, s(11)).is_ok(), "at once, not after an open time");
}

#[test]
fn a_probe_under_an_outer_timeout_leaves_a_way_to_the_next_one_pitfall_2() {
    let (mut breaker, probes) = probing(builder(), 1);
    let outer_timeout = s(10).saturating_add(Duration::from_secs(7));
    for probe in probes {
        let recorded = breaker.record(probe, Outcome::Abandoned, never, outer_timeout);
        assert_eq!(recorded, Recorded::Released, "a probe's abandonment is not a failure");
    }
    assert!(breaker.try_acquire(never, outer_timeout).is_ok());
}

#[test]
fn every_outcome_settles_a_probe_once_pitfall_3() {
    for outcome in [Outcome::Success, FAILURE, Outcome::Ignored, Outcome::Abandoned] {
        let (mut breaker, mut probes) = probing(builder().success_threshold(2), 1);
        breaker.record(probes.pop().unwrap(), outcome, never, s(10));
        assert_eq!(breaker.probes_in_flight(s(10)), 0, "{outcome:?}");
        // Open for one open time after the failure, else there is a slot at once.
        assert!(breaker.try_acquire(never, s(20)).is_ok(), "{outcome:?}");
    }
}

#[test]
fn a_permit_that_is_never_told_back_expires_pitfall_4() {
    let (mut breaker, lost) = probing(builder(), 1);
    drop(lost);
    assert!(breaker.try_acquire(never, just_before(s(80))).is_err());
    assert!(breaker.try_acquire(never, s(80)).is_ok(), "60 s of lease, 10 s open");
}

#[test]
fn queries_are_pure_and_drain_no_probe_pitfalls_5_110() {
    let breaker = opened(builder());
    let before = breaker.as_state().clone();
    for second in [0, 9, 10, 11, 1_000_000] {
        for _ in 0..10 {
            let now = s(second);
            let _ = (breaker.state(now), breaker.peek(now), breaker.retry_at(now));
            let _ = (breaker.next_deadline(now), breaker.is_fresh(now));
            let _ = (breaker.failures(), breaker.probes_in_flight(now));
        }
    }
    assert_eq!(*breaker.as_state(), before);
    assert!(breaker.clone().try_acquire(never, s(10)).is_ok(), "the slot is still there");
}

#[test]
fn a_later_layers_refusal_gives_the_probe_back_pitfall_6() {
    let (mut breaker, probes) = probing(builder(), 1);
    for probe in probes {
        let recorded = breaker.record(probe, Outcome::Ignored, never, s(10));
        assert_eq!(recorded, Recorded::Released, "the peer was never asked");
    }
    assert!(breaker.try_acquire(never, s(10)).is_ok());
}

#[test]
fn a_week_of_lost_probes_admits_one_per_lease_and_open_time_pitfall_7() {
    let mut breaker = opened(builder());
    let mut admitted = 0;
    for second in 0..7 * 86_400 {
        admitted += u32::from(breaker.try_acquire(never, s(second)).is_ok());
    }
    assert_eq!(admitted, (7 * 86_400 - 10_u32).div_ceil(70));
}

#[test]
fn half_open_admits_exactly_k_probes_pitfall_8() {
    let mut breaker = opened(builder().probes(3));
    let permits: Vec<_> = (0..100).filter_map(|_| breaker.try_acquire(never, s(10)).ok()).collect();
    assert_eq!(permits.len(), 3, "capacity is reserved on admission, not on completion");
}

#[test]
fn a_late_probe_neither_settles_nor_frees_in_the_next_period_pitfall_9() {
    let (mut breaker, mut old) = probing(builder(), 1);
    let old = old.pop().unwrap();
    let _new = breaker.try_acquire(never, s(80)).unwrap(); // lease over, open time over
    let before = breaker.as_state().clone();
    assert_eq!(breaker.record(old, FAILURE, never, s(80)), Recorded::Stale);
    assert_eq!(*breaker.as_state(), before);
    assert_eq!(code(breaker.try_acquire(never, s(80))), ErrorCode::CircuitBreakerHalfOpen);
}

#[test]
fn half_open_is_not_closed_pitfall_10() {
    let (mut breaker, _probe) = probing(builder(), 1);
    for second in 10..70 {
        assert!(breaker.try_acquire(never, s(second)).is_err());
    }
}

#[test]
fn acquire_and_record_alone_keep_the_limit_pitfall_11() {
    let mut breaker = opened(builder().probes(2).success_threshold(u16::MAX));
    let mut held: Vec<Permit> = Vec::new();
    for round in 0..1_000 {
        if let Ok(permit) = breaker.try_acquire(never, s(10)) {
            held.push(permit);
        }
        assert!(held.len() <= 2);
        if round % 3 == 0 {
            breaker.record(held.remove(0), Outcome::Success, never, s(10));
        }
    }
}

#[test]
fn no_herd_on_recovery_pitfall_12() {
    let mut breaker = opened(builder());
    let admitted = (0..10_000).filter(|_| breaker.try_acquire(never, s(10)).is_ok()).count();
    assert_eq!(admitted, 1);
}

#[test]
fn whoever_finds_it_half_open_already_is_judged_as_half_open_pitfall_13() {
    let mut breaker = opened(builder());
    assert_eq!(
        breaker.poll(never, s(10)),
        Some(Transition { from: State::Open, to: State::HalfOpen })
    );
    assert_eq!(breaker.poll(never, s(10)), None, "one transition, once");
    assert!(breaker.try_acquire(never, s(10)).is_ok());
    assert_eq!(code(breaker.try_acquire(never, s(10))), ErrorCode::CircuitBreakerHalfOpen);
}

#[test]
fn permits_of_another_state_free_no_probe_slot_pitfall_14() {
    let mut breaker = breaker(builder());
    let from_closed = [(); 50].map(|()| breaker.try_acquire(never, s(0)).unwrap());
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, FAILURE, s(0));
    let _probe = breaker.try_acquire(never, s(10)).unwrap();
    for permit in from_closed {
        assert_eq!(breaker.record(permit, Outcome::Abandoned, never, s(10)), Recorded::Stale);
        assert!(breaker.try_acquire(never, s(10)).is_err());
    }
}

#[test]
fn one_probe_is_enough_for_a_verdict_pitfall_15() {
    for (outcome, state) in [(Outcome::Success, State::Closed), (FAILURE, State::Open)] {
        let (mut breaker, mut probes) = probing(builder().failure_threshold(100), 1);
        breaker.record(probes.pop().unwrap(), outcome, never, s(10));
        assert_eq!(breaker.state(s(10)), state);
    }
}

#[test]
fn results_from_while_closed_change_nothing_later_pitfall_25() {
    let mut breaker = breaker(builder());
    let [a, b, c, d] = [(); 4].map(|()| breaker.try_acquire(never, s(0)).unwrap());
    breaker.record(a, FAILURE, never, s(1));
    assert_eq!(breaker.record(b, FAILURE, never, s(1)), changed(State::Closed, State::Open));
    assert_eq!(breaker.record(c, FAILURE, never, s(2)), Recorded::Stale, "opens once");
    let _probe = breaker.try_acquire(never, s(11)).unwrap();
    assert_eq!(breaker.record(d, FAILURE, never, s(11)), Recorded::Stale);
    assert_eq!(breaker.state(s(11)), State::HalfOpen);
}

#[test]
fn a_result_of_the_same_state_but_an_earlier_time_in_it_is_stale_pitfall_26() {
    let mut breaker = breaker(builder());
    let first_life = breaker.try_acquire(never, s(0)).unwrap();
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, Outcome::Success, s(10));
    assert_eq!(breaker.state(s(10)), State::Closed, "as when the permit was issued");
    assert_eq!(breaker.record(first_life, FAILURE, never, s(11)), Recorded::Stale);
    assert_eq!(breaker.failures(), 0);
}

#[test]
fn a_stale_probe_success_counts_in_no_later_half_open_pitfall_27() {
    let (mut breaker, mut probes) = probing(builder().probes(2).success_threshold(2), 2);
    let (old, failing) = (probes.pop().unwrap(), probes.pop().unwrap());
    breaker.record(failing, FAILURE, never, s(10));
    let _new = [(); 2].map(|()| breaker.try_acquire(never, s(20)).unwrap());
    assert_eq!(breaker.record(old, Outcome::Success, never, s(20)), Recorded::Stale);
    assert_eq!(breaker.probes_in_flight(s(20)), 2, "no slot freed that was never granted");
    assert!(breaker.try_acquire(never, s(20)).is_err());
}

#[test]
fn probe_counters_never_underflow_pitfall_28() {
    // A permit of another breaker with the same epoch: misuse, and still no harm.
    let (mut other, mut foreign) = probing(builder().probes(85), 85);
    let mut breaker = opened(builder());
    breaker.poll(never, s(10));
    for outcome in [Outcome::Success, FAILURE, Outcome::Ignored, Outcome::Abandoned] {
        let permit = foreign.pop().unwrap();
        let before = breaker.as_state().clone();
        assert_eq!(breaker.record(permit, outcome, never, s(10)), Recorded::Stale);
        assert_eq!(*breaker.as_state(), before);
    }
    assert_eq!(breaker.probes_in_flight(s(10)), 0);
    let admitted = (0..10).filter(|_| breaker.try_acquire(never, s(10)).is_ok()).count();
    assert_eq!(admitted, 1);
    other.reset(s(10));
}

#[test]
fn a_straggling_success_while_open_does_not_close_it_pitfall_29() {
    let mut breaker = breaker(builder());
    let straggler = breaker.try_acquire(never, s(0)).unwrap();
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, FAILURE, s(0));
    assert_eq!(breaker.record(straggler, Outcome::Success, never, s(1)), Recorded::Stale);
    assert_eq!(breaker.state(s(1)), State::Open);
}

#[test]
fn failures_while_open_do_not_move_the_deadline_pitfall_30() {
    let mut breaker = breaker(builder());
    let stragglers = [(); 9].map(|()| breaker.try_acquire(never, s(0)).unwrap());
    call(&mut breaker, FAILURE, s(0));
    call(&mut breaker, FAILURE, s(0));
    for (straggler, second) in stragglers.into_iter().zip(1..) {
        assert_eq!(breaker.record(straggler, FAILURE, never, s(second)), Recorded::Stale);
        assert!(breaker.try_acquire(never, s(second)).is_err());
    }
    assert_eq!(breaker.next_deadline(s(9)), Some(s(10)));
}

#[test]
fn record_says_whether_it_counted_pitfall_31() {
    let mut breaker = breaker(builder());
    let [counted, released, changing, stale] =
        [(); 4].map(|()| breaker.try_acquire(never, s(0)).unwrap());
    assert_eq!(breaker.record(counted, FAILURE, never, s(0)), Recorded::Counted);
    assert_eq!(breaker.record(released, Outcome::Ignored, never, s(0)), Recorded::Released);
    let recorded = breaker.record(changing, FAILURE, never, s(0));
    assert_eq!(recorded.transition(), Some(Transition { from: State::Closed, to: State::Open }));
    assert_eq!(breaker.record(stale, FAILURE, never, s(0)), Recorded::Stale);
}

#[test]
fn failures_with_successes_between_never_add_up_pitfall_44() {
    let mut breaker = breaker(builder());
    for second in 0..10_000 {
        let outcome = if second % 2 == 0 { FAILURE } else { Outcome::Success };
        assert_eq!(call(&mut breaker, outcome, s(second)), Recorded::Counted);
    }
}

#[test]
fn closed_again_is_closed_as_new_pitfall_46() {
    let mut breaker = opened(builder().probes(2));
    call(&mut breaker, Outcome::Abandoned, s(10));
    call(&mut breaker, Outcome::Success, s(10));
    assert!(breaker.is_fresh(s(10)));
    assert_eq!(call(&mut breaker, FAILURE, s(10)), Recorded::Counted, "counts from zero");
    assert_eq!(call(&mut breaker, FAILURE, s(10)), changed(State::Closed, State::Open));
    assert_eq!(breaker.next_deadline(s(10)), Some(s(20)), "as long as the first time");
}

#[test]
fn no_pair_of_instants_panics_pitfall_68() {
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(Instant::from_nanos);
    for (a, b) in edges.iter().flat_map(|&a| edges.iter().map(move |&b| (a, b))) {
        let mut breaker = breaker(builder().failure_threshold(1));
        call(&mut breaker, FAILURE, a);
        let _ = (breaker.state(b), breaker.next_deadline(b), breaker.peek(b));
        if let Ok(permit) = breaker.try_acquire(never, b) {
            breaker.record(permit, Outcome::Abandoned, never, a);
        }
    }
}

#[test]
fn transitions_form_a_chain_for_who_polls_first_pitfall_109() {
    let mut breaker = breaker(builder());
    let mut seen = vec![];
    let entropy = Cell::new(1_u32);
    let mut state = State::Closed;
    for step in 0..10_000_u64 {
        let now = Instant::from_nanos(step * 1_700_000_000);
        entropy.set(entropy.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        seen.extend((0..2).filter_map(|_| breaker.poll(never, now)));
        let Ok(permit) = breaker.try_acquire(never, now) else { continue };
        let outcome = match entropy.get() >> 30 {
            0 => Outcome::Success,
            1 | 2 => FAILURE,
            _ => Outcome::Ignored,
        };
        if entropy.get() >> 8 & 7 != 0 {
            seen.extend(breaker.record(permit, outcome, never, now).transition());
        }
    }
    assert!(seen.len() > 100);
    for transition in seen {
        assert_eq!(transition.from, state);
        assert_ne!(transition.from, transition.to);
        state = transition.to;
    }
}
