//! Core's table in shards, each behind a lock of its own.

use core::hash::{BuildHasher, Hash};
use std::sync::Arc;

use resil_core::outcome::Rejected;
use resil_core::rate_limit::{
    Account, Carry, Limit, Peer, PeerCharge, Pinned, Place, RateLimitConfig, SetLimitError, Shard,
    Slot, WhenFull, shard_of,
};
use resil_core::{Clock, ConfigError, Instant};

use super::pinned::PinnedEntries;
use crate::sync::{Mutex, MutexGuard, lock};

/// Slots in a set, for which there is one word of tags.
const SET: usize = 8;

type Slots<K, L> = Shard<K, L, Box<[Slot<K, L>]>, Box<[u64]>>;

/// Alone in its cache line, so that nobody waits for a lock that others take beside it.
#[repr(align(64))]
struct Line<V>(Mutex<V>);

/// The limits of all classes. Each lock guards a reference to those that what it guards is judged by, so
/// that they change together; the limits themselves are one for all, and stay in the caches of all.
struct Limits<L> {
    first: L,
    others: Box<[L]>,
}

/// What one lock guards of the slots.
struct Part<K, L: Limit> {
    slots: Slots<K, L>,
    limits: Arc<Limits<L>>,
}

/// What those of a class share who have no slot.
struct Overflow<L: Limit> {
    account: Account<L>,
    limits: Arc<Limits<L>>,
}

/// A table that threads share.
///
/// Both sets of an id lie in one shard, so a decision takes one lock. It takes another one only after
/// it has let go of that: of an id's own limit, or of the overflow bucket of its class. The clock is
/// read under the lock of the state that is judged by it, which thus sees time in order.
pub(super) struct Table<K, L: Limit, H> {
    shards: Box<[Line<Part<K, L>>]>,
    /// Slot numbers from one shard to the next.
    stride: usize,
    first: Line<Overflow<L>>,
    others: Box<[Line<Overflow<L>>]>,
    pinned: PinnedEntries<K, L>,
    when_full: WhenFull,
    hasher: H,
}

impl<L> Limits<L> {
    /// The limit of the class of this number; of the first where there is none.
    #[inline]
    fn of(&self, class: u8) -> &L {
        let index = usize::from(class).checked_sub(1);
        index.and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }

    /// The same with another limit for a class; `None` where there is none of this number.
    fn with(&self, class: u8, limit: L) -> Option<Self>
    where
        L: Clone,
    {
        let Self { mut first, mut others } =
            Self { first: self.first.clone(), others: self.others.clone() };
        match usize::from(class).checked_sub(1) {
            None => first = limit,
            Some(index) => *others.get_mut(index)? = limit,
        }
        Some(Self { first, others })
    }
}

/// How a table of so many slots is cut.
///
/// The more shards, the less often two threads meet at one; the larger a shard, the less the numbers of
/// peers in them differ from each other. A quarter of the root keeps both: 8 of 128 slots, which 600
/// peers fill to 6 standard deviations below their size, or 250 of 4,000.
fn shards_of(slots: usize) -> usize {
    (slots.isqrt() / 4).max(1)
}

impl<K: Hash + Eq + Clone, L: Limit, H: BuildHasher> Table<K, L, H> {
    pub(super) fn new(
        limit: L,
        classes: Vec<L>,
        slots: usize,
        pinned: usize,
        when_full: WhenFull,
        hasher: H,
    ) -> Result<Self, ConfigError> {
        // A remainder would be lost in whole sets: the shard that would be, tells.
        let sets = slots / SET;
        let count = if slots.is_multiple_of(SET) { shards_of(slots) } else { 1 };
        let stride = sets.div_ceil(count).saturating_mul(SET);
        let cut = |index: usize| index.saturating_mul(sets).checked_div(count).unwrap_or(0);
        if classes.len() > u8::MAX.into() {
            let why = "classes must be at most 255 beside the first";
            return Err(ConfigError::new("classes", why));
        }
        let limits = Arc::new(Limits { first: limit, others: classes.into() });
        let overflow = || {
            let limits = Arc::clone(&limits);
            Line(Mutex::new(Overflow { account: Account::FRESH, limits }))
        };
        let shard = |index: usize| {
            let sets = cut(index.saturating_add(1)).saturating_sub(cut(index));
            let slots = if count == 1 { slots } else { sets.saturating_mul(SET) };
            let slots = (0..slots).map(|_| Slot::EMPTY).collect();
            let tags = vec![0; sets].into_boxed_slice();
            let slots = Shard::new(slots, tags, index.saturating_mul(stride))?;
            Ok(Line(Mutex::new(Part { slots, limits: Arc::clone(&limits) })))
        };
        Ok(Self {
            shards: (0..count).map(shard).collect::<Result<_, _>>()?,
            stride,
            first: overflow(),
            others: limits.others.iter().map(|_| overflow()).collect(),
            pinned: PinnedEntries::new(pinned),
            when_full,
            hasher,
        })
    }

    /// Decides, and tells `then` the answer and the instant of it once the lock is free again. Whoever has
    /// a slot is answered in line, so that what `then` does not read is not made; all else is apart.
    #[inline(always)]
    pub(super) fn check<R>(
        &self,
        class: u8,
        id: &K,
        cost: u32,
        clock: &impl Clock,
        then: impl FnOnce(Result<PeerCharge<L::Charge>, Rejected>, Instant) -> R,
    ) -> R {
        let peer = self.peer(class, id);
        let mut shard = self.shard(peer.hash);
        if self.pinned.names(peer.hash) {
            drop(shard);
            let (answer, now) = self.check_pinned(peer, cost, clock);
            return then(answer, now);
        }
        let now = clock.now();
        let Part { slots, limits } = &mut *shard;
        if let Some(answer) = slots.check_resident(peer, cost, now, limits.of(peer.class)) {
            drop(shard);
            return then(answer, now);
        }
        let (answer, now) = self.check_newcomer(shard, peer, cost, now, clock);
        then(answer, now)
    }

    /// [`check`](Self::check) for somebody who has neither a slot nor a limit of his own as long as
    /// `shard` is held.
    #[cold]
    #[inline(never)]
    fn check_newcomer(
        &self,
        mut shard: MutexGuard<'_, Part<K, L>>,
        peer: Peer<'_, K>,
        cost: u32,
        now: Instant,
        clock: &impl Clock,
    ) -> (Result<PeerCharge<L::Charge>, Rejected>, Instant) {
        let Part { slots, limits } = &mut *shard;
        if let Some(answer) = slots.check(peer, cost, now, |class| limits.of(class)) {
            return (answer, now);
        }
        drop(shard);
        self.check_overflow(peer.class, cost, clock)
    }

    #[cold]
    #[inline(never)]
    fn check_overflow(
        &self,
        class: u8,
        cost: u32,
        clock: &impl Clock,
    ) -> (Result<PeerCharge<L::Charge>, Rejected>, Instant) {
        let mut overflow = lock(&self.overflow(class).0);
        let Overflow { account, limits } = &mut *overflow;
        let (limit, now) = (limits.of(class), clock.now());
        let answer = if self.when_full.refuses(cost) {
            Err(WhenFull::refusal(limit, cost, now))
        } else {
            account.check(limit, Place::Overflow(class), cost, now)
        };
        (answer, now)
    }

    #[cold]
    #[inline(never)]
    fn check_pinned(
        &self,
        peer: Peer<'_, K>,
        cost: u32,
        clock: &impl Clock,
    ) -> (Result<PeerCharge<L::Charge>, Rejected>, Instant) {
        let check = || {
            let (index, mut entry) = self.pinned.of(peer.id, peer.hash)?;
            let now = clock.now();
            Some((entry.check(Place::Pinned(index), cost, now)?, now))
        };
        check().unwrap_or_else(|| {
            // Of another id, or taken away just now. Nobody gives or takes one from here on.
            let _unchanging = self.pinned.changes();
            check().unwrap_or_else(|| {
                let shard = self.shard(peer.hash);
                let now = clock.now();
                self.check_newcomer(shard, peer, cost, now, clock)
            })
        })
    }

    /// Asks the limit and the state that answer for `id`; `None` when it would be refused a slot.
    pub(super) fn look_up<A>(
        &self,
        class: u8,
        id: &K,
        clock: &impl Clock,
        ask: impl Fn(&L, &L::State, Instant) -> A,
    ) -> (Option<A>, Instant) {
        let peer = self.peer(class, id);
        let mut shard = self.shard(peer.hash);
        let mut _unchanging = None;
        if self.pinned.names(peer.hash) {
            drop(shard);
            _unchanging = Some(self.pinned.changes());
            if let Some((_, entry)) = self.pinned.of(id, peer.hash)
                && let Some((limit, state)) = entry.limit_and_state()
            {
                let now = clock.now();
                return (Some(ask(limit, state, now)), now);
            }
            shard = self.shard(peer.hash);
        }
        let now = clock.now();
        let Part { slots, limits } = &*shard;
        let limits = |class| limits.of(class);
        let answer = slots.look_up(peer, now, limits, |limit, state| ask(limit, state, now));
        drop(shard);
        if answer.is_some() || self.when_full == WhenFull::Refuse {
            return (answer, now);
        }
        let overflow = lock(&self.overflow(peer.class).0);
        let Overflow { account, limits } = &*overflow;
        let now = clock.now();
        (Some(ask(limits.of(peer.class), account.state(), now)), now)
    }

    /// The refusal of who has no slot where nobody shares.
    pub(super) fn table_full(&self, class: u8, cost: u32, now: Instant) -> Rejected {
        let overflow = lock(&self.overflow(class).0);
        WhenFull::refusal(overflow.limits.of(class), cost, now)
    }

    pub(super) fn refund(&self, charge: PeerCharge<L::Charge>, clock: &impl Clock) {
        match charge.place() {
            Place::Slot(index) => {
                let shard = index.checked_div(self.stride).and_then(|index| self.shards.get(index));
                let Some(shard) = shard else { return };
                let mut shard = lock(&shard.0);
                let Part { slots, limits } = &mut *shard;
                slots.refund(charge, clock.now(), |class| limits.of(class));
            }
            Place::Pinned(index) => {
                let Some(mut entry) = self.pinned.entry(index) else { return };
                entry.refund(charge, clock.now());
            }
            Place::Overflow(class) => {
                let mut overflow = lock(&self.overflow(class).0);
                let Overflow { account, limits } = &mut *overflow;
                account.refund(limits.of(class), charge, clock.now());
            }
        }
    }

    pub(super) fn set_limit(
        &self,
        id: K,
        limit: L,
        clock: &impl Clock,
    ) -> Result<(), SetLimitError> {
        let hash = self.hasher.hash_one(&id);
        let _change = self.pinned.changes();
        if let Some((_, mut entry)) = self.pinned.of(&id, hash) {
            entry.set_limit(limit, clock.now());
            return Ok(());
        }
        let (index, mut entry) = self.pinned.free().ok_or(SetLimitError::TableFull)?;
        let mut shard = self.shard(hash);
        let Part { slots, limits } = &mut *shard;
        let now = clock.now();
        let spent = slots.take(self.last_class(), &id, hash);
        let owed = spent.as_ref().map(|(class, state)| (limits.of(*class), state));
        entry.give(id, limit, owed, now);
        self.pinned.publish(index, Some(hash));
        Ok(())
    }

    pub(super) fn remove_limit(&self, id: &K, clock: &impl Clock) -> bool {
        let hash = self.hasher.hash_one(id);
        let _change = self.pinned.changes();
        let Some((index, mut entry)) = self.pinned.of(id, hash) else { return false };
        let mut shard = self.shard(hash);
        let Part { slots, limits } = &mut *shard;
        let now = clock.now();
        let Some((id, state)) = entry.take(&limits.first, now) else { return false };
        self.pinned.publish(index, None);
        slots.adopt(0, id, hash, state, now, |class| limits.of(class));
        true
    }

    /// One shard after the other, and then what they share: each is locked for as long as its own slots
    /// take.
    pub(super) fn set_class(&self, class: u8, limit: L, carry: Carry, clock: &impl Clock) -> bool
    where
        L: Clone,
    {
        // So there is one change at a time, and nobody is moved between a slot and a limit of his own.
        let _change = self.pinned.changes();
        let old = Arc::clone(&lock(&self.first.0).limits);
        let Some(new) = old.with(class, limit) else { return false };
        let new = Arc::new(new);
        let (from, to) = (old.of(class), new.of(class));
        for shard in &self.shards {
            let mut shard = lock(&shard.0);
            shard.slots.carry(class, to, from, carry, clock.now());
            shard.limits = Arc::clone(&new);
        }
        for (number, overflow) in (0..=u8::MAX).zip(self.overflows()) {
            let mut overflow = lock(&overflow.0);
            if number == class {
                overflow.account.carry(to, from, carry, clock.now());
            }
            overflow.limits = Arc::clone(&new);
        }
        true
    }

    pub(super) fn get_limit(&self, class: u8, id: &K) -> RateLimitConfig {
        let hash = self.hasher.hash_one(id);
        let _unchanging = self.pinned.changes();
        let own = self.pinned.of(id, hash);
        match own.as_ref().and_then(|(_, entry)| entry.limit_and_state()) {
            Some((limit, _)) => *limit.config(),
            None => *self.shard(hash).limits.of(class).config(),
        }
    }

    pub(super) fn reset(&self, id: &K) -> bool {
        let hash = self.hasher.hash_one(id);
        let _unchanging = self.pinned.changes();
        let own = self.pinned.of(id, hash).map(|(_, mut entry)| entry.reset());
        self.shard(hash).slots.reset(id, hash) || own.is_some()
    }

    pub(super) fn reset_all(&self) {
        let _unchanging = self.pinned.changes();
        self.shards.iter().for_each(|shard| lock(&shard.0).slots.reset_all());
        self.pinned.all().for_each(|mut entry| entry.reset());
        self.overflows().for_each(|overflow| lock(&overflow.0).account.reset());
    }

    pub(super) fn len(&self) -> usize {
        let _unchanging = self.pinned.changes();
        let slots = self.shards.iter().map(|shard| lock(&shard.0).slots.len());
        let pinned = self.pinned.all().filter(|entry| !Pinned::is_empty(entry)).count();
        slots.fold(pinned, usize::saturating_add)
    }

    /// What the class of this number shares; the first where there is none.
    fn overflow(&self, class: u8) -> &Line<Overflow<L>> {
        let index = usize::from(class).checked_sub(1);
        index.and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }

    /// By class.
    fn overflows(&self) -> impl Iterator<Item = &Line<Overflow<L>>> {
        core::iter::once(&self.first).chain(&self.others)
    }

    fn last_class(&self) -> u8 {
        u8::try_from(self.others.len()).unwrap_or(u8::MAX)
    }

    /// Who asks. A class that there is not is the first.
    #[inline(always)]
    fn peer<'a>(&self, class: u8, id: &'a K) -> Peer<'a, K> {
        let class = if class <= self.last_class() { class } else { 0 };
        Peer { class, id, hash: self.hasher.hash_one(id) }
    }

    #[inline(always)]
    fn shard(&self, hash: u64) -> MutexGuard<'_, Part<K, L>> {
        let shard = self.shards.get(shard_of(hash, self.shards.len()));
        lock(&shard.expect("a number below the number of shards").0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
