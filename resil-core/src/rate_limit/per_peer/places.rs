//! Where a peer's state lies in the table.

use super::slot::Parts;
use super::{Class, Peer, Pinned, Place, RateLimiter, Slot, WhenFull};
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::rate_limit::Limit;
use crate::time::Instant;
use core::hash::{BuildHasher, Hash};

impl WhenFull {
    /// Whether somebody without a slot is refused; a cost of zero always passes.
    #[must_use]
    pub const fn refuses(self, cost: u32) -> bool {
        matches!(self, Self::Refuse) && cost > 0
    }

    /// The refusal of somebody without a slot, unless what he asks for can never pass at all.
    pub fn refusal<L: Limit>(limit: &L, cost: u32, now: Instant) -> Rejected {
        let full = Rejected::new(ErrorCode::RateLimitTableFull, RetryAt::Unknown);
        limit.peek(&L::FRESH, cost, now).err().unwrap_or(full)
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
    /// Where the state of a peer lies, if he has one.
    #[inline]
    pub(super) fn place_of(&self, peer: Peer<'_, K>) -> Option<Place> {
        let mut pinned = self.pinned.as_ref().iter();
        if let Some(index) = pinned.position(|pinned| pinned.belongs_to(peer.id)) {
            return Some(Place::Pinned(index));
        }
        self.shard.find(peer).map(Place::Slot)
    }

    /// Who asks.
    #[inline]
    pub(super) fn peer<'a>(&self, class: u8, id: &'a K) -> Peer<'a, K> {
        Peer { class, id, hash: self.hasher.hash_one(id) }
    }

    /// The class of this number; the first where there is none.
    #[inline]
    pub(super) fn class(&self, class: u8) -> &Class<L> {
        pick(&self.first, self.classes.as_ref(), class)
    }

    pub(super) fn account_mut(&mut self, place: Place) -> Option<(&L, Parts<'_, L::State>)> {
        match place {
            Place::Slot(index) => {
                let slot = self.shard.slots_mut().get_mut(index)?;
                let class = pick(&self.first, self.classes.as_ref(), slot.class);
                Some((&class.limit, slot.account()))
            }
            Place::Pinned(index) => {
                let pinned = self.pinned.as_mut().get_mut(index)?;
                let (_, limit) = pinned.owner.as_ref()?;
                Some((limit, pinned.account.parts()))
            }
            Place::Overflow(class) => {
                let class = match own_class(self.classes.as_mut(), class) {
                    Some(class) => class,
                    None => &mut self.first,
                };
                Some((&class.limit, class.overflow.parts()))
            }
        }
    }

    /// Asks the limit and the state that answer for `id`; `None` when it would be refused a slot.
    pub(super) fn look_up<A>(
        &self,
        class: u8,
        id: &K,
        now: Instant,
        ask: impl Fn(&L, &L::State) -> A,
    ) -> Option<A> {
        let mut own = self.pinned.as_ref().iter().filter(|pinned| pinned.belongs_to(id));
        if let Some((limit, state)) = own.next().and_then(Pinned::limit_and_state) {
            return Some(ask(limit, state));
        }
        let limits = |class| &self.class(class).limit;
        let newcomers = self.class(class);
        let answer = self.shard.look_up(self.peer(class, id), now, limits, &ask);
        answer.or_else(|| match self.when_full {
            WhenFull::Share => Some(ask(&newcomers.limit, &newcomers.overflow.state)),
            WhenFull::Refuse => None,
        })
    }

    /// The refusal of an id without a slot, unless what it asks for can never pass at all.
    pub(super) fn table_full(&self, class: u8, cost: u32, now: Instant) -> Rejected {
        WhenFull::refusal(&self.class(class).limit, cost, now)
    }
}

/// The class of this number among those beside the first.
fn own_class<L: Limit>(classes: &mut [Class<L>], class: u8) -> Option<&mut Class<L>> {
    classes.get_mut(usize::from(class).checked_sub(1)?)
}

/// The class of this number; the first where there is none.
#[inline]
pub(super) fn pick<'a, L: Limit>(
    first: &'a Class<L>,
    classes: &'a [Class<L>],
    class: u8,
) -> &'a Class<L> {
    let index = usize::from(class).checked_sub(1);
    index.and_then(|index| classes.get(index)).unwrap_or(first)
}
