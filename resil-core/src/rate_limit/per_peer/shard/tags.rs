//! Eight bytes in a word, one for each slot of a set.

const LOWEST: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// The byte of a hash that neither of the two sets is picked by, as long as there are fewer than 2^24.
const fn tag(hash: u64) -> u64 {
    hash & 0xff
}

/// The word with another tag in this slot.
pub(super) const fn with(word: u64, slot: usize, hash: u64) -> u64 {
    let shift = (slot as u32).wrapping_mul(8);
    (word & !0xff_u64.wrapping_shl(shift)) | tag(hash).wrapping_shl(shift)
}

/// A bit in the byte of each slot whose tag is that of `hash`; seldom in another one above such a byte,
/// from which the subtraction borrows, and never in one too few.
#[inline]
pub(super) const fn alike(word: u64, hash: u64) -> u64 {
    let differing = word ^ tag(hash).wrapping_mul(LOWEST);
    differing.wrapping_sub(LOWEST) & !differing & HIGHEST
}

/// The first of those slots; 8 where there are none.
#[inline]
pub(super) const fn lowest(alike: u64) -> usize {
    (alike.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_slot_of_the_same_tag_is_left_out() {
        // Neighbours of 0, 1 and the ends, where a borrow would show.
        let bytes = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
        for seed in 0..4_096_u64 {
            let tags: [u64; 8] = core::array::from_fn(|slot| {
                bytes[(seed.rotate_right(3 * slot as u32) & 7) as usize]
            });
            let mut word = u64::MAX;
            for (slot, tag) in tags.into_iter().enumerate() {
                word = with(word, slot, tag | 0xabc0_0000_0000_0100);
            }
            for asked in bytes {
                let found = alike(word, asked | 0x1200);
                for (slot, tag) in tags.into_iter().enumerate() {
                    assert!(tag != asked || found >> (8 * slot) & 0xff == 0x80, "{tags:?} {asked}");
                }
                let first = tags.iter().position(|tag| *tag == asked);
                assert_eq!(lowest(found), first.unwrap_or(8), "{tags:?} {asked}");
            }
        }
    }
}
