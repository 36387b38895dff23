//! Limits of one's own, each behind its own lock, and a list that tells without one who has none.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use resil_core::rate_limit::{Limit, Pinned};

use crate::sync::{Mutex, MutexGuard, lock};

/// The entries, and the hashes of their owners.
///
/// # Locks
///
/// Whoever gives an entry or takes one away holds [`changes`](Self::changes), then the entry, and then
/// the shard of the id, and writes [`named`](Self::names) while he holds that shard. So a thread that
/// holds the shard and finds no name for its id knows that the id has no entry.
pub(super) struct PinnedEntries<K, L: Limit> {
    entries: Box<[Mutex<Pinned<K, L>>]>,
    names: Box<[AtomicU64]>,
    /// Names behind these have never been written.
    used: AtomicUsize,
    changes: Mutex<()>,
}

/// The name of a hash. An entry that nobody has is named 0.
const fn name(hash: u64) -> u64 {
    hash | 1
}

impl<K: Eq, L: Limit> PinnedEntries<K, L> {
    pub(super) fn new(count: usize) -> Self {
        Self {
            entries: (0..count).map(|_| Mutex::new(Pinned::EMPTY)).collect(),
            names: (0..count).map(|_| AtomicU64::new(0)).collect(),
            used: AtomicUsize::new(0),
            changes: Mutex::new(()),
        }
    }

    /// Whether an id with this hash may have an entry. It surely has none if not, for whoever holds its
    /// shard.
    #[inline]
    pub(super) fn names(&self, hash: u64) -> bool {
        // Relaxed, since the shard's lock orders it.
        let used = self.used.load(Ordering::Relaxed);
        self.names.iter().take(used).any(|named| named.load(Ordering::Relaxed) == name(hash))
    }

    /// Keeps others from giving and taking entries.
    pub(super) fn changes(&self) -> MutexGuard<'_, ()> {
        lock(&self.changes)
    }

    /// The entry of an id and its number.
    pub(super) fn of(&self, id: &K, hash: u64) -> Option<(usize, MutexGuard<'_, Pinned<K, L>>)> {
        let named = self.names.iter().map(|named| named.load(Ordering::Acquire) == name(hash));
        let mut likely = self.entries.iter().enumerate().zip(named).filter(|(_, named)| *named);
        likely.find_map(|((index, entry), _)| {
            let entry = lock(entry);
            entry.belongs_to(id).then_some((index, entry))
        })
    }

    /// An entry that nobody has and its number, for whoever holds [`changes`](Self::changes).
    pub(super) fn free(&self) -> Option<(usize, MutexGuard<'_, Pinned<K, L>>)> {
        self.entries.iter().map(lock).enumerate().find(|(_, entry)| entry.is_empty())
    }

    /// The entry of this number.
    pub(super) fn entry(&self, index: usize) -> Option<MutexGuard<'_, Pinned<K, L>>> {
        self.entries.get(index).map(lock)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Pinned<K, L>>> {
        self.entries.iter().map(lock)
    }

    /// Writes down who has the entry, for whoever holds `changes` and the shard of the id.
    pub(super) fn publish(&self, index: usize, owner: Option<u64>) {
        if let Some(named) = self.names.get(index) {
            named.store(owner.map_or(0, name), Ordering::Release);
        }
        self.used.fetch_max(index.saturating_add(1), Ordering::Release);
    }
}
