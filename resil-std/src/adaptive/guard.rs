//! A permit that cannot be forgotten.

use core::fmt;

use resil_core::Clock;
use resil_core::adaptive::{Aimd, ConcurrencyLimit, Permit, Recorded};
use resil_core::outcome::{Classify, EveryError, FailureClass, Outcome};

use super::ConcurrencyLimiter;
use crate::clock::SystemClock;

/// Leave to make one call, to be told how it went. The time from now to then is its latency.
///
/// Dropped without a word it is an abandonment, also by a panic: the permit goes back, and the limit stays
/// what it is.
///
/// ```
/// use resil_std::adaptive::ConcurrencyLimiter;
/// use resil_std::core::adaptive::{Aimd, Recorded};
/// use resil_std::core::outcome::FailureClass;
/// use resil_std::core::valid;
///
/// let limiter = ConcurrencyLimiter::new("store", valid!(Aimd::builder().initial_limit(10).build()));
/// let guard = limiter.try_acquire()?;
/// // ... send the request here, await the reply there: none came ...
/// assert_eq!(guard.failure(FailureClass::Timeout), Recorded::Limit { from: 10, to: 9 });
/// # Ok::<(), resil_std::core::Rejected>(())
/// ```
#[must_use = "a guard that is dropped at once abandons the call"]
pub struct Guard<L: ConcurrencyLimit = Aimd, C = EveryError, T: Clock = SystemClock> {
    limiter: ConcurrencyLimiter<L, C, T>,
    /// There until it is told back.
    permit: Option<Permit>,
}

#[expect(clippy::must_use_candidate, reason = "what telling changed is news, not a duty")]
impl<L: ConcurrencyLimit, C, T: Clock> Guard<L, C, T> {
    pub(super) const fn new(limiter: ConcurrencyLimiter<L, C, T>, permit: Permit) -> Self {
        Self { limiter, permit: Some(permit) }
    }

    /// The call worked.
    pub fn success(self) -> Recorded {
        self.tell(Outcome::Success)
    }

    /// The call failed.
    pub fn failure(self, class: FailureClass) -> Recorded {
        self.tell(Outcome::Failure(class))
    }

    /// The call ended in a way that says nothing about how much the peer can take.
    pub fn ignore(self) -> Recorded {
        self.tell(Outcome::Ignored)
    }

    /// What the limiter's classifier makes of `result`.
    pub fn settle<V, E>(self, result: &Result<V, E>) -> Recorded
    where
        C: Classify<E>,
    {
        // The permit is still in the guard while the classifier runs, should that panic.
        let outcome = self.limiter.0.outcome(result);
        self.tell(outcome)
    }
}

impl<L: ConcurrencyLimit, C, T: Clock> Guard<L, C, T> {
    pub(crate) fn tell(mut self, outcome: Outcome) -> Recorded {
        match self.permit.take() {
            Some(permit) => self.limiter.0.record(permit, outcome),
            None => Recorded::Stale,
        }
    }

    /// What errors mean here.
    #[cfg(feature = "tower")]
    pub(crate) fn classifier(&self) -> &C {
        self.limiter.0.classifier()
    }

    /// The guard of a call that begins only now.
    #[cfg(feature = "tower")]
    pub(crate) fn renew(mut self) -> Result<Self, resil_core::outcome::Rejected> {
        if let Some(permit) = self.permit.take() {
            self.permit = Some(self.limiter.0.renew(permit)?);
        }
        Ok(self)
    }
}

impl<L: ConcurrencyLimit, C, T: Clock> Drop for Guard<L, C, T> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.limiter.0.record(permit, Outcome::Abandoned);
        }
    }
}

impl<L: ConcurrencyLimit, C, T: Clock> fmt::Debug for Guard<L, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("limiter", &self.limiter.name()).finish_non_exhaustive()
    }
}
