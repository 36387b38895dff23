//! The shared limiter under embassy's mock time.

mod mock_time;

use core::time::Duration;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use mock_time::{advance, at_zero};
use resil_embassy::RateLimiter;
use resil_embassy::core::outcome::RetryAt;
use resil_embassy::core::rate_limit::{
    RateLimit, RateLimitConfig, SetLimitError, TokenBucket, WhenFull,
};
use resil_embassy::core::{ErrorCode, Instant, valid};

const TWO_A_SECOND: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(2)
        .time_window(Duration::from_secs(1))
        .burst_size(1)
        .build()
);

type Buckets = RateLimiter<CriticalSectionRawMutex, u32, TokenBucket, 8, 1>;

fn buckets() -> Buckets {
    Buckets::new(TokenBucket::new(TWO_A_SECOND), 7)
}

#[test]
fn it_fits_a_static() {
    static LIMITER: Buckets = Buckets::new(TokenBucket::new(TWO_A_SECOND), 7);
    let _turn = at_zero();
    LIMITER.reset_all();
    assert!(LIMITER.allow(&1, 1).is_ok());
    assert!(LIMITER.allow(&1, 1).is_err());
    assert!(LIMITER.allow(&2, 1).is_ok(), "each peer has its own");
}

#[test]
fn a_refusal_names_the_instant_at_which_it_passes() {
    let _turn = at_zero();
    let limiter = buckets();
    assert!(limiter.allow(&1, 1).is_ok());
    let refused = limiter.allow(&1, 1).unwrap_err();
    assert_eq!(refused.retry(), RetryAt::At(Instant::from_nanos(500_000_000)));
    advance(Duration::from_micros(499_999));
    assert!(limiter.peek(&1, 1).is_err());
    advance(Duration::from_micros(1));
    assert_eq!(limiter.available(&1), 1);
    assert!(limiter.allow(&1, 1).is_ok());
}

#[test]
fn a_refund_gives_back() {
    let _turn = at_zero();
    let limiter = buckets();
    let charge = limiter.check(&1, 1).unwrap();
    limiter.refund(charge);
    assert_eq!(limiter.available(&1), 1);
}

#[test]
fn limits_of_ones_own_are_set_read_and_bounded() {
    let _turn = at_zero();
    let limiter = buckets();
    limiter.set_limit(1, RateLimitConfig::DEFAULT).unwrap();
    assert_eq!(limiter.get_limit(&1), RateLimitConfig::DEFAULT);
    assert_eq!(limiter.get_limit(&2), TWO_A_SECOND);
    assert_eq!(limiter.available(&1), 10);
    assert_eq!(limiter.set_limit(2, RateLimitConfig::DEFAULT), Err(SetLimitError::TableFull));
    assert!(limiter.remove_limit(&1));
    assert!(!limiter.remove_limit(&1));
    assert_eq!(limiter.get_limit(&1), TWO_A_SECOND);
}

#[test]
fn a_flood_of_ids_shares_one_bucket_or_is_refused_pitfall_99() {
    let _turn = at_zero();
    let shared = buckets();
    let admitted = (0..1_000).filter(|id| shared.allow(id, 1).is_ok()).count();
    assert_eq!(admitted, 8 + 1, "eight slots and the overflow bucket");

    let refusing = buckets().when_full(WhenFull::Refuse);
    let admitted = (0..1_000).filter(|id| refusing.allow(id, 1).is_ok()).count();
    assert_eq!(admitted, 8);
    assert_eq!(refusing.allow(&9_999, 1).unwrap_err().code(), ErrorCode::RateLimitTableFull);
    assert_eq!(refusing.len(), 8);
}

#[test]
fn reset_forgets_one_peer_or_all() {
    let _turn = at_zero();
    let limiter = buckets();
    assert!(limiter.allow(&1, 1).is_ok() && limiter.allow(&2, 1).is_ok());
    assert!(limiter.reset(&1) && !limiter.is_empty());
    assert_eq!((limiter.available(&1), limiter.available(&2)), (1, 0));
    limiter.reset_all();
    assert!(limiter.is_empty());
    assert_eq!(limiter.available(&2), 1);
}

#[test]
fn the_seeds_limit_is_the_default_kind() {
    let _turn = at_zero();
    let limiter: RateLimiter<CriticalSectionRawMutex, u32> =
        RateLimiter::new(RateLimit::new(RateLimitConfig::DEFAULT), 7);
    let mut admitted = 0;
    for _ in 0..59 {
        while limiter.allow(&1, 1).is_ok() {
            admitted += 1;
        }
        advance(Duration::from_secs(1));
    }
    assert_eq!(admitted, 100, "never more in any window than the quota");
    assert_eq!(limiter.check(&1, 1).unwrap_err().code(), ErrorCode::RateLimitQuotaExhausted);
}
