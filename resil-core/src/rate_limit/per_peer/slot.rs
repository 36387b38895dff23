//! What the table is made of.

use super::super::{Carry, Limit};
use super::{PeerCharge, Place};
use crate::outcome::Rejected;
use crate::time::Instant;

/// A state, and which of its owners it is: a charge of an earlier one is not refunded to it.
///
/// What an adapter keeps for the overflow of a class beside its [shards](super::Shard).
#[derive(Clone, Debug)]
pub struct Account<L: Limit> {
    pub(super) state: L::State,
    pub(super) generation: u32,
}

impl<L: Limit> Account<L> {
    /// An account that owes nothing.
    pub const FRESH: Self = Self { state: L::FRESH, generation: 0 };

    /// Admits a request of `cost`, or says when it will pass; `place` goes into the charge.
    ///
    /// # Errors
    ///
    /// The refusal; it has reserved nothing.
    #[inline]
    pub fn check(
        &mut self,
        limit: &L,
        place: Place,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        self.parts().try_acquire(limit, place, cost, now)
    }

    /// Gives back what [`check`](Self::check) took; nothing after a reset.
    pub fn refund(&mut self, limit: &L, charge: PeerCharge<L::Charge>, now: Instant) {
        self.parts().refund(limit, charge, now);
    }

    /// The state, to ask its limit about.
    #[must_use]
    #[inline]
    pub const fn state(&self) -> &L::State {
        &self.state
    }

    /// Goes on under another limit, with what was spent or with the share that was left. Charges from
    /// before are not refunded. With [`Carry::Share`] it divides.
    pub fn carry(&mut self, limit: &L, old: &L, carry: Carry, now: Instant) {
        self.parts().carry(limit, old, carry, now);
    }

    /// Forgets what it owes. Charges from before are not refunded.
    pub fn reset(&mut self) {
        self.hand_over(L::FRESH);
    }

    pub(super) fn hand_over(&mut self, state: L::State) {
        self.parts().hand_over(state);
    }

    #[inline]
    pub(super) fn parts(&mut self) -> Parts<'_, L::State> {
        Parts { state: &mut self.state, generation: &mut self.generation }
    }
}

/// A state and its generation, wherever they lie. (An account inside a slot would cost it padding.)
pub(super) struct Parts<'a, S> {
    pub(super) state: &'a mut S,
    generation: &'a mut u32,
}

impl<S> Parts<'_, S> {
    /// The state belongs to somebody else from here on, or starts anew.
    pub(super) fn hand_over(self, state: S) {
        *self.state = state;
        *self.generation = self.generation.wrapping_add(1);
    }

    pub(super) fn carry<L: Limit<State = S>>(self, limit: &L, old: &L, carry: Carry, now: Instant) {
        let state = limit.carry(old, self.state, carry, now);
        self.hand_over(state);
    }

    #[inline]
    pub(super) fn try_acquire<L: Limit<State = S>>(
        self,
        limit: &L,
        place: Place,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        let taken = limit.try_acquire(self.state, cost, now)?;
        Ok(PeerCharge { taken, place, generation: *self.generation })
    }

    pub(super) fn refund<L: Limit<State = S>>(
        self,
        limit: &L,
        charge: PeerCharge<L::Charge>,
        now: Instant,
    ) {
        if charge.generation == *self.generation {
            limit.refund(self.state, charge.taken, now);
        }
    }
}

/// Room for one peer in a [`RateLimiter`](super::RateLimiter).
#[derive(Clone, Debug)]
pub struct Slot<K, L: Limit> {
    pub(super) key: Option<K>,
    pub(super) class: u8,
    pub(super) generation: u32,
    pub(super) state: L::State,
}

impl<K, L: Limit> Slot<K, L> {
    /// A slot that nobody has.
    pub const EMPTY: Self = Self { key: None, class: 0, generation: 0, state: L::FRESH };

    /// Whether giving the slot to another peer forgives nobody anything.
    #[inline]
    pub(super) fn is_vacant(&self, limit: &L, now: Instant) -> bool {
        self.key.is_none() || limit.is_fresh(&self.state, now)
    }

    #[inline]
    pub(super) fn account(&mut self) -> Parts<'_, L::State> {
        Parts { state: &mut self.state, generation: &mut self.generation }
    }

    /// Nobody has it any more.
    pub(super) fn vacate(&mut self) {
        self.account().hand_over(L::FRESH);
        self.key = None;
    }
}

impl<K: Eq, L: Limit> Slot<K, L> {
    #[inline]
    pub(super) fn belongs_to(&self, class: u8, id: &K) -> bool {
        self.class == class && self.key.as_ref() == Some(id)
    }
}
