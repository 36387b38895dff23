//! Settings, checked when they are built.

mod measured;

use super::config::{CircuitBreakerConfig, Rules};
use super::open_time::OpenTime;
use super::window::{Consecutive, RateSettings};
use crate::backoff::{Backoff, Jitter, Ratio};
use crate::config::ConfigError;
use crate::time::{SECOND, saturating_nanos};
use core::marker::PhantomData;
use core::time::Duration;

/// The most probes that may be out: three times as many abandoned ones are counted in a byte.
const MAX_PROBES: u8 = 85;

/// The longest duration a setting may have: 146 years, so that sums of two stay inside a `u64`.
pub(super) const LONGEST: u64 = 1 << 62;

/// Builds a [`CircuitBreakerConfig`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct CircuitBreakerConfigBuilder<W = Consecutive> {
    failure_threshold: u16,
    closes: Verdict,
    probes: u8,
    timeout: u64,
    multiplier: Ratio,
    max_timeout: Option<u64>,
    jitter: Jitter,
    lease: Option<u64>,
    attempt_timeout: Option<u64>,
    abandon_counts_after: Abandonment,
    /// Calls or nanoseconds, as the window has it.
    length: u64,
    rates: RateSettings,
    window: PhantomData<W>,
}

/// What closes a half-open breaker.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Successes(u16),
    Rate(Ratio, u8),
}

/// What an abandoned call that ran for long means while closed.
#[derive(Clone, Copy, Debug)]
enum Abandonment {
    SlowOrHalfTheTimeout,
    After(u64),
    NeverCounts,
}

impl CircuitBreakerConfigBuilder {
    pub(super) const fn new() -> Self {
        Self {
            failure_threshold: 5,
            closes: Verdict::Successes(1),
            probes: 1,
            timeout: 60 * SECOND,
            multiplier: Ratio::ONE,
            max_timeout: None,
            jitter: Jitter::None,
            lease: None,
            attempt_timeout: None,
            abandon_counts_after: Abandonment::SlowOrHalfTheTimeout,
            length: 0,
            rates: RateSettings { failures: Ratio::percent(50), slow: None, minimum: None },
            window: PhantomData,
        }
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a threshold, `probes` or a duration of zero, more than 85
    /// probes, a `success_rate` that is no share or of fewer calls than `probes`, a duration above
    /// 2^62 ns (146 years), a `multiplier` that is neither 1 nor 1.01 to 64, a `max_timeout` below
    /// `timeout` or not reached by `multiplier` within 255 openings, a `jitter` that is none of the
    /// three, or a `lease` that an attempt may outlive.
    pub const fn build(self) -> Result<CircuitBreakerConfig, ConfigError> {
        match self.checked() {
            Ok(rules) => Ok(CircuitBreakerConfig { rules, window: Consecutive }),
            Err(error) => Err(error),
        }
    }
}

impl<W> CircuitBreakerConfigBuilder<W> {
    /// Failures in a row that open the breaker, 1 to 65,535. Default: 5, the seed's. A window does
    /// not change it: the default of Finagle's failure accrual, too, is a rate or 5 in a row. Where
    /// the window alone shall decide, take 65,535, of which its share is reached long before.
    pub const fn failure_threshold(mut self, failures: u16) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// Successes that close a half-open breaker, 1 to 65,535. Default: 1, the seed's.
    pub const fn success_threshold(mut self, successes: u16) -> Self {
        self.closes = Verdict::Successes(successes);
        self
    }

    /// Instead of [`success_threshold`](Self::success_threshold): the share of `calls` probes that
    /// must succeed to close the breaker, above 0 and at most 1. The verdict is given as soon as the
    /// rest of the probes cannot change it; so 1/2 of 10 closes at the 5th success and opens again at
    /// the 6th failure. For peers that never answer every call. Default: off, any failure opens it
    /// again.
    ///
    /// ```
    /// use resil_core::circuit_breaker::CircuitBreakerConfig;
    /// use resil_core::{Ratio, valid};
    ///
    /// const LOSSY: CircuitBreakerConfig =
    ///     valid!(CircuitBreakerConfig::builder().success_rate(Ratio::percent(50), 10).build());
    /// assert_eq!((LOSSY.success_threshold(), LOSSY.tolerated_failures()), (5, 5));
    /// ```
    pub const fn success_rate(mut self, rate: Ratio, calls: u8) -> Self {
        self.closes = Verdict::Rate(rate, calls);
        self
    }

    /// How long the breaker stays open before it lets a probe through. Default: 60 s, the seed's.
    pub const fn timeout(mut self, open_time: Duration) -> Self {
        self.timeout = saturating_nanos(open_time);
        self
    }

    /// By how much each opening lasts longer than the one before, up to
    /// [`max_timeout`](Self::max_timeout): 1, or 1.01 to 64. The open time is back at
    /// [`timeout`](Self::timeout) once the breaker has been closed for one present open time without
    /// a counted failure. Default: 1, the seed's constant.
    pub const fn multiplier(mut self, multiplier: Ratio) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// The longest open time, jitter included; no shorter than [`timeout`](Self::timeout). Default:
    /// ten times `timeout`, as Envoy's outlier ejection has it (30 s, at most 300 s).
    pub const fn max_timeout(mut self, longest: Duration) -> Self {
        self.max_timeout = Some(saturating_nanos(longest));
        self
    }

    /// How open times are spread, so that peers which saw one outage do not probe in step:
    /// [`None`](Jitter::None), [`Equal`](Jitter::Equal) or [`Quarter`](Jitter::Quarter). The others
    /// could leave no open time at all, or need to know the one before. Default: `None`, the seed's.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Probes that may be out at the same time while half-open, 1 to 85. Default: 1, because one
    /// call is enough to find out and each further one is one more that may hang.
    pub const fn probes(mut self, probes: u8) -> Self {
        self.probes = probes;
        self
    }

    /// How long a half-open breaker waits for its probes, counted from when the last one left. After
    /// that they count as lost and the breaker opens again. Default: the longest of
    /// [`timeout`](Self::timeout), twice what makes a call slow and twice
    /// [`attempt_timeout`](Self::attempt_timeout), or 60 s where that is not given: long enough for
    /// any call that is still alive.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(saturating_nanos(lease));
        self
    }

    /// How long one call may take, where something ends it. Only the default of
    /// [`lease`](Self::lease) depends on it; the breaker itself ends no call. Default: not known.
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(saturating_nanos(timeout));
        self
    }

    /// How long an abandoned call must have run to count as a failure while the breaker is closed,
    /// so that a peer that hangs behind someone else's timeout still opens it; `None`: it never
    /// does. Default: what makes a call slow, where that is set, else half of
    /// [`timeout`](Self::timeout): longer than a caller waits who merely lost interest.
    pub const fn abandon_counts_after(mut self, ran_for: Option<Duration>) -> Self {
        self.abandon_counts_after = match ran_for {
            Some(ran_for) => Abandonment::After(saturating_nanos(ran_for)),
            None => Abandonment::NeverCounts,
        };
        self
    }

    /// All but the window.
    const fn checked(&self) -> Result<Rules, ConfigError> {
        if self.failure_threshold == 0 {
            return Err(ConfigError::new(
                "failure_threshold",
                "failure_threshold must be at least 1",
            ));
        }
        if self.probes == 0 || self.probes > MAX_PROBES {
            return Err(ConfigError::new("probes", "probes must be 1 to 85"));
        }
        let (success_threshold, tolerated) = match self.checked_verdict() {
            Ok(verdict) => verdict,
            Err(error) => return Err(error),
        };
        let open_time = match self.checked_open_time() {
            Ok(open_time) => open_time,
            Err(error) => return Err(error),
        };
        let lease = match self.checked_lease() {
            Ok(lease) => lease,
            Err(error) => return Err(error),
        };
        Ok(Rules {
            open_time,
            lease,
            abandon_counts_after: match (self.abandon_counts_after, self.rates.slow) {
                (Abandonment::SlowOrHalfTheTimeout, Some((slow, _))) => Some(slow),
                (Abandonment::SlowOrHalfTheTimeout, None) => Some(self.timeout / 2),
                (Abandonment::After(nanos), _) => Some(nanos),
                (Abandonment::NeverCounts, _) => None,
            },
            failure_threshold: self.failure_threshold,
            success_threshold,
            probes: self.probes,
            tolerated,
        })
    }

    /// How many successes close a half-open breaker, and how many failures it survives.
    const fn checked_verdict(&self) -> Result<(u16, u8), ConfigError> {
        match self.closes {
            Verdict::Successes(0) => {
                Err(ConfigError::new("success_threshold", "success_threshold must be at least 1"))
            }
            Verdict::Successes(successes) => Ok((successes, 0)),
            Verdict::Rate(rate, calls) if !rate.is_share() || calls < self.probes => {
                Err(ConfigError::new(
                    "success_rate",
                    "success_rate must be above 0 and at most 1, of no fewer calls than probes",
                ))
            }
            Verdict::Rate(rate, calls) => {
                let parts = (calls as u32).saturating_mul(rate.numerator() as u32);
                let successes = parts.div_ceil(rate.denominator() as u32) as u8;
                Ok((successes as u16, calls.saturating_sub(successes)))
            }
        }
    }

    const fn checked_open_time(&self) -> Result<OpenTime, ConfigError> {
        if self.timeout == 0 || self.timeout > LONGEST {
            return Err(ConfigError::new("timeout", "timeout must be 1 ns to 2^62 ns (146 years)"));
        }
        let max = match self.max_timeout {
            Some(max) if max < self.timeout || max > LONGEST => {
                return Err(ConfigError::new(
                    "max_timeout",
                    "max_timeout must be at least timeout and at most 2^62 ns (146 years)",
                ));
            }
            Some(max) => max,
            None => self.timeout.saturating_mul(10),
        };
        if !matches!(self.jitter, Jitter::None | Jitter::Equal | Jitter::Quarter) {
            return Err(ConfigError::new("jitter", "jitter must be none, equal or quarter"));
        }
        let curve = Backoff::builder()
            .initial_delay(Duration::from_nanos(self.timeout))
            .max_delay(Duration::from_nanos(max))
            .exponential_base(self.multiplier)
            .jitter(self.jitter)
            .build();
        match curve {
            Ok(curve) => match OpenTime::new(curve) {
                time if time.counts_to_the_longest() => Ok(time),
                _ => Err(ConfigError::new(
                    "max_timeout",
                    "max_timeout must be reached by the multiplier within 255 openings in a row",
                )),
            },
            // The other settings of the curve are checked above.
            Err(_) => Err(ConfigError::new("multiplier", "multiplier must be 1, or 1.01 to 64")),
        }
    }

    const fn checked_lease(&self) -> Result<u64, ConfigError> {
        let known = match self.attempt_timeout {
            Some(nanos) if nanos == 0 || nanos > LONGEST => {
                return Err(ConfigError::new(
                    "attempt_timeout",
                    "attempt_timeout must be 1 ns to 2^62 ns (146 years)",
                ));
            }
            Some(nanos) => nanos.saturating_mul(2),
            None => 60 * SECOND,
        };
        let known = match self.rates.slow {
            Some((slow, _)) if slow.saturating_mul(2) > known => slow.saturating_mul(2),
            _ => known,
        };
        match (self.lease, self.attempt_timeout) {
            (None, _) if known > self.timeout => Ok(known),
            (None, _) => Ok(self.timeout),
            (Some(lease), _) if lease == 0 || lease > LONGEST => {
                Err(ConfigError::new("lease", "lease must be 1 ns to 2^62 ns (146 years)"))
            }
            (Some(lease), Some(attempt)) if lease <= attempt => {
                Err(ConfigError::new("lease", "lease must be longer than attempt_timeout"))
            }
            (Some(lease), _) => Ok(lease),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS_60: Duration = Duration::from_secs(60);

    #[test]
    fn the_defaults_are_the_seeds() {
        let config = CircuitBreakerConfig::DEFAULT;
        assert_eq!((config.failure_threshold(), config.success_threshold()), (5, 1));
        assert_eq!((config.timeout(), config.probes()), (SECONDS_60, 1));
        assert_eq!((config.lease(), config.max_timeout()), (SECONDS_60, 10 * SECONDS_60));
        assert!(!config.rules.open_time.escalates());
        assert_eq!(config.abandon_counts_after(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn what_does_not_hold_is_refused_by_name() {
        let new = CircuitBreakerConfig::builder;
        let (zero, long) = (Duration::ZERO, Duration::from_nanos(LONGEST + 1));
        for (builder, setting) in [
            (new().failure_threshold(0), "failure_threshold"),
            (new().success_threshold(0), "success_threshold"),
            (new().probes(0), "probes"),
            (new().probes(86), "probes"),
            (new().timeout(zero), "timeout"),
            (new().timeout(long), "timeout"),
            (new().timeout(Duration::MAX), "timeout"),
            (new().multiplier(Ratio::new(1, 0)), "multiplier"),
            (new().multiplier(Ratio::new(1, 2)), "multiplier"),
            (new().multiplier(Ratio::new(65, 1)), "multiplier"),
            (new().max_timeout(Duration::from_nanos(60 * SECOND - 1)), "max_timeout"),
            (new().max_timeout(long), "max_timeout"),
            // Openings are counted in a byte, and 1.01^254 is 12.5.
            (new().multiplier(Ratio::new(101, 100)).max_timeout(13 * SECONDS_60), "max_timeout"),
            (new().jitter(Jitter::Full), "jitter"),
            (new().jitter(Jitter::Decorrelated), "jitter"),
            (new().attempt_timeout(zero), "attempt_timeout"),
            (new().attempt_timeout(long), "attempt_timeout"),
            (new().lease(zero), "lease"),
            (new().lease(long), "lease"),
            (new().attempt_timeout(SECONDS_60).lease(SECONDS_60), "lease"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!(error.setting(), setting);
            assert!(error.message().starts_with(setting), "{error}");
        }
    }

    #[test]
    fn the_limits_themselves_are_valid() {
        let longest = Duration::from_nanos(LONGEST);
        let config = CircuitBreakerConfig::builder()
            .failure_threshold(u16::MAX)
            .success_threshold(u16::MAX)
            .probes(MAX_PROBES)
            .timeout(longest)
            .max_timeout(longest)
            .multiplier(Ratio::new(64, 1))
            .attempt_timeout(longest)
            .build()
            .unwrap();
        assert_eq!(config.lease(), 2 * longest);
        assert_eq!(config.probes(), MAX_PROBES);
        let lease = CircuitBreakerConfig::builder().lease(longest);
        assert_eq!(lease.build().unwrap().lease(), longest);
        let all = CircuitBreakerConfig::builder().probes(4).success_rate(Ratio::percent(50), 4);
        assert_eq!(all.build().unwrap().success_threshold(), 2, "all of the probes");
        assert!(CircuitBreakerConfig::builder().timeout(Duration::from_nanos(1)).build().is_ok());
        let slowly = CircuitBreakerConfig::builder().multiplier(Ratio::new(101, 100));
        assert!(slowly.build().is_ok(), "ten times the timeout is reached at the 233rd opening");
    }

    #[test]
    fn the_lease_outlives_every_known_attempt() {
        let lease =
            |builder: CircuitBreakerConfigBuilder| builder.build().unwrap().lease().as_secs();
        let new = CircuitBreakerConfig::builder;
        let seconds = Duration::from_secs;
        assert_eq!(lease(new().timeout(seconds(5))), 60, "attempt timeout not known");
        assert_eq!(lease(new().timeout(seconds(90))), 90);
        assert_eq!(lease(new().timeout(seconds(5)).attempt_timeout(seconds(2))), 5);
        assert_eq!(lease(new().timeout(seconds(5)).attempt_timeout(seconds(20))), 40);
        assert_eq!(lease(new().lease(seconds(7))), 7, "configured");
        assert_eq!(lease(new().attempt_timeout(seconds(6)).lease(seconds(7))), 7);
        let slow = |nanos: u64| {
            let slow = new().count_window::<1>(4).slow_calls(seconds(nanos), Ratio::ONE);
            slow.build().unwrap().lease().as_secs()
        };
        assert_eq!((slow(29), slow(31)), (60, 62), "twice what is slow, where that is more");
    }
}
