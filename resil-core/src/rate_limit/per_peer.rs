//! A table of peers of fixed size that a flood of invented ids cannot grow, empty or confuse.

mod keyed_hash;
mod pinned;
mod slot;

pub use keyed_hash::KeyedHash;
pub use pinned::{Pinned, SetLimitError};
pub use slot::Slot;

use super::{Limit, RateLimit, RateLimitConfig};
use crate::config::ConfigError;
use crate::error::{ErrorCode, RateLimitError};
use crate::outcome::{Rejected, RetryAt};
use crate::time::{Instant, earliest};
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use slot::Account;

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
///   admits (and the pinned ones theirs).
/// - A resident peer's state never changes because of others. A slot is handed on only when it is
///   indistinguishable from a fresh one, so nothing is ever forgiven.
/// - Ids are compared in full; no hash value and no id is special.
///
/// # When the table is full
///
/// Ids without a slot share one overflow bucket, or are refused ([`WhenFull`]); there is no failing
/// open. What a peer spent from the overflow bucket is not held against it once it has a slot.
///
/// # Limits of one's own
///
/// [`set_limit`](Self::set_limit) pins an id with its own limit to an entry that nobody else can
/// take. What it has spent stays spent, both ways.
///
/// # Cost
///
/// One hash and at most 16 slots looked at, and each pinned entry: keep those few.
///
/// # Storage
///
/// `S` and `P` are arrays on a microcontroller (a `const` [`new`](Self::new)) and boxed slices where
/// there is a heap ([`with_storage`](Self::with_storage)). The table of 64 peers by default takes 64
/// states and 64 keys; a slot for a 32-byte id with a [`TokenBucket`](super::TokenBucket) takes 56
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
> {
    limit: L,
    slots: S,
    pinned: P,
    overflow: Account<L::State>,
    when_full: WhenFull,
    hasher: H,
    key: PhantomData<K>,
}

/// What becomes of an id for which there is no slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WhenFull {
    /// It shares one bucket with all others without a slot: newcomers get through, slowly.
    #[default]
    Share,
    /// It is refused with [`ErrorCode::RateLimitTableFull`].
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

/// Where a peer's state lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Place {
    Slot(usize),
    Pinned(usize),
    Overflow,
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
            limit,
            slots: [const { Slot::EMPTY }; N],
            pinned: [const { Pinned::EMPTY }; M],
            overflow: Account { state: L::FRESH, generation: 0 },
            when_full: WhenFull::Share,
            hasher,
            key: PhantomData,
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
    pub fn with_storage(limit: L, slots: S, pinned: P, hasher: H) -> Result<Self, ConfigError> {
        let count = slots.as_ref().len();
        if count < SET || !count.is_multiple_of(SET) || u32::try_from(count).is_err() {
            return Err(ConfigError::new(
                "slots",
                "slots must be a positive multiple of 8, and fewer than 2^32",
            ));
        }
        let overflow = Account { state: L::FRESH, generation: 0 };
        let when_full = WhenFull::Share;
        let mut table =
            Self { limit, slots, pinned, overflow, when_full, hasher, key: PhantomData };
        table.slots.as_mut().fill_with(|| Slot::EMPTY);
        table.pinned.as_mut().fill_with(|| Pinned::EMPTY);
        Ok(table)
    }

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
        let place = match self.place_of(id) {
            Some(place) => place,
            None => match self.vacant(id, now) {
                Some(index) => return self.move_in(index, id, cost, now),
                None => {
                    self.reanchor_sets(id, now);
                    if self.refuses(cost) {
                        return Err(self.table_full(cost, now));
                    }
                    Place::Overflow
                }
            },
        };
        match self.account_mut(place) {
            Some((limit, account)) => account.try_acquire(limit, place, cost, now),
            None => Err(self.table_full(cost, now)),
        }
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
        self.look_up(id, now, |limit, state| limit.peek(state, cost, now))
            .unwrap_or_else(|| if cost == 0 { Ok(()) } else { Err(self.table_full(cost, now)) })
    }

    /// The largest cost that passes from `id` now.
    #[must_use]
    pub fn available(&self, id: &K, now: Instant) -> u32 {
        self.look_up(id, now, |limit, state| limit.available(state, now)).unwrap_or(0)
    }

    /// Gives back what was taken for a request that was not made after all, as
    /// [`Limit::refund`] does. Once the slot has been reset or handed on it changes nothing.
    pub fn refund(&mut self, charge: PeerCharge<L::Charge>, now: Instant) {
        if let Some((limit, account)) = self.account_mut(charge.place) {
            account.refund(limit, charge, now);
        }
    }

    /// Forgets what `id` has sent, and keeps its own limit; `false` when there was nothing to forget.
    ///
    /// What it took from the overflow bucket is not forgotten: that bucket is shared.
    pub fn reset(&mut self, id: &K) -> bool {
        let Some(place) = self.place_of(id) else { return false };
        if let Some((_, account)) = self.account_mut(place) {
            account.hand_over(L::FRESH);
        }
        true
    }

    /// Forgets what every peer has sent, the overflow bucket included, and keeps the limits.
    pub fn reset_all(&mut self) {
        for slot in self.slots.as_mut() {
            slot.key = None;
            slot.account.hand_over(L::FRESH);
        }
        for pinned in self.pinned.as_mut() {
            pinned.account.hand_over(L::FRESH);
        }
        self.overflow.hand_over(L::FRESH);
    }

    /// The configuration in force for `id`: its own, or the default one.
    #[must_use]
    pub fn get_limit(&self, id: &K) -> &RateLimitConfig {
        let own = self.pinned.as_ref().iter().filter_map(|pinned| pinned.owner.as_ref());
        own.into_iter()
            .find(|(key, _)| key == id)
            .map_or(self.limit.config(), |(_, limit)| limit.config())
    }

    /// How many ids have a slot or a limit of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        let slots = self.slots.as_ref().iter().filter(|slot| slot.key.is_some()).count();
        let pinned = self.pinned.as_ref().iter().filter(|pinned| pinned.owner.is_some()).count();
        slots.saturating_add(pinned)
    }

    /// Whether no id has a slot or a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next instant after `now` at which an answer changes by itself. Looks at every slot.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let slots = self.slots.as_ref().iter().filter(|slot| slot.key.is_some());
        let slots = slots.map(|slot| self.limit.next_deadline(&slot.account.state, now));
        let pinned = self.pinned.as_ref().iter().filter_map(|pinned| {
            let (_, limit) = pinned.owner.as_ref()?;
            limit.next_deadline(&pinned.account.state, now)
        });
        let overflow = self.limit.next_deadline(&self.overflow.state, now);
        slots.chain(pinned.map(Some)).fold(overflow, earliest)
    }

    /// Where the two sets of `id` start.
    #[inline]
    fn sets(&self, id: &K) -> [usize; 2] {
        let hash = self.hasher.hash_one(id);
        let sets = (self.slots.as_ref().len() / SET) as u64;
        let pick = |half: u64| ((half.wrapping_mul(sets) >> 32) as usize).wrapping_mul(SET);
        [pick(hash & u64::from(u32::MAX)), pick(hash >> 32)]
    }

    #[inline]
    fn set(&self, start: usize) -> &[Slot<K, L>] {
        self.slots.as_ref().get(start..start.saturating_add(SET)).unwrap_or_default()
    }

    /// Where the state of `id` lies, if it has one.
    #[inline]
    fn place_of(&self, id: &K) -> Option<Place> {
        let mut pinned = self.pinned.as_ref().iter();
        if let Some(index) = pinned.position(|pinned| pinned.belongs_to(id)) {
            return Some(Place::Pinned(index));
        }
        self.sets(id).into_iter().find_map(|start| {
            let index = self.set(start).iter().position(|slot| slot.key.as_ref() == Some(id))?;
            Some(Place::Slot(start.saturating_add(index)))
        })
    }

    /// A slot that `id` may have: in the emptier of its sets, which keeps both from filling up.
    fn vacant(&self, id: &K, now: Instant) -> Option<usize> {
        let [first, second] = self.sets(id).map(|start| {
            let vacant = |slot: &&Slot<K, L>| slot.is_vacant(&self.limit, now);
            let index = self.set(start).iter().position(|slot| vacant(&slot));
            let count = self.set(start).iter().filter(vacant).count();
            (count, index.map(|index| start.saturating_add(index)))
        });
        if second.0 > first.0 { second.1 } else { first.1 }
    }

    /// Gives the slot to `id`, if its first request passes.
    fn move_in(
        &mut self,
        index: usize,
        id: &K,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        let Some(slot) = self.slots.as_mut().get_mut(index) else {
            return Err(self.table_full(cost, now));
        };
        let generation = slot.account.generation.wrapping_add(1);
        let mut account = Account { state: L::FRESH, generation };
        let charge = account.try_acquire(&self.limit, Place::Slot(index), cost, now)?;
        if cost > 0 {
            *slot = Slot { key: Some(id.clone()), account };
        }
        Ok(charge)
    }

    /// Peers that have gone away do not ask any more, so after a clock has stepped back nobody else
    /// would see to it that their slots become fresh again within one refill.
    #[cold]
    fn reanchor_sets(&mut self, id: &K, now: Instant) {
        for start in self.sets(id) {
            let set = self.slots.as_mut().get_mut(start..start.saturating_add(SET));
            for slot in set.unwrap_or_default() {
                self.limit.reanchor(&mut slot.account.state, now);
            }
        }
    }

    fn account_mut(&mut self, place: Place) -> Option<(&L, &mut Account<L::State>)> {
        match place {
            Place::Slot(index) => {
                let slot = self.slots.as_mut().get_mut(index)?;
                Some((&self.limit, &mut slot.account))
            }
            Place::Pinned(index) => {
                let pinned = self.pinned.as_mut().get_mut(index)?;
                let (_, limit) = pinned.owner.as_ref()?;
                Some((limit, &mut pinned.account))
            }
            Place::Overflow => Some((&self.limit, &mut self.overflow)),
        }
    }

    /// Asks the limit and the state that answer for `id`; `None` when it would be refused a slot.
    fn look_up<A>(&self, id: &K, now: Instant, ask: impl FnOnce(&L, &L::State) -> A) -> Option<A> {
        match self.place_of(id) {
            Some(Place::Slot(index)) => {
                let slot = self.slots.as_ref().get(index)?;
                Some(ask(&self.limit, &slot.account.state))
            }
            Some(Place::Pinned(index)) => {
                let pinned = self.pinned.as_ref().get(index)?;
                let (_, limit) = pinned.owner.as_ref()?;
                Some(ask(limit, &pinned.account.state))
            }
            Some(Place::Overflow) | None if self.vacant(id, now).is_some() => {
                Some(ask(&self.limit, &L::FRESH))
            }
            Some(Place::Overflow) | None => match self.when_full {
                WhenFull::Share => Some(ask(&self.limit, &self.overflow.state)),
                WhenFull::Refuse => None,
            },
        }
    }

    /// Whether an id without a slot is refused; a cost of zero always passes.
    fn refuses(&self, cost: u32) -> bool {
        self.when_full == WhenFull::Refuse && cost > 0
    }

    /// The refusal of an id without a slot, unless what it asks for can never pass at all.
    fn table_full(&self, cost: u32, now: Instant) -> Rejected {
        let full = Rejected::new(ErrorCode::RateLimitTableFull, RetryAt::Unknown);
        self.limit.peek(&L::FRESH, cost, now).err().unwrap_or(full)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenBucket;
    use super::*;

    /// Every id lies in the same set, so that eight of them fill it.
    #[derive(Clone, Debug)]
    struct OneSet;

    struct Zero;

    impl core::hash::Hasher for Zero {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _: &[u8]) {}
    }

    impl BuildHasher for OneSet {
        type Hasher = Zero;

        fn build_hasher(&self) -> Zero {
            Zero
        }
    }

    type Table = RateLimiter<
        u64,
        TokenBucket,
        [Slot<u64, TokenBucket>; 16],
        [Pinned<u64, TokenBucket>; 2],
        OneSet,
    >;

    const NOW: Instant = Instant::from_nanos(1_000);

    /// Ten at once and then one per 600 ms, eight ids with one request each.
    fn full() -> Table {
        let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
        for id in 0..8 {
            table.check(&id, 1, NOW).unwrap();
        }
        table
    }

    fn later(millis: u64) -> Instant {
        Instant::from_nanos(1_000 + millis * 1_000_000)
    }

    #[test]
    fn newcomers_share_the_overflow_bucket_and_residents_do_not() {
        let mut table = full();
        assert_eq!(table.len(), 8);
        let admitted = (100..200).filter(|id| table.check(id, 1, NOW).is_ok()).count();
        assert_eq!(admitted, 10, "one bucket for all of them");
        assert_eq!(table.available(&777, NOW), 0);
        for id in 0..8 {
            assert_eq!(table.available(&id, NOW), 9);
        }
    }

    #[test]
    fn newcomers_are_refused_on_request() {
        let mut table = full().when_full(WhenFull::Refuse);
        let refused = table.check(&100, 1, NOW).unwrap_err();
        assert_eq!(refused, Rejected::new(ErrorCode::RateLimitTableFull, RetryAt::Unknown));
        assert_eq!(table.peek(&100, 1, NOW), Err(refused));
        assert!(table.check(&100, 0, NOW).is_ok());
        let never = table.check(&100, 11, NOW).unwrap_err();
        assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
        assert!(table.check(&3, 1, NOW).is_ok());
    }

    #[test]
    fn only_what_equals_fresh_is_evicted_pitfall_100() {
        let mut table = full();
        table.check(&5, 1, NOW).unwrap();
        assert!(table.check(&100, 1, later(600)).is_ok(), "seven slots are as good as fresh");
        assert!(table.check(&101, 10, later(600)).is_ok());
        assert_eq!(table.available(&5, later(600)), 9, "the one that is not stays");
        assert_eq!(table.available(&101, later(600)), 0);
    }

    #[test]
    fn overflow_debt_is_not_carried_into_a_slot() {
        let mut table = full();
        assert!(table.check(&100, 10, NOW).is_ok());
        assert!(table.check(&100, 1, NOW).is_err());
        assert!(table.reset(&0));
        assert!(table.check(&100, 10, NOW).is_ok());
    }

    #[test]
    fn a_charge_of_an_earlier_owner_is_not_refunded_pitfall_32() {
        let mut table = full();
        let early = table.check(&3, 4, NOW).unwrap();
        table.reset(&3);
        table.check(&3, 10, NOW).unwrap();
        table.refund(early, NOW);
        assert_eq!(table.available(&3, NOW), 0);
        let shared = table.check(&100, 2, NOW).unwrap();
        table.refund(shared, NOW);
        assert_eq!(table.available(&100, NOW), 10);
    }

    #[test]
    fn a_refused_newcomer_takes_no_slot() {
        let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
        assert!(table.check(&1, 11, NOW).is_err());
        assert!(table.is_empty());
    }

    #[test]
    fn every_slot_is_used_and_counts_are_checked() {
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        for (slots, ok) in [(0, false), (4, false), (8, true), (12, false), (64, true)] {
            let storage: std::vec::Vec<Slot<u64, TokenBucket>> =
                core::iter::repeat_with(|| Slot::EMPTY).take(slots).collect();
            let none: [Pinned<u64, TokenBucket>; 0] = [];
            let table =
                RateLimiter::with_storage(limit.clone(), storage, none, KeyedHash::from_seed(1));
            assert_eq!(table.is_ok(), ok, "{slots}");
            if let Ok(mut table) = table {
                for id in 0..10_000 {
                    let _ = table.check(&id, 1, NOW);
                }
                assert_eq!(table.len(), slots);
            }
        }
    }

    #[test]
    fn a_limit_of_ones_own_keeps_what_was_spent() {
        let mut table = full();
        let config = |burst| RateLimitConfig::builder().burst_size(burst).build().unwrap();
        table.check(&3, 6, NOW).unwrap(); // 7 of 10 spent
        table.set_limit(3, config(20), NOW).unwrap();
        assert_eq!(table.get_limit(&3).burst_size(), 20);
        assert_eq!(table.available(&3, NOW), 13);
        table.set_limit(3, config(8), NOW).unwrap();
        assert_eq!(table.available(&3, NOW), 1);
        assert!(table.remove_limit(&3, NOW));
        assert!(!table.remove_limit(&3, NOW));
        assert_eq!(table.available(&3, NOW), 3);
        assert_eq!(table.get_limit(&3).burst_size(), 10);
    }

    #[test]
    fn pinned_entries_run_out_with_an_error_and_nothing_half_done() {
        let mut table = full();
        let config = RateLimitConfig::builder().burst_size(2).build().unwrap();
        table.set_limit(100, config, NOW).unwrap();
        table.set_limit(101, config, NOW).unwrap();
        assert_eq!(table.set_limit(3, config, NOW), Err(SetLimitError::TableFull));
        assert_eq!(table.available(&3, NOW), 9);
        table.set_limit(101, RateLimitConfig::DEFAULT, NOW).unwrap();
        assert_eq!(table.get_limit(&101), &RateLimitConfig::DEFAULT);
        table.check(&100, 2, NOW).unwrap();
        table.reset_all();
        assert_eq!(table.available(&100, NOW), 2, "the limit is kept");
    }

    #[test]
    fn a_clock_that_steps_back_keeps_no_slot_from_newcomers_for_long_pitfall_65() {
        let mut table = Table::new(TokenBucket::new(RateLimitConfig::DEFAULT), OneSet);
        let day = later(86_400_000);
        for id in 0..8 {
            table.check(&id, 10, day).unwrap(); // and they are never heard of again
        }
        assert!(table.check(&100, 1, NOW).is_ok(), "from the overflow bucket");
        assert_eq!(table.place_of(&100), None);
        let refilled = later(6_000);
        assert!(table.check(&100, 1, refilled).is_ok());
        assert!(table.place_of(&100).is_some(), "one refill after the step the slots are fresh");
    }

    #[test]
    fn a_cost_of_zero_takes_no_slot() {
        let mut table = full();
        assert!(table.check(&100, 0, later(600)).is_ok());
        assert_eq!(table.place_of(&100), None);
        assert!(table.place_of(&0).is_some(), "nobody has lost his slot to it");
    }

    #[test]
    fn a_limit_that_is_set_over_and_over_refills_all_the_same_pitfall_47() {
        let mut table: RateLimiter<u64> =
            RateLimiter::new(RateLimit::new(RateLimitConfig::DEFAULT), KeyedHash::from_seed(1));
        let config = |max| RateLimitConfig::builder().max_requests(max).build().unwrap();
        // Every 100 ms, a sixth of a token's time and a six-hundredth of the window.
        let mut admitted = 0;
        for step in 0..3_000 {
            let now = later(step * 100);
            table.set_limit(7, config(100 + step as u32 % 2), now).unwrap();
            admitted += u32::from(table.check(&7, 1, now).is_ok());
        }
        // Five minutes; ten elevenths of the quota are the law of ten sub-windows.
        assert!((450..=10 + 5 * 101).contains(&admitted), "{admitted}");
    }

    #[test]
    fn a_deadline_is_the_earliest_of_all() {
        let mut table = full();
        assert_eq!(table.next_deadline(NOW), Some(later(600)));
        assert_eq!(table.next_deadline(later(600)), None);
        table.check(&100, 1, later(300)).unwrap();
        assert_eq!(table.next_deadline(later(600)), Some(later(900)));
    }
}
