//! Ids, and the order in which they come.

use core::fmt::Debug;
use core::hash::Hash;

/// What peers are told apart by.
pub(crate) trait Id: Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// The id of this number.
    fn of(number: u64) -> Self;
}

impl Id for u64 {
    #[inline(always)]
    fn of(number: u64) -> Self {
        mixed(number)
    }
}

impl Id for [u8; 32] {
    #[inline(always)]
    fn of(number: u64) -> Self {
        let mut bytes = [0; 32];
        for (word, part) in (0..4).zip(bytes.chunks_exact_mut(8)) {
            part.copy_from_slice(&mixed(number.wrapping_mul(4) + word).to_le_bytes());
        }
        bytes
    }
}

/// Splitmix: every number has another one.
#[inline(always)]
pub(crate) fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Distribution {
    Uniform,
    /// The n-th most frequent comes with a probability of 1/n.
    Zipf,
}

/// A million numbers below `size`.
pub(crate) fn sequence(size: usize, distribution: Distribution) -> Vec<u32> {
    let unit = |draw: u64| (mixed(draw ^ 0x5eed) >> 11) as f64 / (1_u64 << 53) as f64;
    let uniform = |draw| unit(draw) * size as f64;
    let zipf = |draw| (size as f64).powf(unit(draw)) - 1.0;
    (0..1_000_000)
        .map(|draw| match distribution {
            Distribution::Uniform => uniform(draw) as u32,
            Distribution::Zipf => zipf(draw) as u32,
        })
        .collect()
}
