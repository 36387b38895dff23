//! The same work, done by each.

use core::cell::Cell;
use core::fmt::Write as _;
use core::hash::BuildHasher;
use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use governor::nanos::Nanos;
use resil_core::rate_limit::{
    self as machine, KeyedHash, Limit, Pinned, RateLimit, RateLimitConfig, Slot, TokenBucket,
};
use resil_core::{Clock, Instant};
use resil_std::rate_limit::RateLimiter;
use rustc_hash::FxBuildHasher;

use crate::heap;
use crate::ids::{Id, mixed};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but making the ids.
    Loop,
    /// The least that can be done, written by hand: it forgets, and takes ids for the same whose 64 bits
    /// of hash are.
    Floor,
    Peer,
    Resil,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Floor => "floor",
            Self::Peer => "peer",
            Self::Resil => "resil",
        }
    }
}

/// How many of these ids are admitted.
pub(crate) type Batch = Box<dyn FnMut(&[u32]) -> usize>;

/// A named batch.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) batch: Batch,
}

/// A clock that costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Hand(Rc<Cell<u64>>);

impl Hand {
    pub(crate) fn set(&self, nanos: u64) {
        self.0.set(nanos);
    }
}

impl governor::clock::Clock for Hand {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

impl Clock for Hand {
    #[inline]
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.get())
    }
}

/// A token a nanosecond, so many at once that nobody is ever denied.
pub(crate) fn generous() -> RateLimitConfig {
    let second = Duration::from_secs(1);
    let config = RateLimitConfig::builder().max_requests(1_000_000_000).time_window(second);
    config.burst_size(4_000_000_000).build().expect("valid")
}

fn quota() -> governor::Quota {
    let burst = NonZeroU32::new(4_000_000_000).expect("not zero");
    governor::Quota::with_period(Duration::from_nanos(1)).expect("not zero").allow_burst(burst)
}

pub(crate) type Governor<K, S> = governor::RateLimiter<
    K,
    governor::state::keyed::DashMapStateStore<K, S>,
    Hand,
    governor::middleware::NoOpMiddleware<Nanos>,
>;

/// Governor over its default map, which is sharded.
pub(crate) fn governor<K: Id, S: BuildHasher + Default + Clone>(
    quota: governor::Quota,
    clock: Hand,
    hasher: S,
) -> Governor<K, S> {
    governor::RateLimiter::dashmap_with_clock_and_hasher(quota, clock, hasher)
}

/// Slots for so many ids, seven eighths of them taken.
pub(crate) fn slots_for(ids: usize) -> usize {
    (ids * 8 / 7).next_multiple_of(8)
}

/// A line of four hashes and four instants for each four ids, half of them taken; a hash that finds its
/// line full displaces another one. What was written for the survey of the peers.
struct Lines<S> {
    lines: Vec<[(u64, u64); 4]>,
    hasher: S,
}

impl<S: BuildHasher> Lines<S> {
    fn new(ids: usize, hasher: S) -> Self {
        Self { lines: vec![[(0, 0); 4]; ids.div_ceil(2)], hasher }
    }

    #[inline(always)]
    fn ask<K: Id>(&mut self, id: &K, now: u64) -> bool {
        let hash = self.hasher.hash_one(id);
        let index = ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize;
        let line = &mut self.lines[index];
        let place = line.iter().position(|(held, _)| *held == hash);
        let place = place.or_else(|| line.iter().position(|(_, full_at)| *full_at == 0));
        let (held, full_at) = &mut line[place.unwrap_or((hash & 3) as usize)];
        if *held != hash {
            (*held, *full_at) = (hash, 0);
        }
        let from = (*full_at).max(now);
        let admitted = from - now < 4_000_000_000;
        if admitted {
            *full_at = from + 1;
        }
        admitted
    }
}

/// What a limiter of many ids is made from, and asked; and notes on its bytes.
struct Field<K> {
    size: usize,
    /// Of resil's forms only the one that one gets.
    is_brief: bool,
    contenders: Vec<Contender>,
    notes: String,
    id: core::marker::PhantomData<K>,
}

impl<K: Id> Field<K> {
    /// Lets a contender see every id once, and weighs it.
    fn enter<A: FnMut(&K) -> bool + 'static>(
        &mut self,
        name: &'static str,
        kind: Kind,
        make: impl FnOnce(usize) -> A,
    ) {
        if self.leaves_out(name, kind) {
            return;
        }
        let before = heap::held();
        let mut ask = make(self.size);
        let admitted = (0..self.size as u64).filter(|number| ask(&K::of(*number))).count();
        assert_eq!(admitted, self.size, "{name}");
        let bytes = (heap::held() - before) as f64 / self.size as f64;
        let _ = writeln!(self.notes, "  {name:36}{bytes:8.1} B on the heap for an id");
        // Some at a time, as they come out of a buffer: no processor hands what was written word by word
        // an instant ago to a hash that reads wider words, and no message is that fresh.
        let batch = move |numbers: &[u32]| {
            let mut admitted = 0;
            for numbers in numbers.chunks(64) {
                let mut ids = [K::of(0); 64];
                for (id, number) in ids.iter_mut().zip(numbers) {
                    *id = K::of(u64::from(*number));
                }
                let ids = core::hint::black_box(&ids).iter().take(numbers.len());
                admitted += ids.filter(|id| ask(id)).count();
            }
            admitted
        };
        self.contenders.push(Contender { name, kind, batch: Box::new(batch) });
    }

    fn leaves_out(&self, name: &str, kind: Kind) -> bool {
        self.is_brief && kind == Kind::Resil && name != "resil"
    }

    /// resil's limiter, at a tenth of free slots; how many ids have found none.
    fn resil<L: Limit + 'static, H: BuildHasher + 'static>(
        &mut self,
        name: &'static str,
        limit: L,
        hasher: H,
    ) {
        if self.leaves_out(name, Kind::Resil) {
            return;
        }
        let slots = slots_for(self.size);
        let builder = RateLimiter::<K, L>::builder(limit).slots(slots).clock(Hand::default());
        let before = heap::held();
        let limiter = builder.hasher(hasher).build().expect("a multiple of 8");
        let built = heap::held() - before;
        let handle = limiter.clone();
        self.enter(name, Kind::Resil, |_| move |id: &K| handle.allow(id, 1).is_ok());
        let outside = self.size - limiter.len();
        let bytes = built as f64 / self.size as f64;
        let _ = writeln!(
            self.notes,
            "  {:36}{bytes:8.1} B from the start, {slots} slots, {outside} ids without one",
            ""
        );
    }
}

pub(crate) fn all<K: Id>(size: usize) -> (Vec<Contender>, String) {
    let (contenders, notes, id) = (Vec::new(), String::new(), core::marker::PhantomData::<K>);
    let is_brief = std::env::args().any(|word| word == "--brief");
    let mut field = Field { size, is_brief, contenders, notes, id };
    field.enter("making the id", Kind::Loop, |_| |id: &K| core::hint::black_box(id) == id);
    field.enter("floor: lines of 4, fxhash", Kind::Floor, |size| {
        let mut lines = Lines::new(size, FxBuildHasher);
        move |id| lines.ask(id, 1)
    });
    let clock = Hand::default();
    clock.set(1);
    field.enter("governor, its default hash", Kind::Peer, |_| {
        let limiter = governor::<K, _>(quota(), clock.clone(), RandomState::new());
        move |id| limiter.check_key(id).is_ok()
    });
    field.enter("governor, fxhash", Kind::Peer, |_| {
        let limiter = governor::<K, _>(quota(), clock.clone(), FxBuildHasher);
        move |id| limiter.check_key(id).is_ok()
    });
    field.enter("moka, a governor each (by hand)", Kind::Peer, |size| {
        let cache = moka::sync::Cache::builder().max_capacity(2 * size as u64);
        let cache = cache.build_with_hasher(FxBuildHasher);
        let clock = governor::clock::FakeRelativeClock::default();
        move |id: &K| {
            let new = || Arc::new(governor::RateLimiter::direct_with_clock(quota(), clock.clone()));
            cache.get_with(*id, new).check().is_ok()
        }
    });
    field.enter("resil-core's table, SipHash, one lock", Kind::Resil, |size| {
        let slots: Box<[Slot<K, _>]> = (0..slots_for(size)).map(|_| Slot::EMPTY).collect();
        let none: Box<[Pinned<K, _>]> = Box::new([]);
        let hash = KeyedHash::from_seed(mixed(7).into());
        let limit = TokenBucket::new(generous());
        let table = machine::RateLimiter::with_storage(limit, slots, none, hash);
        let table = Mutex::new(table.expect("a multiple of 8"));
        move |id| {
            let mut table = table.lock().expect("not poisoned");
            table.check(id, 1, Instant::from_nanos(1)).is_ok()
        }
    });
    let (bucket, default) =
        (TokenBucket::new(generous()), resil_std::rate_limit::RandomHash::new());
    field.resil("resil", bucket.clone(), default.clone());
    field.resil("resil, SipHash", bucket, KeyedHash::from_seed(mixed(8).into()));
    field.resil("resil, fxhash", TokenBucket::new(generous()), FxBuildHasher);
    let both = RateLimitConfig::builder().max_requests(u32::MAX).burst_size(u32::MAX);
    let both = both.time_window(Duration::from_secs(3_600)).build().expect("valid");
    field.resil("resil, bucket and window", RateLimit::new(both), default);
    (field.contenders, field.notes)
}
