//! Do not call a peer that is known to be down.
//!
//! [`CircuitBreaker`] is core's [machine](resil_core::circuit_breaker) behind a lock, with a clock,
//! a name for the log and a rule for which errors count. Clones are handles to the same breaker:
//! keep one per peer and hand it to every task.
//!
//! While all is well the lock is not taken: what a closed breaker answers without changing anything is
//! core's [`Glance`](resil_core::circuit_breaker::Glance), a word beside the lock; and where successes
//! only add up, as core's [`SubWindow`](resil_core::circuit_breaker::SubWindow) says, they are counted in
//! another word, by adding to it. One that sleeps through a transition in the middle of that is late: it
//! does not count, and the few instructions until it has [said](resil_core::circuit_breaker::Generation) so
//! under the lock, whoever wants the lock waits.
//!
//! [`call`](CircuitBreaker::call) and [`call_blocking`](CircuitBreaker::call_blocking) run an
//! operation under it. Where the call is not one closure, [`try_acquire`](CircuitBreaker::try_acquire)
//! gives a [`Guard`] to be told how it went.
//!
//! # Laws
//!
//! - Every permit is told back exactly once, whatever happens: the operation returns, panics, is
//!   cancelled, or its guard is dropped. A panic is a failure, a cancellation is an abandonment.
//! - While the breaker refuses, the operation is not touched: not called, not polled.
//! - No lock is held across an `.await`, while the operation runs, while a classifier runs or while
//!   a log subscriber runs, so each of them may use the breaker.
//! - A panic anywhere leaves the breaker usable.
//! - Each answer is what core answers in one order of all calls: nothing that ends after the breaker has
//!   opened counts as if it were closed, and no call is lost or counted twice.
//!
//! # When not to use it
//!
//! For a resource that is this process itself, or whose failures say nothing about the next call.
//!
//! # Cost
//!
//! | closed | permit | success | all else |
//! |---|---|---|---|
//! | failures in a row | a load | a load; after a failure a short lock | a short lock |
//! | of the last calls | a load | a load; with a failure among them, or until there are enough, a short lock | a short lock |
//! | of the last calls, and slow ones | a load | a short lock: each is weighed | a short lock |
//! | over time | a load | loads and an addition; the first of each sub-window a short lock | a short lock |
//!
//! Over time, a success takes the lock while the share is reached and only the minimum of calls is not. A
//! slow one always does. Not closed, each is a short lock.
//!
//! Besides, a permit is a reading of the clock, and so is a success over time and a call under a lock.
//! Nothing is allocated; [`try_acquire`](CircuitBreaker::try_acquire) counts a reference, the calls do not.

mod guard;
mod published;
mod shared;
mod told;

use core::fmt;
use core::future::Future;
use std::sync::Arc;

use resil_core::circuit_breaker::{
    self as machine, CircuitBreakerConfig, Consecutive, Counts, Permit, State, Window,
};
use resil_core::error::CircuitBreakerOpenError;
use resil_core::outcome::{Classify, EveryError, Rejected, RetryAt};
use resil_core::{Clock, ResilienceError};

use crate::clock::SystemClock;

use guard::Lent;
use shared::Shared;

pub use guard::Guard;

/// Where its log events go.
const TARGET: &str = "resil::circuit_breaker";

/// A circuit breaker that tasks and threads share.
///
/// `C` says which errors count as failures, `T` is the clock, and `W` what is measured besides failures
/// in a row. A clone is a handle to the same breaker and costs a reference count.
///
/// ```
/// use resil_std::circuit_breaker::CircuitBreaker;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
/// # use std::convert::Infallible;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let config = CircuitBreakerConfig::builder().failure_threshold(2).build()?;
/// let breaker = CircuitBreaker::new("peer-7", config);
///
/// assert_eq!(breaker.call(async || Ok::<_, Infallible>("sent")).await?, "sent");
/// for _ in 0..2 {
///     let failed = breaker.call(async || Err::<(), _>("connection reset")).await;
///     assert_eq!(failed.unwrap_err().code(), ErrorCode::OperationFailed);
/// }
/// assert_eq!(breaker.state(), State::Open);
/// let refused = breaker.call(async || Err::<(), _>("never called")).await;
/// assert_eq!(refused.unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
/// # Ok(())
/// # }
/// ```
pub struct CircuitBreaker<C = EveryError, T = SystemClock, W: Window = Consecutive>(
    Arc<Shared<C, T, W>>,
);

impl<W: Window> CircuitBreaker<EveryError, SystemClock, W> {
    /// A closed breaker for which every error is a failure.
    ///
    /// `name` stands for it in logs and errors; a peer's id is a good one.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, config: CircuitBreakerConfig<W>) -> Self {
        Self::with(name, config, EveryError, SystemClock)
    }
}

impl<C, W: Window> CircuitBreaker<C, SystemClock, W> {
    /// A closed breaker for which `classifier` says what is a failure (the seed's
    /// `expected_exception`).
    ///
    /// An error that it takes for [`Ignored`](resil_core::outcome::Classification::Ignored) passes
    /// through and moves no counter.
    ///
    /// ```
    /// use resil_std::circuit_breaker::CircuitBreaker;
    /// use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
    /// use resil_std::core::outcome::{Classification, FailureClass};
    /// use std::io::{self, ErrorKind};
    ///
    /// let by_kind = |error: &io::Error| match error.kind() {
    ///     ErrorKind::NotFound => Classification::Ignored, // an answer, not a broken peer
    ///     _ => FailureClass::Transient.into(),
    /// };
    /// let config = CircuitBreakerConfig::builder().failure_threshold(1).build()?;
    /// let breaker = CircuitBreaker::with_classifier("store", config, by_kind);
    ///
    /// let missing = breaker.call_blocking(|| Err::<(), _>(ErrorKind::NotFound.into()));
    /// assert!(missing.is_err());
    /// assert_eq!(breaker.state(), State::Closed);
    /// # Ok::<(), resil_std::core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_classifier(
        name: impl Into<Box<str>>,
        config: CircuitBreakerConfig<W>,
        classifier: C,
    ) -> Self {
        Self::with(name, config, classifier, SystemClock)
    }
}

impl<C, T, W: Window> CircuitBreaker<C, T, W> {
    /// A closed breaker with everything given: the classifier and the clock.
    #[must_use]
    pub fn with(
        name: impl Into<Box<str>>,
        config: CircuitBreakerConfig<W>,
        classifier: C,
        clock: T,
    ) -> Self {
        Self(Arc::new(Shared::new(name.into(), config, classifier, clock)))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl<C, T: Clock, W: Window> CircuitBreaker<C, T, W> {
    /// Runs `operation` if the breaker lets it, and takes note of how it went.
    ///
    /// Dropping the future while the operation is in flight abandons the call: nothing is counted
    /// and the probe slot, if it held one, is free again. (An abandonment that took long counts as a
    /// failure where the policy says so: a hung peer behind an outer timeout.)
    ///
    /// # Errors
    ///
    /// The operation's own error, or the refusal with
    /// [`CIRCUIT_BREAKER_OPEN`](resil_core::ErrorCode::CircuitBreakerOpen) or
    /// [`CIRCUIT_BREAKER_HALF_OPEN`](resil_core::ErrorCode::CircuitBreakerHalfOpen), when to come
    /// back, and the name as detail `breaker`.
    pub async fn call<V, E, F, Fut>(&self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        C: Classify<E>,
    {
        let permit = self.0.try_acquire().map_err(|rejected| self.refusal(rejected))?;
        let lent = Lent::new(&*self.0, permit);
        let result = operation().await;
        lent.tell(self.0.outcome(&result));
        result.map_err(ResilienceError::operation)
    }

    /// [`call`](Self::call) for an operation that blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    #[inline]
    pub fn call_blocking<V, E>(
        &self,
        operation: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        match self.0.try_acquire_at_a_glance() {
            Some(permit) => self.run(permit, operation),
            None => self.call_blocking_locked(operation),
        }
    }

    /// [`call_blocking`](Self::call_blocking) where the lock has to be taken: apart, so that the other
    /// way is short.
    #[cold]
    fn call_blocking_locked<V, E>(
        &self,
        operation: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        match self.0.try_acquire_locked() {
            Ok(permit) => self.run(permit, operation),
            Err(rejected) => Err(self.refusal(rejected)),
        }
    }

    #[inline(always)]
    fn run<V, E>(
        &self,
        permit: Permit,
        operation: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        let lent = Lent::to_the_end(&*self.0, permit);
        let result = operation();
        lent.tell(self.0.outcome(&result));
        result.map_err(ResilienceError::operation)
    }

    /// Asks for leave to make one call; the guard wants to be told how it went.
    ///
    /// # Errors
    ///
    /// The refusal: the breaker is open, or half-open with every probe slot taken.
    pub fn try_acquire(&self) -> Result<Guard<C, T, W>, CircuitBreakerOpenError> {
        match self.0.try_acquire() {
            Ok(permit) => Ok(Guard::new(self.clone(), permit)),
            Err(rejected) => Err(CircuitBreakerOpenError::new(rejected)),
        }
    }

    /// The state now, looked at and not touched.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.look(machine::CircuitBreaker::state)
    }

    /// When to come back; `None` where a call would pass now.
    #[must_use]
    pub fn retry_at(&self) -> Option<RetryAt> {
        self.0.look(machine::CircuitBreaker::retry_at)
    }

    /// What is in the window now, every call that has been told so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.look(machine::CircuitBreaker::counts)
    }

    /// Closes it and forgets what it has counted. Calls that are in flight no longer matter to it.
    pub fn reset(&self) {
        self.0.decide(|machine, now| ((), machine.reset(now)));
    }

    /// Puts another policy in force, also for calls that are under way. State, failures in a row and permits
    /// that are out stay what they are, an open time ends no later than it would have, and what is in the
    /// window stays where that is as long as before: see
    /// [`inherit`](machine::CircuitBreakerConfig::inherit).
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_std::circuit_breaker::CircuitBreaker;
    /// use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
    ///
    /// let policy = |failures, seconds| {
    ///     let config = CircuitBreakerConfig::builder().failure_threshold(failures);
    ///     config.timeout(Duration::from_secs(seconds)).build()
    /// };
    /// let breaker = CircuitBreaker::new("peer-7", policy(5, 60)?);
    /// let fail = || breaker.call_blocking(|| Err::<(), _>("connection reset"));
    /// for _ in 0..2 {
    ///     assert!(fail().is_err());
    /// }
    /// breaker.reconfigure(policy(3, 10)?); // two have failed in a row, and that is not forgotten
    /// assert_eq!(breaker.state(), State::Closed);
    /// assert!(fail().is_err());
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), resil_std::core::ConfigError>(())
    /// ```
    pub fn reconfigure(&self, config: CircuitBreakerConfig<W>) {
        self.0.decide(|machine, now| (machine.reconfigure(config, now), None));
    }

    /// Refuses every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.0.decide(|machine, now| ((), machine.force_open(now)));
    }

    /// Lets every call pass and counts nothing until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.0.decide(|machine, now| ((), machine.disable(now)));
    }

    /// Lets every call pass and counts it, and only says what would have opened the breaker
    /// ([`Detected`](machine::Recorded::Detected)), until [`reset`](Self::reset).
    pub fn metrics_only(&self) {
        self.0.decide(|machine, now| ((), machine.metrics_only(now)));
    }

    /// The refusal as an error that says which breaker it was.
    #[cold]
    pub(crate) fn refusal<E>(&self, rejected: Rejected) -> ResilienceError<E> {
        let refused = CircuitBreakerOpenError::new(rejected);
        ResilienceError::from(refused).with_detail("breaker", self.name())
    }
}

impl<C, T, W: Window> Clone for CircuitBreaker<C, T, W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, T, W: Window> fmt::Debug for CircuitBreaker<C, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name())
            .field("machine", &*self.0.machine())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
