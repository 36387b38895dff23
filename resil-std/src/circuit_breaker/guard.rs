//! A permit that cannot be forgotten.

use core::{fmt, mem};
use std::thread;

use resil_core::Clock;
use resil_core::circuit_breaker::{Consecutive, Permit, Recorded, Window};
use resil_core::outcome::{Classify, EveryError, FailureClass, Outcome};

#[cfg(feature = "tower")]
use resil_core::outcome::Rejected;

use super::CircuitBreaker;
use super::shared::Shared;
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
pub struct Guard<C = EveryError, T: Clock = SystemClock, W: Window = Consecutive> {
    breaker: CircuitBreaker<C, T, W>,
    /// There until it is told back.
    permit: Option<Permit>,
    /// Whether a panic was under way already, and so is not this call's.
    born_in_panic: bool,
}

#[expect(clippy::must_use_candidate, reason = "what telling changed is news, not a duty")]
impl<C, T: Clock, W: Window> Guard<C, T, W> {
    pub(super) fn new(breaker: CircuitBreaker<C, T, W>, permit: Permit) -> Self {
        Self { breaker, permit: Some(permit), born_in_panic: thread::panicking() }
    }

    /// The call worked.
    pub fn success(self) -> Recorded {
        self.tell(Outcome::Success)
    }

    /// The call failed.
    pub fn failure(self, class: FailureClass) -> Recorded {
        self.tell(Outcome::Failure(class))
    }

    /// The call ended in a way that says nothing about the peer.
    pub fn ignore(self) -> Recorded {
        self.tell(Outcome::Ignored)
    }

    /// What the breaker's classifier makes of `result`.
    pub fn settle<V, E>(self, result: &Result<V, E>) -> Recorded
    where
        C: Classify<E>,
    {
        // The permit is still in the guard while the classifier runs, should that panic.
        let outcome = self.breaker.0.outcome(result);
        self.tell(outcome)
    }
}

impl<C, T: Clock, W: Window> fmt::Debug for Guard<C, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("breaker", &self.breaker.name()).finish_non_exhaustive()
    }
}

impl<C, T: Clock, W: Window> Guard<C, T, W> {
    /// What errors mean here.
    #[cfg(feature = "tower")]
    pub(crate) fn classifier(&self) -> &C {
        self.breaker.0.classifier()
    }

    /// The guard of a call that begins only now.
    #[cfg(feature = "tower")]
    pub(crate) fn renew(mut self) -> Result<Self, Rejected> {
        if let Some(permit) = self.permit.take() {
            self.permit = Some(self.breaker.0.renew(permit)?);
        }
        Ok(self)
    }

    pub(crate) fn tell(mut self, outcome: Outcome) -> Recorded {
        match self.permit.take() {
            Some(permit) => self.breaker.0.record(permit, outcome),
            None => Recorded::Stale,
        }
    }
}

impl<C, T: Clock, W: Window> Drop for Guard<C, T, W> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.breaker.0.record(permit, unheard(self.born_in_panic));
        }
    }
}

/// A permit for a call under a handle that outlives it; told back when it is dropped, as a [`Guard`].
///
/// Whoever tells it takes it in parts, and where it is dropped it is told out of line: so it needs no
/// memory in a call that neither fails nor is cancelled.
pub(super) struct Lent<'a, C, T: Clock, W: Window> {
    shared: &'a Shared<C, T, W>,
    permit: Option<Permit>,
    born_in_panic: bool,
}

impl<'a, C, T: Clock, W: Window> Lent<'a, C, T, W> {
    /// For a call that can be cancelled.
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<C, T, W>, permit: Permit) -> Self {
        Self { shared, permit: Some(permit), born_in_panic: thread::panicking() }
    }

    /// For a call that cannot be: where it is dropped, the call has panicked, and whether another panic
    /// was under way before does not matter.
    #[inline(always)]
    pub(super) fn to_the_end(shared: &'a Shared<C, T, W>, permit: Permit) -> Self {
        Self { shared, permit: Some(permit), born_in_panic: false }
    }

    #[inline(always)]
    pub(super) fn tell(mut self, outcome: Outcome) {
        let Some(permit) = self.permit.take() else { return };
        let shared = self.shared;
        mem::forget(self); // the permit is out of it, and there is nothing to free
        if shared.record_at_a_glance(&permit, outcome).is_none() {
            Ended { shared, permit, outcome }.record();
        }
    }
}

impl<C, T: Clock, W: Window> Drop for Lent<'_, C, T, W> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            Unheard { shared: self.shared, permit, born_in_panic: self.born_in_panic }.record();
        }
    }
}

/// How a call has ended, for a function that is not in line: put together only where that is called, so
/// that till then all of it may be in registers.
struct Ended<'a, C, T: Clock, W: Window> {
    shared: &'a Shared<C, T, W>,
    permit: Permit,
    outcome: Outcome,
}

impl<C, T: Clock, W: Window> Ended<'_, C, T, W> {
    #[inline(never)]
    fn record(self) {
        self.shared.record_locked(self.permit, self.outcome);
    }
}

/// [`Ended`], of a call of which nobody has said how.
struct Unheard<'a, C, T: Clock, W: Window> {
    shared: &'a Shared<C, T, W>,
    permit: Permit,
    born_in_panic: bool,
}

impl<C, T: Clock, W: Window> Unheard<'_, C, T, W> {
    #[cold]
    #[inline(never)]
    fn record(self) {
        self.shared.record(self.permit, unheard(self.born_in_panic));
    }
}

/// How a call ended of which nobody has said so.
#[cold]
fn unheard(born_in_panic: bool) -> Outcome {
    let died = thread::panicking() && !born_in_panic;
    // A panic is a fault in the program, not a hiccup of the network.
    if died { Outcome::Failure(FailureClass::Fatal) } else { Outcome::Abandoned }
}
