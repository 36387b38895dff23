//! Powers of a ratio without floating point.

use crate::fixed::product;
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
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
}

impl Factor {
    /// `ratio`; `None` for 0 and for a denominator of 0.
    pub(super) const fn from_ratio(ratio: Ratio) -> Option<Self> {
        let above = (ratio.numerator() as u128) << 112;
        match above.checked_div(ratio.denominator() as u128) {
            None | Some(0) => None,
            Some(quotient) => {
                let zeros = quotient.leading_zeros();
                let normal = quotient.wrapping_shl(zeros);
                let exponent = (-48_i32).wrapping_sub(zeros as i32);
                Some(Self::rounded((normal >> 64) as u64, normal as u64, exponent))
            }
        }
    }

    /// `(high + low · 2^-64) · 2^exponent` to 64 bits; the highest bit of `high` is set.
    const fn rounded(high: u64, low: u64, exponent: i32) -> Self {
        match high.checked_add(low >> 63) {
            Some(mantissa) => Self { mantissa, exponent },
            None => Self { mantissa: 1 << 63, exponent: exponent.wrapping_add(1) },
        }
    }

    const fn times(self, other: Self) -> Self {
        let (high, low) = product(self.mantissa, other.mantissa);
        let exponent = self.exponent.wrapping_add(other.exponent).wrapping_add(64);
        if high >> 63 == 1 {
            return Self::rounded(high, low, exponent);
        }
        // The product of two such mantissas has 128 bits, or 127.
        Self::rounded(high << 1 | low >> 63, low << 1, exponent.wrapping_sub(1))
    }

    /// `initial · self^power` to the nearest whole number, or `u64::MAX`.
    pub(super) const fn grow(self, initial: u64, power: u32) -> u64 {
        if power == 0 {
            return initial;
        }
        let (mut result, mut bit) = (self, 0_u32);
        while power >> 1 >> bit > 0 {
            bit = bit.wrapping_add(1); // up to the highest
        }
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
        let (mut high, mut low) = product(initial, self.mantissa);
        let mut shift = self.exponent.unsigned_abs();
        if self.exponent >= 0 {
            // The mantissa has 64 bits: from 2^64 on nothing but a product of 0 or 1 · mantissa fits.
            return if initial == 0 || shift == 0 && high == 0 { low } else { u64::MAX };
        }
        if shift > 64 {
            (high, low, shift) = (0, high, shift.wrapping_sub(64));
        }
        if shift < 64 && high >> shift > 0 {
            return u64::MAX;
        }
        // Without its last bit, which says which way to round; `high` is 0 for more than 64.
        let doubled = match low.checked_shr(shift.wrapping_sub(1)) {
            Some(doubled) => doubled,
            None => 0,
        };
        let above = high.wrapping_shl(64_u32.wrapping_sub(shift));
        (above | doubled >> 1).saturating_add(doubled & 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundings_are_to_the_nearest() {
        let rounded = |high, low| Factor::rounded(high, low, 0);
        let exactly = |mantissa, exponent| Factor { mantissa, exponent };
        assert_eq!(rounded(1 << 63, (1 << 63) - 1), exactly(1 << 63, 0));
        assert_eq!(rounded(1 << 63, 1 << 63), exactly((1 << 63) + 1, 0));
        assert_eq!(rounded(u64::MAX, u64::MAX), exactly(1 << 63, 1), "up into the next bit");
    }

    #[test]
    fn a_product_is_rounded_as_its_exact_value() {
        let mantissas = [1 << 63, (1 << 63) + 1, 0xB504_F333_F9DE_6484, 3 << 62, u64::MAX];
        for mantissa in mantissas {
            for initial in [0, 1, 2, 3, 1_000, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX] {
                for exponent in -200..=3 {
                    let exact = u128::from(initial) * u128::from(mantissa);
                    let of = Factor { mantissa, exponent }.of(initial);
                    let saturated = |wide| u64::try_from(wide).unwrap_or(u64::MAX);
                    let expected = match u32::try_from(-exponent) {
                        Ok(0) => saturated(exact),
                        Ok(shift) => {
                            let doubled = exact.checked_shr(shift - 1).unwrap_or(0);
                            saturated((doubled >> 1) + (doubled & 1))
                        }
                        Err(_) if initial == 0 => 0,
                        Err(_) => u64::MAX,
                    };
                    assert_eq!(of, expected, "{initial} · {mantissa} · 2^{exponent}");
                }
            }
        }
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

    #[test]
    fn two_mantissas_make_one_that_is_rounded_to_the_nearest() {
        let mantissas = [1 << 63, (1 << 63) + 1, 0xB504_F333_F9DE_6484, 3 << 62, u64::MAX];
        for (one, other) in mantissas.iter().flat_map(|one| mantissas.map(|other| (*one, other))) {
            let exact = u128::from(one) * u128::from(other);
            let zeros = exact.leading_zeros();
            let normal = exact << zeros;
            let expected = Factor::rounded((normal >> 64) as u64, normal as u64, 64 - zeros as i32);
            let [one, other] = [one, other].map(|mantissa| Factor { mantissa, exponent: 0 });
            assert_eq!(one.times(other), expected);
        }
    }
}
