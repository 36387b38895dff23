//! A permit that cannot be forgotten.

use core::fmt;
use std::thread;

use resil_core::Clock;
use resil_core::circuit_breaker::{Permit, Recorded};
use resil_core::outcome::{Classify, EveryError, FailureClass, Outcome};

use super::CircuitBreaker;
use crate::clock::SystemClock;

/// Leave to make one call, to be told how it went.
///
/// Dropped without a word it is an abandonment: nobody knows how the call ended, nothing is counted
/// and the permit goes back. Dropped by a panic it is a failure.
///
/// ```
/// use resil_std::circuit_breaker::CircuitBreaker;
/// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_std::core::outcome::FailureClass;
///
/// let breaker = CircuitBreaker::new("peer-7", CircuitBreakerConfig::DEFAULT);
/// let guard = breaker.try_acquire()?;
/// // ... send the request here, await the reply there ...
/// # let reply: Option<&str> = None;
/// match reply {
///     Some(_) => guard.success(),
///     None => guard.failure(FailureClass::Timeout),
/// };
/// # Ok::<(), resil_std::core::error::CircuitBreakerOpenError>(())
/// ```
#[must_use = "a guard that is dropped at once abandons the call"]
pub struct Guard<C = EveryError, T: Clock = SystemClock> {
    breaker: CircuitBreaker<C, T>,
    /// There until it is told back.
    permit: Option<Permit>,
    /// Whether a panic was under way already, and so is not this call's.
    born_in_panic: bool,
}

#[expect(clippy::must_use_candidate, reason = "what telling changed is news, not a duty")]
impl<C, T: Clock> Guard<C, T> {
    pub(super) fn new(breaker: CircuitBreaker<C, T>, permit: Permit) -> Self {
        Self { breaker, permit: Some(permit), born_in_panic: thread::panicking() }
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
        // The permit is still in the guard while the classifier runs, should that panic.
        let outcome = match result {
            Ok(_) => Outcome::Success,
            Err(error) => self.breaker.classifier().classify(error).outcome(),
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

impl<C, T: Clock> Drop for Guard<C, T> {
    fn drop(&mut self) {
        if self.permit.is_some() {
            let died = thread::panicking() && !self.born_in_panic;
            // A panic is a fault in the program, not a hiccup of the network.
            self.tell(if died {
                Outcome::Failure(FailureClass::Fatal)
            } else {
                Outcome::Abandoned
            });
        }
    }
}

impl<C, T: Clock> fmt::Debug for Guard<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("breaker", &self.breaker.name()).finish_non_exhaustive()
    }
}
