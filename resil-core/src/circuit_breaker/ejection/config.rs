//! How many peers may be ejected, and when the node itself is to blame.

use crate::circuit_breaker::builder::LONGEST;
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// How many peers may be ejected at once, and when the node itself is to blame; for up to
/// 32 · `WORDS` peers.
///
/// ```
/// use resil_core::circuit_breaker::ejection::EjectionConfig;
/// use resil_core::{Ratio, valid};
///
/// const RULE: EjectionConfig<2> =
///     valid!(EjectionConfig::builder().max_ejected(Ratio::percent(30)).build());
/// assert_eq!((RULE.limit(1), RULE.limit(2), RULE.limit(64)), (1, 1, 19));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EjectionConfig<const WORDS: usize = 1> {
    max_ejected: Ratio,
    pub(super) panic_threshold: Ratio,
    pub(super) min_peers: u16,
    /// Half of the window.
    pub(super) width: u64,
}

impl EjectionConfig {
    /// The defaults, for 32 peers.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());
}

impl<const WORDS: usize> EjectionConfig<WORDS> {
    /// A builder that holds the defaults.
    pub const fn builder() -> EjectionConfigBuilder<WORDS> {
        EjectionConfigBuilder {
            max_ejected: Ratio::percent(50),
            panic_threshold: Ratio::new(3, 4),
            min_peers: 3,
            window: 60 * SECOND,
        }
    }

    /// How many of `peers` may be ejected at once: the share, rounded down, but at least one, and
    /// not the last of several.
    #[must_use]
    pub const fn limit(&self, peers: u32) -> u32 {
        let parts = peers.saturating_mul(self.max_ejected.numerator() as u32);
        let share = match parts.checked_div(self.max_ejected.denominator() as u32) {
            Some(share) if share > 0 => share,
            _ => 1,
        };
        let most = if peers > 1 { peers.saturating_sub(1) } else { peers };
        if share < most { share } else { most }
    }

    /// The share of failing peers at which the node itself is to blame.
    #[must_use]
    pub const fn panic_threshold(&self) -> Ratio {
        self.panic_threshold
    }

    /// Of how many peers that were heard of, at least.
    #[must_use]
    pub const fn min_peers(&self) -> u16 {
        self.min_peers
    }

    /// After how long what a peer said last counts no more.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.width.saturating_mul(2))
    }
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds an [`EjectionConfig`]; the [defaults](super#defaults) have their reasons.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct EjectionConfigBuilder<const WORDS: usize = 1> {
    max_ejected: Ratio,
    panic_threshold: Ratio,
    min_peers: u16,
    window: u64,
}

impl<const WORDS: usize> EjectionConfigBuilder<WORDS> {
    /// The share of the known peers that may be ejected at once, above 0 and at most 1. At least one
    /// may be, and the last of several may not, whatever the share. Default: 1/2.
    pub const fn max_ejected(mut self, share: Ratio) -> Self {
        self.max_ejected = share;
        self
    }

    /// The share of the peers heard of in the window that must fail for the node itself to be to
    /// blame, above 0 and at most 1. Default: 3/4.
    pub const fn panic_threshold(mut self, share: Ratio) -> Self {
        self.panic_threshold = share;
        self
    }

    /// Of how many peers, at least 2; ejected ones are among them, heard of or not. Default: 3.
    pub const fn min_peers(mut self, peers: u16) -> Self {
        self.min_peers = peers;
        self
    }

    /// How long what a peer said last counts: at least half of this, and at most this. Default: 60 s.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = saturating_nanos(window);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a share that is not above 0 and at most 1, `min_peers`
    /// below 2 or more than there is room for, or a `window` below 2 ns or above 2^62 ns (146 years).
    pub const fn build(self) -> Result<EjectionConfig<WORDS>, ConfigError> {
        if !self.max_ejected.is_share() {
            return Err(ConfigError::new(
                "max_ejected",
                "max_ejected must be above 0 and at most 1",
            ));
        }
        if !self.panic_threshold.is_share() {
            return Err(ConfigError::new(
                "panic_threshold",
                "panic_threshold must be above 0 and at most 1",
            ));
        }
        if self.min_peers < 2 || self.min_peers as usize > WORDS.saturating_mul(32) {
            return Err(ConfigError::new(
                "min_peers",
                "min_peers must be at least 2 and no more than there is room for",
            ));
        }
        if self.window < 2 || self.window > LONGEST {
            return Err(ConfigError::new("window", "window must be 2 ns to 2^62 ns (146 years)"));
        }
        Ok(EjectionConfig {
            max_ejected: self.max_ejected,
            panic_threshold: self.panic_threshold,
            min_peers: self.min_peers,
            width: self.window.div_ceil(2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_refused_by_name() {
        let new = EjectionConfig::<1>::builder;
        let long = Duration::from_nanos(LONGEST + 1);
        for (builder, setting) in [
            (new().max_ejected(Ratio::new(0, 1)), "max_ejected"),
            (new().max_ejected(Ratio::TWO), "max_ejected"),
            (new().panic_threshold(Ratio::new(0, 0)), "panic_threshold"),
            (new().min_peers(1), "min_peers"),
            (new().min_peers(33), "min_peers"),
            (new().window(Duration::from_nanos(1)), "window"),
            (new().window(long), "window"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!(error.setting(), setting);
            assert!(error.message().starts_with(setting), "{error}");
        }
    }

    #[test]
    fn the_limits_themselves_are_valid() {
        let new = EjectionConfig::<1>::builder;
        for peers in [2, 32] {
            assert_eq!(new().min_peers(peers).build().unwrap().min_peers(), peers);
        }
        for nanos in [2, LONGEST] {
            assert!(new().window(Duration::from_nanos(nanos)).build().is_ok(), "{nanos}");
        }
    }

    #[test]
    fn at_least_one_may_be_ejected_and_never_the_last_of_several() {
        let half = EjectionConfig::DEFAULT;
        let all: EjectionConfig =
            EjectionConfig::builder().max_ejected(Ratio::ONE).build().unwrap();
        let limits = |rule: EjectionConfig| [0, 1, 2, 3, 4, 10].map(|peers| rule.limit(peers));
        assert_eq!(limits(half), [0, 1, 1, 1, 2, 5]);
        assert_eq!(limits(all), [0, 1, 1, 2, 3, 9]);
    }
}
