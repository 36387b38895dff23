//! A token bucket for each of 16 peers.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::rate_limit::{
    KeyedHash, Limit, PeerCharge, RateLimitConfig, RateLimiter, Slot, TokenBucket,
};
use resil_core::{Instant, Rejected};

type Table = RateLimiter<u32, TokenBucket, [Slot<u32, TokenBucket>; 16]>;

static STATE: Owned<Table> = Owned::new(RateLimiter::new(
    TokenBucket::new(RateLimitConfig::DEFAULT),
    KeyedHash::from_seed(0x5eed),
));

#[inline(never)]
fn check(id: u32, now: Instant) -> Result<PeerCharge<<TokenBucket as Limit>::Charge>, Rejected> {
    STATE.with(|table| table.check(&id, black_box(1), now))
}

footprint::firmware!(
    || {
        black_box(check(black_box(0), any_now()).is_ok());
    },
    |bench| {
        let (now, id) = (at(1_000), black_box(7));
        bench.case("check, new peer", || check(id, now)).unwrap();
        bench.case("check, allowed", || check(id, now)).unwrap();
        while check(id, now).is_ok() {}
        assert!(bench.case("check, refused", || check(id, now)).is_err());
        for id in 0..100 {
            _ = check(1_000 + id, now);
        }
        let stranger = black_box(99_999);
        _ = bench.case("check, table full", || check(stranger, now));
    }
);
