//! Multiplying by a fraction exactly, without dividing.

/// `count · to / from`, exact for every 64-bit count.
///
/// Worked out beforehand: the fraction in lowest terms, its whole part, and 64 bits of the rest. Their
/// product with a count is the quotient or one less, and the remainder says which (Granlund and
/// Montgomery, "Division by Invariant Integers using Multiplication", 1994).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Scale {
    above: u64,
    /// Below 2^63, so that a remainder below twice of it fits.
    below: u64,
    whole: u64,
    rest: u64,
}

impl Scale {
    /// `to / from`; `from` is at least 1, and at most [`Self::MAX_FROM`] counts.
    pub(crate) const fn new(from: u64, to: u64) -> Self {
        let from = if from == 0 { 1 } else { from };
        let from = if from > Self::MAX_FROM { Self::MAX_FROM } else { from };
        let common = greatest_common_divisor(from, to);
        let (below, above) = (quotient(from, common), quotient(to, common));
        let whole = quotient(above, below);
        let left = above.wrapping_sub(whole.wrapping_mul(below));
        let rest = match ((left as u128) << 64).checked_div(below as u128) {
            Some(rest) => rest as u64, // below 2^64, because `left` is below `below`
            None => 0,
        };
        Self { above, below, whole, rest }
    }

    pub(crate) const MAX_FROM: u64 = (1 << 63) - 1;

    /// Rounded down; `u64::MAX` where there is more.
    #[inline]
    pub(crate) const fn floor(&self, count: u64) -> u64 {
        match self.split(count) {
            Some((quotient, _)) => quotient,
            None => u64::MAX,
        }
    }

    /// Rounded up; `u64::MAX` where there is more.
    #[inline]
    pub(crate) const fn ceil(&self, count: u64) -> u64 {
        match self.split(count) {
            Some((quotient, 0)) => quotient,
            Some((quotient, _)) => quotient.saturating_add(1),
            None => u64::MAX,
        }
    }

    /// Quotient and remainder; `None` where the quotient does not fit.
    #[inline]
    const fn split(&self, count: u64) -> Option<(u64, u64)> {
        let Some(whole) = count.checked_mul(self.whole) else { return None };
        if self.rest == 0 && self.below == 1 {
            return Some((whole, 0));
        }
        let Some(low) = whole.checked_add(high_product(count, self.rest)) else { return None };
        // Below 2 · `below`, so it is right although both products wrap.
        let left = count.wrapping_mul(self.above).wrapping_sub(low.wrapping_mul(self.below));
        if left < self.below {
            return Some((low, left));
        }
        match low.checked_add(1) {
            Some(quotient) => Some((quotient, left.wrapping_sub(self.below))),
            None => None,
        }
    }
}

/// The upper 64 bits of a product: four products of 32 bits, so that it is cheap on a Cortex-M0.
#[inline]
const fn high_product(a: u64, b: u64) -> u64 {
    let (a_high, a_low) = (a >> 32, a & 0xFFFF_FFFF);
    let (b_high, b_low) = (b >> 32, b & 0xFFFF_FFFF);
    let low = a_low.wrapping_mul(b_low) >> 32;
    // Neither sum overflows: (2^32 - 1)^2 + 2 · (2^32 - 1) = 2^64 - 1.
    let middle = a_high.wrapping_mul(b_low).wrapping_add(low);
    let other = a_low.wrapping_mul(b_high).wrapping_add(middle & 0xFFFF_FFFF);
    a_high.wrapping_mul(b_high).wrapping_add(middle >> 32).wrapping_add(other >> 32)
}

const fn quotient(above: u64, below: u64) -> u64 {
    match above.checked_div(below) {
        Some(quotient) => quotient,
        None => 0,
    }
}

/// Euclid's; `a` where `b` is 0.
const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fraction_is_the_same_scale() {
        assert_eq!(Scale::new(2_000, 3_000), Scale::new(2, 3));
    }

    const NUMBERS: [u64; 17] = [
        0,
        1,
        2,
        3,
        7,
        1_000,
        32_768,
        999_999,
        1_000_000,
        999_999_999,
        1_000_000_000,
        5_242_880_000,
        u32::MAX as u64,
        1 << 32,
        (1 << 62) + 1,
        Scale::MAX_FROM,
        u64::MAX,
    ];

    fn counts() -> impl Iterator<Item = u64> {
        let near = NUMBERS
            .into_iter()
            .flat_map(|edge| (0..8).map(move |i| edge.wrapping_sub(4).wrapping_add(i)));
        near.chain((0..200_u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (i % 64)))
    }

    #[test]
    fn it_is_the_exact_quotient_rounded_down_and_up() {
        for from in NUMBERS.into_iter().filter(|from| (1..=Scale::MAX_FROM).contains(from)) {
            for to in NUMBERS {
                let scale = Scale::new(from, to);
                for count in counts() {
                    let product = u128::from(count) * u128::from(to);
                    let fits = |exact: u128| u64::try_from(exact).unwrap_or(u64::MAX);
                    let case = (count, from, to);
                    assert_eq!(scale.floor(count), fits(product / u128::from(from)), "{case:?}");
                    assert_eq!(
                        scale.ceil(count),
                        fits(product.div_ceil(u128::from(from))),
                        "{case:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_upper_half_of_a_product_is_exact() {
        for a in counts() {
            for b in NUMBERS {
                let exact = (u128::from(a) * u128::from(b)) >> 64;
                assert_eq!(u128::from(high_product(a, b)), exact);
            }
        }
    }

    #[test]
    fn what_may_not_be_is_taken_for_the_nearest_that_may() {
        assert_eq!(Scale::new(0, 5), Scale::new(1, 5));
        assert_eq!(Scale::new(u64::MAX, 5), Scale::new(Scale::MAX_FROM, 5));
    }
}
