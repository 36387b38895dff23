//! The quota that every limiter is built from.

use crate::config::ConfigError;
use crate::time::saturating_nanos;
use core::num::NonZeroU32;
use core::time::Duration;

const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// The longest full refill of a bucket: 2^62 ns, 146 years.
pub(super) const MAX_REFILL_NANOS: u128 = 1 << 62;

/// How much may pass: `max_requests` per `time_window`, at most `burst_size` of them at once.
///
/// What the numbers promise depends on the limiter built from them, see
/// [the module](crate::rate_limit#which-one). A `burst_size` above `max_requests` is valid: with
/// [`RateLimit`](super::RateLimit) the window rules.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::RateLimitConfig;
/// use resil_core::valid;
///
/// const CHAT: RateLimitConfig = valid!(
///     RateLimitConfig::builder()
///         .max_requests(20)
///         .time_window(Duration::from_secs(1))
///         .burst_size(5)
///         .build()
/// );
/// assert_eq!(CHAT.burst_size(), 5);
/// assert_eq!(RateLimitConfig::DEFAULT.max_requests(), 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimitConfig {
    window_nanos: u64,
    max_requests: u32,
    /// Of this type, so that who asks for a single token need not compare the two.
    burst_size: NonZeroU32,
}

impl RateLimitConfig {
    /// 100 requests a minute, 10 at once: the defaults of the design that this library implements.
    pub const DEFAULT: Self =
        Self { window_nanos: 60_000_000_000, max_requests: 100, burst_size: TEN };

    /// A builder that starts from [`DEFAULT`](Self::DEFAULT).
    pub const fn builder() -> RateLimitConfigBuilder {
        RateLimitConfigBuilder {
            max_requests: Self::DEFAULT.max_requests,
            time_window: Self::DEFAULT.time_window(),
            burst_size: Self::DEFAULT.burst_size(),
        }
    }

    /// Requests per [`time_window`](Self::time_window).
    #[must_use]
    #[inline]
    pub const fn max_requests(&self) -> u32 {
        self.max_requests
    }

    /// The time over which [`max_requests`](Self::max_requests) is counted.
    #[must_use]
    #[inline]
    pub const fn time_window(&self) -> Duration {
        Duration::from_nanos(self.window_nanos)
    }

    /// Requests that may pass at once after a pause.
    #[must_use]
    #[inline]
    pub const fn burst_size(&self) -> u32 {
        self.burst_size.get()
    }

    /// The share of one of `nodes` nodes that limit by themselves: a `nodes`-th of the rate, to the
    /// nanosecond, and of the burst, rounded down, but at least 1.
    ///
    /// All shares together admit at the rate of the whole, and `max(burst_size, nodes)` at once.
    ///
    /// # Errors
    ///
    /// When `nodes` is zero, or the share does not make a valid configuration.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::rate_limit::RateLimitConfig;
    ///
    /// let share = RateLimitConfig::DEFAULT.share(4)?; // of 100 a minute, 10 at once
    /// assert_eq!((share.max_requests(), share.time_window()), (100, Duration::from_secs(240)));
    /// assert_eq!(share.burst_size(), 2);
    /// assert_eq!(RateLimitConfig::DEFAULT.share(0).unwrap_err().setting(), "nodes");
    /// # Ok::<(), resil_core::ConfigError>(())
    /// ```
    pub const fn share(self, nodes: u32) -> Result<Self, ConfigError> {
        let burst_size = match self.burst_size().checked_div(nodes) {
            None => return Err(ConfigError::new("nodes", "nodes must be at least 1")),
            Some(0) => 1,
            Some(burst_size) => burst_size,
        };
        let time_window = self.time_window().saturating_mul(nodes); // 96 bits of nanoseconds fit
        RateLimitConfigBuilder { max_requests: self.max_requests, time_window, burst_size }.build()
    }

    /// [`time_window`](Self::time_window) in nanoseconds.
    #[inline]
    pub(super) const fn window_nanos(&self) -> u64 {
        self.window_nanos
    }

    /// The same window and burst with another maximum, which the caller has checked.
    #[inline]
    pub(super) const fn with_max_requests(self, max_requests: u32) -> Self {
        Self { max_requests, ..self }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds a [`RateLimitConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RateLimitConfigBuilder {
    max_requests: u32,
    time_window: Duration,
    burst_size: u32,
}

impl RateLimitConfigBuilder {
    /// Requests per time window. Default 100.
    pub const fn max_requests(mut self, max_requests: u32) -> Self {
        self.max_requests = max_requests;
        self
    }

    /// The time over which `max_requests` is counted. Default 60 s.
    pub const fn time_window(mut self, time_window: Duration) -> Self {
        self.time_window = time_window;
        self
    }

    /// Requests that may pass at once after a pause. Default 10.
    pub const fn burst_size(mut self, burst_size: u32) -> Self {
        self.burst_size = burst_size;
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// When a number is zero, when a request comes due in less than 1 ns (`time_window /
    /// max_requests`), when the window has more than `u64::MAX` nanoseconds, or when refilling the
    /// whole burst takes more than 2^62 ns (146 years).
    pub const fn build(self) -> Result<RateLimitConfig, ConfigError> {
        let Self { max_requests, time_window, burst_size } = self;
        if max_requests == 0 {
            return Err(ConfigError::new("max_requests", "max_requests must be at least 1"));
        }
        let Some(burst) = NonZeroU32::new(burst_size) else {
            return Err(ConfigError::new("burst_size", "burst_size must be at least 1"));
        };
        if time_window.is_zero() {
            return Err(ConfigError::new("time_window", "time_window must be longer than zero"));
        }
        if time_window.as_nanos() > u64::MAX as u128 {
            return Err(ConfigError::new(
                "time_window",
                "time_window must be at most 2^64 - 1 ns (584 years)",
            ));
        }
        let window_nanos = saturating_nanos(time_window);
        if window_nanos < max_requests as u64 {
            return Err(ConfigError::new(
                "max_requests",
                "max_requests must be at most one per nanosecond of time_window",
            ));
        }
        if !refills_in_time(window_nanos, max_requests, burst_size) {
            return Err(ConfigError::new(
                "burst_size",
                "burst_size must refill within 2^62 ns (146 years) at max_requests per time_window",
            ));
        }
        Ok(RateLimitConfig { window_nanos, max_requests, burst_size: burst })
    }
}

/// Whether `burst` requests at `requests` per `window_nanos` come due within [`MAX_REFILL_NANOS`].
pub(super) const fn refills_in_time(window_nanos: u64, requests: u32, burst: u32) -> bool {
    let scaled = (burst as u128).saturating_mul(window_nanos as u128);
    scaled <= MAX_REFILL_NANOS.saturating_mul(requests as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(builder: RateLimitConfigBuilder) -> &'static str {
        builder.build().unwrap_err().setting()
    }

    #[test]
    fn the_default_builds_and_is_the_seeds() {
        let built = RateLimitConfig::builder().build().unwrap();
        assert_eq!(built, RateLimitConfig::DEFAULT);
        assert_eq!(built.max_requests(), 100);
        assert_eq!(built.time_window(), Duration::from_secs(60));
        assert_eq!(built.burst_size(), 10);
    }

    #[test]
    fn degenerate_limits_are_refused_pitfalls_50_53_56() {
        let builder = RateLimitConfig::builder;
        assert_eq!(setting(builder().max_requests(0)), "max_requests");
        assert_eq!(setting(builder().burst_size(0)), "burst_size");
        assert_eq!(setting(builder().time_window(Duration::ZERO)), "time_window");
        assert_eq!(setting(builder().time_window(Duration::MAX)), "time_window");
    }

    #[test]
    fn a_request_takes_at_least_a_nanosecond() {
        let window = Duration::from_nanos(99);
        assert_eq!(setting(RateLimitConfig::builder().time_window(window)), "max_requests");
        let window = Duration::from_nanos(100);
        assert!(RateLimitConfig::builder().time_window(window).build().is_ok());
    }

    #[test]
    fn the_longest_refill_is_2_to_the_62_ns() {
        let builder = |nanos| {
            RateLimitConfig::builder()
                .max_requests(1)
                .time_window(Duration::from_nanos(nanos))
                .burst_size(1)
        };
        assert!(builder(1 << 62).build().is_ok());
        assert_eq!(setting(builder((1 << 62) + 1)), "burst_size");
    }

    #[test]
    fn all_shares_together_are_the_whole_or_one_request_a_node() {
        for (burst, nodes, share) in [(10, 1, 10), (10, 3, 3), (10, 10, 1), (10, 11, 1)] {
            let whole = RateLimitConfig::builder().burst_size(burst).build().unwrap();
            let part = whole.share(nodes).unwrap();
            assert_eq!(part.burst_size(), share);
            assert!(part.burst_size() * nodes <= burst.max(nodes));
            // As many requests in as many windows as there are nodes.
            assert_eq!(part.max_requests(), whole.max_requests());
            assert_eq!(part.time_window(), whole.time_window() * nodes);
        }
        let rare = RateLimitConfig::builder().max_requests(1).burst_size(1);
        let rare = rare.time_window(Duration::from_nanos(1 << 61)).build().unwrap();
        assert!(rare.share(2).is_ok());
        assert_eq!(rare.share(3).unwrap_err().setting(), "burst_size");
        assert_eq!(rare.share(u32::MAX).unwrap_err().setting(), "time_window");
    }
}
