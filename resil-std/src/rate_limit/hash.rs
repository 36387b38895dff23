//! The hash of a table that strangers choose the ids of.

use core::fmt::{self, Debug};
use core::hash::{BuildHasher, Hash, Hasher};

use ahash::{AHasher, RandomState};

/// A fast hash under a random seed of its own: the default of
/// [`RateLimiter`](super::RateLimiter).
///
/// Peers choose their ids, and with a hash that anyone can compute they would choose ids that meet in a
/// victim's two sets. The seed, 256 bits from the operating system for each table, is what keeps them from
/// it; nobody sees a hash value. It is aHash, which is keyed, and has no proof behind it as SipHash has. What a broken one would cost is a newcomer's slot: he would share the overflow
/// bucket. Residents keep what they have under any hash.
///
/// Whoever wants SipHash gives a [`KeyedHash`](resil_core::rate_limit::KeyedHash) to
/// [`hasher`](super::RateLimiterBuilder::hasher).
#[derive(Clone)]
pub struct RandomHash(RandomState);

impl RandomHash {
    /// A hash under another seed than all others.
    #[must_use]
    pub fn new() -> Self {
        let [one, two, three, four] = rand::random();
        Self(RandomState::with_seeds(one, two, three, four))
    }
}

impl Default for RandomHash {
    fn default() -> Self {
        Self::new()
    }
}

/// Does not show the seed.
impl Debug for RandomHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomHash")
    }
}

impl BuildHasher for RandomHash {
    type Hasher = RandomHasher;

    #[inline(always)]
    fn build_hasher(&self) -> RandomHasher {
        RandomHasher(self.0.build_hasher())
    }

    #[allow(clippy::manual_hash_one, reason = "this is it")]
    #[inline(always)] // so that the length of an id that is an array is known
    fn hash_one<V: Hash>(&self, id: V) -> u64 {
        let mut hasher = self.build_hasher();
        id.hash(&mut hasher);
        hasher.finish()
    }
}

/// What [`RandomHash`] makes.
#[derive(Clone)]
pub struct RandomHasher(AHasher);

impl Debug for RandomHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomHasher")
    }
}

impl Hasher for RandomHasher {
    #[inline(always)]
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    #[inline(always)]
    fn write_u8(&mut self, number: u8) {
        self.0.write_u8(number);
    }

    #[inline(always)]
    fn write_u16(&mut self, number: u16) {
        self.0.write_u16(number);
    }

    #[inline(always)]
    fn write_u32(&mut self, number: u32) {
        self.0.write_u32(number);
    }

    #[inline(always)]
    fn write_u64(&mut self, number: u64) {
        self.0.write_u64(number);
    }

    #[inline(always)]
    fn write_u128(&mut self, number: u128) {
        self.0.write_u128(number);
    }

    #[inline(always)]
    fn write_usize(&mut self, number: usize) {
        self.0.write_usize(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_within_a_table_and_another_in_the_next() {
        let (one, other) = (RandomHash::new(), RandomHash::new());
        assert_eq!(one.hash_one([7_u8; 32]), one.clone().hash_one([7_u8; 32]));
        assert_ne!(one.hash_one([7_u8; 32]), other.hash_one([7_u8; 32]));
        assert_eq!(format!("{one:?}"), "RandomHash", "the seed stays secret");
    }

    #[test]
    fn ids_of_every_integer_are_told_apart() {
        fn differ<I: Hash + From<u8>>(hash: &RandomHash) -> bool {
            hash.hash_one(I::from(1)) != hash.hash_one(I::from(2))
        }
        let hash = RandomHash::new();
        let told = [differ::<u8>, differ::<u16>, differ::<u32>, differ::<u64>, differ::<u128>];
        assert_eq!(told.map(|told| told(&hash)), [true; 5]);
        assert!(differ::<usize>(&hash));
        assert_ne!(hash.hash_one("a"), hash.hash_one("b"));
    }
}
