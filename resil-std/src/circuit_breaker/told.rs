//! Successes that are told without the lock, and counted by whoever has it next.
//!
//! They are told by adding one to a word. While the lock is taken the word is closed: what is added then
//! counts for nothing, and who has added it sees so. But one that was sure of its epoch and then waited
//! would add to whatever the word is open for by then. So once there was a transition, or another policy,
//! it stays closed for good, and a second word takes its place: that one knows how often it was opened,
//! and is changed by compare-exchange, which costs more only where threads meet.

use crate::sync::{AtomicU64, Ordering};

/// Whether what is told is counted.
const IS_OPEN: u64 = 1 << 63;
/// The lower half of a word is how many were told; above is how often it was opened.
const OPENINGS: u64 = (IS_OPEN - 1) & !NUMBER;
const OPENING: u64 = 1 << 32;
const NUMBER: u64 = u32::MAX as u64;
/// So many are to be counted soon, long before their number runs into the bits above it.
const MANY: u64 = 1 << 20;

/// How many successes were told since the lock was free.
#[derive(Default)]
pub(super) struct Told {
    added: AtomicU64,
    exchanged: AtomicU64,
}

/// Which of the words is in use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Adding,
    Exchanging,
}

/// What became of one that was told.
pub(super) enum Heard {
    /// It counts.
    Yes,
    /// It counts, and there are so many that someone has to take the lock.
    Many,
    /// It does not count: the lock is taken, or nothing adds up.
    No,
}

impl Told {
    /// Tells one by adding it.
    #[inline]
    pub(super) fn add(&self) -> Heard {
        heard(self.added.fetch_add(1, Ordering::AcqRel))
    }

    /// Tells one by exchange, if what can be seen while the word is open `counts` it: no holder of the lock
    /// has changed any of that meanwhile.
    pub(super) fn exchange(&self, counts: impl Fn() -> bool) -> Heard {
        let mut found = self.exchanged.load(Ordering::Acquire);
        while found & IS_OPEN != 0 && counts() {
            let exchanged = self.exchanged.compare_exchange_weak(
                found,
                found.wrapping_add(1),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match exchanged {
                Ok(_) => return heard(found),
                Err(other) => found = other,
            }
        }
        Heard::No
    }

    /// How many were told; from now on none is heard. For who has the lock.
    pub(super) fn take(&self, by: By) -> u32 {
        let word = self.word(by);
        // Only a holder of the lock opens it, or counts its openings.
        let seen = word.load(Ordering::Relaxed);
        if seen & IS_OPEN == 0 {
            return 0;
        }
        (word.swap(seen & OPENINGS, Ordering::AcqRel) & NUMBER) as u32
    }

    /// From now on they are heard. For who has the lock, and has [taken](Self::take) those before.
    pub(super) fn open(&self, by: By) {
        let word = self.word(by);
        let openings = word.load(Ordering::Relaxed).wrapping_add(OPENING) & OPENINGS;
        // A store would do; but that what was added to the closed word comes before it, loom does not know.
        word.swap(IS_OPEN | openings, Ordering::AcqRel);
    }

    fn word(&self, by: By) -> &AtomicU64 {
        match by {
            By::Adding => &self.added,
            By::Exchanging => &self.exchanged,
        }
    }
}

#[inline]
fn heard(found: u64) -> Heard {
    // For one comparison where all is well.
    match found & (IS_OPEN | MANY) {
        IS_OPEN => Heard::Yes,
        0 | MANY => Heard::No,
        _ => Heard::Many,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::cell::Cell;

    use super::*;

    const BOTH: [By; 2] = [By::Adding, By::Exchanging];

    fn tell(told: &Told, by: By) -> Heard {
        match by {
            By::Adding => told.add(),
            By::Exchanging => told.exchange(|| true),
        }
    }

    #[test]
    fn what_is_told_while_the_word_is_closed_is_not_heard_and_never_counts() {
        for by in BOTH {
            let told = Told::default();
            assert!(matches!(tell(&told, by), Heard::No), "nobody has opened it");
            for _ in 0..3 {
                told.open(by);
                (0..5).for_each(|_| assert!(matches!(tell(&told, by), Heard::Yes)));
                assert_eq!(told.take(by), 5);
                assert!(matches!(tell(&told, by), Heard::No));
                assert_eq!(told.take(by), 0);
                assert!(matches!(tell(&told, by), Heard::No));
            }
        }
    }

    #[test]
    fn who_found_the_word_open_is_not_heard_by_one_that_was_closed_and_opened_since() {
        let told = Told::default();
        for times in 1..=3 {
            told.open(By::Exchanging);
            let asked = Cell::new(0);
            let counts = || {
                asked.set(asked.get() + 1);
                if asked.get() == 1 {
                    for _ in 0..times {
                        told.take(By::Exchanging);
                        told.open(By::Exchanging);
                    }
                }
                asked.get() == 1
            };
            assert!(matches!(told.exchange(counts), Heard::No));
            assert_eq!((asked.get(), told.take(By::Exchanging)), (2, 0), "it looked again");
        }
    }

    #[test]
    fn when_many_were_told_each_further_one_is_heard_and_asks_to_be_counted() {
        for by in BOTH {
            let told = Told::default();
            told.open(by);
            (0..MANY).for_each(|_| assert!(matches!(tell(&told, by), Heard::Yes)));
            assert!(matches!(tell(&told, by), Heard::Many));
            assert_eq!(u64::from(told.take(by)), MANY + 1);
            assert!(matches!(tell(&told, by), Heard::No));
        }
    }
}
