//! What decides by itself: breakers, limits, backoff, and what bounds load.

use super::{STEPS, Walk, allocations};
use core::time::Duration;
use resil_core::adaptive::{Aimd, ConcurrencyLimiter, Gradient};
use resil_core::backoff::{Backoff, Jitter};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig};
use resil_core::call::Priority;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{
    ExactLog, KeyedHash, Limit, Limiter, RateLimit, RateLimitConfig, RateLimiter, StrictBucket,
    TokenBucket,
};
use resil_core::text::Text;
use resil_core::throttle::{AdaptiveThrottle, Throttler};
use resil_core::{Instant, Outcome};

#[test]
fn the_breaker_never_allocates() {
    let outcomes = [
        Outcome::Success,
        Outcome::Failure(FailureClass::Transient),
        Outcome::Failure(FailureClass::Timeout),
        Outcome::Ignored,
        Outcome::Abandoned,
    ];
    let mut seen = [false; 3];
    let count = allocations(|| {
        let config = CircuitBreakerConfig::builder().failure_threshold(2).jitter(Jitter::Equal);
        let config = config.timeout(Duration::from_secs(20)).build().unwrap();
        let (mut breaker, mut walk, mut now) =
            (CircuitBreaker::new(config), Walk(1), Instant::EPOCH);
        for _ in 0..STEPS {
            now = walk.step(now);
            let entropy = walk.next() as u32;
            match breaker.try_acquire(entropy, now) {
                Ok(permit) => {
                    seen[usize::from(permit.is_probe())] = true;
                    let outcome = outcomes[walk.next() as usize % outcomes.len()];
                    breaker.record(permit, outcome, entropy, now);
                }
                Err(rejected) => {
                    seen[2] = true;
                    let _ = Text::<64>::display(&rejected);
                }
            }
            let _ = (breaker.state(now), breaker.next_deadline(now), breaker.retry_at(now));
        }
    });
    assert_eq!(count, 0);
    assert_eq!(seen, [true; 3], "calls, probes and refusals have all been there");
}

/// Both admissions and refusals have to be among the steps.
fn drive<L: Limit>(limit: L) -> usize {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut limiter, mut walk, mut now) = (Limiter::new(limit), Walk(2), Instant::EPOCH);
        for _ in 0..STEPS {
            now = walk.step(now);
            let cost = (walk.next() % 12) as u32;
            let answer = limiter.try_acquire(cost, now);
            seen[usize::from(answer.is_ok())] = true;
            if let (Ok(charge), 0) = (answer, walk.next() % 4) {
                limiter.refund(charge, now);
            }
            let _ =
                (limiter.available(now), limiter.next_deadline(now), limiter.peek(1, now).is_ok());
        }
        limiter.reset();
    });
    assert_eq!(seen, [true; 2]);
    count
}

#[test]
fn no_limit_allocates() {
    let config = RateLimitConfig::DEFAULT;
    assert_eq!(drive(TokenBucket::new(config)), 0);
    assert_eq!(drive(StrictBucket::new(config).unwrap()), 0);
    assert_eq!(drive(RateLimit::new(config)), 0);
    assert_eq!(drive(RateLimit::<ExactLog<100>>::with_exact_log(config).unwrap()), 0);
}

#[test]
fn the_table_of_peers_never_allocates() {
    let mut refused = 0;
    let count = allocations(|| {
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        let mut table = RateLimiter::<u64, TokenBucket>::new(limit, KeyedHash::from_seed(7));
        let (mut walk, mut now) = (Walk(3), Instant::EPOCH);
        for _ in 0..STEPS {
            now = now.saturating_add(Duration::from_millis(walk.next() % 8));
            let id = walk.next() % 200;
            match table.check(&id, 1, now) {
                Ok(charge) if walk.next().is_multiple_of(8) => table.refund(charge, now),
                Ok(_) => {}
                Err(_) => refused += 1,
            }
            if walk.next().is_multiple_of(64) {
                let _ = table.set_limit(id, RateLimitConfig::DEFAULT, now);
                let _ = table.remove_limit(&(id + 1), now);
                table.reset(&id);
            }
            let _ = (table.peek(&id, 1, now).is_ok(), table.available(&id, now));
        }
        let _ = (table.len(), table.next_deadline(now));
        table.reset_all();
    });
    assert_eq!(count, 0);
    assert!(refused > 0);
}

#[test]
fn backoff_never_allocates() {
    let count = allocations(|| {
        let backoff = Backoff::builder().build().unwrap();
        for (attempt, delay) in (0..STEPS).zip(backoff.delays()) {
            let _ = (delay, backoff.jittered(attempt, None, attempt));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn what_bounds_load_never_allocates() {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(8), Instant::from_nanos(1 << 40));
        let mut bulkhead = Bulkhead::new(BulkheadConfig::DEFAULT);
        let mut aimd = ConcurrencyLimiter::new(Aimd::DEFAULT);
        let mut gradient = ConcurrencyLimiter::new(Gradient::DEFAULT);
        let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
        for _ in 0..STEPS {
            now = walk.step(now);
            let entropy = walk.next() as u32;
            let is_lost = walk.next().is_multiple_of(2);
            let lost = Outcome::Failure(FailureClass::Throttled);
            let outcome = if is_lost { lost } else { Outcome::Success };
            if let Ok(permit) = bulkhead.try_acquire(1, Priority::Low, now) {
                bulkhead.record(permit, outcome, now);
            }
            if let Ok(permit) = aimd.try_acquire(entropy, now) {
                aimd.record(permit, outcome, entropy, now);
            }
            if let Ok(permit) = gradient.try_acquire(entropy, now) {
                gradient.record(permit, outcome, entropy, now);
            }
            let permit = throttle.try_acquire(entropy, now);
            seen[usize::from(permit.is_ok())] = true;
            if let Ok(permit) = permit {
                throttle.record(permit, outcome, now);
            }
            let _ = (gradient.next_deadline(now), throttle.reject_share(now), aimd.limit(now));
        }
    });
    assert_eq!((count, seen), (0, [true; 2]));
}
