//! Fractions of 2^16 and 2^32, so that a decision multiplies where a float would divide, and products
//! of 128 bits.

use crate::ratio::Ratio;

/// `ratio` in units of 2^-32, rounded down; anything from 1 on is the largest there is. Divides, so it
/// is for builders.
pub(crate) const fn parts(ratio: Ratio) -> u32 {
    let above = (ratio.numerator() as u64) << 32;
    match above.checked_div(ratio.denominator() as u64) {
        Some(parts) if parts <= u32::MAX as u64 => parts as u32,
        _ => u32::MAX,
    }
}

/// `whole · parts / 2^32`, rounded down.
#[inline]
pub(crate) const fn share(whole: u64, parts: u32) -> u64 {
    let high = (whole >> 32).wrapping_mul(parts as u64);
    let low = (whole & u32::MAX as u64).wrapping_mul(parts as u64) >> 32;
    high.saturating_add(low)
}

/// `a + b`, at most what 64 bits hold. On a Cortex-M0 a routine: it is 14 instructions, and everywhere.
#[cfg_attr(not(target_has_atomic = "32"), inline(never))]
#[cfg_attr(target_has_atomic = "32", inline)]
pub(crate) const fn sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}

/// `a · b`: its upper and its lower 64 bits.
#[inline]
pub(crate) const fn product(a: u64, b: u64) -> (u64, u64) {
    if cfg!(target_pointer_width = "64") {
        let wide = (a as u128).wrapping_mul(b as u128);
        ((wide >> 64) as u64, wide as u64)
    } else {
        (upper_half(a, b), a.wrapping_mul(b))
    }
}

/// The upper 64 bits of `a · b`, from products of 32 bits each.
///
/// The compiler would make the same of 128 bits, anew wherever one is asked for: 200 bytes each on a
/// Cortex-M0, which is told from larger cores by its lack of atomic exchange. There it is a routine.
#[cfg_attr(not(target_has_atomic = "32"), inline(never))]
#[cfg_attr(target_has_atomic = "32", inline)]
const fn upper_half(a: u64, b: u64) -> u64 {
    const LOW: u64 = u32::MAX as u64;
    let (a_high, a_low, b_high, b_low) = (a >> 32, a & LOW, b >> 32, b & LOW);
    let carry = a_low.wrapping_mul(b_low) >> 32;
    let middle = a_high.wrapping_mul(b_low).wrapping_add(carry);
    let other = a_low.wrapping_mul(b_high).wrapping_add(middle & LOW);
    a_high.wrapping_mul(b_high).wrapping_add(middle >> 32).wrapping_add(other >> 32)
}

/// `part · 2^bits / whole`, rounded down, for `part < whole < 2^63` and at most 32 bits: one compare
/// a bit, because a wide division is a long way on a small core.
pub(crate) const fn quotient(part: u64, whole: u64, bits: u32) -> u32 {
    let (mut left, mut quotient, mut bit) = (part, 0_u32, 0_u32);
    while bit < bits {
        left <<= 1;
        quotient <<= 1;
        if left >= whole {
            left = left.saturating_sub(whole);
            quotient |= 1;
        }
        bit = bit.wrapping_add(1);
    }
    quotient
}

/// `whole · by / parts`, rounded up, and at most what 64 bits hold; for `by` and `parts` from 1 to below
/// 2^63. A step a bit, of which there are 128, so it is for what is seldom done.
pub(crate) fn scaled_up(whole: u64, by: u64, parts: u64) -> u64 {
    let product = u128::from(whole).wrapping_mul(by.into());
    let up = product.saturating_add(u128::from(parts.saturating_sub(1)));
    let (mut left, mut scaled) = (0_u64, 0_u64);
    for bit in (0..u128::BITS).rev() {
        if scaled > u64::MAX / 2 {
            return u64::MAX;
        }
        left = left << 1 | (up.wrapping_shr(bit) & 1) as u64;
        scaled <<= 1;
        if left >= parts {
            left = left.saturating_sub(parts);
            scaled |= 1;
        }
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_product_rounded_down() {
        for whole in [0, 1, 7, u64::from(u32::MAX), 1 << 32, 0x1234_5678_9ABC_DEF0, u64::MAX] {
            for part in [0, 1, 1 << 31, 0xDEAD_BEEF, u32::MAX] {
                let exact = (u128::from(whole) * u128::from(part)) >> 32;
                assert_eq!(u128::from(share(whole, part)), exact);
            }
        }
        assert_eq!(parts(Ratio::new(1, 2)), 1 << 31);
        assert_eq!(parts(Ratio::ONE), u32::MAX);
        assert_eq!(parts(Ratio::new(1, 0)), u32::MAX);
    }

    #[test]
    fn a_product_of_halves_is_the_product() {
        let numbers = [0, 1, 7, u64::from(u32::MAX), 1 << 32, 0x1234_5678_9ABC_DEF0, u64::MAX];
        for a in numbers {
            for b in numbers {
                let exact = u128::from(a) * u128::from(b);
                assert_eq!(product(a, b), ((exact >> 64) as u64, exact as u64));
                assert_eq!(upper_half(a, b), (exact >> 64) as u64);
            }
        }
    }

    #[test]
    fn what_is_scaled_up_is_the_fraction_rounded_up() {
        let numbers = [1, 2, 3, 999, 1_000, 1 << 40, (1 << 62) + 1, (1 << 63) - 1];
        for whole in numbers.into_iter().chain([0, u64::MAX]) {
            for by in numbers {
                for parts in numbers {
                    let exact = (u128::from(whole) * u128::from(by)).div_ceil(parts.into());
                    assert_eq!(scaled_up(whole, by, parts), exact.min(u64::MAX.into()) as u64);
                }
            }
        }
    }

    #[test]
    fn a_quotient_is_the_division_rounded_down() {
        for whole in [1, 2, 3, 1_000, 1 << 40, (1 << 63) - 1] {
            for part in [0, 1, 2, 999, whole / 3, whole / 2, whole - 1] {
                if part < whole {
                    for bits in [16, 32] {
                        let exact = (u128::from(part) << bits) / u128::from(whole);
                        assert_eq!(u128::from(quotient(part, whole, bits)), exact);
                    }
                }
            }
        }
    }
}
