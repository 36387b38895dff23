//! Windows over a reboot, under another policy, and as gates.

use super::*;
use proptest::prelude::*;
use resil_core::call::{Bound, End, Gate, Request};
use resil_core::circuit_breaker::CircuitBreakerState;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_tests::laws::kept::sealed;

/// A breaker of `policy` after `outcomes`, one every 700 ms from `start` on, and the time after.
fn after<W: Window>(
    policy: CircuitBreakerConfig<W>,
    outcomes: &[bool],
    start: Instant,
) -> (CircuitBreaker<CircuitBreakerConfig<W>, W>, Instant) {
    let (mut breaker, mut now) = (CircuitBreaker::new(policy), start);
    for failed in outcomes {
        if let Ok(permit) = breaker.try_acquire(never, now) {
            let outcome = if *failed { FAILURE } else { Outcome::Success };
            breaker.record(permit, outcome, never, now);
        }
        now = now.saturating_add(Duration::from_millis(700));
    }
    (breaker, now)
}

/// Saved at `now`, and restored under a clock that shows `then`.
fn restored<W: Window>(
    policy: &CircuitBreakerConfig<W>,
    state: &CircuitBreakerState<W::Stats>,
    now: Instant,
    then: Instant,
) -> CircuitBreakerState<W::Stats> {
    let mut flash = [0; 256];
    let written = policy.save(state, now, &mut flash).unwrap();
    assert_eq!(written, CircuitBreakerConfig::<W>::LEN);
    policy.restore(&flash[..written], then).unwrap()
}

/// From now on both answer alike, whatever comes, the one `gap` behind.
fn alike<W: Window>(
    policy: CircuitBreakerConfig<W>,
    outcomes: &[bool],
    more: &[bool],
    restart: Instant,
) {
    let (mut old, mut now) = after(policy, outcomes, s(1_000));
    let state = restored(&policy, old.as_state(), now, restart);
    let (mut new, mut then) = (CircuitBreaker::from_parts(policy, state), restart);
    for failed in more {
        assert_eq!(old.counts(now), new.counts(then));
        assert_eq!((old.state(now), old.failures()), (new.state(then), new.failures()));
        let outcome = if *failed { FAILURE } else { Outcome::Success };
        let told = [(&mut old, now), (&mut new, then)].map(|(breaker, now)| {
            let permit = breaker.try_acquire(never, now).map_err(|refused| refused.code())?;
            Ok::<_, resil_core::ErrorCode>(breaker.record(permit, outcome, never, now))
        });
        assert_eq!(told[0], told[1]);
        for clock in [&mut now, &mut then] {
            *clock = clock.saturating_add(Duration::from_millis(900));
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(100))]

    #[test]
    fn a_restored_breaker_answers_alike(
        outcomes in prop::collection::vec(prop::bool::weighted(0.3), 0..30),
        more in prop::collection::vec(prop::bool::weighted(0.3), 1..30),
    ) {
        // The clock goes on elsewhere; or began again, and a sub-window of 1 s is over since.
        for restart in [s(50_000), s(1)] {
            alike(LAST_TEN, &outcomes, &more, restart);
            alike(TEN_SECONDS, &outcomes, &more, restart);
        }
        alike(LAST_TEN, &outcomes, &more, Instant::EPOCH);
    }
}

#[test]
fn a_clock_that_began_again_holds_calls_for_a_sub_window_longer_at_most() {
    let (breaker, _) = after(TEN_SECONDS, &[true], s(1_000));
    let state = restored(&TEN_SECONDS, breaker.as_state(), ms(1_000_900), Instant::EPOCH);
    assert_eq!(TEN_SECONDS.counts(&state, ms(9_999)), counts(1, 1, 0));
    assert_eq!(TEN_SECONDS.counts(&state, s(10)), counts(0, 0, 0));
}

/// `change`s a byte and seals the snapshot again.
fn resealed<W: Window>(
    policy: &CircuitBreakerConfig<W>,
    bytes: &[u8],
    change: impl Fn(&mut [u8]),
) -> Result<(), SnapshotError> {
    let mut bytes = bytes.to_vec();
    let body = bytes.len() - 2;
    change(&mut bytes[..body]);
    let mut sum = u16::MAX;
    for byte in &bytes[..body] {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    bytes[body..].copy_from_slice(&sum.to_le_bytes());
    policy.restore(&bytes, s(0)).map(|_| ())
}

#[test]
fn metrics_only_outlives_a_reboot_and_so_does_its_window() {
    let mut breaker = CircuitBreaker::new(LAST_TEN);
    breaker.metrics_only(s(9));
    for _ in 0..3 {
        call(&mut breaker, FAILURE, s(9));
    }
    let state = restored(&LAST_TEN, breaker.as_state(), s(9), s(0));
    let mut breaker = CircuitBreaker::from_parts(LAST_TEN, state);
    assert_eq!(breaker.state(s(0)), State::MetricsOnly);
    let would = Transition { from: State::Closed, to: State::Open };
    assert_eq!(call(&mut breaker, FAILURE, s(0)).detected(), Some(would));
}

#[test]
fn what_no_window_can_hold_is_invalid() {
    let (breaker, now) = after(LAST_TEN, &[true, false, false], s(0));
    let mut flash = [0; 64];
    let len = LAST_TEN.save(breaker.as_state(), now, &mut flash).unwrap();
    let with = |change: fn(&mut [u8])| resealed(&LAST_TEN, &flash[..len], change);
    // After kind, version and 14 bytes: failed, slow, next, calls.
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|bytes| bytes[16] = 0b1000), Err(SnapshotError::Invalid), "a call too many");
    assert_eq!(with(|bytes| bytes[20] = 0b1000), Err(SnapshotError::Invalid), "a slow one");
    assert_eq!(with(|bytes| bytes[24] = 2), Err(SnapshotError::Invalid), "next is not after them");
    assert_eq!(with(|bytes| bytes[26] = 11), Err(SnapshotError::Invalid), "more than it holds");
    let past_the_end = |bytes: &mut [u8]| (bytes[24], bytes[26]) = (10, 10);
    assert_eq!(with(past_the_end), Err(SnapshotError::Invalid), "next is not one of its places");
    let open = |bytes: &mut [u8]| bytes[2] = 2;
    assert_eq!(with(open), Err(SnapshotError::Invalid), "an open breaker has an empty window");
    let (breaker, now) = after(TEN_SECONDS, &[true], s(0));
    let mut flash = [0; 256];
    let len = TEN_SECONDS.save(breaker.as_state(), now, &mut flash).unwrap();
    let with = |change: fn(&mut [u8])| resealed(&TEN_SECONDS, &flash[..len], change);
    assert_eq!(with(|_| ()), Ok(()));
    let no_calls = |bytes: &mut [u8]| {
        bytes[24..].as_chunks_mut::<12>().0.iter_mut().for_each(|row| row[0] = 0);
    };
    assert_eq!(with(no_calls), Err(SnapshotError::Invalid), "failures without calls");
    assert_eq!(with(open), Err(SnapshotError::Invalid), "an open breaker has an empty window");
    // A snapshot of another window has another length.
    assert_eq!(LAST_TEN.restore(&flash[..len], now), Err(SnapshotError::Length));
}

#[test]
fn a_window_of_the_same_length_is_kept_under_another_policy() {
    let new = |calls, timeout| {
        CircuitBreakerConfig::builder()
            .timeout(seconds(timeout))
            .failure_threshold(50)
            .count_window::<1>(calls)
            .minimum_calls(4)
            .failure_rate(Ratio::percent(90))
            .build()
            .unwrap()
    };
    let (mut breaker, now) = after(LAST_TEN, &[true, true, true], s(0));
    breaker.reconfigure(new(10, 60), now);
    assert_eq!((breaker.counts(now), breaker.failures()), (counts(3, 3, 0), 3));
    assert_eq!(call(&mut breaker, Outcome::Success, now), Recorded::Counted, "3/4 is below 90 %");
    breaker.reconfigure(new(11, 60), now);
    assert_eq!(breaker.counts(now), counts(0, 0, 0), "another length");

    let mut breaker = CircuitBreaker::from_parts(LAST_TEN, LAST_TEN.opened(never, s(0)));
    breaker.reconfigure(new(10, 5), s(1));
    assert_eq!(breaker.next_deadline(s(1)), Some(s(6)), "one open time from now");
    let mut breaker = CircuitBreaker::from_parts(LAST_TEN, LAST_TEN.opened(never, s(0)));
    breaker.reconfigure(new(10, 500), s(1));
    assert_eq!(breaker.next_deadline(s(1)), Some(s(60)), "a deadline never moves away");
}

#[test]
fn permits_stay_good_and_successes_of_another_verdict_do_not() {
    let new = |successes| {
        let builder = CircuitBreakerConfig::builder().failure_threshold(1).probes(2);
        builder.timeout(seconds(10)).success_threshold(successes).build().unwrap()
    };
    let mut breaker = CircuitBreaker::new(new(2));
    call(&mut breaker, FAILURE, s(0));
    assert_eq!(call(&mut breaker, Outcome::Success, s(10)), Recorded::Counted);
    let probe = breaker.try_acquire(never, s(10)).unwrap();
    breaker.reconfigure(new(3), s(10));
    assert_eq!(breaker.probes_in_flight(s(10)), 1);
    assert_eq!(breaker.record(probe, Outcome::Success, never, s(10)), Recorded::Counted);
    assert_eq!(call(&mut breaker, Outcome::Success, s(10)), Recorded::Counted);
    assert!(call(&mut breaker, Outcome::Success, s(10)).transition().is_some());
}

#[test]
fn both_forms_of_a_breaker_are_gates() {
    fn fail(gate: &mut impl Gate<Report = Recorded>, end: End) -> Recorded {
        let permit = gate.try_acquire(&Request::ONE, &mut never, s(0)).unwrap();
        gate.settle(permit, end, &mut never, s(0))
    }
    let mut state = CircuitBreakerState::new();
    let mut machine = CircuitBreaker::new(LAST_TEN);
    for expected in [Recorded::Counted, Recorded::Counted, Recorded::Counted, OPENS] {
        let mut bound = Bound::new(&LAST_TEN, &mut state);
        assert_eq!(fail(&mut bound, End::Unused), Recorded::Released);
        assert_eq!(fail(&mut bound, End::Attempted(FAILURE)), expected);
        assert_eq!(fail(&mut machine, End::Unused), Recorded::Released);
        assert_eq!(fail(&mut machine, End::Attempted(FAILURE)), expected);
    }
}

/// An open breaker counts no calls. Where those of the snapshot were about to leave the window, a clock that
/// had just begun took them for present, and any other for gone.
#[test]
fn bytes_are_refused_whatever_the_clock_shows() {
    let closed = 0;
    for phase in 0..8 {
        // Phase, openings, count, epoch, until; what is left of the sub-window; the oldest: one call.
        let payload = [[phase, 0, 0, 0, 0, 0].as_slice(), &[0; 8], &[0; 8], &[1]].concat();
        let bytes = sealed::<CircuitBreakerConfig<TimeWindow<10>>>(&payload);
        let restored = |now| TEN_SECONDS.restore(&bytes, now).map(drop);
        assert_eq!(restored(Instant::EPOCH), restored(s(1_000)), "phase {phase}");
        assert_eq!(restored(Instant::EPOCH), restored(Instant::MAX), "phase {phase}");
        assert!(restored(s(1_000)).is_ok() || phase != closed);
    }
}
