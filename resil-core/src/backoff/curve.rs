//! Fixed, linear, exponential.

use super::factor::Factor;
use crate::ratio::Ratio;

/// How delays grow from attempt to attempt, before the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Curve {
    /// `initial`, always.
    Fixed,
    /// `initial · (n + 1)`.
    Linear,
    /// `initial · base^n`; base 2 unless there is a reason.
    Exponential(Ratio),
}

/// A curve made ready: what `delay` needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Growth {
    /// Base 2^k: a shift by `k · n`.
    Shift(u32),
    Linear,
    Power(Factor),
    /// A base of 0: nothing after the first delay.
    Nothing,
    /// A base without bound: the cap after the first delay.
    Boundless,
}

impl Growth {
    pub(super) const fn of(curve: Curve) -> Self {
        match curve {
            Curve::Fixed => Self::Shift(0),
            Curve::Linear => Self::Linear,
            Curve::Exponential(base) => Self::exponential(base),
        }
    }

    pub(super) const fn exponential(base: Ratio) -> Self {
        match (base.log2(), Factor::from_ratio(base)) {
            (Some(k), _) => Self::Shift(k),
            (None, Some(factor)) => Self::Power(factor),
            (None, None) if base.denominator() == 0 => Self::Boundless,
            (None, None) => Self::Nothing,
        }
    }

    /// The delay without the cap, in nanoseconds; saturates.
    pub(super) const fn grow(self, initial: u64, attempt: u32) -> u64 {
        match self {
            Self::Shift(k) => {
                let shift = k.saturating_mul(attempt);
                if shift <= initial.leading_zeros() && shift < 64 {
                    initial.wrapping_shl(shift)
                } else if initial == 0 {
                    0
                } else {
                    u64::MAX
                }
            }
            Self::Linear => initial.saturating_mul((attempt as u64).wrapping_add(1)),
            Self::Power(factor) => factor.grow(initial, attempt),
            Self::Nothing | Self::Boundless if attempt == 0 || initial == 0 => initial,
            Self::Nothing => 0,
            Self::Boundless => u64::MAX,
        }
    }

    /// The first attempt whose delay is `max` or more, or the last attempt there is.
    pub(super) const fn reaches(self, initial: u64, max: u64) -> u32 {
        let (mut low, mut high) = (0_u32, u32::MAX);
        while low < high {
            let middle = low.midpoint(high);
            if self.grow(initial, middle) >= max {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        low
    }
}
