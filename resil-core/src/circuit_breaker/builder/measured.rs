//! Settings of the windows.

use super::CircuitBreakerConfigBuilder;
use crate::circuit_breaker::config::CircuitBreakerConfig;
use crate::circuit_breaker::window::{CountWindow, TimeWindow};
use crate::config::ConfigError;
use crate::ratio::Ratio;
use crate::time::saturating_nanos;
use core::marker::PhantomData;
use core::time::Duration;

impl CircuitBreakerConfigBuilder {
    /// The breaker opens by a share of the last `calls` calls, too; `WORDS` words of 32 hold them.
    ///
    /// ```
    /// use resil_core::circuit_breaker::{CircuitBreakerConfig, CountWindow};
    /// use resil_core::{Ratio, valid};
    ///
    /// const PEER: CircuitBreakerConfig<CountWindow<2>> = valid!(
    ///     CircuitBreakerConfig::builder().count_window(50).failure_rate(Ratio::percent(30)).build()
    /// );
    /// assert_eq!(PEER.window().calls(), 50);
    /// assert_eq!(PEER.window().minimum_calls(), 10);
    /// ```
    pub const fn count_window<const WORDS: usize>(
        self,
        calls: u16,
    ) -> CircuitBreakerConfigBuilder<CountWindow<WORDS>> {
        self.with_window(calls as u64)
    }

    /// The breaker opens by a share of the calls of the last while, too, in `K` sub-windows.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::circuit_breaker::{CircuitBreakerConfig, TimeWindow};
    /// use resil_core::{Ratio, valid};
    ///
    /// const PEER: CircuitBreakerConfig<TimeWindow<10>> = valid!(
    ///     CircuitBreakerConfig::builder()
    ///         .time_window(Duration::from_secs(30))
    ///         .slow_calls(Duration::from_secs(2), Ratio::percent(80))
    ///         .build()
    /// );
    /// assert_eq!(PEER.window().failure_rate(), Ratio::percent(50));
    /// ```
    pub const fn time_window<const K: usize>(
        self,
        window: Duration,
    ) -> CircuitBreakerConfigBuilder<TimeWindow<K>> {
        self.with_window(saturating_nanos(window))
    }

    const fn with_window<W>(self, length: u64) -> CircuitBreakerConfigBuilder<W> {
        CircuitBreakerConfigBuilder {
            failure_threshold: self.failure_threshold,
            closes: self.closes,
            probes: self.probes,
            timeout: self.timeout,
            multiplier: self.multiplier,
            max_timeout: self.max_timeout,
            jitter: self.jitter,
            lease: self.lease,
            attempt_timeout: self.attempt_timeout,
            abandon_counts_after: self.abandon_counts_after,
            length,
            rates: self.rates,
            window: PhantomData,
        }
    }
}

/// Of a window.
macro_rules! measured {
    ($parameter:ident, $window:ident, $length:ty) => {
        impl<const $parameter: usize> CircuitBreakerConfigBuilder<$window<$parameter>> {
            /// The share of failures that opens the breaker, above 0 and at most 1. Default: one half,
            /// as resilience4j and Hystrix have it.
            pub const fn failure_rate(mut self, rate: Ratio) -> Self {
                self.rates.failures = rate;
                self
            }

            /// A call that takes this long or longer is slow, and this share of slow calls opens the
            /// breaker. A slow failure counts in both shares. While half-open a success that was slow is held against
            /// the peer like a failure; resilience4j, too, weighs the slow calls of its probes. The
            /// time runs from `try_acquire` to `record`. Default: off, because only you know what is
            /// slow.
            pub const fn slow_calls(mut self, this_long: Duration, rate: Ratio) -> Self {
                self.rates.slow = Some((saturating_nanos(this_long), rate));
                self
            }

            /// How many calls the window must hold before a share opens the breaker. Failures in a row
            /// open it with fewer, and half-open there is no minimum. Default: 10, or all of a smaller
            /// window: see [low traffic](crate::circuit_breaker::window#low-traffic) for why not 100.
            pub const fn minimum_calls(mut self, calls: u16) -> Self {
                self.rates.minimum = Some(calls);
                self
            }

            /// The policy.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] names the setting: what a policy without a window would be refused for;
            /// a window that is empty or does not fit; a `failure_rate` or a rate of `slow_calls`
            /// that is not above 0 and at most 1; `slow_calls` of zero or above 2^62 ns; or
            /// `minimum_calls` of zero or beyond the window.
            pub const fn build(
                self,
            ) -> Result<CircuitBreakerConfig<$window<$parameter>>, ConfigError> {
                let window = match $window::checked(self.rates, self.length as $length) {
                    Ok(window) => window,
                    Err(error) => return Err(error),
                };
                match self.checked() {
                    Ok(rules) => Ok(CircuitBreakerConfig { rules, window }),
                    Err(error) => Err(error),
                }
            }
        }
    };
}

measured!(WORDS, CountWindow, u16);
measured!(K, TimeWindow, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::{CircuitBreaker, Counts, Window};
    use crate::outcome::Outcome;
    use crate::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_call_is_slow_from_when_on_the_window_says_and_never_where_it_does_not() {
        fn slow<W: Window>(policy: CircuitBreakerConfig<W>) -> u32 {
            let mut breaker = CircuitBreaker::new(policy);
            let ends = [SECOND, SECOND - Duration::from_nanos(1)].map(Instant::from_duration);
            for end in ends {
                let permit = breaker.try_acquire(0, Instant::EPOCH).unwrap();
                breaker.record(permit, Outcome::Success, 0, end);
            }
            let Counts { calls, slow, .. } = breaker.counts(ends[0]);
            assert_eq!(calls, 2);
            slow
        }
        let calls = || CircuitBreakerConfig::builder().count_window::<1>(9);
        let time = || CircuitBreakerConfig::builder().time_window::<2>(9 * SECOND);
        let rate = Ratio::percent(80);
        let (by_calls, by_time) =
            (calls().slow_calls(SECOND, rate), time().slow_calls(SECOND, rate));
        let (by_calls, by_time) = (by_calls.build().unwrap(), by_time.build().unwrap());
        assert_eq!(by_calls.window().slow_calls(), Some((SECOND, rate)));
        assert_eq!(by_time.window().slow_calls(), Some((SECOND, rate)));
        assert_eq!((slow(by_calls), slow(by_time)), (1, 1));
        let (calls, time) = (calls().build().unwrap(), time().build().unwrap());
        assert_eq!((calls.window().slow_calls(), time.window().slow_calls()), (None, None));
        assert_eq!((slow(calls), slow(time)), (0, 0));
    }

    #[test]
    fn what_is_slow_makes_the_lease_longer_and_never_shorter() {
        let window = CircuitBreakerConfig::builder().timeout(5 * SECOND).count_window::<1>(4);
        for (slow, lease) in [(2, 60), (30, 60), (45, 90)] {
            let policy = window.slow_calls(slow * SECOND, Ratio::ONE).build().unwrap();
            assert_eq!(policy.lease(), lease * SECOND, "slow after {slow} s");
        }
    }
}
