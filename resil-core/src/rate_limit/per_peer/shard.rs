//! The slots of a table, or those of a part of it that has a lock of its own.

mod find;
mod tags;
#[cfg(test)]
mod tests;

use super::slot::Slot;
use super::{PeerCharge, Place, SET};
use crate::config::ConfigError;
use crate::outcome::Rejected;
use crate::rate_limit::{Carry, Limit};
use crate::time::Instant;
use core::marker::PhantomData;

/// Somebody who asks: an id in a class, and the id's keyed hash.
#[derive(Debug)]
pub struct Peer<'a, K> {
    /// In which class; 0 where there are no others.
    pub class: u8,
    /// Who.
    pub id: &'a K,
    /// What the table's hasher makes of the id: the same every time, and well mixed in all 64 bits.
    pub hash: u64,
}

// By hand: the copy is of the reference, and asks nothing of the id.
impl<K> Copy for Peer<'_, K> {}

impl<K> Clone for Peer<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Slots in sets of eight, and all the decisions on who has which: for an adapter that shares a table
/// between threads, with a lock for each of many shards. [`RateLimiter`](super::RateLimiter) is one
/// shard with all that belongs to a table; use that wherever there is one owner.
///
/// # Laws
///
/// - An id has at most one slot in each class, in one of two sets that its hash names. Whether a slot
///   is an id's is decided by comparing ids in full: ids whose hashes are equal compete for the same 16
///   slots, and never share one.
/// - A slot is handed on only when it is indistinguishable from a fresh one.
/// - A refused newcomer gets no slot.
///
/// An adapter keeps those of the whole table: it sends equal hashes to the same shard, and charges
/// whoever gets no slot to one [account](super::Account) of his class.
///
/// # Tags
///
/// `T` is one word for each set, or nothing (`[u64; 0]`). The word has a byte of the hash of each
/// resident, so that of the 16 slots only those are read, as a rule, that hold the id: at a million
/// peers the words fit into a processor's cache, and the slots do not.
///
/// # Cost
///
/// A resident: the two words and his slot. A newcomer: the 16 slots.
///
/// ```
/// use resil_core::Instant;
/// use resil_core::rate_limit::{Peer, RateLimitConfig, Shard, Slot, TokenBucket};
///
/// const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);
/// let slots: Box<[Slot<u64, TokenBucket>]> = (0..64).map(|_| Slot::EMPTY).collect();
/// let mut shard = Shard::new(slots, vec![0; 8].into_boxed_slice(), 0)?;
/// let (peer, now) = (Peer { class: 0, id: &7, hash: 0x0123_4567_89ab_cdef }, Instant::EPOCH);
/// let answer = shard.check(peer, 10, now, |_| &LIMIT);
/// assert!(answer.expect("there is a slot").is_ok());
/// # Ok::<(), resil_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shard<K, L, S, T = [u64; 0]> {
    slots: S,
    tags: T,
    base: usize,
    holds: PhantomData<fn() -> (K, L)>,
}

impl<K, L, S> Shard<K, L, S> {
    /// Slots that are empty and of the right number.
    pub(super) const fn untagged(slots: S) -> Self {
        Self { slots, tags: [], base: 0, holds: PhantomData }
    }
}

/// Which of so many shards an id with this hash belongs to; 0 where there are none. By other bits than
/// those that pick a set in it.
#[must_use]
#[inline]
pub const fn shard_of(hash: u64, shards: usize) -> usize {
    let middle = (hash >> 16) & u32::MAX as u64;
    (middle.wrapping_mul(shards as u64) >> 32) as usize
}

impl<K, L, S, T> Shard<K, L, S, T>
where
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    T: AsRef<[u64]> + AsMut<[u64]>,
{
    /// A shard in memory that you bring; whatever was in it is cleared. Its slots are numbered from
    /// `base` in the [places](PeerCharge::place) of its charges.
    ///
    /// # Errors
    ///
    /// When the number of slots is not a positive multiple of 8, or is above 2^32, or there are tags
    /// and not one word for each 8 slots.
    pub fn new(slots: S, tags: T, base: usize) -> Result<Self, ConfigError> {
        let count = slots.as_ref().len();
        if count < SET || !count.is_multiple_of(SET) || u32::try_from(count).is_err() {
            return Err(ConfigError::new(
                "slots",
                "slots must be a positive multiple of 8, and fewer than 2^32",
            ));
        }
        let words = tags.as_ref().len();
        if words > 0 && words.checked_mul(SET) != Some(count) {
            return Err(ConfigError::new("tags", "tags must be none or one word for 8 slots"));
        }
        let mut shard = Self { slots, tags, base, holds: PhantomData };
        shard.slots.as_mut().fill_with(|| Slot::EMPTY);
        shard.tags.as_mut().fill(0);
        Ok(shard)
    }

    /// Forgets everybody. Charges from before are not refunded.
    pub fn reset_all(&mut self) {
        for slot in self.slots.as_mut() {
            slot.vacate();
        }
    }

    /// Gives everyone in a class another limit in place of `old`: each goes on with what was spent or with
    /// the share that was left. Charges from before are not refunded. Looks at every slot; with
    /// [`Carry::Share`] it divides.
    pub fn carry(&mut self, class: u8, limit: &L, old: &L, carry: Carry, now: Instant) {
        let slots = self.slots.as_mut().iter_mut();
        for slot in slots.filter(|slot| slot.class == class && slot.key.is_some()) {
            slot.account().carry(limit, old, carry, now);
        }
    }

    /// How many ids have a slot. Looks at every one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.as_ref().iter().filter(|slot| slot.key.is_some()).count()
    }

    /// Whether no id has a slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn slots(&self) -> &[Slot<K, L>] {
        self.slots.as_ref()
    }

    #[inline]
    pub(super) fn slots_mut(&mut self) -> &mut [Slot<K, L>] {
        self.slots.as_mut()
    }

    /// The slot that a place in this shard names.
    #[inline]
    fn at(&mut self, index: usize) -> Option<&mut Slot<K, L>> {
        self.slots.as_mut().get_mut(index.checked_sub(self.base)?)
    }

    /// Gives back what [`check`](Self::check) took, as [`Limit::refund`] does; nothing once the slot
    /// has been reset or handed on.
    pub fn refund<'l>(
        &mut self,
        charge: PeerCharge<L::Charge>,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
    ) where
        L: 'l,
    {
        let Place::Slot(index) = charge.place else { return };
        if let Some(slot) = self.at(index) {
            let limit = limits(slot.class);
            slot.account().refund(limit, charge, now);
        }
    }

    /// Where the two sets start that `hash` names.
    #[inline]
    pub(super) fn sets(&self, hash: u64) -> [usize; 2] {
        let sets = (self.slots.as_ref().len() / SET) as u64;
        let pick = |half: u64| ((half.wrapping_mul(sets) >> 32) as usize).wrapping_mul(SET);
        [pick(hash & u64::from(u32::MAX)), pick(hash >> 32)]
    }

    #[inline]
    fn set(&self, start: usize) -> &[Slot<K, L>] {
        self.slots.as_ref().get(start..start.saturating_add(SET)).unwrap_or_default()
    }

    fn set_mut(&mut self, start: usize) -> &mut [Slot<K, L>] {
        self.slots.as_mut().get_mut(start..start.saturating_add(SET)).unwrap_or_default()
    }

    /// A slot that somebody with this hash may have: in the emptier of his sets, which keeps both
    /// from filling up.
    pub(super) fn vacant<'l>(
        &self,
        hash: u64,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
    ) -> Option<usize>
    where
        L: 'l,
    {
        let [first, second] = self.sets(hash).map(|start| {
            let (mut count, mut found) = (0_usize, None);
            for (index, slot) in (start..).zip(self.set(start)) {
                if slot.is_vacant(limits(slot.class), now) {
                    count = count.saturating_add(1);
                    found = found.or(Some(index));
                }
            }
            (count, found)
        });
        if second.0 > first.0 { second.1 } else { first.1 }
    }

    /// Peers that have gone away do not ask any more, so after a clock has stepped back nobody else
    /// would see to it that their slots become fresh again within one refill.
    #[cold]
    pub(super) fn reanchor<'l>(&mut self, hash: u64, now: Instant, limits: impl Fn(u8) -> &'l L)
    where
        L: 'l,
    {
        for start in self.sets(hash) {
            for slot in self.set_mut(start) {
                limits(slot.class).reanchor(&mut slot.state, now);
            }
        }
    }
}

impl<K, L, S, T> Shard<K, L, S, T>
where
    K: Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    T: AsRef<[u64]> + AsMut<[u64]>,
{
    /// Admits a request of `cost` from `peer`, or says when it will pass; `None` when there is no slot
    /// for him, which nothing but a later instant or a reset changes.
    ///
    /// `limits` says which limit a class has.
    #[inline]
    pub fn check<'l>(
        &mut self,
        peer: Peer<'_, K>,
        cost: u32,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
    ) -> Option<Result<PeerCharge<L::Charge>, Rejected>>
    where
        L: 'l,
    {
        let base = self.base;
        if let Some(index) = self.find(peer)
            && let Some(slot) = self.slots.as_mut().get_mut(index)
        {
            let place = Place::Slot(base.saturating_add(index));
            return Some(slot.account().try_acquire(limits(peer.class), place, cost, now));
        }
        self.check_newcomer(peer, cost, now, limits)
    }

    /// [`check`](Self::check) for a peer who most likely has a slot, under the limit of his class; `None`
    /// where that is not seen at once: then ask `check`.
    #[inline(always)] // so that what a caller does not read is not made
    pub fn check_resident(
        &mut self,
        peer: Peer<'_, K>,
        cost: u32,
        now: Instant,
        limit: &L,
    ) -> Option<Result<PeerCharge<L::Charge>, Rejected>> {
        let index = self.likely(peer.hash)?;
        let place = Place::Slot(self.base.saturating_add(index));
        let slot = self.slots.as_mut().get_mut(index)?;
        if !slot.belongs_to(peer.class, peer.id) {
            return None;
        }
        Some(slot.account().try_acquire(limit, place, cost, now))
    }

    /// [`check`](Self::check) for one who has no slot.
    #[cold]
    fn check_newcomer<'l>(
        &mut self,
        peer: Peer<'_, K>,
        cost: u32,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
    ) -> Option<Result<PeerCharge<L::Charge>, Rejected>>
    where
        L: 'l,
    {
        let Some(index) = self.vacant(peer.hash, now, &limits) else {
            self.reanchor(peer.hash, now, limits);
            return None;
        };
        let generation = self.slots.as_ref().get(index)?.generation.wrapping_add(1);
        let mut state = L::FRESH;
        let taken = match limits(peer.class).try_acquire(&mut state, cost, now) {
            Ok(taken) => taken,
            Err(rejected) => return Some(Err(rejected)),
        };
        if cost > 0 {
            self.give(index, peer.class, peer.id.clone(), peer.hash, state);
        }
        let place = Place::Slot(self.base.saturating_add(index));
        Some(Ok(PeerCharge { taken, place, generation }))
    }

    /// Asks the limit and the state that answer for `peer`; `None` when there is no slot for him.
    pub fn look_up<'l, A>(
        &self,
        peer: Peer<'_, K>,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
        ask: impl FnOnce(&L, &L::State) -> A,
    ) -> Option<A>
    where
        L: 'l,
    {
        let limit = limits(peer.class);
        if let Some(slot) = self.find(peer).and_then(|index| self.slots.as_ref().get(index)) {
            return Some(ask(limit, &slot.state));
        }
        self.vacant(peer.hash, now, limits)?;
        Some(ask(limit, &L::FRESH))
    }

    /// Gives a vacant slot to somebody who has `state`. The tag comes first: it hides nobody but the
    /// one before, to whom the slot was as good as none.
    pub(super) fn give(&mut self, index: usize, class: u8, id: K, hash: u64, state: L::State) {
        let Some(slot) = self.slots.as_mut().get_mut(index) else { return };
        if let Some(word) = self.tags.as_mut().get_mut(index / SET) {
            *word = tags::with(*word, index % SET, hash);
        }
        let generation = slot.generation.wrapping_add(1);
        *slot = Slot { key: Some(id), class, generation, state };
    }

    /// Gives a slot to an id that comes with a state; `false` when there is none for it.
    ///
    /// In the lower of its sets, if it can be: so those who had a slot all find one again in an empty
    /// shard, if they come in the order of their slots. None of them lay below his lower set, so nobody
    /// has been put into a set when its own come, and these are no more than fit.
    pub fn adopt<'l>(
        &mut self,
        class: u8,
        id: K,
        hash: u64,
        state: L::State,
        now: Instant,
        limits: impl Fn(u8) -> &'l L,
    ) -> bool
    where
        L: 'l,
    {
        let [one, other] = self.sets(hash);
        let vacant = [one.min(other), one.max(other)].into_iter().find_map(|start| {
            let mut set = (start..).zip(self.set(start));
            set.find_map(|(index, slot)| slot.is_vacant(limits(slot.class), now).then_some(index))
        });
        let is_given = vacant.is_some();
        if let Some(index) = vacant {
            self.give(index, class, id, hash, state);
        }
        is_given
    }

    /// Takes the slot away from an id that is given a place elsewhere, in the first of the classes 0 to
    /// `last` in which it has one, and tells that class and what it owes there.
    pub fn take(&mut self, last: u8, id: &K, hash: u64) -> Option<(u8, L::State)> {
        (0..=last).find_map(|class| {
            let index = self.find(Peer { class, id, hash })?;
            let slot = self.slots.as_mut().get_mut(index)?;
            let state = slot.state.clone();
            slot.vacate();
            Some((class, state))
        })
    }

    /// Forgets what an id has sent in any class; `false` when there was nothing to forget.
    pub fn reset(&mut self, id: &K, hash: u64) -> bool {
        let mut found = false;
        for start in self.sets(hash) {
            for slot in self.set_mut(start).iter_mut().filter(|slot| slot.key.as_ref() == Some(id))
            {
                slot.account().hand_over(L::FRESH);
                found = true;
            }
        }
        found
    }
}
