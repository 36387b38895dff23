//! Five million ids that nobody has seen before, 100 ns apart, where everybody may ask ten times a minute.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::sync::Arc;

use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::rate_limit::{RandomHash, RateLimiter};

use crate::contenders::{Hand, governor};
use crate::heap;
use crate::ids::{Id, mixed};

const IDS: u64 = 5_000_000;
/// For those who have a bound.
const CAPACITY: usize = 100_000;
/// An operation's own work is the same every time, and what the machine does besides is not: of each, the
/// shortest of so many floods counts.
const FLOODS: usize = 4;

type Key = [u8; 32];

/// One who spent all that he had before the flood.
const SPENT: u64 = u64::MAX / 8;

fn quota() -> governor::Quota {
    governor::Quota::per_minute(NonZeroU32::new(10).expect("not zero"))
}

fn limiter(hasher: RandomHash, clock: Hand) -> RateLimiter<Key, TokenBucket, Hand> {
    let config = RateLimitConfig::builder().max_requests(10).time_window(Duration::from_secs(60));
    let limit = TokenBucket::new(config.burst_size(10).build().expect("valid"));
    let builder = RateLimiter::builder(limit).slots(CAPACITY).hasher(hasher);
    builder.clock(clock).build().expect("a multiple of 8")
}

pub(crate) fn run() {
    println!("a flood of {IDS} fresh ids of 32 bytes; capped ones are given {CAPACITY}");
    println!(
        "{:30}{:>8}{:>10}{:>9}{:>10}  a spent peer is forgiven",
        "", "mean ns", "worst µs", "> 10 µs", "growth MB"
    );
    let clock = Hand::default();
    let default = RandomState::new();
    flood("governor, its default hash", &clock, || {
        let limiter = governor::<Key, _>(quota(), clock.clone(), default.clone());
        move |id: &Key| limiter.check_key(id).is_ok()
    });
    flood("governor, fxhash", &clock, || {
        let limiter = governor::<Key, _>(quota(), clock.clone(), rustc_hash::FxBuildHasher);
        move |id: &Key| limiter.check_key(id).is_ok()
    });
    flood("moka, a governor each", &clock, || {
        let cache = moka::sync::Cache::builder().max_capacity(CAPACITY as u64);
        let cache = cache.build_with_hasher(rustc_hash::FxBuildHasher);
        let time = governor::clock::FakeRelativeClock::default();
        move |id: &Key| {
            let new = || Arc::new(governor::RateLimiter::direct_with_clock(quota(), time.clone()));
            cache.get_with(*id, new).check().is_ok()
        }
    });
    let hasher = RandomHash::new();
    flood("resil", &clock, || {
        let limiter = limiter(hasher.clone(), clock.clone());
        move |id: &Key| limiter.allow(id, 1).is_ok()
    });
}

fn flood<A: FnMut(&Key) -> bool>(name: &str, clock: &Hand, make: impl Fn() -> A) {
    let mut least = vec![u32::MAX; IDS as usize];
    let (mut growth, mut forgiven) = (0.0, false);
    for _ in 0..FLOODS {
        clock.set(1);
        let mut ask = make();
        let spent = Key::of(mixed(SPENT));
        while ask(&spent) {}
        let before = heap::held();
        for (number, least) in (0..).zip(&mut least) {
            clock.set(1 + number * 100); // half a second in all, in which nobody earns a token
            let id = Key::of(number);
            let start = std::time::Instant::now();
            core::hint::black_box(ask(&id));
            *least = (*least).min(start.elapsed().as_nanos().min(u32::MAX.into()) as u32);
        }
        growth = (heap::held() as f64 - before as f64) / 1e6;
        forgiven |= ask(&spent);
    }
    let mean = least.iter().map(|nanos| f64::from(*nanos)).sum::<f64>() / IDS as f64;
    let worst = f64::from(least.iter().copied().max().unwrap_or(0)) / 1_000.0;
    let stalls = least.iter().filter(|nanos| **nanos > 10_000).count();
    println!("  {name:28}{mean:8.0}{worst:10.1}{stalls:9}{growth:10.1}  {forgiven}");
}
