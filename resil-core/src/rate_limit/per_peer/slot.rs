//! What the table is made of.

use super::super::Limit;
use super::{PeerCharge, Place};
use crate::outcome::Rejected;
use crate::time::Instant;

/// A state, and which of its owners it is: a charge of an earlier one is not refunded to it.
#[derive(Clone, Debug)]
pub(super) struct Account<S> {
    pub(super) state: S,
    pub(super) generation: u32,
}

impl<S> Account<S> {
    /// The state belongs to somebody else from here on, or starts anew.
    pub(super) fn hand_over(&mut self, state: S) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
    }

    #[inline]
    pub(super) fn try_acquire<L: Limit<State = S>>(
        &mut self,
        limit: &L,
        place: Place,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        let taken = limit.try_acquire(&mut self.state, cost, now)?;
        Ok(PeerCharge { taken, place, generation: self.generation })
    }

    pub(super) fn refund<L: Limit<State = S>>(
        &mut self,
        limit: &L,
        charge: PeerCharge<L::Charge>,
        now: Instant,
    ) {
        if charge.generation == self.generation {
            limit.refund(&mut self.state, charge.taken, now);
        }
    }
}

/// Room for one peer in a [`RateLimiter`](super::RateLimiter).
#[derive(Clone, Debug)]
pub struct Slot<K, L: Limit> {
    pub(super) key: Option<K>,
    pub(super) class: u8,
    pub(super) account: Account<L::State>,
}

impl<K, L: Limit> Slot<K, L> {
    /// A slot that nobody has.
    pub const EMPTY: Self =
        Self { key: None, class: 0, account: Account { state: L::FRESH, generation: 0 } };

    /// Whether giving the slot to another peer forgives nobody anything.
    #[inline]
    pub(super) fn is_vacant(&self, limit: &L, now: Instant) -> bool {
        self.key.is_none() || limit.is_fresh(&self.account.state, now)
    }
}

impl<K: Eq, L: Limit> Slot<K, L> {
    #[inline]
    pub(super) fn belongs_to(&self, class: u8, id: &K) -> bool {
        self.class == class && self.key.as_ref() == Some(id)
    }
}
