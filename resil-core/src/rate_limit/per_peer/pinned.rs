//! Limits of one's own, in a small array beside the table.

use super::places::pick;
use super::slot::Account;
use super::{Class, Limit, PeerCharge, Place, RateLimitConfig, RateLimiter, Slot};
use crate::config::ConfigError;
use crate::outcome::Rejected;
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

/// Room for one peer with a limit of its own in a [`RateLimiter`].
#[derive(Clone, Debug)]
pub struct Pinned<K, L: Limit> {
    pub(super) owner: Option<(K, L)>,
    pub(super) account: Account<L>,
}

impl<K, L: Limit> Pinned<K, L> {
    /// An entry that nobody has.
    pub const EMPTY: Self = Self { owner: None, account: Account::FRESH };

    /// Whether nobody has it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.owner.is_none()
    }

    /// The limit of whoever has it, and what he owes.
    #[must_use]
    pub fn limit_and_state(&self) -> Option<(&L, &L::State)> {
        let (_, limit) = self.owner.as_ref()?;
        Some((limit, &self.account.state))
    }

    /// Admits a request of its owner, or says when it will pass; `None` where there is no owner.
    /// `place` goes into the charge.
    pub fn check(
        &mut self,
        place: Place,
        cost: u32,
        now: Instant,
    ) -> Option<Result<PeerCharge<L::Charge>, Rejected>> {
        let (_, limit) = self.owner.as_ref()?;
        Some(self.account.check(limit, place, cost, now))
    }

    /// Gives back what [`check`](Self::check) took; nothing after a reset.
    pub fn refund(&mut self, charge: PeerCharge<L::Charge>, now: Instant) {
        if let Some((_, limit)) = self.owner.as_ref() {
            self.account.refund(limit, charge, now);
        }
    }

    /// Gives it to `id`, with a limit and what the id owes under another one, if it does. Charges from
    /// before are not refunded.
    pub fn give(&mut self, id: K, limit: L, owed: Option<(&L, &L::State)>, now: Instant) {
        let state = owed.map_or(L::FRESH, |(old, state)| limit.inherit(old, state, now));
        self.owner = Some((id, limit));
        self.account.hand_over(state);
    }

    /// Gives its owner another limit. What he has spent stays spent; charges from before are not
    /// refunded.
    pub fn set_limit(&mut self, limit: L, now: Instant) {
        if let Some((_, own)) = self.owner.as_mut() {
            let state = limit.inherit(own, &self.account.state, now);
            *own = limit;
            self.account.hand_over(state);
        }
    }

    /// Takes it from its owner, and tells who he was and what he owes under `limit`.
    pub fn take(&mut self, limit: &L, now: Instant) -> Option<(K, L::State)> {
        let (id, old) = self.owner.take()?;
        let state = limit.inherit(&old, &self.account.state, now);
        self.account.reset();
        Some((id, state))
    }

    /// Forgets what its owner owes, and keeps his limit. Charges from before are not refunded.
    pub fn reset(&mut self) {
        self.account.reset();
    }
}

impl<K: Eq, L: Limit> Pinned<K, L> {
    /// Whether `id` has it.
    #[inline]
    pub fn belongs_to(&self, id: &K) -> bool {
        self.owner.as_ref().is_some_and(|(key, _)| key == id)
    }
}

/// Why a limit was not set.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SetLimitError {
    /// The configuration does not make such a limit.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// Every pinned entry is taken.
    #[error("every entry for a limit of one's own is taken")]
    TableFull,
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
    /// Gives `id` a limit of its own, or another one.
    ///
    /// What it has spent stays spent, as far as the new limit can owe it (of several classes, in the
    /// first). Only what it took from the overflow bucket stays behind. Charges from before are not
    /// refunded to the new limit.
    ///
    /// # Errors
    ///
    /// When the configuration is not one of such a limit, or every pinned entry is taken. Nothing
    /// has changed then.
    pub fn set_limit(
        &mut self,
        id: K,
        config: RateLimitConfig,
        now: Instant,
    ) -> Result<(), SetLimitError>
    where
        L: TryFrom<RateLimitConfig, Error = ConfigError>,
    {
        let limit = L::try_from(config)?;
        let mut entries = self.pinned.as_mut().iter_mut();
        if let Some(entry) = entries.find(|pinned| pinned.belongs_to(&id)) {
            entry.set_limit(limit, now);
            return Ok(());
        }
        let mut entries = self.pinned.as_mut().iter_mut();
        let entry = entries.find(|pinned| pinned.is_empty()).ok_or(SetLimitError::TableFull)?;
        let hash = self.hasher.hash_one(&id);
        let others = self.classes.as_ref().len().min(u8::MAX.into()) as u8;
        let spent = self.shard.take(others, &id, hash);
        let owed = spent
            .as_ref()
            .map(|(class, state)| (&pick(&self.first, self.classes.as_ref(), *class).limit, state));
        entry.give(id, limit, owed, now);
        Ok(())
    }

    /// Takes the limit of its own from `id`, which goes on under the default one, in class 0; `false` when it
    /// had none.
    ///
    /// What it has spent moves to a slot with it. Where there is none it joins the peers without a
    /// slot, as a newcomer.
    pub fn remove_limit(&mut self, id: &K, now: Instant) -> bool {
        let mut entries = self.pinned.as_mut().iter_mut();
        let Some(entry) = entries.find(|pinned| pinned.belongs_to(id)) else { return false };
        let Some((id, state)) = entry.take(&self.first.limit, now) else { return false };
        let hash = self.hasher.hash_one(&id);
        let limits = |class| &pick(&self.first, self.classes.as_ref(), class).limit;
        self.shard.adopt(0, id, hash, state, now, limits);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::TokenBucket;

    #[test]
    fn a_refund_goes_to_the_owner_it_was_taken_from() {
        let bucket = TokenBucket::new(RateLimitConfig::DEFAULT); // 10 at once
        let now = Instant::from_nanos(5);
        let left = |pinned: &Pinned<u8, TokenBucket>| {
            pinned.limit_and_state().map(|(limit, state)| limit.available(state, now))
        };
        let mut pinned = Pinned::EMPTY;
        assert!(pinned.check(Place::Pinned(0), 1, now).is_none(), "nobody has it");
        pinned.give(7, bucket.clone(), None, now);
        let take =
            |pinned: &mut Pinned<_, _>| pinned.check(Place::Pinned(0), 4, now).unwrap().unwrap();
        let (first, second) = (take(&mut pinned), take(&mut pinned));
        assert_eq!(left(&pinned), Some(2));
        pinned.refund(first, now);
        assert_eq!(left(&pinned), Some(6));
        pinned.set_limit(bucket, now);
        pinned.refund(second, now);
        assert_eq!(left(&pinned), Some(6), "a charge from before another limit is spent");
    }
}
