//! A length of time in 32 bits.

use core::fmt;
use core::time::Duration;

/// Bits that a nanosecond count is shifted by.
const SHIFT: u32 = 20;

/// A length of time in units of 2^20 ns (1.05 ms), rounded up: what fits into a number of an event.
///
/// Made by a shift, so that a chip without a divider can log it. Zero is exactly zero; everything
/// longer than 52 days is [`Span::MAX`].
///
/// ```
/// use core::time::Duration;
/// use resil_core::event::Span;
///
/// assert_eq!(Span::from_nanos(1).units(), 1);
/// assert_eq!(Span::from_nanos(5_000_000_000).units(), 4_769);
/// assert_eq!(Span::from_units(4_769).as_duration(), Duration::from_nanos(5_000_658_944));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Span(u32);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// 52 days, and everything longer.
    pub const MAX: Self = Self(u32::MAX);

    /// That many nanoseconds.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        let up = nanos.saturating_add((1 << SHIFT) - 1) >> SHIFT;
        Self(if up > u32::MAX as u64 { u32::MAX } else { up as u32 })
    }

    /// The span of a number in an event.
    #[must_use]
    #[inline]
    pub const fn from_units(units: u32) -> Self {
        Self(units)
    }

    /// The number in an event.
    #[must_use]
    #[inline]
    pub const fn units(self) -> u32 {
        self.0
    }

    /// In nanoseconds: the true length, or up to 2^20 - 1 more.
    #[must_use]
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        (self.0 as u64) << SHIFT
    }

    /// As a `Duration`, which divides.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.as_nanos())
    }
}

/// In seconds and milliseconds, rounded down: `5.000 s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = self.as_duration();
        write!(f, "{}.{:03} s", duration.as_secs(), duration.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn it_is_never_shorter_than_what_it_stands_for() {
        for nanos in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 51, (1 << 52) - (1 << 20)] {
            let span = Span::from_nanos(nanos);
            assert!((nanos..nanos + (1 << 20)).contains(&span.as_nanos()), "{nanos}");
        }
        assert_eq!(Span::from_nanos(0), Span::ZERO);
        assert_eq!([1 << 52, u64::MAX].map(Span::from_nanos), [Span::MAX; 2]);
    }

    #[test]
    fn it_reads_as_seconds() {
        assert_eq!(Span::from_nanos(5_000_000_000).to_string(), "5.000 s");
        assert_eq!(Span::MAX.to_string(), "4503599.626 s");
    }
}
