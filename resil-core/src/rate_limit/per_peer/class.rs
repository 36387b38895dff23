//! Kinds of peers, each with its own limit and its own overflow bucket.

use super::places::pick;
use super::slot::Account;
use super::{PeerCharge, Pinned, Place, RateLimiter, Slot, WhenFull};
use crate::outcome::Rejected;
use crate::rate_limit::{Carry, Charged, Limit, Reserve};
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

/// A kind of peers in a [`RateLimiter`]: the limit of each, and what newcomers share when there is no
/// slot for them.
#[derive(Clone, Debug)]
pub struct Class<L: Limit> {
    pub(super) limit: L,
    pub(super) overflow: Account<L>,
}

impl<L: Limit> Class<L> {
    /// A class in which everyone has `limit`.
    #[must_use]
    pub const fn new(limit: L) -> Self {
        Self { limit, overflow: Account::FRESH }
    }
}

impl<K, L: Limit, S, P, H> RateLimiter<K, L, S, P, H> {
    /// The table with classes 1 to `N` beside class 0, which has the limit that there is already.
    ///
    /// ```
    /// use resil_core::rate_limit::{Class, KeyedHash, RateLimitConfig, RateLimiter, TokenBucket};
    /// use resil_core::{Instant, valid};
    ///
    /// const UNKNOWN: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);
    /// const VALIDATOR: TokenBucket =
    ///     TokenBucket::new(valid!(RateLimitConfig::builder().burst_size(100).build()));
    ///
    /// let table: RateLimiter<u64, TokenBucket> =
    ///     RateLimiter::new(UNKNOWN, KeyedHash::from_seed(7)); // random in a real program
    /// let mut peers = table.with_classes([Class::new(VALIDATOR)]);
    /// let now = Instant::EPOCH;
    /// assert!(peers.check_in(1, &3, 100, now).is_ok());
    /// assert!(peers.check_in(0, &4, 100, now).is_err(), "unknown");
    /// ```
    #[must_use]
    pub fn with_classes<const N: usize>(
        self,
        classes: [Class<L>; N],
    ) -> RateLimiter<K, L, S, P, H, [Class<L>; N]> {
        const { assert!(N <= 255, "a class is a number of one byte") };
        let Self { first, classes: _, shard, pinned, when_full, hasher } = self;
        RateLimiter { first, classes, shard, pinned, when_full, hasher }
    }
}

/// Deciding by class. A class that there is not is class 0.
impl<K, L, S, P, H, C> RateLimiter<K, L, S, P, H, C>
where
    K: Hash + Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    P: AsRef<[Pinned<K, L>]> + AsMut<[Pinned<K, L>]>,
    H: BuildHasher,
    C: AsRef<[Class<L>]> + AsMut<[Class<L>]>,
{
    /// Admits a request of `cost` from `id` in a class, or says when it will pass.
    ///
    /// # Errors
    ///
    /// The refusal; it has reserved nothing, and given `id` no slot.
    pub fn check_in(
        &mut self,
        class: u8,
        id: &K,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        let class = self.known(class);
        let mut pinned = self.pinned.as_ref().iter();
        let place = match pinned.position(|pinned| pinned.belongs_to(id)) {
            Some(index) => Place::Pinned(index),
            None => {
                let peer = self.peer(class, id);
                let limits = |class| &pick(&self.first, self.classes.as_ref(), class).limit;
                if let Some(answer) = self.shard.check(peer, cost, now, limits) {
                    return answer;
                }
                if self.when_full.refuses(cost) {
                    return Err(self.table_full(class, cost, now));
                }
                Place::Overflow(class)
            }
        };
        match self.account_mut(place) {
            Some((limit, account)) => account.try_acquire(limit, place, cost, now),
            None => Err(self.table_full(class, cost, now)),
        }
    }

    /// Takes from `id` in a class what it has cost already, whether it is there or not; see
    /// [`Reserve::charge`]. An id that has no slot is given one, or charged to the overflow bucket;
    /// with [`WhenFull::Refuse`] nothing is taken, and told.
    pub fn charge_in(&mut self, class: u8, id: &K, cost: u32, now: Instant) -> Charged
    where
        L: Reserve,
    {
        let class = self.known(class);
        let peer = self.peer(class, id);
        let mut place = self.place_of(peer);
        if place.is_none() && cost > 0 {
            let limits = |class| &pick(&self.first, self.classes.as_ref(), class).limit;
            place = match self.shard.vacant(peer.hash, now, limits) {
                Some(index) => {
                    self.shard.give(index, class, id.clone(), peer.hash, L::FRESH);
                    Some(Place::Slot(index))
                }
                None => {
                    self.shard.reanchor(peer.hash, now, limits);
                    let shares = self.when_full == WhenFull::Share;
                    shares.then_some(Place::Overflow(class))
                }
            };
        }
        match place.and_then(|place| self.account_mut(place)) {
            Some((limit, account)) => limit.charge(account.state, cost, now),
            None => Charged { excess: cost },
        }
    }

    /// What [`check_in`](Self::check_in) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn peek_in(&self, class: u8, id: &K, cost: u32, now: Instant) -> Result<(), Rejected> {
        let class = self.known(class);
        let full = || if cost == 0 { Ok(()) } else { Err(self.table_full(class, cost, now)) };
        self.look_up(class, id, now, |limit, state| limit.peek(state, cost, now))
            .unwrap_or_else(full)
    }

    /// The largest cost that passes from `id` in a class now.
    #[must_use]
    pub fn available_in(&self, class: u8, id: &K, now: Instant) -> u32 {
        let class = self.known(class);
        self.look_up(class, id, now, |limit, state| limit.available(state, now)).unwrap_or(0)
    }

    /// The limit in force for `id` in a class: its own, or that of the class.
    #[must_use]
    pub fn limit_of(&self, class: u8, id: &K) -> &L {
        let mut own = self.pinned.as_ref().iter().filter_map(|pinned| pinned.owner.as_ref());
        match own.find(|(key, _)| key == id) {
            Some((_, limit)) => limit,
            None => &self.class(class).limit,
        }
    }

    /// Gives everyone in a class another limit: all its slots and its overflow bucket go on with what
    /// was spent or with the share that was left. Charges from before are not refunded. `false` when
    /// there is no such class.
    ///
    /// Looks at every slot, and takes a step for each bit of what it owes.
    pub fn set_class(&mut self, class: u8, limit: L, carry: Carry, now: Instant) -> bool {
        let found = match usize::from(class).checked_sub(1) {
            None => &mut self.first,
            Some(index) => match self.classes.as_mut().get_mut(index) {
                Some(found) => found,
                None => return false,
            },
        };
        self.shard.carry(class, &limit, &found.limit, carry, now);
        found.overflow.carry(&limit, &found.limit, carry, now);
        found.limit = limit;
        true
    }

    /// The number of the class, or 0.
    fn known(&self, class: u8) -> u8 {
        if usize::from(class) <= self.classes.as_ref().len() { class } else { 0 }
    }
}
