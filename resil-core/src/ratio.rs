//! Shares, rates and bases as fractions, so that nothing needs a float.

use core::fmt;

/// A fraction of two `u16`, such as 3/2: the base of an exponential curve, a share of failures, what
/// a retry budget earns.
///
/// Any two numbers make a ratio; whether it is one for the purpose is decided where a policy is
/// built. Equality is of the two numbers as written: 4/2 is not 2/1.
///
/// ```
/// use resil_core::Ratio;
///
/// assert_eq!(Ratio::new(3, 2).to_string(), "3/2");
/// assert_eq!(Ratio::from(2), Ratio::TWO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ratio {
    numerator: u16,
    denominator: u16,
}

impl Ratio {
    /// 1: a curve that does not grow.
    pub const ONE: Self = Self::new(1, 1);

    /// 2: every delay twice the one before; the seed's and everybody's default.
    pub const TWO: Self = Self::new(2, 1);

    /// `numerator / denominator`.
    #[must_use]
    pub const fn new(numerator: u16, denominator: u16) -> Self {
        Self { numerator, denominator }
    }

    /// The number above the line.
    #[must_use]
    pub const fn numerator(self) -> u16 {
        self.numerator
    }

    /// The number below the line.
    #[must_use]
    pub const fn denominator(self) -> u16 {
        self.denominator
    }

    /// `percent / 100`.
    ///
    /// ```
    /// use resil_core::Ratio;
    ///
    /// assert_eq!(Ratio::percent(5), Ratio::new(5, 100));
    /// ```
    #[must_use]
    pub const fn percent(percent: u16) -> Self {
        Self::new(percent, 100)
    }

    /// Whether it is above 0 and at most 1.
    pub(crate) const fn is_share(self) -> bool {
        self.numerator > 0 && self.numerator <= self.denominator
    }

    /// Whether `part` is at least this much of `whole`; exact, and true of nothing in nothing.
    #[inline]
    pub(crate) const fn is_reached(self, part: u32, whole: u32) -> bool {
        (part as u64).wrapping_mul(self.denominator as u64)
            >= (whole as u64).wrapping_mul(self.numerator as u64)
    }

    /// Whether a policy takes it for a base: 1, or 1.01 to 64.
    ///
    /// What lies between would need more than 4,459 attempts to get from 1 ns to the end of time,
    /// and more precision than 64 bits to do it exactly.
    pub(crate) const fn is_base(self) -> bool {
        let (above, below) = (self.numerator as u32, self.denominator as u32);
        let at_least = above.saturating_mul(100) >= below.saturating_mul(101);
        let at_most = above <= below.saturating_mul(64);
        below > 0 && (above == below || (at_least && at_most))
    }

    /// `k` where the ratio is exactly 2^k, up to 2^6.
    pub(crate) const fn log2(self) -> Option<u32> {
        let mut k = 0_u32;
        while k <= 6 {
            if self.denominator > 0
                && self.numerator as u32 == (self.denominator as u32).wrapping_shl(k)
            {
                return Some(k);
            }
            k = k.saturating_add(1);
        }
        None
    }
}

impl From<u16> for Ratio {
    fn from(whole: u16) -> Self {
        Self::new(whole, 1)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_one_or_from_1_01_to_64() {
        for (above, below) in [(1, 1), (7, 7), (101, 100), (3, 2), (64, 1), (65_535, 1_024)] {
            assert!(Ratio::new(above, below).is_base(), "{above}/{below}");
        }
        for (above, below) in
            [(0, 1), (1, 0), (0, 0), (99, 100), (1_009, 1_000), (65, 1), (6_401, 100)]
        {
            assert!(!Ratio::new(above, below).is_base(), "{above}/{below}");
        }
    }

    #[test]
    fn powers_of_two_are_recognised_in_any_form() {
        assert_eq!(Ratio::new(5, 5).log2(), Some(0));
        assert_eq!(Ratio::new(6, 3).log2(), Some(1));
        assert_eq!(Ratio::new(64, 1).log2(), Some(6));
        assert_eq!(Ratio::new(3, 2).log2(), None);
        assert_eq!(Ratio::new(0, 0).log2(), None);
    }

    #[test]
    fn a_share_of_a_whole_is_exact() {
        let third = Ratio::new(1, 3);
        assert!(third.is_reached(1, 3) && third.is_reached(2, 3) && !third.is_reached(33, 100));
        assert!(third.is_reached(u32::MAX / 3, u32::MAX));
        assert!(!third.is_reached(u32::MAX / 3 - 1, u32::MAX));
        assert!(third.is_share() && Ratio::ONE.is_share());
        assert!(
            !Ratio::TWO.is_share() && !Ratio::new(0, 1).is_share() && !Ratio::new(0, 0).is_share()
        );
    }
}
