//! What a call may cost in time and attempts.

use crate::config::ConfigError;
use crate::outcome::EveryError;
use crate::retry::RetryPolicy;
use crate::time::{Instant, saturating_nanos};
use core::time::Duration;

/// No timeout: further away than time goes.
const NONE: u64 = u64::MAX;

/// How a call goes on: retries, the deadline over all of them, and how long one attempt may take.
///
/// A constant that any number of calls share. What they share besides, breakers and limits and
/// budgets, comes to each step as [`Gates`](super::Gates).
///
/// ```
/// use core::time::Duration;
/// use resil_core::call::CallPolicy;
/// use resil_core::retry::RetryPolicy;
/// use resil_core::valid;
///
/// const RETRY: RetryPolicy =
///     valid!(RetryPolicy::builder().deadline(Duration::from_secs(10)).build());
/// const POLICY: CallPolicy =
///     valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2)));
/// assert_eq!(POLICY.attempt_timeout(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CallPolicy<C = EveryError> {
    retry: RetryPolicy<C>,
    attempt_timeout: u64,
}

impl<C> CallPolicy<C> {
    /// Calls that are tried again as `retry` says, and whose attempts take as long as they take.
    #[must_use]
    pub const fn new(retry: RetryPolicy<C>) -> Self {
        Self { retry, attempt_timeout: NONE }
    }

    /// The same, with a bound on every attempt.
    ///
    /// Without one, an attempt may last until the deadline of the call, and then nothing is left for
    /// another. Use about twice the time that all but the slowest attempts take.
    ///
    /// # Errors
    ///
    /// `attempt_timeout` is zero.
    pub const fn with_attempt_timeout(self, timeout: Duration) -> Result<Self, ConfigError>
    where
        C: Copy,
    {
        match saturating_nanos(timeout) {
            0 => Err(ConfigError::new("attempt_timeout", "attempt_timeout must be above zero")),
            attempt_timeout => Ok(Self { retry: self.retry, attempt_timeout }),
        }
    }

    /// How failures are tried again, and the deadline over all attempts.
    #[must_use]
    #[inline]
    pub const fn retry(&self) -> &RetryPolicy<C> {
        &self.retry
    }

    /// How long one attempt may take.
    #[must_use]
    #[inline]
    pub const fn attempt_timeout(&self) -> Option<Duration> {
        match self.attempt_timeout {
            NONE => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// When an attempt that starts at `now` has to end, as far as it alone is concerned.
    #[inline]
    pub(super) const fn attempt_deadline(&self, now: Instant) -> Instant {
        now.plus_nanos(self.attempt_timeout)
    }

    /// A deadline that a backward step of the clock left too far ahead, as close as it may be.
    #[inline]
    pub(super) const fn brought_back(&self, deadline: Instant, now: Instant) -> Instant {
        deadline.within(self.attempt_timeout, now)
    }
}

impl Default for CallPolicy {
    /// The seed's retry, without a bound on attempts.
    fn default() -> Self {
        Self::new(RetryPolicy::DEFAULT)
    }
}
