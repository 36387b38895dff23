//! The settings of each machine as a vector file spells them: times in milliseconds.

use core::time::Duration;
use resil_core::ConfigError;
use resil_core::backoff::{Backoff, Curve, Jitter, Ratio};
use resil_core::bulkhead::BulkheadConfig;
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::health::WatchdogConfig;
use resil_core::rate_limit::RateLimitConfig;
use resil_core::retry::RetryPolicy;
use serde::Deserialize;

/// Sets what is given and leaves the rest at its default.
macro_rules! given {
    ($builder:expr; $($setting:ident: $value:expr),+ $(,)?) => {{
        let mut builder = $builder;
        $(if let Some(value) = $value {
            builder = builder.$setting(value);
        })+
        builder
    }};
}

fn ms(millis: Option<u64>) -> Option<Duration> {
    millis.map(Duration::from_millis)
}

fn ratio(fraction: Option<(u16, u16)>) -> Option<Ratio> {
    fraction.map(|(above, below)| Ratio::new(above, below))
}

/// How delays are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Not at all.
    None,
    /// `[0, d]`
    Full,
    /// `[d/2, d]`
    Equal,
    /// `[3d/4, 5d/4]`
    Quarter,
    /// `[initial, 3 · previous]`
    Decorrelated,
}

impl From<Spread> for Jitter {
    fn from(spread: Spread) -> Self {
        match spread {
            Spread::None => Self::None,
            Spread::Full => Self::Full,
            Spread::Equal => Self::Equal,
            Spread::Quarter => Self::Quarter,
            Spread::Decorrelated => Self::Decorrelated,
        }
    }
}

/// A breaker's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the builder's methods")]
pub struct BreakerPolicy {
    pub failure_threshold: Option<u16>,
    pub success_threshold: Option<u16>,
    pub probes: Option<u8>,
    pub timeout: Option<u64>,
    pub multiplier: Option<(u16, u16)>,
    pub max_timeout: Option<u64>,
    pub lease: Option<u64>,
    pub attempt_timeout: Option<u64>,
    pub abandon_counts_after: Option<u64>,
    pub abandon_never_counts: Option<bool>,
}

impl BreakerPolicy {
    /// The policy.
    ///
    /// # Errors
    ///
    /// A setting does not hold.
    pub fn build(&self) -> Result<CircuitBreakerConfig, ConfigError> {
        let never = self.abandon_never_counts.filter(|&never| never).map(|_| None);
        given!(CircuitBreakerConfig::builder();
            failure_threshold: self.failure_threshold,
            success_threshold: self.success_threshold,
            probes: self.probes,
            timeout: ms(self.timeout),
            multiplier: ratio(self.multiplier),
            max_timeout: ms(self.max_timeout),
            lease: ms(self.lease),
            attempt_timeout: ms(self.attempt_timeout),
            abandon_counts_after: never.or(ms(self.abandon_counts_after).map(Some)),
        )
        .build()
    }
}

/// Which of the three kinds of limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The bucket alone.
    TokenBucket,
    /// Bucket and window: the seed's.
    RateLimit,
    /// The bucket that keeps to the quota in any window.
    StrictBucket,
}

/// A limit's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the builder's methods")]
pub struct LimitPolicy {
    pub kind: LimitKind,
    pub max_requests: Option<u32>,
    pub time_window: Option<u64>,
    pub burst_size: Option<u32>,
}

impl LimitPolicy {
    /// The configuration.
    ///
    /// # Errors
    ///
    /// A setting does not hold.
    pub fn build(&self) -> Result<RateLimitConfig, ConfigError> {
        given!(RateLimitConfig::builder();
            max_requests: self.max_requests,
            time_window: ms(self.time_window),
            burst_size: self.burst_size,
        )
        .build()
    }
}

/// A curve's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the builder's methods")]
pub struct BackoffPolicy {
    pub initial_delay: Option<u64>,
    pub max_delay: Option<u64>,
    pub exponential_base: Option<(u16, u16)>,
    pub linear: Option<bool>,
    pub jitter: Option<Spread>,
}

impl BackoffPolicy {
    /// The curve.
    ///
    /// # Errors
    ///
    /// A setting does not hold.
    pub fn build(&self) -> Result<Backoff, ConfigError> {
        given!(Backoff::builder();
            initial_delay: ms(self.initial_delay),
            max_delay: ms(self.max_delay),
            exponential_base: ratio(self.exponential_base),
            curve: self.linear.filter(|&linear| linear).map(|_| Curve::Linear),
            jitter: self.jitter.map(Jitter::from),
        )
        .build()
    }
}

/// A retry's settings. There is no jitter: what adapters do with their own entropy is not a vector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the builder's methods")]
pub struct RetrySettings {
    pub max_attempts: Option<u32>,
    pub initial_delay: Option<u64>,
    pub throttled_delay: Option<u64>,
    pub max_delay: Option<u64>,
    pub exponential_base: Option<(u16, u16)>,
    pub deadline: Option<u64>,
    pub max_retry_after: Option<u64>,
    pub max_refusal_waits: Option<u32>,
}

impl RetrySettings {
    /// The policy.
    ///
    /// # Errors
    ///
    /// A setting does not hold.
    pub fn build(&self) -> Result<RetryPolicy, ConfigError> {
        given!(RetryPolicy::builder().jitter(Jitter::None);
            max_attempts: self.max_attempts,
            initial_delay: ms(self.initial_delay),
            throttled_delay: ms(self.throttled_delay),
            max_delay: ms(self.max_delay),
            exponential_base: ratio(self.exponential_base),
            deadline: ms(self.deadline),
            max_retry_after: ms(self.max_retry_after),
            max_refusal_waits: self.max_refusal_waits,
        )
        .build()
    }
}

/// A registry has no settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoPolicy {}

/// The settings of a bulkhead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkheadPolicy {
    max_concurrent: Option<u16>,
    high_reserve: Option<u16>,
    low_reserve: Option<u16>,
}

impl BulkheadPolicy {
    /// As core has it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting that does not hold.
    pub fn build(&self) -> Result<BulkheadConfig, ConfigError> {
        given!(BulkheadConfig::builder();
            max_concurrent: self.max_concurrent,
            high_reserve: self.high_reserve,
            low_reserve: self.low_reserve,
        )
        .build()
    }
}

/// The settings of the gate in front of a hardware watchdog.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchdogPolicy {
    periods: [u64; 3],
    healthy_after: Option<u64>,
}

impl WatchdogPolicy {
    /// As core has it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting that does not hold.
    pub fn build(&self) -> Result<WatchdogConfig<3>, ConfigError> {
        given!(WatchdogConfig::builder(self.periods.map(Duration::from_millis));
            healthy_after: ms(self.healthy_after),
        )
        .build()
    }
}
