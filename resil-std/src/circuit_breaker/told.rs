//! Successes that are told without the lock, and counted by whoever has it next.
//!
//! They are told by adding to a word. While the lock is taken the word is closed: what is added then counts
//! for nothing, and who has added it sees so. One that has looked, and then waited through a transition,
//! may add to a word that is open for others: core's [`Generation`] says how that is seen and taken back.

use resil_core::circuit_breaker::{Generation, Heard};

use crate::sync::{AtomicU64, Condvar, MutexGuard, Ordering, wait};

/// How many successes were told since the lock was free.
pub(super) struct Told {
    word: AtomicU64,
    /// One that was late has withdrawn.
    withdrawn: Condvar,
}

impl Told {
    /// None is heard yet.
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(Generation::CLOSED), withdrawn: Condvar::new() }
    }

    /// Tells one of a look in this generation.
    #[inline]
    pub(super) fn add(&self, generation: Generation) -> Heard {
        generation.hears(self.word.fetch_add(generation.one(), Ordering::AcqRel))
    }

    /// Closes the word, and says what was in it, if it was open. For who has the lock.
    pub(super) fn take(&self) -> Option<u64> {
        // Only a holder of the lock opens or closes it.
        if !Generation::is_open(self.word.load(Ordering::Relaxed)) {
            return None;
        }
        Some(self.word.swap(Generation::CLOSED, Ordering::AcqRel))
    }

    /// From now on those of this generation are heard. For who has the lock, and has
    /// [taken](Self::take) those before.
    pub(super) fn open(&self, generation: Generation) {
        // A store would do; but that what was added to the closed word comes before it, loom does not know.
        self.word.swap(generation.open(), Ordering::AcqRel);
    }

    /// Gives the lock back until one that was late may have withdrawn.
    #[cold]
    pub(super) fn wait<'a, T>(&self, locked: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        wait(&self.withdrawn, locked)
    }

    /// One that was late has withdrawn.
    pub(super) fn has_withdrawn(&self) {
        self.withdrawn.notify_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_while_the_word_is_closed_is_not_heard_and_never_counts() {
        let told = Told::new();
        let mut generation = Generation::FIRST;
        assert_eq!(told.add(generation), Heard::No, "nobody has opened it");
        for _ in 0..3 {
            told.open(generation);
            (0..5).for_each(|_| assert_eq!(told.add(generation), Heard::Yes));
            assert_eq!(told.take().and_then(|word| generation.successes(word)), Some(5));
            assert_eq!(told.add(generation), Heard::No);
            assert_eq!(told.take(), None);
            assert_eq!(told.add(generation), Heard::No);
            generation = generation.next();
        }
    }

    #[test]
    fn who_has_looked_before_another_generation_is_late_and_seen_in_what_is_taken() {
        let (told, late) = (Told::new(), Generation::FIRST);
        let present = late.next();
        told.open(present);
        assert_eq!(
            [late, present, late].map(|one| told.add(one)),
            [Heard::Late, Heard::Yes, Heard::Late]
        );
        let taken = told.take().unwrap();
        assert_eq!(present.successes(taken), None);
        let without = late.withdraw(late.withdraw(taken));
        assert_eq!(present.successes(without), Some(1));
    }
}
