//! Powers of a ratio without floating point.

use crate::ratio::Ratio;

/// `mantissa · 2^exponent`, the highest bit of the mantissa set: a ratio or a power of one, to 64
/// significant bits.
///
/// Each rounding is to the nearest, so it is off by at most 2^-64 of the value. A power n adds up to
/// 2n of them (Knuth, The Art of Computer Programming 2, §4.2.2 and §4.6.3): the 3,483 attempts that
/// base 1.01 takes from 1 ns to 2^50 ns make 0.43 ns, and the last rounding to whole nanoseconds
/// 0.5 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Factor {
    mantissa: u64,
    exponent: i32,
}

impl Factor {
    /// `ratio`; `None` for 0 and for a denominator of 0.
    pub(super) const fn from_ratio(ratio: Ratio) -> Option<Self> {
        let above = (ratio.numerator() as u128) << 112;
        match above.checked_div(ratio.denominator() as u128) {
            None | Some(0) => None,
            Some(quotient) => Some(Self::rounded(quotient, -112)),
        }
    }

    /// `wide · 2^exponent` to 64 bits; `wide` is not 0.
    const fn rounded(wide: u128, exponent: i32) -> Self {
        let zeros = wide.leading_zeros();
        let normal = wide.wrapping_shl(zeros);
        let exponent = exponent.wrapping_add(64).wrapping_sub(zeros as i32);
        let (high, round_up) = ((normal >> 64) as u64, (normal as u64) >> 63);
        match high.checked_add(round_up) {
            Some(mantissa) => Self { mantissa, exponent },
            None => Self { mantissa: 1 << 63, exponent: exponent.wrapping_add(1) },
        }
    }

    const fn times(self, other: Self) -> Self {
        let product = (self.mantissa as u128).wrapping_mul(other.mantissa as u128);
        Self::rounded(product, self.exponent.wrapping_add(other.exponent))
    }

    /// `initial · self^power` to the nearest whole number, or `u64::MAX`.
    pub(super) const fn grow(self, initial: u64, power: u32) -> u64 {
        let Some(highest) = power.checked_ilog2() else { return initial };
        let mut result = self;
        let mut bit = highest;
        while bit > 0 && result.matters() {
            bit = bit.wrapping_sub(1);
            result = result.times(result);
            if power.wrapping_shr(bit) & 1 == 1 {
                result = result.times(self);
            }
        }
        result.of(initial)
    }

    /// Whether `of` is not settled yet. A partial power that left this range never comes back, and
    /// exponents stay small.
    const fn matters(self) -> bool {
        self.exponent <= 0 && self.exponent > -256
    }

    /// `initial · self` to the nearest whole number, or `u64::MAX`.
    const fn of(self, initial: u64) -> u64 {
        let product = (initial as u128).wrapping_mul(self.mantissa as u128);
        if self.exponent >= 0 {
            // The mantissa has 64 bits: from 2^64 on nothing but a product of 0 or 1 · mantissa fits.
            return if self.exponent == 0 || initial == 0 { saturated(product) } else { u64::MAX };
        }
        let shift = self.exponent.unsigned_abs();
        match product.checked_shr(shift.wrapping_sub(1)) {
            Some(doubled) => saturated((doubled >> 1).wrapping_add(doubled & 1)),
            None => 0,
        }
    }
}

const fn saturated(wide: u128) -> u64 {
    if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundings_are_to_the_nearest() {
        let rounded = |wide| Factor::rounded(wide, 0);
        let exactly = |mantissa, exponent| Factor { mantissa, exponent };
        assert_eq!(rounded(1), exactly(1 << 63, -63));
        assert_eq!(rounded((1 << 127) + (1 << 63) - 1), exactly(1 << 63, 64));
        assert_eq!(rounded((1 << 127) + (1 << 63)), exactly((1 << 63) + 1, 64));
        assert_eq!(rounded(u128::MAX), exactly(1 << 63, 65), "up into the next bit");
    }

    #[test]
    fn a_factor_grows_shrinks_and_saturates() {
        let half = Factor::from_ratio(Ratio::new(1, 2)).unwrap();
        assert_eq!(half.grow(1_000, 3), 125);
        assert_eq!(half.grow(u64::MAX, u32::MAX), 0);
        let most = Factor::from_ratio(Ratio::new(u16::MAX, 1)).unwrap();
        assert_eq!(most.grow(1, 1), 65_535);
        assert_eq!(most.grow(1, u32::MAX), u64::MAX);
        assert_eq!(most.grow(0, u32::MAX), 0);
        assert_eq!(Factor::from_ratio(Ratio::new(0, 1)), None);
        assert_eq!(Factor::from_ratio(Ratio::new(1, 0)), None);
    }
}
