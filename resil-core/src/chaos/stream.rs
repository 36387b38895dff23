//! The same random numbers on every platform.

use crate::entropy::Entropy;
use core::convert::Infallible;

/// The golden ratio's fraction in 64 bits, odd: SplitMix64's step.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seeded sequence of random numbers: SplitMix64, 8 bytes.
///
/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), with the
/// finaliser of Stafford's "Mix13", as in Java's `SplittableRandom` and Vigna's `splitmix64.c`. It passes
/// BigCrush, has a period of 2^64 and takes any seed. **Not for secrets**, and not for the jitter of a
/// fleet unless every device has a seed of its own.
///
/// `&mut Stream` is [`Entropy`] (the upper half of each number), and a `rand_core` generator.
///
/// ```
/// use resil_core::chaos::Stream;
///
/// let mut stream = Stream::new(1_234_567);
/// assert_eq!(stream.next(), 6_457_827_717_110_365_317); // on every platform
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stream(u64);

impl Stream {
    /// The sequence of this seed.
    #[must_use]
    #[inline]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for number `id`: for node 17 of a simulation, say. Draws nothing.
    #[must_use]
    #[inline]
    pub const fn fork(&self, id: u64) -> Self {
        Self(mix(mix(self.0) ^ mix(id.wrapping_add(STEP))))
    }

    /// The next 64 bits.
    #[inline]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// The next 32 bits: the upper half of the next 64.
    #[inline]
    pub const fn next_u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }
}

/// Spreads every bit of `word` over all of them; nothing is lost.
#[inline]
pub(super) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

impl Entropy for &mut Stream {
    #[inline]
    fn draw(self) -> u32 {
        self.next_u32()
    }
}

impl rand_core::TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *to = from;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::TryRng;

    /// Of Vigna's `splitmix64.c`, as they are published.
    #[test]
    fn it_is_splitmix64() {
        let mut stream = Stream::new(1_234_567);
        let numbers = [(); 5].map(|()| stream.next());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
        assert_eq!(Stream::new(0).next(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn it_is_a_generator_and_entropy() {
        let (mut one, mut other) = (Stream::new(9), Stream::new(9));
        assert_eq!((&mut one).draw(), other.try_next_u32().unwrap());
        assert_eq!(one.next(), other.try_next_u64().unwrap());
        let mut bytes = [0; 11];
        one.try_fill_bytes(&mut bytes).unwrap();
        assert_eq!(bytes[..8], other.next().to_le_bytes());
        assert_eq!(bytes[8..], other.next().to_le_bytes()[..3]);
    }

    #[test]
    fn forks_differ_from_each_other_and_from_where_they_come_from() {
        let stream = Stream::new(0);
        let mut first: std::vec::Vec<_> =
            (0..1_000).map(|id| stream.fork(id).next()).chain([stream.clone().next()]).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 1_001);
    }
}
