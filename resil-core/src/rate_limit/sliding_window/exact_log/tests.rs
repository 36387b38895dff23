//! The log by example.

use super::*;
use crate::rate_limit::sliding_window::Kept;
use crate::snapshot::Persist;
use core::time::Duration;

fn log<const N: usize>(max: u32, nanos: u64) -> Result<ExactLog<N>, ConfigError> {
    let builder = RateLimitConfig::builder().max_requests(max).burst_size(1);
    ExactLog::new(&builder.time_window(Duration::from_nanos(nanos)).build().unwrap())
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

#[test]
fn the_maximum_has_to_fit() {
    assert!(log::<4>(4, 100).is_ok());
    assert_eq!(log::<4>(5, 100).unwrap_err().setting(), "max_requests");
}

#[test]
fn every_entry_leaves_after_exactly_one_window() {
    let log = log::<4>(4, 40).unwrap();
    let mut state = ExactLog::<4>::FRESH;
    log.commit(&mut state, 1, at(100));
    log.commit(&mut state, 3, at(105));
    assert_eq!(log.opens_at(&state, 1, at(110)), at(140));
    assert_eq!(log.opens_at(&state, 2, at(110)), at(145));
    assert_eq!(log.next_deadline(&state, at(110)), Some(at(140)));
    assert_eq!(log.used(&state, at(139)), 4);
    assert_eq!(log.used(&state, at(140)), 3);
    log.commit(&mut state, 1, at(140)); // round the ring
    assert_eq!(log.used(&state, at(144)), 4);
    assert_eq!(log.used(&state, at(145)), 1);
    assert_eq!(log.next_deadline(&state, at(145)), Some(at(180)));
}

#[test]
fn a_window_of_the_same_length_goes_on_where_it_was() {
    let [old, new] = [log::<4>(4, 40).unwrap(), log::<4>(2, 40).unwrap()];
    let mut state = ExactLog::<4>::FRESH;
    for now in [100, 105, 110] {
        old.commit(&mut state, 1, at(now));
    }
    let state = new.inherit(&old, &state, at(120));
    assert_eq!(new.used(&state, at(120)), 2, "no more than it can count");
    assert_eq!(new.opens_at(&state, 1, at(120)), at(145), "and of those the latest");
    assert_eq!(new.used(&state, at(145)), 1);
    assert_eq!(new.used(&state, at(150)), 0);
    let longer = log::<4>(4, 80).unwrap();
    let state = longer.inherit(&new, &state, at(120));
    assert_eq!(longer.empty_at(&state, at(120)), at(200), "all of it counted now");
}

#[test]
fn a_refund_takes_out_its_own_entries() {
    let log = log::<4>(4, 40).unwrap();
    let mut state = ExactLog::<4>::FRESH;
    log.commit(&mut state, 1, at(100));
    let charge = log.commit(&mut state, 2, at(105));
    log.commit(&mut state, 1, at(110));
    log.refund(&mut state, charge, at(120));
    assert_eq!(log.used(&state, at(120)), 2);
    assert_eq!(log.opens_at(&state, 3, at(120)), at(140));
    assert_eq!(log.opens_at(&state, 4, at(120)), at(150));
}

#[test]
fn a_step_back_of_an_eighth_is_waited_for_and_no_larger_one_pitfall_65() {
    let log = log::<4>(4, 40).unwrap();
    let mut state = ExactLog::<4>::FRESH;
    log.commit(&mut state, 3, at(1000));
    let charge = log.commit(&mut state, 1, at(1001));
    assert_eq!(log.opens_at(&state, 4, at(996)), at(1041), "kept");
    assert_eq!(log.opens_at(&state, 4, at(995)), at(1035), "as if entered now");
    log.reanchor(&mut state, at(500));
    assert_eq!(log.used(&state, at(539)), 4);
    log.refund(&mut state, charge, at(539));
    assert_eq!(log.used(&state, at(539)), 4, "the charge is from before");
    assert_eq!(log.used(&state, at(540)), 0);
}

#[test]
fn a_share_of_the_log_leaves_no_earlier() {
    let [old, new, more] = [(4, 40), (2, 40), (8, 40)].map(|(m, w)| log::<8>(m, w).unwrap());
    let mut state = ExactLog::<8>::FRESH;
    for now in [100, 105, 110] {
        old.commit(&mut state, 1, at(now));
    }
    let fewer = new.rescale(&old, &state, at(120));
    let used = |now| new.used(&fewer, at(now));
    assert_eq!([139, 144, 145, 149, 150].map(used), [2, 2, 1, 1, 0]);
    let twice = more.rescale(&old, &state, at(120));
    let used = |now| more.used(&twice, at(now));
    assert_eq!([139, 140, 145, 150].map(used), [6, 4, 2, 0]);
}

#[test]
fn a_snapshot_of_a_log_leaves_when_it_would_have() {
    let log = log::<4>(4, 40).unwrap();
    let mut state = ExactLog::<4>::FRESH;
    for now in [100, 105, 110] {
        log.commit(&mut state, 1, at(now));
    }
    for (saved, restored) in [(120, 5_000), (105, 5_000), (120, 20), (141, 200)] {
        let mut bytes = [0; Kept::<ExactLog<4>>::LEN];
        Kept(log.clone()).save(&state, at(saved), &mut bytes).unwrap();
        let again = Kept(log.clone()).restore(&bytes, at(restored)).unwrap();
        for later in 0..60 {
            let before = log.used(&state, at(saved + later));
            assert_eq!(log.used(&again, at(restored + later)), before, "{saved} {later}");
        }
        let smaller = self::log::<4>(2, 40).unwrap();
        let read = Kept(smaller.clone()).restore(&bytes, at(restored));
        assert_eq!(read, Err(SnapshotError::Invalid));
    }
    let mut bytes = [0; Kept::<ExactLog<4>>::LEN];
    Kept(log.clone()).save(&state, at(120), &mut bytes).unwrap();
    let young = Kept(log.clone()).restore(&bytes, at(12)).unwrap();
    assert_eq!(log.used(&young, at(39)), 3, "counted as of the epoch");
    assert_eq!(log.used(&young, at(40)), 1);
}

#[test]
fn a_snapshot_forgives_nothing_under_a_window_that_waits_for_less() {
    let [long, short] = [(4, 4_000), (4, 40)].map(|(max, nanos)| log::<4>(max, nanos).unwrap());
    let mut state = ExactLog::<4>::FRESH;
    long.commit(&mut state, 3, at(1_000));
    for (saved, left) in [(900, 3), (999, 3), (1_000, 3), (1_039, 3), (1_040, 0), (9_000, 0)] {
        let mut bytes = [0; Kept::<ExactLog<4>>::LEN];
        Kept(long.clone()).save(&state, at(saved), &mut bytes).unwrap();
        let restored = Kept(short.clone()).restore(&bytes, at(500)).unwrap();
        assert_eq!(short.used(&restored, at(500)), left, "{saved}");
        assert!(short.opens_at(&restored, 4, at(500)) <= at(545), "{saved}");
    }
}

/// An age of 300 years is no instant ahead.
#[test]
fn a_snapshot_of_what_has_long_left_is_one_of_nothing() {
    let log = log::<4>(4, 40).unwrap();
    for (committed, saved) in [(0, u64::MAX), (0, i64::MAX as u64 + 1), (7, 60)] {
        let mut state = ExactLog::<4>::FRESH;
        log.commit(&mut state, 2, at(committed));
        let mut bytes = [0; Kept::<ExactLog<4>>::LEN];
        Kept(log.clone()).save(&state, at(saved), &mut bytes).unwrap();
        let restored = Kept(log.clone()).restore(&bytes, at(500)).unwrap();
        assert_eq!(log.used(&restored, at(500)), 0, "{saved}");
    }
}

#[test]
fn a_refund_leaves_what_others_took_at_the_same_instant() {
    let log = log::<4>(4, 40).unwrap();
    let mut state = ExactLog::<4>::FRESH;
    log.commit(&mut state, 2, at(100));
    let charge = log.commit(&mut state, 1, at(100));
    log.refund(&mut state, charge, at(100));
    assert_eq!(log.used(&state, at(100)), 2);
}

#[test]
fn a_charge_from_before_the_clock_was_set_back_takes_nothing_out_of_a_scaled_log() {
    let [old, new] = [(4, 40), (8, 40)].map(|(max, nanos)| log::<8>(max, nanos).unwrap());
    let mut state = ExactLog::<8>::FRESH;
    let charge = old.commit(&mut state, 1, at(1_000));
    let mut scaled = new.rescale(&old, &state, at(500));
    new.commit(&mut scaled, 1, at(1_000));
    new.refund(&mut scaled, charge, at(1_000));
    assert_eq!(new.used(&scaled, at(1_000)), 1, "of the same instant, and another's");
}

#[test]
fn a_snapshot_of_a_log_has_room_for_all_of_it_and_shows_nothing_that_was_taken_out() {
    let log = log::<4>(4, 40).unwrap();
    let saved = |state: &ExactLogState<4>| {
        let mut bytes = [0; Kept::<ExactLog<4>>::LEN];
        Kept(log.clone()).save(state, at(120), &mut bytes).unwrap();
        bytes
    };
    let mut state = ExactLog::<4>::FRESH;
    log.commit(&mut state, 3, at(100));
    let before = saved(&state);
    let charge = log.commit(&mut state, 1, at(110));
    let full = Kept(log.clone()).restore(&saved(&state), at(120)).unwrap();
    assert_eq!(log.used(&full, at(120)), 4);
    log.refund(&mut state, charge, at(120));
    assert_eq!(saved(&state), before);
}
