//! A table of peers of fixed size that a flood of invented ids cannot grow, empty or confuse.

mod class;
mod kept;
mod keyed_hash;
mod pinned;
mod places;
mod shard;
mod slot;

pub use class::Class;
pub use kept::Entry;
pub use keyed_hash::KeyedHash;
pub use pinned::{Pinned, SetLimitError};
pub use shard::{Peer, Shard, shard_of};
pub use slot::{Account, Slot};

use super::{Charged, Limit, RateLimit, RateLimitConfig, Reserve};
use crate::config::ConfigError;
use crate::error::RateLimitError;
use crate::outcome::Rejected;
use crate::time::{Instant, earliest};
use core::hash::{BuildHasher, Hash};

/// Slots in a set; an id may lie in any slot of its two sets.
const SET: usize = 8;

/// One limit for each of many peers, in a table of fixed size.
///
/// Use it where peers are told apart by an id that they had to prove: limit *after* authentication.
/// An id that costs nothing to invent (a header, a source port, each of the 2^64 addresses of one
/// IPv6 subscriber: use its /64) gives every request a fresh bucket.
///
/// # Law
///
/// - Whatever ids are invented, what is admitted in all is at most (slots + 1) times what one limit
///   admits (and the pinned ones theirs). With [classes](Self::with_classes) it is at most slots
///   times what the largest burst and the largest rate among them admit, and once what each class
///   admits; in one class it is at most (slots + 1) times what that class admits. (Where a token
///   does not take a whole number of nanoseconds, each change of a slot's class may add the 1 ns by
///   which a bucket can be early.)
/// - A resident peer's state never changes because of others. A slot is handed on only when it is
///   indistinguishable from a fresh one, so nothing is ever forgiven.
/// - Ids are compared in full; no hash value and no id is special.
///
/// # When the table is full
///
/// Ids without a slot share the overflow bucket of their class, or are refused ([`WhenFull`]); there is
/// no failing open. What a peer spent from the overflow bucket is not held against it once it has a slot.
///
/// # Limits of one's own
///
/// [`set_limit`](Self::set_limit) pins an id with its own limit to an entry that nobody else can
/// take. What it has spent stays spent, both ways.
///
/// # Classes
///
/// [`with_classes`](Self::with_classes) adds limits for kinds of peers that you tell apart: class 0
/// is the default (the unknown), 1 could be light clients, 2 validators. Whoever calls says which
/// class a request is in ([`check_in`](Self::check_in)); it has to know, since a class is a privilege.
/// Each class has its own limit and its own overflow bucket, so a flood of invented ids of one class
/// fills the slots, and leaves the overflow bucket of another untouched. An id in two classes is two
/// peers.
///
/// # Cost
///
/// One hash and at most 16 slots looked at, and each pinned entry: keep those few.
///
/// # Storage
///
/// `S` and `P` are arrays on a microcontroller (a `const` [`new`](Self::new)) and boxed slices where
/// there is a heap ([`with_storage`](Self::with_storage)). The table of 64 peers by default takes 64
/// states and 64 keys; a slot for a 32-byte id with a [`TokenBucket`](super::TokenBucket) takes 48
/// bytes.
///
/// ```
/// use resil_core::rate_limit::{KeyedHash, RateLimit, RateLimitConfig, RateLimiter};
/// use resil_core::{ErrorCode, Instant};
///
/// let seed = 0x0123_4567_89ab_cdef; // random and secret in a real program
/// let limit = RateLimit::new(RateLimitConfig::DEFAULT);
/// let mut peers: RateLimiter<[u8; 4]> = RateLimiter::new(limit, KeyedHash::from_seed(seed));
///
/// let now = Instant::from_nanos(1);
/// let (flooder, honest) = ([6; 4], [7; 4]);
/// let admitted = (0..1_000).filter(|_| peers.check(&flooder, 1, now).is_ok()).count();
/// assert_eq!(admitted, 10);
/// assert!(peers.check(&honest, 1, now).is_ok());
/// assert_eq!(peers.allow(&flooder, 1, now).unwrap_err().code(), ErrorCode::RateLimitExceeded);
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter<
    K,
    L: Limit = RateLimit,
    S = [Slot<K, L>; 64],
    P = [Pinned<K, L>; 8],
    H = KeyedHash,
    C = [Class<L>; 0],
> {
    first: Class<L>,
    classes: C,
    shard: Shard<K, L, S>,
    pinned: P,
    when_full: WhenFull,
    hasher: H,
}

/// What becomes of an id for which there is no slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WhenFull {
    /// It shares one bucket with all others without a slot: newcomers get through, slowly.
    #[default]
    Share,
    /// It is refused with [`RateLimitTableFull`](crate::ErrorCode::RateLimitTableFull).
    Refuse,
}

/// What was taken from a peer's limit. Dropping it means spent.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerCharge<C> {
    taken: C,
    place: Place,
    generation: u32,
}

/// Where a peer's state lies, for whoever keeps the parts of a table under locks of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Place {
    /// In the slot of this number.
    Slot(usize),
    /// In the pinned entry of this number.
    Pinned(usize),
    /// In the overflow bucket of this class.
    Overflow(u8),
}

impl<C> PeerCharge<C> {
    /// Where it was taken from.
    #[must_use]
    #[inline]
    pub const fn place(&self) -> Place {
        self.place
    }
}

impl<K, L: Limit, const N: usize, const M: usize, H>
    RateLimiter<K, L, [Slot<K, L>; N], [Pinned<K, L>; M], H>
{
    const SLOTS: () = assert!(N >= SET && N & (SET - 1) == 0, "slots come in eights");

    /// A table of `N` peers, a multiple of 8, and of `M` with limits of their own.
    #[must_use]
    pub const fn new(limit: L, hasher: H) -> Self {
        let () = Self::SLOTS;
        Self {
            first: Class::new(limit),
            classes: [],
            shard: Shard::untagged([const { Slot::EMPTY }; N]),
            pinned: [const { Pinned::EMPTY }; M],
            when_full: WhenFull::Share,
            hasher,
        }
    }
}

impl<K, L, S, P, H> RateLimiter<K, L, S, P, H>
where
    K: Hash + Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    P: AsRef<[Pinned<K, L>]> + AsMut<[Pinned<K, L>]>,
    H: BuildHasher,
{
    /// A table in memory that you bring; whatever was in it is cleared.
    ///
    /// # Errors
    ///
    /// When the number of slots is not a positive multiple of 8, or is above 2^32.
    pub fn with_storage(limit: L, slots: S, mut pinned: P, hasher: H) -> Result<Self, ConfigError> {
        let shard = Shard::new(slots, [], 0)?;
        pinned.as_mut().fill_with(|| Pinned::EMPTY);
        let (first, when_full) = (Class::new(limit), WhenFull::Share);
        Ok(Self { first, classes: [], shard, pinned, when_full, hasher })
    }
}

impl<K, L, S, P, H, C> RateLimiter<K, L, S, P, H, C>
where
    K: Hash + Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    P: AsRef<[Pinned<K, L>]> + AsMut<[Pinned<K, L>]>,
    H: BuildHasher,
    C: AsRef<[Class<L>]> + AsMut<[Class<L>]>,
{
    /// Sets what becomes of an id for which there is no slot. Default [`WhenFull::Share`].
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Admits a request of `cost` from `id`, or says when it will pass.
    ///
    /// # Errors
    ///
    /// The refusal; it has reserved nothing, and given `id` no slot.
    pub fn check(
        &mut self,
        id: &K,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        self.check_in(0, id, cost, now)
    }

    /// [`check`](Self::check) with an error that fits into a [`ResilienceError`].
    ///
    /// # Errors
    ///
    /// The refusal.
    ///
    /// [`ResilienceError`]: crate::error::ResilienceError
    pub fn allow(
        &mut self,
        id: &K,
        tokens: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, RateLimitError> {
        self.check(id, tokens, now).map_err(RateLimitError::new)
    }

    /// What [`check`](Self::check) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn peek(&self, id: &K, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.peek_in(0, id, cost, now)
    }

    /// Takes from `id` what it has cost already, whether it is there or not: bytes that were sent, air
    /// time. See [`Reserve::charge`].
    pub fn charge(&mut self, id: &K, cost: u32, now: Instant) -> Charged
    where
        L: Reserve,
    {
        self.charge_in(0, id, cost, now)
    }

    /// The largest cost that passes from `id` now.
    #[must_use]
    pub fn available(&self, id: &K, now: Instant) -> u32 {
        self.available_in(0, id, now)
    }

    /// Gives back what was taken for a request that was not made after all, as
    /// [`Limit::refund`] does. Once the slot has been reset or handed on it changes nothing.
    pub fn refund(&mut self, charge: PeerCharge<L::Charge>, now: Instant) {
        if let Some((limit, account)) = self.account_mut(charge.place) {
            account.refund(limit, charge, now);
        }
    }

    /// Forgets what `id` has sent in any class, and keeps its own limit; `false` when there was
    /// nothing to forget.
    ///
    /// What it took from an overflow bucket is not forgotten: that bucket is shared.
    pub fn reset(&mut self, id: &K) -> bool {
        let mut found = false;
        for pinned in self.pinned.as_mut().iter_mut().filter(|pinned| pinned.belongs_to(id)) {
            pinned.reset();
            found = true;
        }
        self.shard.reset(id, self.hasher.hash_one(id)) || found
    }

    /// Forgets what every peer has sent, the overflow buckets included, and keeps the limits.
    pub fn reset_all(&mut self) {
        self.shard.reset_all();
        for pinned in self.pinned.as_mut() {
            pinned.reset();
        }
        self.first.overflow.reset();
        for class in self.classes.as_mut() {
            class.overflow.reset();
        }
    }

    /// The configuration in force for `id`: its own, or the default one.
    #[must_use]
    pub fn get_limit(&self, id: &K) -> &RateLimitConfig {
        self.limit_of(0, id).config()
    }

    /// How many ids have a slot or a limit of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        let pinned = self.pinned.as_ref().iter().filter(|pinned| !pinned.is_empty()).count();
        self.shard.len().saturating_add(pinned)
    }

    /// Whether no id has a slot or a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next instant after `now` at which a bucket of the table changes by itself; an overflow bucket
    /// that nobody shares at the time is one too. Looks at every slot.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let slots = self.shard.slots().iter().filter(|slot| slot.key.is_some());
        let slots = slots.map(|slot| self.class(slot.class).limit.next_deadline(&slot.state, now));
        let pinned = self.pinned.as_ref().iter().filter_map(|pinned| {
            let (_, limit) = pinned.owner.as_ref()?;
            limit.next_deadline(&pinned.account.state, now)
        });
        let classes = core::iter::once(&self.first).chain(self.classes.as_ref());
        let classes = classes.map(|class| class.limit.next_deadline(&class.overflow.state, now));
        slots.chain(pinned.map(Some)).chain(classes).fold(None, earliest)
    }
}

#[cfg(test)]
mod tests;
