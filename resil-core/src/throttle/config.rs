//! The policy: how much more than it accepts a peer may see.

use super::state::SUB_WINDOWS;
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// The longest window: 146 years, so that one and a half stay inside a `u64`.
const LONGEST: u64 = 1 << 62;

/// How much more than it accepts a peer may see, and over which time that is counted.
///
/// ```
/// use resil_core::{Ratio, throttle::AdaptiveThrottle, valid};
///
/// static EAGER: AdaptiveThrottle =
///     valid!(AdaptiveThrottle::builder().multiplier(Ratio::new(3, 2)).build());
/// assert_eq!(EAGER.multiplier(), Ratio::new(3, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AdaptiveThrottle {
    /// Of one sub-window.
    pub(super) width: u64,
    pub(super) min_requests: u32,
    /// In 2^-32, rounded up: what is drawn below it may be refused.
    pub(super) max_share: u32,
    pub(super) multiplier: Ratio,
}

impl AdaptiveThrottle {
    /// The book's: K = 2 over two minutes; at most 90 % are refused, and nothing below 10 requests.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> AdaptiveThrottleBuilder {
        AdaptiveThrottleBuilder {
            window: 120 * SECOND,
            min_requests: 10,
            multiplier: Ratio::TWO,
            max_share: Ratio::percent(90),
        }
    }

    /// K: how many times what it accepts the peer may see.
    #[must_use]
    pub const fn multiplier(&self) -> Ratio {
        self.multiplier
    }

    /// How far back requests count.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.width.saturating_mul(SUB_WINDOWS as u64))
    }

    /// Below how many requests in the window nothing is refused.
    #[must_use]
    pub const fn min_requests(&self) -> u32 {
        self.min_requests
    }
}

impl Default for AdaptiveThrottle {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds an [`AdaptiveThrottle`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct AdaptiveThrottleBuilder {
    window: u64,
    min_requests: u32,
    multiplier: Ratio,
    max_share: Ratio,
}

impl AdaptiveThrottleBuilder {
    /// K: how many times what it accepts the peer may see, 11/10 or more. Default: 2, the book's. A
    /// lower one spares the peer more and notices later that it is back: what passes grows K-fold in a
    /// window, so at 2 a peer that was dead has everything again after four, at 11/10 (the lowest that
    /// the book speaks of) after 25. At 1 it would never have.
    pub const fn multiplier(mut self, k: Ratio) -> Self {
        self.multiplier = k;
        self
    }

    /// How far back requests count, in ten sub-windows: what was asked counts for nine to ten tenths
    /// of it. Default: 2 minutes, the book's. No shorter than a call takes.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = saturating_nanos(window);
        self
    }

    /// The largest share that is refused, above 0 and below 1. Default: 90 %, failsafe-go's; Envoy's
    /// is 80 %. The rest finds out whether the peer is back.
    pub const fn max_share(mut self, share: Ratio) -> Self {
        self.max_share = share;
        self
    }

    /// Below how many requests in the window nothing is refused. Default: 10: of fewer, one lost reply
    /// is more than a tenth, and a node that asks so rarely overloads nobody.
    pub const fn min_requests(mut self, requests: u32) -> Self {
        self.min_requests = requests;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a `multiplier` below 11/10, a `window` below 10 ns or above
    /// 2^62 ns (146 years), or a `max_share` that is not above 0 and below 1.
    pub const fn build(self) -> Result<AdaptiveThrottle, ConfigError> {
        let k = self.multiplier;
        // Both sides below 2^20.
        let (above, below) = (k.numerator() as u32, k.denominator() as u32);
        if below == 0 || above.saturating_mul(10) < below.saturating_mul(11) {
            return Err(ConfigError::new("multiplier", "multiplier must be at least 11/10"));
        }
        // Rounded up, so that nothing counts for less than it was asked to.
        let width = self.window.div_ceil(SUB_WINDOWS as u64);
        if self.window < SUB_WINDOWS as u64 || self.window > LONGEST {
            return Err(ConfigError::new("window", "window must be from 10 ns to 2^62 ns"));
        }
        let share = self.max_share;
        if !share.is_share() || share.numerator() == share.denominator() {
            return Err(ConfigError::new("max_share", "max_share must be above 0 and below 1"));
        }
        Ok(AdaptiveThrottle {
            width,
            min_requests: self.min_requests,
            max_share: (((share.numerator() as u64) << 32).div_ceil(share.denominator() as u64))
                as u32,
            multiplier: k,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_hold_is_named_pitfall_53() {
        let setting = |builder: AdaptiveThrottleBuilder| builder.build().unwrap_err().setting();
        let throttle = AdaptiveThrottle::builder();
        assert_eq!(setting(throttle.multiplier(Ratio::new(109, 100))), "multiplier");
        assert_eq!(setting(throttle.multiplier(Ratio::new(u16::MAX, u16::MAX))), "multiplier");
        assert!(throttle.multiplier(Ratio::new(11, 10)).build().is_ok());
        assert!(throttle.window(Duration::from_nanos(10)).build().is_ok());
        assert!(throttle.window(Duration::from_nanos(LONGEST)).build().is_ok());
        let built = throttle.min_requests(7).build().unwrap();
        assert_eq!((built.window(), built.min_requests()), (Duration::from_secs(120), 7));
        assert_eq!(setting(throttle.multiplier(Ratio::new(1, 0))), "multiplier");
        assert_eq!(setting(throttle.window(Duration::from_nanos(9))), "window");
        assert_eq!(setting(throttle.window(Duration::MAX)), "window");
        assert_eq!(setting(throttle.max_share(Ratio::ONE)), "max_share");
        assert_eq!(setting(throttle.max_share(Ratio::new(0, 1))), "max_share");
        assert_eq!(AdaptiveThrottle::DEFAULT.window(), Duration::from_secs(120));
    }

    #[test]
    fn the_limits_themselves_are_valid_and_the_defaults_are_the_books() {
        let throttle = AdaptiveThrottle::builder();
        for nanos in [10, LONGEST] {
            let window = Duration::from_nanos(nanos);
            assert!(throttle.window(window).build().unwrap().window() >= window);
        }
        assert!(throttle.window(Duration::from_nanos(LONGEST + 1)).build().is_err());
        let default = throttle.build().unwrap();
        assert_eq!(default.window(), Duration::from_secs(120));
        assert_eq!((default.multiplier(), default.min_requests()), (Ratio::TWO, 10));
    }
}
