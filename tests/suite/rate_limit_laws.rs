//! The laws of every limit over random sequences of operations, against exact fractions.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
pub(super) use resil_tests::laws::admission::{self as laws, Op, Time, at, config, run};
use resil_tests::oracle::rate_limit::Quota;

const YEARS_500: u64 = 500 * 365 * 24 * 3600 * 1_000_000_000;

/// Whole and fractional token times from 1 ns up, small bursts, and bursts above the maximum.
pub(super) fn quota() -> impl Strategy<Value = Quota> {
    let token = prop_oneof![1_u64..4, 1_u64..100, 1_u64..1_000_000, Just(600_000_000)];
    (1_u32..=12, token, 0_u64..7, 1_u32..=14).prop_map(|(max, token, odd, burst)| Quota {
        max,
        window: u64::from(max) * token + odd,
        burst,
    })
}

/// Any valid quota, the extreme ones included.
fn wild_quota() -> impl Strategy<Value = Quota> {
    (any::<u32>(), 0_u32..32, any::<u64>(), 0_u32..64, any::<u32>(), 0_u32..32).prop_filter_map(
        "not a valid quota",
        |(max, a, window, b, burst, c)| {
            let quota = Quota { max: max >> a, window: window >> b, burst: burst >> c };
            let built = RateLimitConfig::builder()
                .max_requests(quota.max)
                .time_window(Duration::from_nanos(quota.window))
                .burst_size(quota.burst)
                .build();
            built.is_ok().then_some(quota)
        },
    )
}

pub(super) fn forward() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..12, 0_u64..3).prop_map(|(quarters, odd)| Op::Step(quarters, odd)),
        1 => (0_u64..200, 0_u64..1_000).prop_map(|(quarters, odd)| Op::Step(quarters, odd)),
        8 => (0_u32..4).prop_map(Op::Acquire),
        1 => (0_u32..16).prop_map(Op::Acquire),
        2 => (0_usize..4).prop_map(Op::Refund),
    ]
}

pub(super) fn any_way() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => forward(),
        2 => (0_u64..12, 0_u64..3).prop_map(|(quarters, odd)| Op::Back(quarters, odd)),
        1 => (0_u64..600, 0_u64..1_000).prop_map(|(quarters, odd)| Op::Back(quarters, odd)),
        1 => Just(Op::Jump),
    ]
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn bucket_never_admits_more_than_burst_and_rate(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::bucket_never_admits_more_than_burst_and_rate(quota, &ops, start);
    }

    #[test]
    fn strict_bucket_never_exceeds_the_maximum_in_any_window(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::strict_bucket_never_exceeds_the_maximum_in_any_window(quota, &ops, start);
    }

    #[test]
    fn rate_limit_never_exceeds_the_maximum_in_any_window(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::rate_limit_never_exceeds_the_maximum_in_any_window(quota, &ops, start);
    }

    /// By the time that has passed forward, nothing is minted however the clock moves. A bucket's
    /// grain of 1 ns may count once more each time the clock has been set back.
    #[test]
    fn a_clock_that_misbehaves_mints_nothing_pitfalls_51_52_68(
        quota in quota(), ops in prop::collection::vec(any_way(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::a_clock_that_misbehaves_mints_nothing(quota, &ops, start);
    }

    /// The bucket agrees with the rational one that is fed the same admissions, but for 1 ns.
    #[test]
    fn bucket_differs_from_exact_fractions_by_at_most_a_nanosecond(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::bucket_differs_from_exact_fractions_by_at_most_a_nanosecond(quota, &ops, start);
    }

    /// The retry-after of the ring is at most one sub-window (and rounding) after the exact one.
    #[test]
    fn sub_windows_open_at_most_one_sub_window_late(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::sub_windows_open_at_most_one_sub_window_late(quota, &ops, start);
    }

    #[test]
    fn exact_log_opens_exactly_when_the_window_does(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        laws::exact_log_opens_exactly_when_the_window_does(quota, &ops, start);
    }

    /// Any quota that builds, at any two instants: exact refusals, no panic, full when idle.
    #[test]
    fn every_valid_quota_is_exact_at_every_instant_pitfalls_56_59_61_68(
        quota in wild_quota(), first in any::<u64>(), second in any::<u64>(), cost in any::<u32>(),
    ) {
        laws::every_valid_quota_is_exact_at_every_instant(quota, first, second, cost);
    }

    /// However long it was idle, exactly the burst passes.
    #[test]
    fn after_any_idle_time_exactly_the_burst_passes_pitfalls_40_52_57(
        quota in quota(), idle in 0_u64..YEARS_500 / 4, start in 0_u64..1 << 40,
    ) {
        let mut limiter = Limiter::new(TokenBucket::new(config(quota)));
        limiter.try_acquire(quota.burst, at(start)).unwrap();
        let refill = u64::from(quota.burst) * quota.window.div_ceil(quota.max.into());
        let now = at(start + refill + 1 + idle);
        prop_assert_eq!((0..50).filter(|_| limiter.try_acquire(1, now).is_ok()).count(), quota.burst as usize);
    }

    /// A bucket asked at every nanosecond admits as much as one asked only when a token is due.
    #[test]
    fn asking_often_loses_nothing_pitfalls_43_47_48(
        max in 1_u32..8, window in 8_u64..200, burst in 2_u32..5, start in 0_u64..1 << 40,
    ) {
        let quota = Quota { max, window, burst };
        let mut limiter = Limiter::new(TokenBucket::new(config(quota)));
        let length = 40 * window;
        let admitted = (0..=length).filter(|t| limiter.try_acquire(1, at(start + t)).is_ok()).count();
        let least = u64::from(burst) + 40 * u64::from(max) - 1;
        prop_assert!(admitted as u64 >= least, "{admitted} of {least}");
    }
}
