//! Of which look at a breaker a success is that is told by adding it.

/// Which looks at a breaker may tell a success by adding it to what is counted beside its lock: those of
/// the present generation. The next one begins with each transition, and with each other policy.
///
/// A thread may sleep between looking and adding, and then it adds to a word that is for others: it is
/// late. So what a success [adds](Self::one) says of which generation its look was. Who takes the word
/// away sees whether [all in it](Self::successes) are of one; and who was late sees that in what it
/// [found](Self::hears), and is on its way to the lock to [withdraw](Self::withdraw). Until then nobody
/// decides.
///
/// - Who looks loads the generation together with the [`Glance`](super::Glance), from one atomic. It adds
///   [`one`](Self::one) to the word, and [hears](Self::hears) from what was there whether it counts.
/// - Who has the lock takes the word away, puts [`CLOSED`](Self::CLOSED) in its place unless it is there,
///   and keeps what it took under the lock. It counts the [`successes`](Self::successes); where it is not
///   known how many they are, it gives the lock back until one that was late has withdrawn.
/// - Who was [late](Heard::Late) takes the lock and the word as everybody does, and withdraws from what is
///   kept.
/// - Before the lock is free, what is looked at is brought up to date, in the [next](Self::next)
///   generation if it has come; and then the word is [opened](Self::open), where successes add up.
///
/// # Law
///
/// How many successes there are is known exactly when all that were late have withdrawn, and it is how
/// many were heard. So it is while those that are late at once are so by fewer than 65,536 generations all
/// together: a bound like that on the age of a [`Permit`](super::Permit).
///
/// ```
/// use resil_core::circuit_breaker::{Generation, Heard};
///
/// let early = Generation::FIRST;
/// let late = early; // has looked, and sleeps
/// let mut word = early.open();
/// let mut add = |one: Generation| {
///     let found = word;
///     word = word.wrapping_add(one.one());
///     one.hears(found)
/// };
/// assert!(add(early) == Heard::Yes);
///
/// let present = early.next(); // the breaker was reset
/// word = present.open();
/// let mut add = |one: Generation| {
///     let found = word;
///     word = word.wrapping_add(one.one());
///     one.hears(found)
/// };
/// assert!(add(present) == Heard::Yes && add(late) == Heard::Late);
/// assert_eq!(present.successes(word), None, "one of two, but who knows");
/// assert_eq!(present.successes(late.withdraw(word)), Some(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Generation(u16);

/// What became of a success that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "one that was late is waited for"]
pub enum Heard {
    /// It counts.
    Yes,
    /// It counts, and there are so many that whoever hears this has to take the lock, and have them counted.
    Many,
    /// It does not count: the word is closed.
    No,
    /// It does not count, and those among which it is are not counted before it has
    /// [withdrawn](Generation::withdraw).
    Late,
}

/// How many were added.
const NUMBER: u64 = Generation::CLOSED - 1;
/// So many are to be counted soon, long before their number runs into the bits above it.
const MANY: u64 = 1 << 20;
/// From this bit on is for which generation the word was opened.
const FOR: u32 = 32;
/// From this bit on is the sum of the generations of which they are: what it does not hold falls off above.
const SUM: u32 = 48;
/// Shifted until the sum has fallen off, a word that was opened for generation 0 is below this while it is
/// open, and below that while there are few in it.
const OPEN: u64 = Generation::CLOSED << (SUM - FOR);
const FEW: u64 = MANY << (SUM - FOR);

impl Generation {
    /// Of a new breaker.
    pub const FIRST: Self = Self(0);

    /// The word that hears nobody.
    pub const CLOSED: u64 = 1 << 31;

    /// The number, for an atomic.
    #[must_use]
    #[inline]
    pub const fn into_raw(self) -> u16 {
        self.0
    }

    /// The generation from a number that was one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The one after it.
    #[must_use]
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The word that hears this generation, and of which nothing is added yet.
    #[must_use]
    #[inline]
    pub const fn open(self) -> u64 {
        (self.0 as u64) << FOR
    }

    /// What a success adds to the word, which wraps around.
    #[must_use]
    #[inline]
    pub const fn one(self) -> u64 {
        self.sum() | 1
    }

    /// What became of a success of this generation that has found this word when it was added.
    #[inline]
    pub const fn hears(self, found: u64) -> Heard {
        // Without the sum: for which generation it was opened, whether it is closed, how many there are.
        // Where all is well, one comparison knows.
        match (found << (SUM - FOR)) ^ self.sum() {
            ..FEW => Heard::Yes,
            FEW..OPEN => Heard::Many,
            _ if Self::is_open(found) => Heard::Late,
            _ => Heard::No,
        }
    }

    /// Whether somebody may hear of the word that he was heard, or late.
    #[must_use]
    #[inline]
    pub const fn is_open(word: u64) -> bool {
        word & Self::CLOSED == 0
    }

    /// What it is in the sum.
    #[inline]
    const fn sum(self) -> u64 {
        (self.0 as u64) << SUM
    }

    /// How many successes are in a word that was opened for this generation and taken away, or in one that
    /// is [`CLOSED`](Self::CLOSED). `None`: not before one that was late has [withdrawn](Self::withdraw).
    #[must_use]
    #[inline]
    pub const fn successes(self, taken: u64) -> Option<u32> {
        let number = taken & NUMBER;
        let are_of_this = taken == self.open().wrapping_add(self.one().wrapping_mul(number));
        if are_of_this || taken == Self::CLOSED { Some(number as u32) } else { None }
    }

    /// The word that was taken away, without one of this generation that was [late](Heard::Late) in it.
    #[must_use]
    #[inline]
    pub const fn withdraw(self, taken: u64) -> u64 {
        if taken == Self::CLOSED { taken } else { taken.wrapping_sub(self.one()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_each_is_heard_and_asks_to_be_counted() {
        for generation in [0, 1, u16::MAX].map(Generation) {
            let mut word = generation.open();
            for told in 0..(1 << 21) + 3 {
                let many = told >= 1 << 20;
                let heard = if many { Heard::Many } else { Heard::Yes };
                assert_eq!(generation.hears(word), heard, "{told}");
                word = word.wrapping_add(generation.one());
            }
            assert_eq!(generation.successes(word), Some((1 << 21) + 3));
        }
    }

    #[test]
    fn what_is_added_to_a_closed_word_is_not_heard() {
        let mut word = Generation::CLOSED;
        for generation in [0, 1, 7, u16::MAX].map(Generation) {
            assert_eq!(generation.hears(word), Heard::No);
            assert_eq!(generation.successes(Generation::CLOSED), Some(0));
            assert_eq!(generation.withdraw(Generation::CLOSED), Generation::CLOSED);
            word = word.wrapping_add(generation.one());
            assert!(!Generation::is_open(word) && Generation::is_open(generation.open()));
        }
    }

    #[test]
    fn successes_are_known_once_all_that_were_late_have_withdrawn_and_not_before() {
        for present in [0, 1, 5, 40_000, u16::MAX].map(Generation) {
            let late = [1, 2, 2, 300, 30_000].map(|by| Generation(present.0.wrapping_sub(by)));
            for own in [0, 1, 2, 1 << 19] {
                let mut word = present.open();
                for _ in 0..own {
                    assert_eq!(present.hears(word), Heard::Yes);
                    word = word.wrapping_add(present.one());
                }
                for late in late {
                    assert_eq!(late.hears(word), Heard::Late);
                    word = word.wrapping_add(late.one());
                }
                for late in late {
                    assert_eq!(present.successes(word), None, "{late:?} has not withdrawn");
                    word = late.withdraw(word);
                }
                assert_eq!(present.successes(word), Some(own));
            }
        }
    }

    #[test]
    fn generations_come_one_after_another_and_round_again() {
        let mut generation = Generation::FIRST;
        for raw in 0..=u16::MAX {
            assert_eq!((generation.into_raw(), generation), (raw, Generation::from_raw(raw)));
            generation = generation.next();
        }
        assert_eq!(generation, Generation::FIRST);
    }
}
