//! Every limit over a reboot.

use crate::rate_limit_laws::{Op, Time, at, config, forward, quota};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::rate_limit::{
    ExactLog, Limit, RateLimit, RateLimitConfig, StrictBucket, SubWindows, TokenBucket, WarmUp,
};
use resil_core::snapshot::{Persist, SnapshotError};

/// After the operations: saved, and restored on a clock that shows `restarted`.
fn over_a_reboot<L>(
    limit: &L,
    ops: &[Op],
    mut time: Time,
    restarted: u64,
) -> Result<(), TestCaseError>
where
    L: Limit + Persist<State = <L as Limit>::State>,
{
    let mut state = <L as Limit>::FRESH;
    for op in ops {
        time.apply(op);
        if let Op::Acquire(cost) = *op {
            let _ = limit.try_acquire(&mut state, cost, at(time.now));
        }
    }
    let mut bytes = vec![0; L::LEN];
    prop_assert_eq!(limit.save(&state, at(time.now), &mut bytes), Ok(L::LEN));
    let restored = limit.restore(&bytes, at(restarted)).unwrap();

    let before = |later: u64| limit.available(&state, at(time.now + later));
    let after = |later: u64| limit.available(&restored, at(restarted + later));
    let is_young = restarted < 1 << 40;
    if !is_young {
        prop_assert_eq!(after(0), before(0));
        prop_assert_eq!(
            limit.is_fresh(&restored, at(restarted)),
            limit.is_fresh(&state, at(time.now))
        );
    }
    for step in 0..64 {
        let later = (1 << step >> 20) + step;
        // A unit of the bucket begins elsewhere on the other clock, by less than a nanosecond.
        prop_assert!(after(later) <= before(later + 1), "forgiven after {later} ns");
        if !is_young {
            prop_assert!(after(later) >= before(later.saturating_sub(1)), "after {later} ns");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(150))]

    /// On a clock that has run for a while it answers alike; on one that has just begun it may count
    /// what was before its epoch for longer, and never for less.
    #[test]
    fn a_reboot_forgives_nothing(
        quota in quota(), ops in prop::collection::vec(forward(), 1..60),
        start in 0_u64..1 << 40, restarted in prop_oneof![0_u64..1_000, 1 << 41..1_u64 << 50],
    ) {
        let time = Time::new(quota, start);
        let config = config(quota);
        let logged = RateLimit::<ExactLog<12>>::with_exact_log(config).unwrap();
        over_a_reboot(&TokenBucket::new(config), &ops, time.clone(), restarted)?;
        over_a_reboot(&RateLimit::new(config), &ops, time.clone(), restarted)?;
        over_a_reboot(&RateLimit::<SubWindows<3>>::with_sub_windows(config), &ops, time.clone(), restarted)?;
        over_a_reboot(&logged, &ops, time.clone(), restarted)?;
        if let Ok(strict) = StrictBucket::new(config) {
            over_a_reboot(&strict, &ops, time.clone(), restarted)?;
        }
        if let Ok(warming) = WarmUp::new(config, Duration::from_nanos(100 * quota.window)) {
            over_a_reboot(&warming, &ops, time, restarted)?;
        }
    }
}

#[test]
fn bytes_that_cannot_be_under_another_quota_are_refused() {
    let quota = |max, burst| {
        RateLimitConfig::builder().max_requests(max).burst_size(burst).build().unwrap()
    };
    let limit = RateLimit::new(quota(100, 10));
    let mut state = RateLimit::<SubWindows<10>>::FRESH;
    limit.try_acquire(&mut state, 8, at(5)).unwrap();
    let mut bytes = [0; RateLimit::<SubWindows<10>>::LEN];
    limit.save(&state, at(5), &mut bytes).unwrap();
    assert_eq!(RateLimit::new(quota(7, 10)).restore(&bytes, at(0)), Err(SnapshotError::Invalid));
    assert_eq!(RateLimit::new(quota(100, 1)).restore(&bytes, at(0)), Err(SnapshotError::Invalid));
    let logged = RateLimit::<ExactLog<100>>::with_exact_log(quota(100, 10)).unwrap();
    assert_eq!(logged.restore(&bytes, at(0)).unwrap_err(), SnapshotError::Length);
    assert!(RateLimit::new(quota(8, 10)).restore(&bytes, at(0)).is_ok());
    let token = TokenBucket::new(quota(100, 10));
    assert_eq!(token.restore(&bytes[..12], at(0)), Err(SnapshotError::Damaged));
}
