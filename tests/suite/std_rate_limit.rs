//! resil-std's limiter: threads, floods, waiting.

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::Barrier;
use std::thread;

use resil_std::clock::MockClock;
use resil_std::core::rate_limit::{
    Limit, RateLimit, RateLimitConfig, SetLimitError, StrictBucket, TokenBucket, WhenFull,
};
use resil_std::core::{ErrorCode, RetryAt};
use resil_std::rate_limit::RateLimiter;

const SECOND: Duration = Duration::from_secs(1);

/// Ten at once, one a second after that, two hundred in any 200 s.
fn config() -> RateLimitConfig {
    RateLimitConfig::builder().max_requests(200).time_window(200 * SECOND).build().unwrap()
}

fn bucket<K: Hash + Eq + Clone>(
    slots: usize,
) -> (RateLimiter<K, TokenBucket, MockClock>, MockClock) {
    let clock = MockClock::default();
    let builder = RateLimiter::builder(TokenBucket::new(config())).slots(slots);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

#[test]
fn handles_cross_threads() {
    fn shareable<T: Send + Sync + 'static>() {}
    shareable::<RateLimiter<String>>();
    shareable::<RateLimiter<[u8; 32], StrictBucket, MockClock>>();
}

/// Eight threads ask as fast as they can, for the same few peers; how many each peer was admitted.
fn admitted_to_eight_threads<L>(limit: L, peers: u32) -> Vec<usize>
where
    L: Limit<State: Send, Charge: Send> + Clone + Send + Sync,
{
    let limiter: RateLimiter<u32, L, _> =
        RateLimiter::builder(limit).clock(MockClock::default()).build().unwrap();
    let start = Barrier::new(8);
    let ask = || {
        start.wait();
        let count = |peer| (0..100).filter(|_| limiter.allow(&peer, 1).is_ok()).count();
        (0..peers).map(count).collect::<Vec<_>>()
    };
    let mut sums = vec![0; peers as usize];
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for thread in threads {
            for (sum, admitted) in sums.iter_mut().zip(thread.join().unwrap()) {
                *sum += admitted;
            }
        }
    });
    sums
}

#[test]
fn eight_threads_on_one_limit_are_admitted_exactly_the_burst() {
    assert_eq!(admitted_to_eight_threads(TokenBucket::new(config()), 20), [10; 20]);
    assert_eq!(admitted_to_eight_threads(RateLimit::new(config()), 20), [10; 20]);
    assert_eq!(admitted_to_eight_threads(StrictBucket::new(config()).unwrap(), 20), [10; 20]);
}

#[test]
fn a_million_fresh_ids_grow_nothing_and_forgive_nobody_pitfall_99() {
    let (limiter, _) = bucket::<u64>(1024);
    let (spent, honest) = (u64::MAX, u64::MAX - 1);
    assert!(limiter.allow(&spent, 10).is_ok());
    assert!(limiter.allow(&honest, 4).is_ok());

    let admitted = (0..1_000_000).filter(|id| limiter.allow(id, 1).is_ok()).count();
    assert!(admitted <= 1022 + 8 * 10, "a slot each, and eight overflow buckets: {admitted}");
    assert!(limiter.len() <= 1024);
    assert!(limiter.allow(&spent, 1).is_err(), "not forgiven");
    assert_eq!(limiter.available(&honest), 6, "not robbed");
}

#[test]
fn a_full_table_can_refuse_newcomers() {
    let limit = TokenBucket::new(config());
    let builder = RateLimiter::builder(limit).slots(64).when_full(WhenFull::Refuse);
    let limiter = builder.clock(MockClock::default()).build().unwrap();
    let codes = (0..10_000_u32).filter_map(|id| Some(limiter.allow(&id, 1).err()?.code()));
    let refused: Vec<_> = codes.collect();
    assert_eq!(refused.len(), 10_000 - limiter.len());
    assert!(refused.iter().all(|code| *code == ErrorCode::RateLimitTableFull));
}

#[test]
fn the_instant_of_a_refusal_is_exact() {
    let (limiter, clock) = bucket::<&str>(64);
    limiter.allow(&"peer", 10).unwrap();
    let RetryAt::At(at) = limiter.check(&"peer", 3).unwrap_err().retry() else { panic!() };
    clock.set(at.saturating_sub(Duration::from_nanos(1)));
    assert!(limiter.allow(&"peer", 3).is_err());
    clock.set(at);
    assert!(limiter.allow(&"peer", 3).is_ok());
}

#[test]
fn a_charge_goes_back_to_the_peer_it_came_from() {
    let (limiter, _) = bucket::<u32>(64);
    let charges: Vec<_> = (0..32).map(|id| limiter.check(&id, id % 10).unwrap()).collect();
    charges.into_iter().for_each(|charge| limiter.refund(charge));
    assert!((0..32).all(|id| limiter.available(&id) == 10));
}

#[test]
fn looking_takes_nothing() {
    let (limiter, _) = bucket::<&str>(64);
    assert!((0..100).all(|_| limiter.peek(&"peer", 10).is_ok()));
    assert!(limiter.is_empty());
    limiter.allow(&"peer", 10).unwrap();
    assert!(!limiter.is_empty());
    assert_eq!(limiter.peek(&"peer", 1).unwrap_err(), limiter.check(&"peer", 1).unwrap_err());
}

#[test]
fn limits_of_their_own_and_what_they_remember() {
    let (limiter, _) = bucket::<&str>(64);
    let generous = RateLimitConfig::builder().burst_size(50).build().unwrap();
    limiter.allow(&"peer", 6).unwrap();
    limiter.set_limit("peer", generous).unwrap();
    assert_eq!(limiter.get_limit(&"peer"), generous);
    assert_eq!(limiter.get_limit(&"other"), config());
    assert_eq!(limiter.available(&"peer"), 44, "what was spent stays spent");

    assert!(limiter.reset(&"peer"));
    assert!(!limiter.reset(&"nobody"));
    assert_eq!(limiter.available(&"peer"), 50, "forgotten, and its limit kept");
    limiter.allow(&"peer", 50).unwrap();
    limiter.allow(&"other", 10).unwrap();
    limiter.reset_all();
    assert_eq!((limiter.available(&"peer"), limiter.available(&"other")), (50, 10));
    assert!(limiter.remove_limit(&"peer"));
    assert_eq!(limiter.get_limit(&"peer"), config());
}

#[test]
fn as_many_limits_of_their_own_as_were_promised() {
    let limit = RateLimit::new(config());
    let limiter = RateLimiter::builder(limit).pinned(5).build().unwrap();
    for id in 0..5 {
        limiter.set_limit(id, config()).unwrap();
    }
    let mut more = (5..1_000).map(|id| limiter.set_limit(id, config()));
    assert!(more.any(|set| set == Err(SetLimitError::TableFull)));
}

#[test]
fn a_size_that_is_none_is_an_error_that_names_it() {
    for slots in [0, 1, 63, 65, 100] {
        let builder = RateLimiter::<u8, _>::builder(TokenBucket::new(config())).slots(slots);
        assert_eq!(builder.build().unwrap_err().setting(), "slots");
    }
}

/// An id that panics when it is compared, if it is told to.
#[derive(Clone, Debug)]
struct Grenade(bool);

impl Hash for Grenade {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Grenade {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.0 && !other.0, "compared");
        true
    }
}

impl Eq for Grenade {}

#[test]
fn a_panic_under_the_lock_neither_disables_nor_opens_it_pitfall_112() {
    let (limiter, _) = bucket::<Grenade>(64);
    limiter.allow(&Grenade(false), 9).unwrap();
    let panics = limiter.clone();
    assert!(thread::spawn(move || panics.allow(&Grenade(true), 1)).join().is_err());
    assert_eq!(limiter.available(&Grenade(false)), 1);
    assert!(limiter.allow(&Grenade(false), 2).is_err(), "still limiting");
    let panics = limiter.clone();
    assert!(catch_unwind(move || panics.reset(&Grenade(true))).is_err());
    assert!(limiter.allow(&Grenade(false), 1).is_ok(), "still working");
}
