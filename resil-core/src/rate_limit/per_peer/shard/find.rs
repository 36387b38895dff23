//! Which slot is whose.

use super::super::SET;
use super::super::slot::Slot;
use super::{Peer, Shard, tags};
use crate::rate_limit::Limit;

impl<K, L, S, T> Shard<K, L, S, T>
where
    K: Eq + Clone,
    L: Limit,
    S: AsRef<[Slot<K, L>]> + AsMut<[Slot<K, L>]>,
    T: AsRef<[u64]> + AsMut<[u64]>,
{
    /// The number of the slot that a peer has.
    #[inline]
    pub(in crate::rate_limit::per_peer) fn find(&self, peer: Peer<'_, K>) -> Option<usize> {
        self.sets(peer.hash).into_iter().find_map(|start| {
            match self.tags.as_ref().get(start / SET) {
                Some(word) => self.find_by_tag(start, tags::alike(*word, peer.hash), peer),
                None => {
                    let mut set = self.set(start).iter();
                    let index = set.position(|slot| slot.belongs_to(peer.class, peer.id))?;
                    Some(start.saturating_add(index))
                }
            }
        })
    }

    /// The slot of a peer among those of the set at `start` that have his tag; no other is read.
    fn find_by_tag(&self, start: usize, mut alike: u64, peer: Peer<'_, K>) -> Option<usize> {
        while alike != 0 {
            let index = start.saturating_add(tags::lowest(alike));
            let slot = self.slots.as_ref().get(index)?;
            if slot.belongs_to(peer.class, peer.id) {
                return Some(index);
            }
            alike &= alike.wrapping_sub(1);
        }
        None
    }

    /// The number of the slot that most likely is that of somebody with this hash, if he has one. Both
    /// words are read at once, and nothing is branched on before the slot itself is.
    #[inline(always)]
    pub(super) fn likely(&self, hash: u64) -> Option<usize> {
        let [first, second] = self.sets(hash);
        let tags = self.tags.as_ref();
        let in_first = tags::alike(*tags.get(first / SET)?, hash);
        let in_second = tags::alike(*tags.get(second / SET)?, hash);
        let (start, alike) = if in_first == 0 { (second, in_second) } else { (first, in_first) };
        Some(start.saturating_add(tags::lowest(alike)))
    }
}
