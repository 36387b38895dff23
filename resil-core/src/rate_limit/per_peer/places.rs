//! Where a peer's state lies in the table.

use super::slot::Account;
use super::{Class, PeerCharge, Pinned, Place, RateLimiter, SET, Slot, WhenFull};
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::rate_limit::Limit;
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

impl<K, L, S, P, H, C> RateLimiter<K, L, S, P, H, C>
where
    K: Hash + Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    P: AsRef<[Pinned<K, L>]> + AsMut<[Pinned<K, L>]>,
    H: BuildHasher,
    C: AsRef<[Class<L>]> + AsMut<[Class<L>]>,
{
    /// Where the two sets of `id` start.
    #[inline]
    pub(super) fn sets(&self, id: &K) -> [usize; 2] {
        let hash = self.hasher.hash_one(id);
        let sets = (self.slots.as_ref().len() / SET) as u64;
        let pick = |half: u64| ((half.wrapping_mul(sets) >> 32) as usize).wrapping_mul(SET);
        [pick(hash & u64::from(u32::MAX)), pick(hash >> 32)]
    }

    #[inline]
    pub(super) fn set(&self, start: usize) -> &[Slot<K, L>] {
        self.slots.as_ref().get(start..start.saturating_add(SET)).unwrap_or_default()
    }

    /// Where the state of `id` in this class lies, if it has one.
    #[inline]
    pub(super) fn place_of(&self, class: u8, id: &K) -> Option<Place> {
        let mut pinned = self.pinned.as_ref().iter();
        if let Some(index) = pinned.position(|pinned| pinned.belongs_to(id)) {
            return Some(Place::Pinned(index));
        }
        self.sets(id).into_iter().find_map(|start| {
            let index = self.set(start).iter().position(|slot| slot.belongs_to(class, id))?;
            Some(Place::Slot(start.saturating_add(index)))
        })
    }

    /// The class of this number; the first where there is none.
    #[inline]
    pub(super) fn class(&self, class: u8) -> &Class<L> {
        pick(&self.first, self.classes.as_ref(), class)
    }

    /// A slot that `id` may have: in the emptier of its sets, which keeps both from filling up.
    pub(super) fn vacant(&self, id: &K, now: Instant) -> Option<usize> {
        let [first, second] = self.sets(id).map(|start| {
            let vacant = |slot: &&Slot<K, L>| slot.is_vacant(&self.class(slot.class).limit, now);
            let index = self.set(start).iter().position(|slot| vacant(&slot));
            let count = self.set(start).iter().filter(vacant).count();
            (count, index.map(|index| start.saturating_add(index)))
        });
        if second.0 > first.0 { second.1 } else { first.1 }
    }

    /// Gives the slot to `id`, if its first request passes.
    pub(super) fn move_in(
        &mut self,
        index: usize,
        class: u8,
        id: &K,
        cost: u32,
        now: Instant,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        let Some(slot) = self.slots.as_mut().get_mut(index) else {
            return Err(self.table_full(class, cost, now));
        };
        let limit = &pick(&self.first, self.classes.as_ref(), class).limit;
        let generation = slot.account.generation.wrapping_add(1);
        let mut account = Account { state: L::FRESH, generation };
        let charge = account.try_acquire(limit, Place::Slot(index), cost, now)?;
        if cost > 0 {
            *slot = Slot { key: Some(id.clone()), class, account };
        }
        Ok(charge)
    }

    /// Peers that have gone away do not ask any more, so after a clock has stepped back nobody else
    /// would see to it that their slots become fresh again within one refill.
    #[cold]
    pub(super) fn reanchor_sets(&mut self, id: &K, now: Instant) {
        for start in self.sets(id) {
            let set = self.slots.as_mut().get_mut(start..start.saturating_add(SET));
            for slot in set.unwrap_or_default() {
                let class = pick(&self.first, self.classes.as_ref(), slot.class);
                class.limit.reanchor(&mut slot.account.state, now);
            }
        }
    }

    pub(super) fn account_mut(&mut self, place: Place) -> Option<(&L, &mut Account<L::State>)> {
        match place {
            Place::Slot(index) => {
                let slot = self.slots.as_mut().get_mut(index)?;
                let class = pick(&self.first, self.classes.as_ref(), slot.class);
                Some((&class.limit, &mut slot.account))
            }
            Place::Pinned(index) => {
                let pinned = self.pinned.as_mut().get_mut(index)?;
                let (_, limit) = pinned.owner.as_ref()?;
                Some((limit, &mut pinned.account))
            }
            Place::Overflow(class) => {
                let class = match own_class(self.classes.as_mut(), class) {
                    Some(class) => class,
                    None => &mut self.first,
                };
                Some((&class.limit, &mut class.overflow))
            }
        }
    }

    /// Asks the limit and the state that answer for `id`; `None` when it would be refused a slot.
    pub(super) fn look_up<A>(
        &self,
        class: u8,
        id: &K,
        now: Instant,
        ask: impl FnOnce(&L, &L::State) -> A,
    ) -> Option<A> {
        let newcomers = self.class(class);
        match self.place_of(class, id) {
            Some(Place::Slot(index)) => {
                let slot = self.slots.as_ref().get(index)?;
                Some(ask(&newcomers.limit, &slot.account.state))
            }
            Some(Place::Pinned(index)) => {
                let pinned = self.pinned.as_ref().get(index)?;
                let (_, limit) = pinned.owner.as_ref()?;
                Some(ask(limit, &pinned.account.state))
            }
            Some(Place::Overflow(_)) | None if self.vacant(id, now).is_some() => {
                Some(ask(&newcomers.limit, &L::FRESH))
            }
            Some(Place::Overflow(_)) | None => match self.when_full {
                WhenFull::Share => Some(ask(&newcomers.limit, &newcomers.overflow.state)),
                WhenFull::Refuse => None,
            },
        }
    }

    /// Whether an id without a slot is refused; a cost of zero always passes.
    pub(super) fn refuses(&self, cost: u32) -> bool {
        self.when_full == WhenFull::Refuse && cost > 0
    }

    /// The refusal of an id without a slot, unless what it asks for can never pass at all.
    pub(super) fn table_full(&self, class: u8, cost: u32, now: Instant) -> Rejected {
        let full = Rejected::new(ErrorCode::RateLimitTableFull, RetryAt::Unknown);
        self.class(class).limit.peek(&L::FRESH, cost, now).err().unwrap_or(full)
    }
}

/// The class of this number among those beside the first.
fn own_class<L: Limit>(classes: &mut [Class<L>], class: u8) -> Option<&mut Class<L>> {
    classes.get_mut(usize::from(class).checked_sub(1)?)
}

/// The class of this number; the first where there is none.
#[inline]
fn pick<'a, L: Limit>(first: &'a Class<L>, classes: &'a [Class<L>], class: u8) -> &'a Class<L> {
    let index = usize::from(class).checked_sub(1);
    index.and_then(|index| classes.get(index)).unwrap_or(first)
}
