use resil_core::rate_limit::{RateLimitConfig, TokenBucket};

use super::*;
use crate::clock::MockClock;
use crate::rate_limit::RateLimiter;

fn config(burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().burst_size(burst).build().unwrap()
}

fn bucket(burst: u32) -> TokenBucket {
    TokenBucket::new(config(burst))
}

#[test]
fn a_table_has_a_quarter_of_the_root_of_its_slots_in_shards_and_at_least_one() {
    assert_eq!([8, 64, 1_024, 4_000].map(shards_of), [1, 2, 8, 15]);
}

#[test]
fn a_charge_goes_back_to_the_limit_of_ones_own_that_it_came_from() {
    let limiter = RateLimiter::builder(bucket(10)).clock(MockClock::default()).build().unwrap();
    limiter.set_limit("first", config(20)).unwrap();
    limiter.set_limit("second", config(30)).unwrap();
    let charges = ["first", "second", "none"].map(|id| limiter.check(&id, 5).unwrap());
    let left = || ["first", "second", "none"].map(|id| limiter.available(&id));
    assert_eq!(left(), [15, 25, 5]);
    charges.into_iter().for_each(|charge| limiter.refund(charge));
    assert_eq!(left(), [20, 30, 10]);
}

#[test]
fn another_limit_for_a_class_takes_over_what_is_left_of_its_own_overflow_bucket_only() {
    let builder = RateLimiter::builder(bucket(10)).classes([bucket(10)]).slots(8);
    let limiter = builder.clock(MockClock::default()).build().unwrap();
    (0..8).for_each(|id| limiter.allow(&id, 1).unwrap()); // all slots
    for class in [0, 1] {
        limiter.allow_in(class, &99, 4).unwrap();
    }
    assert!(limiter.set_class(0, bucket(5), Carry::Share));
    assert_eq!([0, 1].map(|class| limiter.available_in(class, &99)), [3, 6]);
    assert!(limiter.set_class(1, bucket(20), Carry::Share));
    assert_eq!([0, 1].map(|class| limiter.available_in(class, &99)), [3, 12]);
}
