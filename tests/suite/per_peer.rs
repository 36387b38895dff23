//! The per-peer table against a flood, and against ids chosen to hurt.

use core::cell::Cell;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::rate_limit::{
    KeyedHash, Limit, Pinned, RateLimit, RateLimitConfig, RateLimiter, Slot, TokenBucket,
};
use resil_core::{ErrorCode, Instant, valid};
use resil_tests::laws::peers::{self as laws, Op};

const SECOND: u64 = 1_000_000_000;
const SEED: u128 = 0x5eed_0123_4567_89ab_cdef;

/// Ten a second, five at once.
const CONFIG: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(10)
        .time_window(Duration::from_secs(1))
        .burst_size(5)
        .build()
);

type Table<K, L, const N: usize> = RateLimiter<K, L, [Slot<K, L>; N], [Pinned<K, L>; 4]>;

fn table<K, const N: usize>() -> Table<K, TokenBucket, N> {
    RateLimiter::new(TokenBucket::new(CONFIG), KeyedHash::from_seed(SEED))
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

#[test]
fn a_million_fresh_ids_grow_nothing_and_forgive_nobody_pitfalls_99_100_101() {
    fn flood<L: Limit + Clone>(limit: L) {
        let mut peers: Table<u64, L, 64> =
            RateLimiter::new(limit.clone(), KeyedHash::from_seed(SEED));
        let (spent, honest) = (u64::MAX, u64::MAX - 1);
        for _ in 0..5 {
            peers.check(&spent, 1, at(0)).unwrap();
        }
        peers.check(&honest, 2, at(0)).unwrap();
        let size = size_of_val(&peers);

        // A million ids within one millisecond, before anyone has earned a token.
        let admitted = (0..1_000_000).filter(|id| peers.check(id, 1, at(*id)).is_ok()).count();
        let now = at(1_000_000);
        // At first each newcomer in an empty slot passes once, the rest share one bucket.
        assert!(admitted <= 62 + 5, "{admitted}");
        assert!(peers.check(&spent, 1, now).is_err(), "the spent peer is not forgiven");
        assert_eq!(peers.available(&honest, now), 3, "the known peer keeps what it had");
        assert_eq!((0..9).filter(|_| peers.check(&honest, 1, now).is_ok()).count(), 3);
        assert_eq!(peers.len(), 64);
        assert_eq!(size_of_val(&peers), size);
    }
    flood(TokenBucket::new(CONFIG));
    flood(RateLimit::new(CONFIG));
}

#[test]
fn a_long_flood_admits_at_most_slots_plus_one_times_the_limit() {
    let mut peers = table::<u64, 64>();
    let seconds = 3;
    let calls = 300_000_u64;
    let step = seconds * SECOND / calls;
    let admitted = (0..calls).filter(|id| peers.check(id, 1, at(id * step)).is_ok()).count();
    let bound = (64 + 1) * (5 + 10 * seconds as usize);
    assert!(admitted <= bound, "{admitted} of {bound}");
}

#[test]
fn two_choices_keep_honest_peers_out_of_the_overflow_bucket() {
    // Two thirds full: with one set per id 4 to 8 % would find their set full.
    let mut outside = 0;
    for round in 0..100 {
        let seed = KeyedHash::from_seed(SEED + round);
        let mut peers: Table<u64, TokenBucket, 384> =
            RateLimiter::new(TokenBucket::new(CONFIG), seed);
        for id in 0..256 {
            let _ = peers.check(&id, 1, at(0));
        }
        outside += 256 - peers.len();
    }
    assert!(outside <= 2, "{outside} of 25,600 had no slot");
}

/// A key that counts how often it is compared.
#[derive(Clone, Debug)]
struct Counted<'a> {
    id: u64,
    compared: &'a Cell<usize>,
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compared.set(self.compared.get() + 1);
        self.id == other.id
    }
}

impl Eq for Counted<'_> {}

impl Hash for Counted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

#[test]
fn a_call_looks_at_sixteen_slots_at_most_pitfall_102() {
    let compared = Cell::new(0);
    let mut peers = table::<Counted<'_>, 1024>();
    for id in 0..100_000 {
        compared.set(0);
        let _ = peers.check(&Counted { id, compared: &compared }, 1, at(id));
        assert!(compared.get() <= 16, "{}", compared.get());
    }
}

#[test]
fn no_id_is_special_pitfall_103() {
    let mut peers = table::<&str, 8>();
    for id in ["", "\0", "0", "null"] {
        assert_eq!((0..9).filter(|_| peers.check(&id, 1, at(0)).is_ok()).count(), 5, "{id:?}");
    }
    let mut zero = table::<u64, 8>();
    for id in [0, u64::MAX] {
        assert_eq!((0..9).filter(|_| zero.check(&id, 1, at(0)).is_ok()).count(), 5);
    }
    let mut unit = table::<(), 8>();
    assert_eq!((0..9).filter(|_| unit.check(&(), 1, at(0)).is_ok()).count(), 5);
}

#[test]
fn an_address_is_no_other_address_pitfall_104() {
    let mut peers = table::<IpAddr, 64>();
    for last in 1..=4 {
        let address = Ipv4Addr::new(192, 0, 2, last);
        for id in [IpAddr::V4(address), IpAddr::V6(address.to_ipv6_mapped())] {
            assert!(peers.check(&id, 5, at(0)).is_ok(), "{id} has a bucket of its own");
            assert!(peers.check(&id, 1, at(0)).is_err());
        }
    }
    assert_eq!(peers.len(), 8);
}

#[derive(Clone, Debug)]
struct AllTheSame;

struct Same;

impl Hasher for Same {
    fn finish(&self) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _: &[u8]) {}
}

impl BuildHasher for AllTheSame {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same
    }
}

#[test]
fn ids_that_collide_do_not_share_a_bucket_pitfall_106() {
    let limit = TokenBucket::new(CONFIG);
    let slots: [Slot<u64, TokenBucket>; 64] = [const { Slot::EMPTY }; 64];
    let none: [Pinned<u64, TokenBucket>; 0] = [];
    let mut peers = RateLimiter::with_storage(limit, slots, none, AllTheSame).unwrap();
    for id in 0..8 {
        assert!(peers.check(&id, 5, at(0)).is_ok());
        assert!(peers.check(&id, 1, at(0)).is_err());
    }
    assert_eq!(peers.len(), 8, "one set is full, and so both are");
    assert_eq!(peers.available(&0, at(SECOND / 10)), 1);
}

#[test]
fn the_seeds_snippet() {
    // rate_limiter.set_limit("test", RateLimitConfig(max_requests=2, time_window=60.0)); allow ×3
    let mut limiter: RateLimiter<&str> =
        RateLimiter::new(RateLimit::new(RateLimitConfig::DEFAULT), KeyedHash::from_seed(SEED));
    let config = RateLimitConfig::builder()
        .max_requests(2)
        .time_window(Duration::from_secs(60))
        .build()
        .unwrap();
    limiter.set_limit("test", config, at(0)).unwrap();
    assert_eq!(limiter.get_limit(&"test"), &config);
    assert_eq!(limiter.get_limit(&"another"), &RateLimitConfig::DEFAULT);
    assert!(limiter.allow(&"test", 1, at(0)).is_ok());
    assert!(limiter.allow(&"test", 1, at(0)).is_ok());
    let error = limiter.allow(&"test", 1, at(0)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimitQuotaExhausted);
    assert!(limiter.allow(&"another", 3, at(0)).is_ok(), "each id has its own");
    assert!(limiter.reset(&"test"));
    assert!(limiter.allow(&"test", 1, at(0)).is_ok());
    limiter.reset_all();
    assert!(limiter.allow(&"test", 2, at(0)).is_ok());
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0_u64..SECOND / 4).prop_map(Op::Step),
        8 => (0_u8..60, 0_u32..4).prop_map(|(id, cost)| Op::Check(id, cost)),
        2 => (0_usize..6).prop_map(Op::Refund),
        1 => (0_u8..60).prop_map(Op::Reset),
        1 => (0_u8..60, 1_u32..9).prop_map(|(id, burst)| Op::Pin(id, burst)),
        1 => (0_u8..60).prop_map(Op::Unpin),
    ]
}

proptest! {
    /// Whoever has a slot is limited exactly as by a limiter of its own, whatever others do.
    #[test]
    fn a_residents_state_never_changes_because_of_others(
        ops in prop::collection::vec(op(), 1..200), refuse in any::<bool>(),
    ) {
        laws::a_residents_state_never_changes_because_of_others(&ops, refuse);
    }

    /// Asking is what checking answers, and a refused newcomer leaves no trace.
    #[test]
    fn peek_tells_what_check_does(ops in prop::collection::vec(op(), 1..200), refuse in any::<bool>()) {
        laws::peek_tells_what_check_does(&ops, refuse);
    }
}
