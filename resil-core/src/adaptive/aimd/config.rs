//! The policy: between which limits, by how much down, and what is too slow.

use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// One more after each round that went well, a tenth less after one in which a call was lost.
///
/// For microcontrollers and for peers whose latency says little: it needs no baseline, 10 bytes, and
/// one small division per loss.
///
/// # The rule
///
/// - A success counts if, when it started, as many calls were in flight as are
///   [`utilisation`](AimdBuilder::utilisation) of the limit when it ends: who asks for little learns
///   nothing about the peer. After as many of them as the limit is
///   high, the limit rises by one (congestion avoidance as in RFC 5681, counted in calls).
/// - A transient failure, a throttle, a timeout, or a success that took
///   [`timeout`](AimdBuilder::timeout) or longer is a loss. It multiplies the limit by
///   [`decrease`](AimdBuilder::decrease) and takes at least one off.
/// - Calls that started before the last cut neither cut again nor count as successes: they tell of the
///   overload that was. Netflix's AIMD cuts for each, and one burst of timeouts takes it to its
///   minimum.
/// - Ignored, abandoned, local and fatal outcomes give the permit back and move nothing: they say
///   nothing about load. A fatal failure may well be the peer's quickest answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Aimd {
    pub(super) timeout: u64,
    pub(super) decrease: Ratio,
    pub(super) utilisation: Ratio,
    pub(super) initial: u16,
    pub(super) min: u16,
    pub(super) max: u16,
}

impl Aimd {
    /// From 10, between 1 and 100, × 0.9; 5 s is too slow; see the builder.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> AimdBuilder {
        AimdBuilder {
            timeout: 5 * SECOND,
            decrease: Ratio::new(9, 10),
            utilisation: Ratio::new(4, 5),
            initial: 10,
            min: 1,
            max: 100,
        }
    }

    /// The lowest limit.
    #[must_use]
    pub const fn min_limit(&self) -> u16 {
        self.min
    }

    /// The highest limit.
    #[must_use]
    pub const fn max_limit(&self) -> u16 {
        self.max
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds an [`Aimd`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct AimdBuilder {
    timeout: u64,
    decrease: Ratio,
    utilisation: Ratio,
    initial: u16,
    min: u16,
    max: u16,
}

impl AimdBuilder {
    /// The limit to begin with. Default: 10, as in Netflix's AIMD and in tower-resilience.
    pub const fn initial_limit(mut self, calls: u16) -> Self {
        self.initial = calls;
        self
    }

    /// The lowest limit, 1 or more. Default: 1, as there: a peer that lets nothing through is the
    /// breaker's business.
    pub const fn min_limit(mut self, calls: u16) -> Self {
        self.min = calls;
        self
    }

    /// The highest limit, at most 65,535. Default: 100, tower-resilience's: what a node has sockets
    /// for.
    pub const fn max_limit(mut self, calls: u16) -> Self {
        self.max = calls;
        self
    }

    /// By what a loss multiplies the limit: below 1, at least 1/2. Default: 9/10, Netflix's.
    pub const fn decrease(mut self, factor: Ratio) -> Self {
        self.decrease = factor;
        self
    }

    /// How much of the limit must be in use for a success to count, above 0 and at most 1. Default:
    /// 4/5, congestion-limiter's. Netflix takes 1/2.
    pub const fn utilisation(mut self, share: Ratio) -> Self {
        self.utilisation = share;
        self
    }

    /// From which latency on a success is a loss. Default: 5 s, Netflix's; a little above what is
    /// normal for the peer finds the overload before calls time out.
    pub const fn timeout(mut self, latency: Duration) -> Self {
        self.timeout = saturating_nanos(latency);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a `min_limit` of zero, an `initial_limit` outside `min_limit`
    /// to `max_limit`, a `max_limit` below `min_limit`, a `decrease` that is not at least 1/2 and below
    /// 1, a `utilisation` that is not above 0 and at most 1, or a `timeout` of zero.
    pub const fn build(self) -> Result<Aimd, ConfigError> {
        if self.min == 0 {
            return Err(ConfigError::new("min_limit", "min_limit must be at least 1"));
        }
        if self.max < self.min {
            return Err(ConfigError::new("max_limit", "max_limit must be at least min_limit"));
        }
        if self.initial < self.min || self.initial > self.max {
            return Err(ConfigError::new(
                "initial_limit",
                "initial_limit must be from min_limit to max_limit",
            ));
        }
        let (above, below) = (self.decrease.numerator() as u32, self.decrease.denominator() as u32);
        if above >= below || above.saturating_mul(2) < below {
            return Err(ConfigError::new("decrease", "decrease must be at least 1/2 and below 1"));
        }
        if !self.utilisation.is_share() {
            return Err(ConfigError::new(
                "utilisation",
                "utilisation must be above 0 and at most 1",
            ));
        }
        if self.timeout == 0 {
            return Err(ConfigError::new("timeout", "timeout must be above 0"));
        }
        let Self { timeout, decrease, utilisation, initial, min, max } = self;
        Ok(Aimd { timeout, decrease, utilisation, initial, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_hold_is_named_pitfall_53() {
        let setting = |builder: AimdBuilder| builder.build().unwrap_err().setting();
        let aimd = Aimd::builder();
        assert_eq!(setting(aimd.min_limit(0)), "min_limit");
        assert_eq!(setting(aimd.min_limit(101)), "max_limit");
        assert_eq!(setting(aimd.initial_limit(101)), "initial_limit");
        assert_eq!(setting(aimd.min_limit(11)), "initial_limit");
        for factor in [Ratio::ONE, Ratio::new(49, 100), Ratio::new(1, 0), Ratio::new(0, 0)] {
            assert_eq!(setting(aimd.decrease(factor)), "decrease", "{factor}");
        }
        assert_eq!(setting(aimd.utilisation(Ratio::TWO)), "utilisation");
        assert_eq!(setting(aimd.utilisation(Ratio::new(0, 1))), "utilisation");
        assert_eq!(setting(aimd.timeout(Duration::ZERO)), "timeout");
    }
}
