//! The bucket by example, up to both ends of what a configuration allows.

use super::*;
use crate::rate_limit::Limit;
use core::time::Duration;

fn bucket(requests: u32, window_nanos: u64, burst: u32) -> TokenBucket {
    TokenBucket::new(
        RateLimitConfig::builder()
            .max_requests(requests)
            .time_window(Duration::from_nanos(window_nanos))
            .burst_size(burst)
            .build()
            .unwrap(),
    )
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn retry_nanos(rejected: Rejected) -> u64 {
    match rejected.retry() {
        RetryAt::At(at) => at.as_nanos(),
        other => panic!("{other:?}"),
    }
}

/// Whole, odd and extreme token times, up to both ends of what a configuration allows.
fn buckets() -> [TokenBucket; 10] {
    [
        bucket(1, 1, 1),
        bucket(1, 1, u32::MAX),
        bucket(3, 10, 2),
        bucket(7, 1_000_000_000, 7),
        bucket(u32::MAX, u64::from(u32::MAX) + 1, 1 << 31),
        bucket(u32::MAX, u64::MAX, 1 << 29),
        bucket(100, 60_000_000_000, 10),
        bucket(1, (1 << 30) + 1, 1 << 31),
        bucket(1, 1 << 62, 1),
        bucket(3, (1 << 62) - 1, 3),
    ]
}

#[test]
fn a_unit_is_the_last_to_begin_by_then() {
    for bucket in buckets() {
        for nanos in [0, 1, 2, 3, 1000, 1 << 40, (1 << 62) + 12345, bucket.horizon] {
            for nanos in nanos.saturating_sub(20)..=nanos.min(bucket.horizon) {
                let unit = bucket.unit(nanos);
                assert!(bucket.begin(unit) <= nanos, "{bucket:?} {nanos}");
                assert!(bucket.begin(unit + 1) > nanos, "{bucket:?} {nanos}");
            }
        }
    }
}

#[test]
fn a_token_of_whole_nanoseconds_is_counted_in_them_and_comes_neither_early_nor_late() {
    for (requests, nanos) in [(1, 1), (3, 7), (100, 600_000_000), (7, 1 << 40), (1, (1 << 62) - 1)]
    {
        let bucket = bucket(requests, u64::from(requests) * nanos, 1);
        assert_eq!((bucket.token, bucket.shortfall, bucket.excess), (nanos, 0, 0));
        for start in [0, 1, 12_345, 1 << 61] {
            let mut state = BucketState::FRESH;
            bucket.try_acquire(&mut state, 1, at(start)).unwrap();
            let refused = bucket.try_acquire(&mut state, 1, at(start + nanos - 1)).unwrap_err();
            assert_eq!(retry_nanos(refused), start + nanos);
            bucket.try_acquire(&mut state, 1, at(start + nanos)).unwrap();
        }
    }
}

#[test]
fn the_tokens_in_so_many_units_are_counted_without_a_division() {
    for bucket in buckets() {
        for tokens in [0, 1, 2, 999, u64::MAX / bucket.token] {
            let units = bucket.token.saturating_mul(tokens);
            for units in units.saturating_sub(2)..=units.saturating_add(2) {
                assert_eq!(bucket.tokens(units), units / bucket.token, "{bucket:?}");
            }
        }
    }
}

#[test]
fn a_plain_step_is_the_step() {
    for bucket in buckets() {
        for ahead in [0, 1, bucket.full / 2, bucket.full, bucket.full + 1, 3 * (bucket.full / 2)] {
            for nanos in [0, 1, 999, 1 << 40, bucket.horizon, u64::MAX] {
                let unit = bucket.unit(nanos.min(bucket.horizon));
                let state = BucketState(unit.saturating_add(ahead));
                for cost in [0, 1, 2, 3, bucket.config.burst_size(), u32::MAX] {
                    let (step, plain) = (
                        bucket.step(&state, cost, at(nanos)),
                        bucket.plain_step(&state, cost, at(nanos)),
                    );
                    match plain {
                        PlainStep::Admitted(charge, made) => {
                            assert_eq!(step.outcome, Ok(charge));
                            assert_eq!(step.store.unwrap_or(state.clone()), made);
                        }
                        PlainStep::Refused(rejected) => {
                            assert_eq!(step, Step { outcome: Err(rejected), store: None });
                        }
                        PlainStep::Rare => assert!(step.outcome.is_err()),
                    }
                }
            }
        }
    }
}

#[test]
fn of_a_bucket_that_is_gone_nothing_is_admitted_and_nothing_refused_plainly() {
    for bucket in buckets() {
        let added = [0, 1, bucket.token, bucket.full, bucket.full.saturating_mul(64)];
        for added in added.map(|added| added.min(u64::MAX >> 2)) {
            let state = BucketState(BucketState::GONE.0 + added);
            assert!(state.is_gone());
            for now in [0, 1, 1 << 40, 1 << 61].map(at) {
                for cost in [1, 2, bucket.config.burst_size(), u32::MAX] {
                    assert_eq!(bucket.plain_step(&state, cost, now), PlainStep::Rare, "{bucket:?}");
                    assert!(!bucket.has_plenty(&state, cost, now), "{bucket:?}");
                    assert_eq!(bucket.added(&state, cost, now), None, "{bucket:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_added_at_once_is_what_a_step_takes() {
    let mut plenty = 0;
    for bucket in buckets() {
        for ahead in [0, 1, bucket.token, bucket.full / 4, bucket.full / 2, bucket.full] {
            for nanos in [1, 999, 1 << 40, bucket.horizon] {
                let unit = bucket.unit(nanos);
                for state in [unit.saturating_sub(ahead), unit.saturating_add(ahead)] {
                    let state = BucketState(state);
                    for cost in [0, 1, 2, bucket.config.burst_size()] {
                        let step = bucket.step(&state, cost, at(nanos));
                        let added = bucket.added(&state, cost, at(nanos));
                        let made = BucketState(state.0.wrapping_add(bucket.units(cost)));
                        let stored = step.store.unwrap_or(state.clone());
                        assert!(added.is_none() || stored == made, "{bucket:?} {state:?}");
                        if bucket.has_plenty(&state, cost, at(nanos)) {
                            plenty = plenty.max(cost);
                            assert_eq!(added.map(Ok), Some(step.outcome));
                            assert!(state.0 >= unit, "a full one would hold more than it can");
                        }
                    }
                }
            }
        }
    }
    assert!(plenty > 0);
}

#[test]
fn a_refused_request_passes_at_its_instant_and_not_before() {
    for bucket in buckets() {
        for start in [0, 1, 77, 1 << 50] {
            let mut state = BucketState::FRESH;
            bucket.try_acquire(&mut state, bucket.capacity(), at(start)).unwrap();
            for cost in [1, bucket.capacity()] {
                let retry = retry_nanos(bucket.peek(&state, cost, at(start)).unwrap_err());
                assert!(retry > start);
                assert!(bucket.peek(&state, cost, at(retry)).is_ok(), "{bucket:?}");
                assert!(bucket.peek(&state, cost, at(retry - 1)).is_err(), "{bucket:?}");
            }
        }
    }
}

#[test]
fn beyond_the_horizon_the_bucket_is_empty() {
    for bucket in buckets() {
        let mut state = BucketState::FRESH;
        assert!(bucket.horizon >= 1 << 61, "{bucket:?}");
        for nanos in [bucket.horizon + 1, u64::MAX] {
            let refused = bucket.try_acquire(&mut state, 1, at(nanos)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
            assert_eq!(refused.retry(), RetryAt::Never);
            assert_eq!(bucket.available(&state, at(nanos)), 0);
            assert!(!bucket.is_fresh(&state, at(nanos)));
            assert_eq!(bucket.next_deadline(&state, at(nanos)), None);
        }
        assert_eq!(bucket.available(&state, at(bucket.horizon)), bucket.capacity());
        bucket.try_acquire(&mut state, bucket.capacity(), at(bucket.horizon)).unwrap();
        let last = bucket.try_acquire(&mut state, 1, at(bucket.horizon)).unwrap_err();
        assert_eq!(last.retry(), RetryAt::Never, "it would pass after the horizon");
    }
}

#[test]
fn a_cost_above_the_burst_never_passes_pitfalls_41_59_60() {
    for bucket in buckets() {
        let mut state = BucketState::FRESH;
        for cost in [bucket.capacity().saturating_add(1), u32::MAX] {
            if cost > bucket.capacity() {
                let refused = bucket.try_acquire(&mut state, cost, at(9)).unwrap_err();
                assert_eq!(refused.code(), ErrorCode::RateLimitCostExceedsBurst);
                assert_eq!(refused.retry(), RetryAt::Never);
            }
        }
        assert_eq!(state, BucketState::FRESH);
    }
}

#[test]
fn a_cost_of_zero_passes_and_changes_nothing() {
    let bucket = bucket(1, 10, 1);
    let mut state = BucketState::FRESH;
    bucket.try_acquire(&mut state, 1, at(100)).unwrap();
    let before = state.clone();
    for nanos in [0, 100, u64::MAX] {
        bucket.try_acquire(&mut state, 0, at(nanos)).unwrap();
        assert_eq!(state, before);
    }
}

#[test]
fn a_step_back_costs_at_most_one_refill_pitfall_65() {
    let bucket = bucket(10, 100, 10); // full after 100 ns
    let spent = |now| {
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 10, at(now)).unwrap();
        state
    };
    let mut near = spent(1000);
    assert_eq!(retry_nanos(bucket.try_acquire(&mut near, 1, at(900)).unwrap_err()), 1010);
    assert_eq!(near, spent(1000), "two refills ahead are kept");

    let mut far = spent(1000);
    assert_eq!(retry_nanos(bucket.peek(&far, 1, at(899)).unwrap_err()), 909);
    assert_eq!(bucket.next_deadline(&far, at(899)), Some(at(909)));
    assert_eq!(retry_nanos(bucket.try_acquire(&mut far, 1, at(899)).unwrap_err()), 909);
    assert!(bucket.try_acquire(&mut far, 1, at(909)).is_ok());
}

#[test]
fn any_number_is_a_state_pitfall_68() {
    for bucket in buckets() {
        for raw in [0, 1, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX] {
            for nanos in [0, 1, 1 << 62, 1 << 63, u64::MAX] {
                let mut state = BucketState::from_raw(raw);
                let _ = bucket.available(&state, at(nanos));
                let _ = bucket.next_deadline(&state, at(nanos));
                if let Ok(charge) = bucket.try_acquire(&mut state, 1, at(nanos)) {
                    bucket.refund(&mut state, charge, at(nanos));
                    assert!(bucket.peek(&state, 1, at(nanos)).is_ok());
                } else {
                    assert!(bucket.peek(&state, 1, at(nanos)).is_err());
                }
            }
        }
    }
}

#[test]
fn a_deadline_is_the_next_whole_token() {
    let bucket = bucket(1, 10, 3);
    let mut state = BucketState::FRESH;
    assert_eq!(bucket.next_deadline(&state, at(5)), None, "full");
    bucket.try_acquire(&mut state, 3, at(5)).unwrap();
    for (now, next) in [(5, Some(15)), (14, Some(15)), (15, Some(25)), (34, Some(35)), (35, None)] {
        assert_eq!(bucket.next_deadline(&state, at(now)), next.map(at), "{now}");
    }
}

#[test]
fn a_refund_gives_back_what_has_not_been_refilled() {
    let bucket = bucket(1, 10, 4);
    let mut state = BucketState::FRESH;
    let charge = bucket.try_acquire(&mut state, 4, at(0)).unwrap();
    bucket.refund(&mut state, charge, at(25));
    assert!(bucket.is_fresh(&state, at(25)));

    // Two refunds out of order: what stays spent is as limited as if it had been alone.
    let mut state = BucketState::FRESH;
    let first = bucket.try_acquire(&mut state, 1, at(100)).unwrap();
    let second = bucket.try_acquire(&mut state, 1, at(100)).unwrap();
    bucket.refund(&mut state, first, at(100));
    bucket.try_acquire(&mut state, 1, at(109)).unwrap();
    bucket.refund(&mut state, second, at(112));
    assert!(bucket.available(&state, at(112)) < 4);
}

#[test]
fn a_refund_into_a_bucket_that_is_just_empty_is_not_kept_for_anybody() {
    let bucket = bucket(1, 10, 4);
    let mut state = BucketState::FRESH;
    let first = bucket.try_acquire(&mut state, 2, at(0)).unwrap();
    bucket.try_acquire(&mut state, 2, at(0)).unwrap();
    assert_eq!(bucket.available(&state, at(0)), 0);
    bucket.refund(&mut state, first, at(0));
    assert_eq!(bucket.available(&state, at(0)), 2);
}

#[test]
fn what_the_cost_decides_by_itself_is_said_without_a_look() {
    for bucket in buckets() {
        let burst = bucket.config().burst_size();
        assert_eq!(bucket.foregone(0), Some(Ok(())));
        assert_eq!([bucket.foregone(1), bucket.foregone(burst)], [None, None]);
        if let Some(above) = burst.checked_add(1) {
            let never = bucket.foregone(above).unwrap().unwrap_err();
            assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
        }
    }
}

#[test]
fn a_bucket_that_is_short_names_the_instant_at_which_it_is_not_at_every_step() {
    // In nanoseconds, where it is seen at once that the instant can be told, and in shorter units.
    for bucket in [bucket(1, 10, 2), bucket(3, 10, 2)] {
        let mut state = BucketState::FRESH;
        assert!((0..2).all(|_| bucket.try_acquire(&mut state, 1, at(100)).is_ok()));
        let Step { outcome, store: None } = bucket.step(&state, 1, at(100)) else { panic!() };
        assert_eq!(bucket.plain_step(&state, 1, at(100)), PlainStep::Refused(outcome.unwrap_err()));
    }
}

#[test]
fn plenty_is_half_of_what_a_bucket_holds_besides() {
    let bucket = bucket(1, 10, 10);
    let mut state = BucketState::FRESH;
    let plenty = core::iter::from_fn(|| {
        bucket.try_acquire(&mut state, 1, at(100)).ok()?;
        Some(bucket.has_plenty(&state, 1, at(100)))
    });
    let expected = [true, true, true, true, false, false, false, false, false, false];
    assert!(plenty.eq(expected), "4 taken leave 6, which are 1 and 5");
}

#[test]
fn where_many_that_add_could_overflow_there_is_no_plenty() {
    for (nanos, expected) in [(1 << 48, true), (1 << 56, false)] {
        let bucket = bucket(1, nanos, 4);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 1, at(1)).unwrap();
        assert_eq!(bucket.has_plenty(&state, 1, at(1)), expected);
    }
}
