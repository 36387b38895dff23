//! The table over a reboot, so that it forgives nobody.

use super::places::pick;
use super::{Class, Pinned, Place, RateLimiter, Slot};
use crate::rate_limit::Limit;
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

/// Somebody who owes something, as [`entries`](RateLimiter::entries) tells of him.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry<'a, K, L: Limit> {
    /// Who; `None` for the overflow bucket of the class.
    pub id: Option<&'a K>,
    /// In which class.
    pub class: u8,
    /// The limit that the state is under, which [saves](crate::snapshot::Persist::save) it.
    pub limit: &'a L,
    /// What he owes.
    pub state: &'a L::State,
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
    /// Everyone whose state is not as good as fresh, to be kept over a reboot: the id, the class and
    /// the bytes of the state. There are at most as many as slots, pinned entries and classes.
    ///
    /// ```
    /// use resil_core::rate_limit::{KeyedHash, RateLimitConfig, RateLimiter, TokenBucket};
    /// use resil_core::snapshot::Persist;
    /// use resil_core::Instant;
    ///
    /// const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);
    /// let new = || RateLimiter::<u64, TokenBucket>::new(LIMIT, KeyedHash::from_seed(7));
    /// let (mut peers, now) = (new(), Instant::from_nanos(1_000));
    /// peers.check(&6, 10, now)?; // a flooder
    ///
    /// let mut flash = Vec::new();
    /// for entry in peers.entries(now) {
    ///     let mut bytes = [0; TokenBucket::LEN];
    ///     entry.limit.save(entry.state, now, &mut bytes)?;
    ///     flash.push((entry.id.copied(), entry.class, bytes));
    /// }
    ///
    /// let (mut peers, now) = (new(), Instant::EPOCH); // after the reboot
    /// for (id, class, bytes) in flash {
    ///     let state = LIMIT.restore(&bytes, now)?;
    ///     assert!(peers.adopt(id, class, state, now));
    /// }
    /// assert!(peers.check(&6, 1, now).is_err(), "not forgiven");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry<'_, K, L>> {
        let slots = self.shard.slots().iter().filter_map(|slot| {
            let (id, class) = (Some(slot.key.as_ref()?), slot.class);
            let limit = &self.class(class).limit;
            Some(Entry { id, class, limit, state: &slot.state })
        });
        let pinned = self.pinned.as_ref().iter().filter_map(|pinned| {
            let (id, limit) = pinned.owner.as_ref()?;
            Some(Entry { id: Some(id), class: 0, limit, state: &pinned.account.state })
        });
        let classes = core::iter::once(&self.first).chain(self.classes.as_ref());
        let shared = (0..=u8::MAX).zip(classes).map(|(class, kind)| {
            let state = &kind.overflow.state;
            Entry { id: None, class, limit: &kind.limit, state }
        });
        let all = slots.chain(pinned).chain(shared);
        all.filter(move |entry| !entry.limit.is_fresh(entry.state, now))
    }

    /// Takes in a state that was kept, of an id or of the overflow bucket of a class, restored under
    /// the limit that is [in force](Self::limit_of) (so set limits of one's own first).
    ///
    /// `false` when there is no slot for the id (under another seed others may lie in its sets), no
    /// such class, or when it already owes something here: that is kept. Under the same seed everyone
    /// whom [`entries`](Self::entries) has told of is taken in by an empty table of the same size, if
    /// they come in the same order.
    pub fn adopt(&mut self, id: Option<K>, class: u8, state: L::State, now: Instant) -> bool {
        if usize::from(class) > self.classes.as_ref().len() {
            return false;
        }
        let place = match &id {
            None => Some(Place::Overflow(class)),
            Some(id) => self.place_of(self.peer(class, id)),
        };
        if let Some((limit, account)) = place.and_then(|place| self.account_mut(place)) {
            let is_free = limit.is_fresh(account.state, now);
            if is_free {
                account.hand_over(state);
            }
            return is_free;
        }
        let Some(id) = id else { return false };
        let hash = self.hasher.hash_one(&id);
        let limits = |class| &pick(&self.first, self.classes.as_ref(), class).limit;
        self.shard.adopt(class, id, hash, state, now, limits)
    }
}
