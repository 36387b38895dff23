//! The laws of admission, which every limit keeps, against exact fractions.

use crate::oracle::rate_limit::{Bucket, Log, Quota};
use crate::oracle::{Ratio, exact};
use core::time::Duration;
use resil_core::rate_limit::{
    ExactLog, Limit, Limiter, RateLimit, RateLimitConfig, StrictBucket, SubWindows, TokenBucket,
};
use resil_core::{ErrorCode, Instant, Rejected, RetryAt};

const YEARS_500: u64 = 500 * 365 * 24 * 3600 * 1_000_000_000;

/// That instant.
#[must_use]
pub fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// The quota as a configuration.
///
/// # Panics
///
/// When it is not valid.
#[must_use]
pub fn config(quota: Quota) -> RateLimitConfig {
    RateLimitConfig::builder()
        .max_requests(quota.max)
        .time_window(Duration::from_nanos(quota.window))
        .burst_size(quota.burst)
        .build()
        .expect("a valid quota")
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes: so many quarters of a token's time, and so many nanoseconds.
    Step(u64, u64),
    /// Time goes back by as much.
    Back(u64, u64),
    /// Time goes on for years.
    Jump,
    /// Somebody asks for so much.
    Acquire(u32),
    /// Somebody gives back the charge so many before the last.
    Refund(usize),
}

/// A clock that ops move; it also knows how much time has passed forward in all.
#[derive(Clone, Debug)]
pub struct Time {
    quarter: u64,
    /// What it shows.
    pub now: u64,
    /// How much time has passed forward in all.
    pub passed: u64,
    /// How often it was set back.
    pub steps_back: u64,
}

impl Time {
    /// One that shows `now`.
    #[must_use]
    pub fn new(quota: Quota, now: u64) -> Self {
        let quarter = quota.window / u64::from(quota.max) / 4;
        Self { quarter, now, passed: 0, steps_back: 0 }
    }

    /// Moves as `op` says, if that is about time.
    pub fn apply(&mut self, op: &Op) {
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
///
/// # Panics
///
/// Where it does not hold.
pub fn assert_exact<L: Limit>(limiter: &Limiter<L>, cost: u32, rejected: Rejected, now: u64) {
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
///
/// # Panics
///
/// Where it does not hold.
pub fn assert_deadline<L: Limit>(limit: &L, state: &L::State, now: u64) {
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
///
/// # Panics
///
/// Where it does not hold.
pub fn run<L: Limit + Clone>(limit: &L, quota: Quota, ops: &[Op], start: u64) -> Log {
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

/// In any interval a bucket admits the burst and what comes back in it.
///
/// # Panics
///
/// Where it does not hold.
pub fn bucket_never_admits_more_than_burst_and_rate(quota: Quota, ops: &[Op], start: u64) {
    run(&TokenBucket::new(config(quota)), quota, ops, start).assert_bucket_law(quota);
}

/// A strict bucket is within the maximum in any window, where there is one for this quota.
///
/// # Panics
///
/// Where it does not hold.
pub fn strict_bucket_never_exceeds_the_maximum_in_any_window(quota: Quota, ops: &[Op], start: u64) {
    if let Some(strict) = strict(quota) {
        let log = run(&strict, quota, ops, start);
        log.assert_window_law(quota);
        let refill = Quota { max: quota.max - quota.burst, ..quota };
        log.assert_bucket_law(refill);
    }
}

/// So is a bucket with a window, however that counts.
///
/// # Panics
///
/// Where it does not hold.
pub fn rate_limit_never_exceeds_the_maximum_in_any_window(quota: Quota, ops: &[Op], start: u64) {
    let limits = (
        RateLimit::new(config(quota)),
        RateLimit::<SubWindows<1>>::with_sub_windows(config(quota)),
        RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).expect("12 is enough"),
    );
    for log in [
        run(&limits.0, quota, ops, start),
        run(&limits.1, quota, ops, start),
        run(&limits.2, quota, ops, start),
    ] {
        log.assert_window_law(quota);
        log.assert_bucket_law(quota);
    }
}

/// By the time that has passed forward, nothing is minted however the clock moves. A bucket's
/// grain of 1 ns may count once more each time the clock has been set back.
///
/// # Panics
///
/// Where it does not hold.
pub fn a_clock_that_misbehaves_mints_nothing(quota: Quota, ops: &[Op], start: u64) {
    // Charges are told from those before a step back by nobody, so none is refunded here.
    let ops: Vec<Op> = ops.iter().filter(|op| !matches!(op, Op::Refund(_))).cloned().collect();
    let mut time = Time::new(quota, start);
    ops.iter().for_each(|op| time.apply(op));
    let bound = exact(quota.burst.into())
        + quota.rate() * (exact(time.passed) + exact(1 + time.steps_back));

    let bucket = run(&TokenBucket::new(config(quota)), quota, &ops, start);
    assert!(exact(bucket.total()) <= bound);
    let exact_log = RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).unwrap();
    for log in [
        run(&RateLimit::new(config(quota)), quota, &ops, start),
        run(&RateLimit::<SubWindows<3>>::with_sub_windows(config(quota)), quota, &ops, start),
        run(&exact_log, quota, &ops, start),
    ] {
        assert!(exact(log.total()) <= bound);
        log.assert_window_law(quota);
    }
    if let Some(strict) = strict(quota) {
        run(&strict, quota, &ops, start);
    }
}

/// The bucket agrees with the rational one that is fed the same admissions, but for 1 ns.
///
/// # Panics
///
/// Where it does not hold.
pub fn bucket_differs_from_exact_fractions_by_at_most_a_nanosecond(
    quota: Quota,
    ops: &[Op],
    start: u64,
) {
    let mut limiter = Limiter::new(TokenBucket::new(config(quota)));
    let mut time = Time::new(quota, start);
    let mut oracle = Bucket::full(quota);
    oracle.take(0, start);
    for op in ops {
        time.apply(op);
        if let Op::Acquire(cost) = *op {
            let nanosecond = quota.rate();
            let missing = exact(cost.into()) - oracle.tokens(time.now);
            match limiter.try_acquire(cost, at(time.now)) {
                Ok(_) => {
                    assert!(missing <= nanosecond, "over 1 ns early by {missing}");
                    if quota.window.is_multiple_of(quota.max.into()) {
                        assert!(missing <= Ratio::default(), "early by {missing}");
                    }
                    oracle.take(cost, time.now);
                }
                Err(rejected) if rejected.retry() == RetryAt::Never => {
                    assert!(cost > quota.burst);
                }
                Err(_) => assert!(missing > -nanosecond, "over 1 ns late by {missing}"),
            }
        }
    }
}

/// The retry-after of the ring is at most one sub-window (and rounding) after the exact one.
///
/// # Panics
///
/// Where it does not hold.
pub fn sub_windows_open_at_most_one_sub_window_late(quota: Quota, ops: &[Op], start: u64) {
    // A burst above the maximum, so that the window decides.
    let quota = Quota { burst: quota.max + 14, ..quota };
    let mut limiter = Limiter::new(RateLimit::<SubWindows<4>>::with_sub_windows(config(quota)));
    let mut time = Time::new(quota, start);
    let mut log = Log::default();
    for op in ops {
        time.apply(op);
        let Op::Acquire(cost) = *op else { continue };
        match limiter.try_acquire(cost, at(time.now)) {
            Ok(_) => {
                log.admit(cost, time.now);
            }
            Err(rejected) => {
                let RetryAt::At(opens) = rejected.retry() else { continue };
                if rejected.code() == ErrorCode::RateLimitQuotaExhausted {
                    let exact = log.opens_at(quota, cost, time.now);
                    let late = opens.as_nanos() - exact;
                    assert!(late <= quota.window.div_ceil(4) + 3, "{late} ns late");
                }
            }
        }
    }
}

/// The retry-after of a log is exact.
///
/// # Panics
///
/// Where it does not hold.
pub fn exact_log_opens_exactly_when_the_window_does(quota: Quota, ops: &[Op], start: u64) {
    let quota = Quota { burst: quota.max + 14, ..quota };
    let limit = RateLimit::<ExactLog<12>>::with_exact_log(config(quota)).unwrap();
    let mut limiter = Limiter::new(limit);
    let mut time = Time::new(quota, start);
    let mut log = Log::default();
    for op in ops {
        time.apply(op);
        let Op::Acquire(cost) = *op else { continue };
        match limiter.try_acquire(cost, at(time.now)) {
            Ok(_) => {
                log.admit(cost, time.now);
            }
            Err(rejected) if rejected.code() == ErrorCode::RateLimitQuotaExhausted => {
                let exact = log.opens_at(quota, cost, time.now);
                assert_eq!(rejected.retry(), RetryAt::At(at(exact)));
            }
            Err(_) => {}
        }
    }
}

fn strict(quota: Quota) -> Option<StrictBucket> {
    StrictBucket::new(config(quota)).ok()
}

/// Any quota that builds, at any two instants: exact refusals, no panic, full when idle.
///
/// # Panics
///
/// Where it does not hold.
pub fn every_valid_quota_is_exact_at_every_instant(
    quota: Quota,
    first: u64,
    second: u64,
    cost: u32,
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
                    assert!(exact(now) + refill >= exact((1 << 62) - 8), "not in our time");
                } else {
                    assert_exact(&limiter, cost, rejected, now);
                }
            }
        }
        limiter.refund(charge, at(now));
        assert!(limiter.available(at(now)) >= drained);
    }
    for now in [first, second] {
        let _ = limiter.try_acquire(cost, at(now));
        assert!(limiter.available(at(now)) <= quota.burst);
    }
}
