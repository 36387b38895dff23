//! How often, how long, and for which errors.

use crate::backoff::{Backoff, BackoffBuilder, Curve, Jitter, Ratio};
use crate::config::ConfigError;
use crate::outcome::{EveryError, FailureClass};
use crate::time::{Instant, saturating_nanos};
use core::fmt;
use core::time::Duration;

/// No deadline: further away than time goes.
pub(super) const NO_DEADLINE: u64 = u64::MAX;

/// When to try again: attempts, delays, deadline, and a classifier of errors.
///
/// A constant: share one between all calls, in flash on a microcontroller. What a call needs of its
/// own is a [`Retry`](super::Retry).
///
/// ```
/// use core::time::Duration;
/// use resil_core::outcome::Classify;
/// use resil_core::retry::RetryPolicy;
/// use resil_core::valid;
///
/// #[derive(Debug)]
/// enum Error { Lost, WrongKey }
///
/// fn is_worth_it(error: &Error) -> bool {
///     matches!(error, Error::Lost)
/// }
///
/// const CONNECT: RetryPolicy<fn(&Error) -> bool> = valid!(
///     RetryPolicy::builder()
///         .max_attempts(5)
///         .initial_delay(Duration::from_millis(200))
///         .max_delay(Duration::from_secs(5))
///         .deadline(Duration::from_secs(30))
///         .build()
/// )
/// .classify(is_worth_it);
///
/// assert_eq!(CONNECT.max_attempts(), 5);
/// assert_ne!(CONNECT.classifier().classify(&Error::Lost), CONNECT.classifier().classify(&Error::WrongKey));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy<C = EveryError> {
    backoff: Backoff,
    /// After a throttled failure, where that has a curve of its own.
    throttled: Option<Backoff>,
    pub(super) deadline: u64,
    pub(super) max_retry_after: u64,
    max_attempts: u32,
    max_refusal_waits: u32,
    classifier: C,
}

impl RetryPolicy {
    /// The seed's: 3 attempts, 1 s, base 2, at most 60 s; full jitter, no deadline, every error.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// Starts from the defaults.
    pub const fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder {
            backoff: Backoff::builder(),
            throttled_delay: None,
            deadline: NO_DEADLINE,
            max_retry_after: None,
            max_attempts: 3,
            max_refusal_waits: 0,
        }
    }

    /// The same policy with a classifier of its own, in place of [`EveryError`].
    #[must_use]
    pub const fn classify<C>(self, classifier: C) -> RetryPolicy<C> {
        let Self { backoff, throttled, deadline, max_retry_after, max_attempts, .. } = self;
        RetryPolicy {
            backoff,
            throttled,
            deadline,
            max_retry_after,
            max_attempts,
            max_refusal_waits: self.max_refusal_waits,
            classifier,
        }
    }
}

impl<C> RetryPolicy<C> {
    /// All attempts, the first included.
    #[must_use]
    #[inline]
    pub const fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// How long to wait between them.
    #[must_use]
    #[inline]
    pub const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    /// The same after a failure of this class.
    #[must_use]
    #[inline]
    pub const fn backoff_after(&self, class: FailureClass) -> &Backoff {
        match (class, &self.throttled) {
            (FailureClass::Throttled, Some(throttled)) => throttled,
            _ => &self.backoff,
        }
    }

    /// How long the whole call may take, from its first attempt.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Option<Duration> {
        match self.deadline {
            NO_DEADLINE => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// The longest wait that a peer may ask for.
    #[must_use]
    #[inline]
    pub const fn max_retry_after(&self) -> Duration {
        Duration::from_nanos(self.max_retry_after)
    }

    /// How many refusals of our own limiters and bulkheads a call waits for.
    #[must_use]
    #[inline]
    pub const fn max_refusal_waits(&self) -> u32 {
        self.max_refusal_waits
    }

    /// What says which errors are worth another attempt.
    #[must_use]
    #[inline]
    pub const fn classifier(&self) -> &C {
        &self.classifier
    }

    /// The deadline of a call that starts at `now`; [`Instant::MAX`] where there is none.
    #[inline]
    pub(super) const fn deadline_from(&self, now: Instant) -> Instant {
        now.plus_nanos(self.deadline)
    }

    /// A deadline that a backward step of the clock left too far ahead, as close as it may be.
    #[inline]
    pub(super) const fn brought_back(&self, deadline: Instant, now: Instant) -> Instant {
        deadline.within(self.deadline, now)
    }

    /// As much of a peer's hint as is taken seriously.
    #[inline]
    pub(super) const fn trusted_nanos(&self, hint: u64) -> u64 {
        if hint < self.max_retry_after { hint } else { self.max_retry_after }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Everything but the classifier, which mostly is a function.
impl<C> fmt::Debug for RetryPolicy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("backoff", &self.backoff)
            .field("throttled", &self.throttled)
            .field("deadline", &self.deadline())
            .field("max_retry_after", &self.max_retry_after())
            .field("max_attempts", &self.max_attempts)
            .field("max_refusal_waits", &self.max_refusal_waits)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<C> defmt::Format for RetryPolicy<C> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "RetryPolicy {{ backoff: {}, throttled: {}, deadline: {}, max_retry_after: {}, max_attempts: {}, max_refusal_waits: {} }}",
            self.backoff,
            self.throttled,
            self.deadline,
            self.max_retry_after,
            self.max_attempts,
            self.max_refusal_waits,
        );
    }
}

/// Settings of a [`RetryPolicy`]; [`RetryPolicy::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryPolicyBuilder {
    backoff: BackoffBuilder,
    throttled_delay: Option<Duration>,
    deadline: u64,
    max_retry_after: Option<u64>,
    max_attempts: u32,
    max_refusal_waits: u32,
}

impl RetryPolicyBuilder {
    /// All attempts, the first included: 3 unless set.
    pub const fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// The delay after the first attempt: 1 s unless set.
    pub const fn initial_delay(mut self, initial_delay: Duration) -> Self {
        self.backoff = self.backoff.initial_delay(initial_delay);
        self
    }

    /// The delay after the first attempt, if that was [throttled](FailureClass::Throttled); later ones
    /// grow from it. The [`initial_delay`](Self::initial_delay) unless set: one curve for all.
    ///
    /// The AWS SDKs have 50 ms for transient failures and 1 s for throttling: whoever lost a packet
    /// need not wait, whoever was asked for less should.
    pub const fn throttled_delay(mut self, throttled_delay: Duration) -> Self {
        self.throttled_delay = Some(throttled_delay);
        self
    }

    /// The longest delay of ours, jitter included: 60 s unless set.
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        self.backoff = self.backoff.max_delay(max_delay);
        self
    }

    /// An exponential curve with this base; 2 unless set.
    pub const fn exponential_base(mut self, base: Ratio) -> Self {
        self.backoff = self.backoff.exponential_base(base);
        self
    }

    /// How delays grow: exponentially, by 2, unless set.
    pub const fn curve(mut self, curve: Curve) -> Self {
        self.backoff = self.backoff.curve(curve);
        self
    }

    /// How delays are spread: [`Jitter::Full`] unless set.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.backoff = self.backoff.jitter(jitter);
        self
    }

    /// How long the whole call may take, from its first attempt; without end unless set.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = saturating_nanos(deadline);
        self
    }

    /// The longest wait that a peer may ask for: the longest delay unless set, since the policy takes
    /// that much anyway. Zero: hints do not delay anything.
    pub const fn max_retry_after(mut self, max_retry_after: Duration) -> Self {
        self.max_retry_after = Some(saturating_nanos(max_retry_after));
        self
    }

    /// How many refusals of our own limiters and bulkheads a call waits for; needs a deadline.
    ///
    /// 0 unless set: whoever is refused by his own node hears of it at once, and load is not hidden
    /// in sleeping calls.
    pub const fn max_refusal_waits(mut self, max_refusal_waits: u32) -> Self {
        self.max_refusal_waits = max_refusal_waits;
        self
    }

    /// The policy with these settings, for [`EveryError`].
    ///
    /// # Errors
    ///
    /// `throttled_delay` is above `max_delay`, or zero and the curve is not fixed; `max_attempts` or
    /// `deadline` is zero; `max_refusal_waits` is not, and there is no `deadline`;
    /// whatever [`BackoffBuilder::build`] refuses.
    pub const fn build(self) -> Result<RetryPolicy, ConfigError> {
        let backoff = match self.backoff.build() {
            Ok(backoff) => backoff,
            Err(error) => return Err(error),
        };
        let throttled = match self.throttled_delay {
            None => None,
            Some(delay) => match self.backoff.initial_delay(delay).build() {
                Ok(throttled) => Some(throttled),
                Err(_) => {
                    return Err(ConfigError::new(
                        "throttled_delay",
                        "throttled_delay must be at most max_delay, and above zero unless the curve is fixed",
                    ));
                }
            },
        };
        if self.max_attempts == 0 {
            return Err(ConfigError::new("max_attempts", "max_attempts must be at least 1"));
        }
        if self.deadline == 0 {
            return Err(ConfigError::new("deadline", "deadline must be above zero"));
        }
        if self.max_refusal_waits > 0 && self.deadline == NO_DEADLINE {
            return Err(ConfigError::new(
                "max_refusal_waits",
                "max_refusal_waits must be 0 where there is no deadline",
            ));
        }
        let max_retry_after = match self.max_retry_after {
            Some(nanos) => nanos,
            None => saturating_nanos(backoff.max_delay()),
        };
        Ok(RetryPolicy {
            backoff,
            throttled,
            deadline: self.deadline,
            max_retry_after,
            max_attempts: self.max_attempts,
            max_refusal_waits: self.max_refusal_waits,
            classifier: EveryError,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(builder: RetryPolicyBuilder) -> &'static str {
        builder.build().unwrap_err().setting()
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let builder = RetryPolicy::builder();
        assert_eq!(setting(builder.max_attempts(0)), "max_attempts");
        assert_eq!(setting(builder.deadline(Duration::ZERO)), "deadline");
        assert_eq!(setting(builder.max_refusal_waits(1)), "max_refusal_waits");
        assert_eq!(setting(builder.max_delay(Duration::ZERO)), "max_delay");
        assert_eq!(setting(builder.throttled_delay(Duration::MAX)), "throttled_delay");
        assert_eq!(setting(builder.throttled_delay(Duration::ZERO)), "throttled_delay");
        assert_eq!(setting(builder.exponential_base(Ratio::new(1, 2))), "exponential_base");
        assert!(builder.max_refusal_waits(1).deadline(Duration::from_nanos(1)).build().is_ok());
    }

    #[test]
    fn a_deadline_without_end_is_none() {
        let builder = RetryPolicy::builder().deadline(Duration::MAX);
        assert_eq!(builder.build().unwrap().deadline(), None);
        assert_eq!(setting(builder.max_refusal_waits(1)), "max_refusal_waits");
    }
}
