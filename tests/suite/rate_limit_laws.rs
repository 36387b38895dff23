//! The laws of every limit over random sequences of operations, against exact fractions.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::rate_limit::{
    ExactLog, Limit, Limiter, RateLimit, RateLimitConfig, StrictBucket, SubWindows, TokenBucket,
};
use resil_core::{ErrorCode, Instant, Rejected, RetryAt};
use resil_tests::oracle::rate_limit::{Bucket, Log, Quota};
use resil_tests::oracle::{Ratio, exact};

const YEARS_500: u64 = 500 * 365 * 24 * 3600 * 1_000_000_000;

pub(super) fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

pub(super) fn config(quota: Quota) -> RateLimitConfig {
    RateLimitConfig::builder()
        .max_requests(quota.max)
        .time_window(Duration::from_nanos(quota.window))
        .burst_size(quota.burst)
        .build()
        .expect("the strategy makes valid quotas")
}

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

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Time passes: so many quarters of a token's time, and so many nanoseconds.
    Step(u64, u64),
    /// Time goes back by as much.
    Back(u64, u64),
    Jump,
    Acquire(u32),
    Refund(usize),
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

/// A clock that ops move; it also knows how much time has passed forward in all.
#[derive(Clone, Debug)]
pub(super) struct Time {
    quarter: u64,
    pub(super) now: u64,
    pub(super) passed: u64,
    pub(super) steps_back: u64,
}

impl Time {
    pub(super) fn new(quota: Quota, now: u64) -> Self {
        let quarter = quota.window / u64::from(quota.max) / 4;
        Self { quarter, now, passed: 0, steps_back: 0 }
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Step(quarters, odd) => self.forward(quarters * self.quarter + odd),
            Op::Jump => self.forward(YEARS_500 / 4),
            Op::Back(quarters, odd) => {
                self.now = self.now.saturating_sub(quarters * self.quarter + odd);
                self.steps_back += 1;
            }
            Op::Acquire(_) | Op::Refund(_) => {}
        }
    }

    fn forward(&mut self, by: u64) {
        let now = self.now.saturating_add(by).min(1 << 62);
        self.passed += now - self.now;
        self.now = now;
    }
}

/// A refusal is exact: what it refuses passes at its instant and not a nanosecond before.
pub(super) fn assert_exact<L: Limit>(
    limiter: &Limiter<L>,
    cost: u32,
    rejected: Rejected,
    now: u64,
) {
    assert_eq!(limiter.peek(cost, at(now)), Err(rejected), "asking again changes nothing");
    let RetryAt::At(retry) = rejected.retry() else {
        assert_eq!(rejected.code(), ErrorCode::RateLimitCostExceedsBurst);
        assert!(cost > limiter.limit().capacity());
        return;
    };
    assert!(retry > at(now));
    assert!(limiter.peek(cost, retry).is_ok(), "refused at its own instant");
    assert!(limiter.peek(cost, at(retry.as_nanos() - 1)).is_err(), "passes a nanosecond early");
}

/// At a deadline an answer changes, none changes before, and the next one is later or none.
pub(super) fn assert_deadline<L: Limit>(limit: &L, state: &L::State, now: u64) {
    let answer = |now| (limit.available(state, at(now)), limit.is_fresh(state, at(now)));
    let Some(next) = limit.next_deadline(state, at(now)) else {
        assert!(limit.is_fresh(state, at(now)), "nothing more will change");
        return;
    };
    assert!(next > at(now));
    assert_eq!(answer(next.as_nanos() - 1), answer(now), "an earlier change was missed");
    assert_ne!(answer(next.as_nanos()), answer(now), "nothing changed");
    assert!(limit.next_deadline(state, next).is_none_or(|later| later > next));
}

/// What holds for every limit; returns what was admitted and not refunded.
pub(super) fn run<L: Limit + Clone>(limit: &L, quota: Quota, ops: &[Op], start: u64) -> Log {
    let mut limiter = Limiter::new(limit.clone());
    let mut time = Time::new(quota, start);
    let mut log = Log::default();
    let mut charges = Vec::new();
    for op in ops {
        time.apply(op);
        match *op {
            Op::Acquire(cost) => match limiter.try_acquire(cost, at(time.now)) {
                Ok(charge) => charges.push((charge, log.admit(cost, time.passed))),
                Err(rejected) => assert_exact(&limiter, cost, rejected, time.now),
            },
            Op::Refund(back) if back < charges.len() => {
                let (charge, admission) = charges.swap_remove(charges.len() - 1 - back);
                limiter.refund(charge, at(time.now));
                log.refund(admission);
            }
            _ => {}
        }
        assert!(limiter.available(at(time.now)) <= limit.capacity());
        let fits = limiter.available(at(time.now));
        assert!(limiter.peek(fits, at(time.now)).is_ok());
        assert!(limiter.peek(fits.saturating_add(1), at(time.now)).is_err());
        let mut state = limiter.as_state().clone();
        if time.steps_back > 0 {
            // Until it has been asked, a limit cannot know that the clock was set back.
            let _ = limit.try_acquire(&mut state, limit.capacity(), at(time.now));
        }
        assert_deadline(limit, &state, time.now);
    }
    log
}

fn strict(quota: Quota) -> Option<StrictBucket> {
    StrictBucket::new(config(quota)).ok()
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn bucket_never_admits_more_than_burst_and_rate(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        run(&TokenBucket::new(config(quota)), quota, &ops, start).assert_bucket_law(quota);
    }

    #[test]
    fn strict_bucket_never_exceeds_the_maximum_in_any_window(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        if let Some(strict) = strict(quota) {
            let log = run(&strict, quota, &ops, start);
            log.assert_window_law(quota);
            let refill = Quota { max: quota.max - quota.burst, ..quota };
            log.assert_bucket_law(refill);
        }
    }

    #[test]
    fn rate_limit_never_exceeds_the_maximum_in_any_window(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        let limits = (
            RateLimit::new(config(quota)),
            RateLimit::<SubWindows<1>>::with_sub_windows(config(quota)),
            RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).expect("12 is enough"),
        );
        for log in [
            run(&limits.0, quota, &ops, start),
            run(&limits.1, quota, &ops, start),
            run(&limits.2, quota, &ops, start),
        ] {
            log.assert_window_law(quota);
            log.assert_bucket_law(quota);
        }
    }

    /// By the time that has passed forward, nothing is minted however the clock moves. A bucket's
    /// grain of 1 ns may count once more each time the clock has been set back.
    #[test]
    fn a_clock_that_misbehaves_mints_nothing_pitfalls_51_52_68(
        quota in quota(), ops in prop::collection::vec(any_way(), 1..80), start in 0_u64..1 << 40,
    ) {
        // Charges are told from those before a step back by nobody, so none is refunded here.
        let ops: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::Refund(_))).collect();
        let mut time = Time::new(quota, start);
        ops.iter().for_each(|op| time.apply(op));
        let bound = exact(quota.burst.into())
            + quota.rate() * (exact(time.passed) + exact(1 + time.steps_back));

        let bucket = run(&TokenBucket::new(config(quota)), quota, &ops, start);
        prop_assert!(exact(bucket.total()) <= bound);
        let exact_log = RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).unwrap();
        for log in [
            run(&RateLimit::new(config(quota)), quota, &ops, start),
            run(&RateLimit::<SubWindows<3>>::with_sub_windows(config(quota)), quota, &ops, start),
            run(&exact_log, quota, &ops, start),
        ] {
            prop_assert!(exact(log.total()) <= bound);
            log.assert_window_law(quota);
        }
        if let Some(strict) = strict(quota) {
            run(&strict, quota, &ops, start);
        }
    }

    /// The bucket agrees with the rational one that is fed the same admissions, but for 1 ns.
    #[test]
    fn bucket_differs_from_exact_fractions_by_at_most_a_nanosecond(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        let mut limiter = Limiter::new(TokenBucket::new(config(quota)));
        let mut time = Time::new(quota, start);
        let mut oracle = Bucket::full(quota);
        oracle.take(0, start);
        for op in &ops {
            time.apply(op);
            if let Op::Acquire(cost) = *op {
                let nanosecond = quota.rate();
                let missing = exact(cost.into()) - oracle.tokens(time.now);
                match limiter.try_acquire(cost, at(time.now)) {
                    Ok(_) => {
                        prop_assert!(missing <= nanosecond, "over 1 ns early by {missing}");
                        if quota.window % u64::from(quota.max) == 0 {
                            prop_assert!(missing <= Ratio::default(), "early by {missing}");
                        }
                        oracle.take(cost, time.now);
                    }
                    Err(rejected) if rejected.retry() == RetryAt::Never => {
                        prop_assert!(cost > quota.burst);
                    }
                    Err(_) => prop_assert!(missing > -nanosecond, "over 1 ns late by {missing}"),
                }
            }
        }
    }

    /// The retry-after of the ring is at most one sub-window (and rounding) after the exact one.
    #[test]
    fn sub_windows_open_at_most_one_sub_window_late(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        // A burst above the maximum, so that the window decides.
        let quota = Quota { burst: quota.max + 14, ..quota };
        let mut limiter = Limiter::new(RateLimit::<SubWindows<4>>::with_sub_windows(config(quota)));
        let mut time = Time::new(quota, start);
        let mut log = Log::default();
        for op in &ops {
            time.apply(op);
            let Op::Acquire(cost) = *op else { continue };
            match limiter.try_acquire(cost, at(time.now)) {
                Ok(_) => { log.admit(cost, time.now); }
                Err(rejected) => {
                    let RetryAt::At(opens) = rejected.retry() else { continue };
                    if rejected.code() == ErrorCode::RateLimitQuotaExhausted {
                        let exact = log.opens_at(quota, cost, time.now);
                        let late = opens.as_nanos() - exact;
                        prop_assert!(late <= quota.window.div_ceil(4) + 3, "{late} ns late");
                    }
                }
            }
        }
    }

    #[test]
    fn exact_log_opens_exactly_when_the_window_does(
        quota in quota(), ops in prop::collection::vec(forward(), 1..80), start in 0_u64..1 << 40,
    ) {
        let quota = Quota { burst: quota.max + 14, ..quota };
        let limit = RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).unwrap();
        let mut limiter = Limiter::new(limit);
        let mut time = Time::new(quota, start);
        let mut log = Log::default();
        for op in &ops {
            time.apply(op);
            let Op::Acquire(cost) = *op else { continue };
            match limiter.try_acquire(cost, at(time.now)) {
                Ok(_) => { log.admit(cost, time.now); }
                Err(rejected) if rejected.code() == ErrorCode::RateLimitQuotaExhausted => {
                    let exact = log.opens_at(quota, cost, time.now);
                    prop_assert_eq!(rejected.retry(), RetryAt::At(at(exact)));
                }
                Err(_) => {}
            }
        }
    }

    /// Any quota that builds, at any two instants: exact refusals, no panic, full when idle.
    #[test]
    fn every_valid_quota_is_exact_at_every_instant_pitfalls_56_59_61_68(
        quota in wild_quota(), first in any::<u64>(), second in any::<u64>(), cost in any::<u32>(),
    ) {
        let bucket = TokenBucket::new(config(quota));
        let mut limiter = Limiter::new(bucket);
        for now in [first >> 2, second >> 2] {
            let drained = limiter.available(at(now));
            let charge = limiter.try_acquire(drained, at(now)).unwrap();
            for cost in [1, cost, quota.burst] {
                if let Err(rejected) = limiter.try_acquire(cost, at(now)) {
                    if cost <= quota.burst && rejected.retry() == RetryAt::Never {
                        let refill = exact(quota.burst.into()) / quota.rate();
                        prop_assert!(exact(now) + refill >= exact((1 << 62) - 8), "not in our time");
                    } else {
                        assert_exact(&limiter, cost, rejected, now);
                    }
                }
            }
            limiter.refund(charge, at(now));
            prop_assert!(limiter.available(at(now)) >= drained);
        }
        for now in [first, second] {
            let _ = limiter.try_acquire(cost, at(now));
            prop_assert!(limiter.available(at(now)) <= quota.burst);
        }
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
