//! The policy of a bulkhead: how many permits there are, and for whom.

use crate::call::Priority;
use crate::config::ConfigError;

/// How many permits there are, and which of them are kept for whom.
///
/// A constant that any number of bulkheads share:
///
/// ```
/// use resil_core::call::Priority;
/// use resil_core::{bulkhead::BulkheadConfig, valid};
///
/// static PEER: BulkheadConfig =
///     valid!(BulkheadConfig::builder().max_concurrent(8).high_reserve(2).build());
/// assert_eq!(PEER.limit(Priority::High), 8);
/// assert_eq!(PEER.limit(Priority::Normal), 6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BulkheadConfig {
    max_concurrent: u16,
    normal: u16,
    low: u16,
}

impl BulkheadConfig {
    /// 25 permits, as resilience4j has it, and nothing reserved.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> BulkheadConfigBuilder {
        BulkheadConfigBuilder { max_concurrent: 25, high_reserve: 0, low_reserve: 0 }
    }

    /// Permits there are.
    #[must_use]
    #[inline]
    pub const fn max_concurrent(&self) -> u16 {
        self.max_concurrent
    }

    /// Up to how many permits may be held, all together, when a call of this priority has taken its
    /// own.
    #[must_use]
    #[inline]
    pub const fn limit(&self, priority: Priority) -> u16 {
        match priority {
            Priority::High => self.max_concurrent,
            Priority::Normal => self.normal,
            Priority::Low => self.low,
        }
    }
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds a [`BulkheadConfig`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct BulkheadConfigBuilder {
    max_concurrent: u16,
    high_reserve: u16,
    low_reserve: u16,
}

impl BulkheadConfigBuilder {
    /// Permits there are, 1 to 65,535. Default: 25, resilience4j's `maxConcurrentCalls`.
    pub const fn max_concurrent(mut self, permits: u16) -> Self {
        self.max_concurrent = permits;
        self
    }

    /// Permits that only calls of high priority may take. Default: 0, so that a bulkhead without
    /// priorities is a plain one.
    pub const fn high_reserve(mut self, permits: u16) -> Self {
        self.high_reserve = permits;
        self
    }

    /// Further permits that calls of low priority may not take. Default: 0, as
    /// [`high_reserve`](Self::high_reserve).
    pub const fn low_reserve(mut self, permits: u16) -> Self {
        self.low_reserve = permits;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: `max_concurrent` of zero, or a reserve that leaves no permit
    /// for calls of lower priority.
    pub const fn build(self) -> Result<BulkheadConfig, ConfigError> {
        if self.max_concurrent == 0 {
            return Err(ConfigError::new("max_concurrent", "max_concurrent must be at least 1"));
        }
        let normal = self.max_concurrent.saturating_sub(self.high_reserve);
        if normal == 0 {
            return Err(ConfigError::new(
                "high_reserve",
                "high_reserve must be below max_concurrent",
            ));
        }
        let low = normal.saturating_sub(self.low_reserve);
        if low == 0 {
            return Err(ConfigError::new(
                "low_reserve",
                "low_reserve and high_reserve together must be below max_concurrent",
            ));
        }
        Ok(BulkheadConfig { max_concurrent: self.max_concurrent, normal, low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_hold_is_named_pitfall_53() {
        let setting = |builder: BulkheadConfigBuilder| builder.build().unwrap_err().setting();
        let eight = BulkheadConfig::builder().max_concurrent(8);
        assert_eq!(setting(eight.max_concurrent(0)), "max_concurrent");
        assert_eq!(setting(eight.high_reserve(8)), "high_reserve");
        assert_eq!(setting(eight.high_reserve(u16::MAX)), "high_reserve");
        assert_eq!(setting(eight.high_reserve(3).low_reserve(5)), "low_reserve");
        assert!(eight.high_reserve(3).low_reserve(4).build().is_ok());
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = BulkheadConfig::default();
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            assert_eq!(config.limit(priority), 25);
        }
    }
}
