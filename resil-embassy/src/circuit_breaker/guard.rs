//! A permit that cannot be forgotten.

use core::borrow::Borrow;
use core::fmt;

use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::circuit_breaker::{CircuitBreakerConfig, Permit, Recorded};
use resil_core::outcome::{Classify, EveryError, FailureClass, Outcome};

use super::CircuitBreaker;

/// Leave to make one call, to be told how it went.
///
/// Dropped without a word it is an abandonment: nobody knows how the call ended, nothing is counted
/// and the permit goes back.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// use resil_embassy::CircuitBreaker;
/// use resil_embassy::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_embassy::core::outcome::FailureClass;
///
/// let breaker =
///     CircuitBreaker::<NoopRawMutex>::new("peer-7", &CircuitBreakerConfig::DEFAULT, || 4);
/// let guard = breaker.try_acquire()?;
/// // ... send the request here, await the reply there ...
/// # let reply: Option<&str> = None;
/// match reply {
///     Some(_) => guard.success(),
///     None => guard.failure(FailureClass::Timeout),
/// };
/// # Ok::<(), resil_embassy::core::error::CircuitBreakerOpenError>(())
/// ```
#[must_use = "a guard that is dropped at once abandons the call"]
pub struct Guard<'a, M, C = EveryError, P = &'static CircuitBreakerConfig>
where
    M: RawMutex,
    P: Borrow<CircuitBreakerConfig>,
{
    breaker: &'a CircuitBreaker<M, C, P>,
    /// There until it is told back.
    permit: Option<Permit>,
}

#[expect(clippy::must_use_candidate, reason = "told for its effect; the answer is a courtesy")]
impl<'a, M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> Guard<'a, M, C, P> {
    pub(super) const fn new(breaker: &'a CircuitBreaker<M, C, P>, permit: Permit) -> Self {
        Self { breaker, permit: Some(permit) }
    }

    /// The call worked.
    pub fn success(mut self) -> Recorded {
        self.tell(Outcome::Success)
    }

    /// The call failed.
    pub fn failure(mut self, class: FailureClass) -> Recorded {
        self.tell(Outcome::Failure(class))
    }

    /// The call ended in a way that says nothing about the peer.
    pub fn ignore(mut self) -> Recorded {
        self.tell(Outcome::Ignored)
    }

    /// What the breaker's classifier makes of `result`.
    pub fn settle<V, E>(mut self, result: &Result<V, E>) -> Recorded
    where
        C: Classify<E>,
    {
        let outcome = match result {
            Ok(_) => Outcome::Success,
            Err(error) => self.breaker.classifier.classify(error).outcome(),
        };
        self.tell(outcome)
    }

    fn tell(&mut self, outcome: Outcome) -> Recorded {
        match self.permit.take() {
            Some(permit) => self.breaker.record(permit, outcome),
            None => Recorded::Stale,
        }
    }
}

impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> Drop for Guard<'_, M, C, P> {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.tell(Outcome::Abandoned);
        }
    }
}

impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> fmt::Debug for Guard<'_, M, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("breaker", &self.breaker.name()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> defmt::Format for Guard<'_, M, C, P> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "guard of circuit breaker {=str}", self.breaker.name());
    }
}
