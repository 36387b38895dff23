//! The settings of hedging.

use super::histogram::OCTAVES;
use super::policy::{HedgePolicy, Target};
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::time::saturating_nanos;
use core::time::Duration;

/// Settings of a [`HedgePolicy`]; [`HedgePolicy::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HedgePolicyBuilder {
    fixed: Option<u64>,
    fallback: Option<u64>,
    min_delay: u64,
    max_delay: u64,
    quantile: Ratio,
    min_samples: u8,
    max_hedges: u8,
    target: Target,
}

impl HedgePolicyBuilder {
    pub(super) const DEFAULT: Self = Self {
        fixed: None,
        fallback: None,
        min_delay: 1_000_000,
        max_delay: u64::MAX,
        quantile: Ratio::percent(95),
        min_samples: 20,
        max_hedges: 1,
        target: Target::Other,
    };

    /// Waits this long, whatever the latencies are; zero sends all attempts at once.
    pub const fn fixed_delay(mut self, delay: Duration) -> Self {
        self.fixed = Some(saturating_nanos(delay));
        self
    }

    /// Waits as long as this share of the attempts takes: 95 % unless set.
    pub const fn quantile(mut self, quantile: Ratio) -> Self {
        self.quantile = quantile;
        self
    }

    /// Waits this long while there are too few samples. None unless set: no hedge before anything is
    /// known.
    pub const fn fallback_delay(mut self, delay: Duration) -> Self {
        self.fallback = Some(saturating_nanos(delay));
        self
    }

    /// The shortest delay from a quantile: 1 ms unless set.
    pub const fn min_delay(mut self, min_delay: Duration) -> Self {
        self.min_delay = saturating_nanos(min_delay);
        self
    }

    /// The longest delay from a quantile: without end unless set. With one, more than the share of the
    /// calls hedges once they all take longer; a budget bounds that.
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = saturating_nanos(max_delay);
        self
    }

    /// How many latencies it takes to estimate a quantile: 20 unless set.
    pub const fn min_samples(mut self, min_samples: u8) -> Self {
        self.min_samples = min_samples;
        self
    }

    /// Hedges of a call: 1 unless set, two attempts in flight.
    pub const fn max_hedges(mut self, max_hedges: u8) -> Self {
        self.max_hedges = max_hedges;
        self
    }

    /// Where a hedge should go: [`Target::Other`] unless set.
    pub const fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// `quantile` is not 1/2 to 99/100; `min_samples` is not 1 to 127 (so many are left when the counts
    /// are halved); `max_hedges` is not 1 to 4; `min_delay` is below 8 ns or above 2^46 ns (19 hours);
    /// `max_delay` is below `min_delay`.
    pub const fn build(self) -> Result<HedgePolicy, ConfigError> {
        let (above, below) = (self.quantile.numerator() as u32, self.quantile.denominator() as u32);
        let at_least_half = above.saturating_mul(2) >= below;
        if below == 0 || !at_least_half || above.saturating_mul(100) > below.saturating_mul(99) {
            return Err(ConfigError::new("quantile", "quantile must be 1/2 to 99/100"));
        }
        if self.min_samples == 0 || self.min_samples > 127 {
            return Err(ConfigError::new("min_samples", "min_samples must be 1 to 127"));
        }
        if self.max_hedges == 0 || self.max_hedges > 4 {
            return Err(ConfigError::new("max_hedges", "max_hedges must be 1 to 4"));
        }
        // So that the last octave ends within 64 bits.
        if self.min_delay < 8 || self.min_delay > 1 << (62 - OCTAVES) {
            return Err(ConfigError::new("min_delay", "min_delay must be 8 ns to 2^46 ns"));
        }
        if self.max_delay < self.min_delay {
            return Err(ConfigError::new("max_delay", "max_delay must be at least min_delay"));
        }
        Ok(HedgePolicy {
            fixed: self.fixed,
            fallback: self.fallback,
            min_delay: self.min_delay,
            max_delay: self.max_delay,
            quantile: self.quantile,
            min_samples: self.min_samples,
            max_hedges: self.max_hedges,
            shift: self.min_delay.ilog2() as u8,
            target: self.target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_themselves_are_valid() {
        let (new, nanos) = (HedgePolicy::builder, Duration::from_nanos);
        let longest = nanos(1 << 46);
        for builder in [
            new().quantile(Ratio::new(1, 2)),
            new().quantile(Ratio::new(99, 100)),
            new().min_samples(1),
            new().min_samples(127),
            new().max_hedges(1),
            new().max_hedges(4),
            new().min_delay(nanos(8)),
            new().min_delay(longest).max_delay(longest),
        ] {
            assert!(builder.build().is_ok(), "{builder:?}");
        }
    }

    #[test]
    fn what_is_beyond_them_is_refused_by_name() {
        let (new, nanos) = (HedgePolicy::builder, Duration::from_nanos);
        for (builder, setting) in [
            (new().quantile(Ratio::new(49, 100)), "quantile"),
            (new().quantile(Ratio::new(991, 1_000)), "quantile"),
            (new().quantile(Ratio::new(1, 0)), "quantile"),
            (new().min_samples(0), "min_samples"),
            (new().min_samples(128), "min_samples"),
            (new().max_hedges(0), "max_hedges"),
            (new().max_hedges(5), "max_hedges"),
            (new().min_delay(nanos(7)), "min_delay"),
            (new().min_delay(nanos((1 << 46) + 1)), "min_delay"),
            (new().min_delay(nanos(10)).max_delay(nanos(9)), "max_delay"),
        ] {
            assert_eq!(builder.build().unwrap_err().setting(), setting);
        }
    }
}
