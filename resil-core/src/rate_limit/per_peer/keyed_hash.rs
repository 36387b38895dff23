//! The default hash of the per-peer table.

use core::hash::BuildHasher;

/// SipHash-2-4 under a secret seed.
///
/// Peers choose their own ids. With a hash that anyone can compute they would choose ids that meet
/// in a victim's two sets and push it into the overflow bucket, so the seed has to be random, from
/// the operating system or from hardware, and it has to stay secret.
///
/// Any other [`BuildHasher`] of 64 good bits will do; for one without a key the same warning holds.
#[derive(Clone, Copy)]
pub struct KeyedHash {
    key: (u64, u64),
}

impl KeyedHash {
    /// The hash under `seed`.
    #[must_use]
    pub const fn from_seed(seed: u128) -> Self {
        Self { key: ((seed >> 64) as u64, seed as u64) }
    }
}

/// Does not show the seed.
impl core::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyedHash")
    }
}

// Deprecated in favour of `std::hash::DefaultHasher`, which core does not have and which takes no
// key. It is SipHash-2-4 as specified, and the only keyed hash without another dependency.
#[allow(deprecated)]
impl BuildHasher for KeyedHash {
    type Hasher = core::hash::SipHasher;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        core::hash::SipHasher::new_with_keys(self.key.0, self.key.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::Hasher;

    #[test]
    fn is_siphash_2_4() {
        // The vector of the paper (Aumasson, Bernstein 2012, appendix A), whose bytes run upwards.
        let mut hasher =
            KeyedHash::from_seed(0x0706_0504_0302_0100_0f0e_0d0c_0b0a_0908).build_hasher();
        hasher.write(&core::array::from_fn::<u8, 15, _>(|byte| byte as u8));
        assert_eq!(hasher.finish(), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn the_seed_decides() {
        let hash = |seed| KeyedHash::from_seed(seed).hash_one("peer");
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
        assert_ne!(hash(1), hash(1 << 64));
    }
}
