//! The limit that warms up, against Guava's formula.

use crate::rate_limit_laws::Op;
use crate::rate_limit_laws::{any_way, at, config, forward, quota, run};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::RetryAt;
use resil_core::rate_limit::{Limit, WarmUp};
use resil_tests::oracle::rate_limit::Quota;
use resil_tests::oracle::warm_up::Guava;

/// Cold factors from 2 to 6, and warm-ups of a few tokens to thousands.
fn warming() -> impl Strategy<Value = (Quota, WarmUp)> {
    (quota(), 2_u32..=6, 1_u64..5_000).prop_map(|(quota, factor, tokens)| {
        let quota = Quota { burst: quota.burst + factor, ..quota };
        let nanos = tokens * (quota.window / u64::from(quota.max) + 1);
        let limit = WarmUp::with_cold_factor(config(quota), Duration::from_nanos(nanos), factor);
        (quota, limit.expect("the strategy makes valid settings"))
    })
}

proptest! {
    #![proptest_config(crate::cases(200))]

    #[test]
    fn it_never_admits_more_than_the_bucket_and_refuses_as_exactly(
        (quota, limit) in warming(), ops in prop::collection::vec(forward(), 1..80),
        start in 0_u64..1 << 40,
    ) {
        run(&limit, quota, &ops, start).assert_bucket_law(quota);
    }

    #[test]
    fn a_clock_that_misbehaves_mints_nothing_pitfalls_51_68(
        (quota, limit) in warming(), ops in prop::collection::vec(any_way(), 1..80),
        start in 0_u64..1 << 40,
    ) {
        let ops: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::Refund(_))).collect();
        let log = run(&limit, quota, &ops, start);
        let mut time = crate::rate_limit_laws::Time::new(quota, start);
        ops.iter().for_each(|op| time.apply(op));
        let exact = resil_tests::oracle::exact;
        let bound = exact(quota.burst.into())
            + quota.rate() * (exact(time.passed) + exact(1 + time.steps_back));
        prop_assert!(exact(log.total()) <= bound);
    }

    /// A sender that never rests, from cold: never above Guava's curve, nor a step behind it.
    #[test]
    fn it_follows_guavas_curve_from_below(
        token in 20_u64..1_000_000, factor in 2_u32..=6, tokens in 50_u64..1_000,
        burst in 6_u32..12, cost in 1_u32..=2, start in 0_u64..1 << 40,
    ) {
        let quota = Quota { max: 1, window: token, burst: burst.max(2 * factor) };
        let warm_up = tokens * token;
        let limit =
            WarmUp::with_cold_factor(config(quota), Duration::from_nanos(warm_up), factor).unwrap();
        let guava = Guava {
            interval: token as f64,
            cold_factor: factor.into(),
            warm_up: warm_up as f64,
        };
        let full = f64::from(quota.burst) * token as f64;
        let behind = warm_up as f64 / 16.0 + f64::from(factor * cost) * token as f64;
        let mut state = WarmUp::FRESH;
        let (mut now, mut admitted) = (start, 0_u64);
        for _ in 0..1_500 {
            match limit.try_acquire(&mut state, cost, at(now)).map_err(|refused| refused.retry()) {
                Ok(_) => {
                    admitted += u64::from(cost);
                    let used = full + (now - start) as f64;
                    // The last step of all may be a little wider than a sixteenth.
                    let most = guava.permits(used + 17.0) + 0.01;
                    prop_assert!(admitted as f64 <= most, "{admitted} of {most}");
                    let least = guava.permits(used - full - behind);
                    prop_assert!(admitted as f64 >= least - 1.0, "{admitted} of {least}");
                }
                Err(RetryAt::At(opens)) => now = opens.as_nanos(),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
