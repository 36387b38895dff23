//! The warming bucket by example.

use super::*;
use crate::error::ErrorCode;
use crate::outcome::RetryAt;
use crate::rate_limit::Limit;
use crate::snapshot::{Persist, SnapshotError};

/// One token per 100 ns, `burst` at once, warm after `nanos`.
fn warming(burst: u32, nanos: u64) -> WarmUp {
    WarmUp::new(config(burst), Duration::from_nanos(nanos)).unwrap()
}

fn config(burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_nanos(100))
        .burst_size(burst)
        .build()
        .unwrap()
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// When each of `count` requests passes that are made as soon as possible.
fn passes(
    limit: &WarmUp,
    state: &mut WarmUpState,
    mut now: u64,
    count: usize,
) -> std::vec::Vec<u64> {
    let next = || loop {
        match limit.try_acquire(state, 1, at(now)).map_err(|rejected| rejected.retry()) {
            Ok(_) => return now,
            Err(RetryAt::At(opens)) => now = opens.as_nanos(),
            Err(other) => panic!("{other:?}"),
        }
    };
    core::iter::repeat_with(next).take(count).collect()
}

#[test]
fn settings_that_do_not_hold_are_named() {
    let setting = |burst, nanos, factor| {
        let warm_up = Duration::from_nanos(nanos);
        WarmUp::with_cold_factor(config(burst), warm_up, factor).unwrap_err().setting()
    };
    assert_eq!(setting(10, 0, 3), "warm_up");
    assert_eq!(setting(10, (1 << 61) + 1, 3), "warm_up");
    assert_eq!(setting(100, 5, 65), "cold_factor");
    assert_eq!(setting(100, 5, 1), "cold_factor");
    assert_eq!(setting(2, 5, 3), "burst_size");
    assert!(WarmUp::with_cold_factor(config(64), Duration::from_nanos(1 << 61), 64).is_ok());
}

#[test]
fn the_factors_are_those_of_the_curve() {
    let limit = warming(3, 1_600);
    for (step, factor) in limit.factors.into_iter().enumerate() {
        let exact = (9.0 - 8.0 * step as f64 / 16.0).sqrt() * 65_536.0;
        assert!((f64::from(factor) - exact) < 1.0 && f64::from(factor) >= exact, "{step}");
    }
    assert_eq!(
        (root(0), root(1), root(2), root(1 << 62), root((1 << 62) + 1)),
        (0, 1, 2, 1 << 31, (1 << 31) + 1)
    );
}

#[test]
fn cold_it_is_three_times_slower_and_warm_it_is_a_bucket() {
    let limit = warming(3, 160_000);
    let mut state = WarmUpState::FRESH;
    let cold = passes(&limit, &mut state, 1_000, 4);
    assert_eq!(cold, [1_000, 1_300, 1_600, 1_900]);
    let later = passes(&limit, &mut state, 1_900, 2_000);
    let intervals: std::vec::Vec<u64> = later.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(intervals.is_sorted_by(|a, b| a + 1 >= *b), "faster and faster, but for rounding");
    let warm = intervals.iter().position(|interval| *interval == 100).unwrap();
    assert!(intervals[warm..].iter().all(|interval| *interval == 100));
    let after = later[warm] - 1_000;
    assert!((155_000..=161_000).contains(&after), "warm after {after}");

    // It cools for as long as the bucket is full, and no longer than it has warmed.
    let last = *later.last().unwrap();
    let full = last + 300;
    assert_eq!(limit.available(&state, at(full)), 3);
    assert!(!limit.is_fresh(&state, at(full + 159_000)));
    assert!(limit.is_fresh(&state, at(full + 161_000)));
    let halfway = passes(&limit, &mut state, full + 80_000, 3);
    let interval = halfway[2] - halfway[1];
    assert!((215..=235).contains(&interval), "{interval} is not 100 · √5");
}

#[test]
fn a_large_cost_passes_when_the_bucket_is_full_and_takes_all_of_it() {
    let limit = warming(9, 100_000);
    let mut state = WarmUpState::FRESH;
    limit.try_acquire(&mut state, 9, at(500)).unwrap();
    assert_eq!(limit.available(&state, at(500)), 0);
    assert_eq!(limit.available(&state, at(500 + 300)), 1);
    let refused = limit.try_acquire(&mut state, 9, at(500)).unwrap_err();
    assert_eq!(refused.retry(), RetryAt::At(at(1_400)));
    assert!(limit.try_acquire(&mut state, 9, at(1_400)).is_ok());
    let never = limit.try_acquire(&mut state, 10, at(1_400)).unwrap_err();
    assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
}

#[test]
fn a_refund_gives_back_the_tokens_and_the_warmth() {
    let limit = warming(3, 1_600);
    let mut state = WarmUpState::FRESH;
    let charge = limit.try_acquire(&mut state, 1, at(500)).unwrap();
    assert_eq!(limit.available(&state, at(500)), 0);
    limit.refund(&mut state, charge, at(500));
    assert!(limit.is_fresh(&state, at(500)));
    let nothing = limit.try_acquire(&mut state, 0, at(500)).unwrap();
    limit.refund(&mut state, nothing, at(500));
    assert!(limit.is_fresh(&state, at(500)));
}

#[test]
fn what_is_given_back_at_once_leaves_it_as_warm_as_it_was() {
    let limit = warming(3, 1_600);
    let mut state = WarmUpState::FRESH;
    let mut now = *passes(&limit, &mut state, 0, 100).last().unwrap();
    while limit.available(&state, at(now)) == 0 {
        now += 1;
    }
    for rested in [now, now + 400, now + 1_000] {
        let before = limit.as_of(&state, at(rested));
        let mut asked = state.clone();
        for _ in 0..100 {
            let charge = limit.try_acquire(&mut asked, 1, at(rested)).unwrap();
            limit.refund(&mut asked, charge, at(rested));
        }
        let (unit, full, heat) = limit.as_of(&asked, at(rested));
        assert_eq!((unit, full, heat), (before.0, before.1.max(before.0), before.2));
    }
}

#[test]
fn another_quota_finds_it_as_warm() {
    let old = warming(3, 160_000);
    let mut state = WarmUpState::FRESH;
    let now = *passes(&old, &mut state, 0, 500).last().unwrap();
    let [slower, faster] = [640_000, 80_000].map(|nanos| warming(6, nanos));
    let heat = |limit: &WarmUp, state: WarmUpState| limit.as_of(&state, at(now)).2;
    let warmth = heat(&old, state.clone());
    assert!(warmth > 60_000 && warmth < 160_000, "{warmth}");
    assert!(heat(&slower, slower.inherit(&old, &state, at(now))).abs_diff(warmth) <= 1);
    assert_eq!(heat(&faster, faster.inherit(&old, &state, at(now))), warmth.min(faster.warm()));
    let share = heat(&slower, slower.rescale(&old, &state, at(now)));
    assert!(share.abs_diff(4 * warmth) <= 100, "{share} is not four times {warmth}");
    let rested = now + 300 + 5;
    let kept = slower.inherit(&old, &state, at(rested));
    assert!(slower.as_of(&kept, at(rested)).2 > 0, "not cold for being full");
}

#[test]
fn a_snapshot_is_as_warm_as_it_was() {
    let limit = warming(3, 160_000);
    let mut state = WarmUpState::FRESH;
    let now = *passes(&limit, &mut state, 0, 100).last().unwrap();
    for rest in [0, 50, 400, 1_000_000] {
        let saved = at(now + rest);
        let mut bytes = [0; WarmUp::LEN];
        limit.save(&state, saved, &mut bytes).unwrap();
        let mut restored = limit.restore(&bytes, at(7)).unwrap();
        assert_eq!(limit.is_fresh(&restored, at(7)), limit.is_fresh(&state, saved));
        let mut going_on = state.clone();
        let before = passes(&limit, &mut going_on, saved.as_nanos(), 50);
        let after = passes(&limit, &mut restored, 7, 50);
        let since = |all: std::vec::Vec<u64>, start: u64| -> std::vec::Vec<u64> {
            all.into_iter().map(|one| one - start).collect()
        };
        for (after, before) in since(after, 7).into_iter().zip(since(before, saved.as_nanos())) {
            assert!(after.abs_diff(before) <= 1, "a unit begins elsewhere on the new clock");
        }
        if rest == 0 {
            let shorter = warming(3, 10_000);
            assert_eq!(shorter.restore(&bytes, at(7)), Err(SnapshotError::Invalid));
        }
    }
}

#[test]
fn no_time_and_no_number_does_harm_pitfall_68() {
    let limit = warming(3, 1 << 61);
    for raw in [0, 1, 1 << 62, u64::MAX] {
        for heat in [0, 1, u64::MAX] {
            for nanos in [0, 1, 1 << 61, 1 << 63, u64::MAX] {
                let mut state = WarmUpState { bucket: BucketState::from_raw(raw), heat };
                let _ = limit.next_deadline(&state, at(nanos));
                let fits = limit.available(&state, at(nanos));
                assert!(limit.peek(&state, fits, at(nanos)).is_ok());
                assert!(limit.peek(&state, fits + 1, at(nanos)).is_err());
                let _ = limit.inherit(&limit, &state, at(nanos));
                let _ = limit.rescale(&limit, &state, at(nanos));
                if let Ok(charge) = limit.try_acquire(&mut state, 1, at(nanos)) {
                    limit.refund(&mut state, charge, at(nanos));
                }
            }
        }
    }
}

#[test]
fn a_snapshot_is_of_a_peer_that_owes_two_refills_and_is_warm_at_most() {
    let limit = warming(3, 1_600);
    let restored = |owed, heat| {
        let now = limit.bucket.unit(1_000);
        let state = WarmUpState { bucket: BucketState::from_raw(now + owed), heat };
        let mut bytes = [0; WarmUp::LEN];
        limit.save(&state, at(1_000), &mut bytes).unwrap();
        let restored = limit.restore(&bytes, at(1_000));
        restored.map(|restored| (restored == state, restored == WarmUpState::FRESH))
    };
    let (two, warm) = (limit.bucket.full() * 2, limit.warm());
    for (owed, heat) in [(two, 0), (0, warm), (two, warm), (1, 0), (0, 1)] {
        assert_eq!(restored(owed, heat), Ok((true, false)), "{owed} {heat}");
    }
    assert_eq!(restored(0, 0), Ok((false, true)));
    assert_eq!(restored(0, warm + 1), Err(SnapshotError::Invalid));
}
