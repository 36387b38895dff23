//! Limits of one's own, in a small array beside the table.

use super::slot::Account;
use super::{Class, Limit, Place, RateLimitConfig, RateLimiter, Slot};
use crate::config::ConfigError;
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

/// Room for one peer with a limit of its own in a [`RateLimiter`].
#[derive(Clone, Debug)]
pub struct Pinned<K, L: Limit> {
    pub(super) owner: Option<(K, L)>,
    pub(super) account: Account<L::State>,
}

impl<K, L: Limit> Pinned<K, L> {
    /// An entry that nobody has.
    pub const EMPTY: Self =
        Self { owner: None, account: Account { state: L::FRESH, generation: 0 } };
}

impl<K: Eq, L: Limit> Pinned<K, L> {
    #[inline]
    pub(super) fn belongs_to(&self, id: &K) -> bool {
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
    /// first). Only what it took from the overflow bucket stays behind. Charges from before are not refunded to the new limit.
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
        let place = self.place_in_any(&id);
        let state = match place.and_then(|place| self.account_mut(place)) {
            Some((old, account)) => limit.inherit(old, &account.state, now),
            None => L::FRESH,
        };
        let mut entries = self.pinned.as_mut().iter_mut();
        let entry = match place {
            Some(Place::Pinned(index)) => entries.nth(index),
            _ => entries.find(|pinned| pinned.owner.is_none()),
        };
        let entry = entry.ok_or(SetLimitError::TableFull)?;
        entry.owner = Some((id, limit));
        entry.account.hand_over(state);
        if let Some(Place::Slot(index)) = place {
            self.move_out(index);
        }
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
        let Some((id, old)) = entry.owner.take() else { return false };
        let state = self.first.limit.inherit(&old, &entry.account.state, now);
        entry.account.hand_over(L::FRESH);
        let vacant = self.vacant(&id, now);
        if let Some(slot) = vacant.and_then(|index| self.slots.as_mut().get_mut(index)) {
            slot.key = Some(id);
            slot.class = 0;
            slot.account.hand_over(state);
        }
        true
    }

    /// Where the state of `id` lies, in the first class in which it has one.
    fn place_in_any(&self, id: &K) -> Option<Place> {
        let others = self.classes.as_ref().len().min(u8::MAX.into()) as u8;
        (0..=others).find_map(|class| self.place_of(class, id))
    }

    fn move_out(&mut self, index: usize) {
        if let Some(slot) = self.slots.as_mut().get_mut(index) {
            slot.key = None;
            slot.account.hand_over(L::FRESH);
        }
    }
}
