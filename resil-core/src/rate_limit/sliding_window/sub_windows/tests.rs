//! The sub-windows by example.

use super::*;
use crate::rate_limit::sliding_window::Kept;
use crate::snapshot::Persist;
use core::time::Duration;

fn window<const K: usize>(max: u32, nanos: u64) -> SubWindows<K> {
    let builder = RateLimitConfig::builder().max_requests(max).burst_size(1);
    SubWindows::new(&builder.time_window(Duration::from_nanos(nanos)).build().unwrap())
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

#[test]
fn a_count_leaves_when_it_surely_has_left_the_window() {
    let window = window::<4>(10, 40); // sub-windows of 10 ns
    let mut state = SubWindows::FRESH;
    window.commit(&mut state, 3, at(105)); // a new grid: 105..115
    window.commit(&mut state, 2, at(116)); // 115..125
    assert_eq!(window.used(&state, at(154)), 5);
    assert_eq!(window.used(&state, at(155)), 2);
    assert_eq!(window.used(&state, at(165)), 0);
    assert_eq!(window.opens_at(&state, 5, at(116)), at(116));
    assert_eq!(window.opens_at(&state, 6, at(116)), at(155));
    assert_eq!(window.opens_at(&state, 9, at(116)), at(165));
    assert_eq!(window.next_deadline(&state, at(116)), Some(at(155)));
    assert_eq!(window.next_deadline(&state, at(155)), Some(at(165)));
    assert_eq!(window.next_deadline(&state, at(165)), None);
}

#[test]
fn a_window_of_the_same_length_goes_on_where_it_was() {
    let [old, new] = [window::<4>(10, 40), window::<4>(4, 40)];
    let mut state = SubWindows::FRESH;
    old.commit(&mut state, 3, at(100)); // leaves at 150
    old.commit(&mut state, 3, at(115)); // leaves at 160
    let state = new.inherit(&old, &state, at(120));
    assert_eq!(new.used(&state, at(149)), 4, "no more than it can count");
    assert_eq!(new.used(&state, at(150)), 3, "and of those the latest");
    assert_eq!(new.used(&state, at(160)), 0);
    let longer = window::<4>(4, 80);
    let state = longer.inherit(&new, &state, at(120));
    assert_eq!(longer.empty_at(&state, at(120)), at(220), "all of it counted now");
}

#[test]
fn skipping_any_number_of_sub_windows_loses_nothing_pitfall_36() {
    for skip in 0..=60 {
        let window = window::<4>(10, 40);
        let mut state = SubWindows::FRESH;
        window.commit(&mut state, 1, at(0));
        window.commit(&mut state, 1, at(skip));
        let first = u32::from(skip < 50);
        assert_eq!(window.used(&state, at(skip)), first + 1, "{skip}");
    }
}

#[test]
fn a_refund_finds_its_sub_window_until_it_has_left() {
    let window = window::<4>(10, 40);
    for (refunded, left) in [(100, 1), (149, 1), (150, 0), (100_000, 0)] {
        let mut state = SubWindows::FRESH;
        let charge = window.commit(&mut state, 4, at(100));
        window.commit(&mut state, 1, at(109));
        window.refund(&mut state, charge, at(refunded));
        assert_eq!(window.used(&state, at(refunded)), left, "{refunded}");
    }
    let mut state = SubWindows::FRESH;
    let old = window.commit(&mut state, 4, at(100));
    window.commit(&mut state, 7, at(200)); // idle in between: another grid
    window.refund(&mut state, old, at(200));
    assert_eq!(window.used(&state, at(200)), 7);
}

#[test]
fn a_step_back_of_a_sub_window_is_waited_for_and_no_larger_one_pitfall_65() {
    let window = window::<4>(10, 40); // a count has left after 50 ns
    let mut state = SubWindows::FRESH;
    let charge = window.commit(&mut state, 4, at(1000));
    assert_eq!(window.opens_at(&state, 7, at(990)), at(1050), "kept");
    assert_eq!(window.opens_at(&state, 7, at(989)), at(1039), "as if counted now");
    let before = state.clone();
    window.reanchor(&mut state, at(990));
    assert_eq!(state, before);
    window.reanchor(&mut state, at(989));
    assert_eq!(window.used(&state, at(1038)), 4);
    assert_eq!(window.used(&state, at(1039)), 0);
    window.refund(&mut state, charge, at(1038));
    assert_eq!(window.used(&state, at(1038)), 4, "the charge is of another grid");
}

/// Found by the fuzzer: what was due in 12 ms waited for 1.6 s of a window of one.
#[test]
fn what_was_about_to_leave_waits_no_longer_after_a_step_than_what_has_just_come_pitfall_65() {
    let window = window::<4>(10, 40);
    let mut state = SubWindows::FRESH;
    window.commit(&mut state, 4, at(1000));
    window.commit(&mut state, 6, at(1041));
    assert_eq!(window.opens_at(&state, 4, at(1049)), at(1050));
    for stepped in 900..1049 {
        let opens = window.opens_at(&state, 10, at(stepped));
        assert!(opens.as_nanos() <= stepped + 60, "{opens:?} at {stepped}");
    }
}

#[test]
fn a_share_of_the_window_stays_the_share_and_leaves_when_it_would_have() {
    let [old, new] = [window::<4>(10, 40), window::<4>(4, 40)];
    let mut state = SubWindows::FRESH;
    old.commit(&mut state, 3, at(100)); // leaves at 150
    old.commit(&mut state, 2, at(115)); // leaves at 160
    let state = new.rescale(&old, &state, at(120));
    assert_eq!(new.used(&state, at(149)), 3, "a half and a bit");
    assert_eq!(new.used(&state, at(150)), 1);
    assert_eq!(new.used(&state, at(160)), 0);
}

#[test]
fn a_snapshot_leaves_when_it_would_have_and_its_clock_may_have_been_set_back() {
    let window = window::<4>(10, 40);
    for (saved, restored) in [(120, 5_000), (999, 5_000), (120, 7), (109, 5_000), (100, 3)] {
        let mut state = SubWindows::FRESH;
        window.commit(&mut state, 3, at(100)); // leaves at 150
        window.commit(&mut state, 4, at(115)); // leaves at 160
        let mut bytes = [0; Kept::<SubWindows<4>>::LEN];
        Kept(window.clone()).save(&state, at(saved), &mut bytes).unwrap();
        let again = Kept(window.clone()).restore(&bytes, at(restored)).unwrap();
        for later in 0..80 {
            let before = window.used(&state, at(saved + later));
            let after = window.used(&again, at(restored + later));
            // The sub-window that is on at 120 began at 120.
            assert_eq!(after, before, "{saved} {restored} {later}");
        }
        let smaller = self::window::<4>(6, 40);
        let read = Kept(smaller.clone()).restore(&bytes, at(restored));
        assert_eq!(read.is_err(), window.used(&state, at(saved)) > 6);
    }
}

#[test]
fn a_state_that_counts_nothing_is_fresh_under_another_window() {
    let [old, longer] = [window::<4>(10, 40), window::<4>(10, 80)];
    assert_eq!(longer.inherit(&old, &SubWindows::FRESH, at(120)), SubWindows::FRESH);
}

#[test]
fn a_snapshot_is_of_the_sub_window_that_is_on() {
    let (long, short) = (window::<4>(10, 400), window::<4>(10, 40));
    let mut state = SubWindows::FRESH;
    long.commit(&mut state, 3, at(1_000));
    for (age, is_on) in [(0, true), (9, true), (10, false), (99, false)] {
        let mut bytes = [0; Kept::<SubWindows<4>>::LEN];
        Kept(long.clone()).save(&state, at(1_000 + age), &mut bytes).unwrap();
        let restored = Kept(short.clone()).restore(&bytes, at(5_000));
        assert_eq!(restored.is_ok(), is_on, "began {age} ns before");
        assert!(Kept(long.clone()).restore(&bytes, at(5_000)).is_ok());
    }
}
