//! Fixed, linear, exponential.

use super::factor::Factor;
use crate::ratio::Ratio;
use core::fmt;
use core::hash::{Hash, Hasher};

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
    /// Any other base. Flat, so that its tag lies where a [`Factor`] has nothing.
    Power {
        mantissa: u64,
        exponent: i32,
        grow: Grow,
    },
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
            (None, Some(Factor { mantissa, exponent })) => {
                Self::Power { mantissa, exponent, grow: Grow(Factor::grow) }
            }
            (None, None) if base.denominator() == 0 => Self::Boundless,
            (None, None) => Self::Nothing,
        }
    }

    /// [`grow`](Self::grow) for an attempt whose delay is below the cap, where nothing saturates.
    #[inline]
    pub(super) fn below_the_cap(self, initial: u64, attempt: u32) -> u64 {
        match self {
            Self::Shift(k) => initial.wrapping_shl(k.wrapping_mul(attempt)),
            Self::Linear => initial.wrapping_mul((attempt as u64).wrapping_add(1)),
            Self::Power { mantissa, exponent, grow: Grow(grow) } => {
                grow(Factor { mantissa, exponent }, initial, attempt)
            }
            Self::Nothing | Self::Boundless if attempt == 0 => initial,
            Self::Nothing | Self::Boundless => 0,
        }
    }

    /// The delay without the cap, in nanoseconds; saturates. For constants, which cannot call a [`Grow`].
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
            Self::Power { mantissa, exponent, .. } => {
                Factor { mantissa, exponent }.grow(initial, attempt)
            }
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

/// [`Factor::grow`]. A policy that needs it points to it, so that firmware in which none does is without
/// its code: 600 bytes on a Cortex-M0.
#[derive(Clone, Copy)]
pub(super) struct Grow(fn(Factor, u64, u32) -> u64);

/// There is only one, at whatever addresses the compiler puts it.
impl PartialEq for Grow {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Grow {}

impl Hash for Grow {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Grow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grow")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Grow {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Grow");
    }
}
