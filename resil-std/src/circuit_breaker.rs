//! Do not call a peer that is known to be down.
//!
//! [`CircuitBreaker`] is core's [machine](resil_core::circuit_breaker) behind a lock, with a clock,
//! a name for the log and a rule for which errors count. Clones are handles to the same breaker:
//! keep one per peer and hand it to every task.
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
//!
//! # When not to use it
//!
//! For a resource that is this process itself, or whose failures say nothing about the next call.

mod guard;

use core::fmt;
use core::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resil_core::circuit_breaker::{
    self as machine, CircuitBreakerConfig, Permit, Recorded, State, Transition,
};
use resil_core::error::CircuitBreakerOpenError;
use resil_core::event::EventKind;
use resil_core::outcome::{Classify, EveryError, Outcome, Rejected, RetryAt};
use resil_core::{Clock, Instant, ResilienceError};

use crate::clock::SystemClock;

pub use guard::Guard;

/// Where its log events go.
const TARGET: &str = "resil::circuit_breaker";

/// A circuit breaker that tasks and threads share.
///
/// `C` says which errors count as failures, `T` is the clock. A clone is a handle to the same
/// breaker and costs a reference count.
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
pub struct CircuitBreaker<C = EveryError, T = SystemClock>(Arc<Shared<C, T>>);

struct Shared<C, T> {
    name: Box<str>,
    classifier: C,
    clock: T,
    machine: Mutex<machine::CircuitBreaker>,
}

impl CircuitBreaker {
    /// A closed breaker for which every error is a failure.
    ///
    /// `name` stands for it in logs and errors; a peer's id is a good one.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, config: CircuitBreakerConfig) -> Self {
        Self::with(name, config, EveryError, SystemClock)
    }
}

impl<C> CircuitBreaker<C> {
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
        config: CircuitBreakerConfig,
        classifier: C,
    ) -> Self {
        Self::with(name, config, classifier, SystemClock)
    }
}

impl<C, T> CircuitBreaker<C, T> {
    /// A closed breaker with everything given: the classifier and the clock.
    #[must_use]
    pub fn with(
        name: impl Into<Box<str>>,
        config: CircuitBreakerConfig,
        classifier: C,
        clock: T,
    ) -> Self {
        let machine = Mutex::new(machine::CircuitBreaker::new(config));
        Self(Arc::new(Shared { name: name.into(), classifier, clock, machine }))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A panic elsewhere while the lock was held cannot have left the machine half-changed: core
    /// does not panic, and nothing else runs under the lock but the clock, before the machine.
    fn machine(&self) -> MutexGuard<'_, machine::CircuitBreaker> {
        self.0.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, T: Clock> CircuitBreaker<C, T> {
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
        let guard = self.enter()?;
        let result = operation().await;
        guard.settle(&result);
        result.map_err(ResilienceError::operation)
    }

    /// [`call`](Self::call) for an operation that blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_blocking<V, E>(
        &self,
        operation: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        let guard = self.enter()?;
        let result = operation();
        guard.settle(&result);
        result.map_err(ResilienceError::operation)
    }

    /// Asks for leave to make one call; the guard wants to be told how it went.
    ///
    /// # Errors
    ///
    /// The refusal: the breaker is open, or half-open with every probe slot taken.
    pub fn try_acquire(&self) -> Result<Guard<C, T>, CircuitBreakerOpenError> {
        let answer = self.decide(|machine, now| (machine.try_acquire(entropy, now), None));
        match answer {
            Ok(permit) => Ok(Guard::new(self.clone(), permit)),
            Err(rejected) => {
                self.log_refusal(rejected);
                Err(CircuitBreakerOpenError::new(rejected))
            }
        }
    }

    /// The state now, looked at and not touched.
    #[must_use]
    pub fn state(&self) -> State {
        self.look(machine::CircuitBreaker::state)
    }

    /// When to come back; `None` where a call would pass now.
    #[must_use]
    pub fn retry_at(&self) -> Option<RetryAt> {
        self.look(machine::CircuitBreaker::retry_at)
    }

    /// Closes it and forgets what it has counted. Calls that are in flight no longer matter to it.
    pub fn reset(&self) {
        self.decide(|machine, now| ((), machine.reset(now)));
    }

    /// Refuses every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.decide(|machine, now| ((), machine.force_open(now)));
    }

    /// Lets every call pass and counts nothing until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.decide(|machine, now| ((), machine.disable(now)));
    }

    /// Lets every call pass and counts it, and only says what would have opened the breaker
    /// ([`Recorded::Detected`]), until [`reset`](Self::reset).
    pub fn metrics_only(&self) {
        self.decide(|machine, now| ((), machine.metrics_only(now)));
    }

    /// [`try_acquire`](Self::try_acquire), with an error that says which breaker it was.
    fn enter<E>(&self) -> Result<Guard<C, T>, ResilienceError<E>> {
        let named = |refused| ResilienceError::from(refused).with_detail("breaker", self.name());
        self.try_acquire().map_err(named)
    }

    fn classifier(&self) -> &C {
        &self.0.classifier
    }

    fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        let recorded = self.decide(|machine, now| {
            let recorded = machine.record(permit, outcome, entropy, now);
            (recorded, recorded.transition())
        });
        if let Some(detected) = recorded.detected() {
            let event = EventKind::of_transition(detected).number();
            let Transition { from, to } = detected;
            let (breaker, from, to) = (self.name(), from.name(), to.name());
            tracing::warn!(target: TARGET, event, breaker, from, to, "transition detected, not made");
        }
        recorded
    }

    fn look<R>(&self, look: impl FnOnce(&machine::CircuitBreaker, Instant) -> R) -> R {
        let machine = self.machine();
        look(&machine, self.0.clock.now())
    }

    /// Has the machine decide, and then, with the lock free again, logs what that changed.
    fn decide<R>(
        &self,
        decide: impl FnOnce(&mut machine::CircuitBreaker, Instant) -> (R, Option<Transition>),
    ) -> R {
        let mut machine = self.machine();
        // Read under the lock, so that the machine sees time in order.
        let now = self.0.clock.now();
        let due = [machine.poll(entropy, now), machine.poll(entropy, now)];
        let (decision, caused) = decide(&mut machine, now);
        drop(machine);
        for transition in due.into_iter().chain([caused]).flatten() {
            self.log(transition);
        }
        decision
    }

    fn log(&self, transition: Transition) {
        let event = EventKind::of_transition(transition).number();
        let Transition { from, to } = transition;
        let (breaker, from, name) = (self.name(), from.name(), to.name());
        match to {
            State::Open | State::ForcedOpen => {
                tracing::warn!(target: TARGET, event, breaker, from, to = name, "transition");
            }
            // Closed, half-open, and whatever else lets calls pass.
            _ => {
                tracing::info!(target: TARGET, event, breaker, from, to = name, "transition");
            }
        }
    }

    fn log_refusal(&self, rejected: Rejected) {
        let event = EventKind::of_refusal(rejected).number();
        let (breaker, code) = (self.name(), rejected.code().name());
        tracing::debug!(target: TARGET, event, breaker, code, "refused");
    }
}

/// Drawn from only when a breaker opens whose open time has jitter.
fn entropy() -> u32 {
    rand::random()
}

impl<C, T> Clone for CircuitBreaker<C, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, T> fmt::Debug for CircuitBreaker<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name())
            .field("machine", &*self.machine())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::panic::AssertUnwindSafe;
    use core::time::Duration;
    use std::panic::catch_unwind;

    use resil_core::outcome::FailureClass;

    use super::*;
    use crate::clock::MockClock;

    type Mocked = CircuitBreaker<EveryError, MockClock>;

    /// Opens at the second failure, for 10 s; an abandonment that ran for 5 s counts.
    fn breaker() -> (Mocked, MockClock) {
        let config = CircuitBreakerConfig::builder()
            .failure_threshold(2)
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        let clock = MockClock::default();
        (CircuitBreaker::with("peer", config, EveryError, clock.clone()), clock)
    }

    fn open(breaker: &Mocked) {
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn a_refused_operation_is_not_touched_pitfall_23() {
        let (breaker, _) = breaker();
        open(&breaker);
        let refused = breaker.call_blocking(|| -> Result<(), ()> { panic!("called") });
        assert!(refused.is_err());
    }

    #[test]
    fn a_guard_that_is_dropped_frees_its_probe_pitfall_1() {
        let (breaker, clock) = breaker();
        open(&breaker);
        clock.advance(Duration::from_secs(10));
        let probe = breaker.try_acquire().unwrap();
        assert!(breaker.try_acquire().is_err(), "one probe at a time");
        drop(probe);
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_panic_is_a_failure_and_leaves_the_breaker_usable_pitfall_111() {
        let (breaker, clock) = breaker();
        for _ in 0..2 {
            let dies = || -> Result<(), ()> { panic!() };
            let call = AssertUnwindSafe(|| breaker.call_blocking(dies).is_ok());
            assert!(catch_unwind(call).is_err());
        }
        assert_eq!(breaker.state(), State::Open);
        clock.advance(Duration::from_secs(10));
        assert!(breaker.call_blocking(|| Ok::<_, ()>(())).is_ok());
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_guard_taken_during_a_panic_is_not_blamed_for_it() {
        struct CallsOnDrop<'a>(&'a Mocked);
        impl Drop for CallsOnDrop<'_> {
            fn drop(&mut self) {
                for _ in 0..2 {
                    drop(self.0.try_acquire());
                }
            }
        }
        let (breaker, _) = breaker();
        let unwind = AssertUnwindSafe(|| {
            let _cleanup = CallsOnDrop(&breaker);
            panic!()
        });
        assert!(catch_unwind(unwind).is_err());
        assert_eq!(breaker.state(), State::Closed, "two failures would have opened it");
    }

    #[test]
    fn a_classifier_that_panics_settles_the_permit_pitfall_20() {
        let config = CircuitBreakerConfig::builder().failure_threshold(1).build().unwrap();
        let broken = |_: &()| -> bool { panic!("classifier") };
        let breaker = CircuitBreaker::with_classifier("peer", config, broken);
        let call = AssertUnwindSafe(|| breaker.call_blocking(|| Err::<(), _>(())).is_ok());
        assert!(catch_unwind(call).is_err());
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn a_poisoned_lock_is_still_a_lock_pitfall_112() {
        struct Broken(MockClock);
        impl Clock for Broken {
            fn now(&self) -> Instant {
                assert_ne!(self.0.now(), Instant::EPOCH, "not set yet");
                self.0.now()
            }
        }
        let clock = MockClock::default();
        let config = CircuitBreakerConfig::DEFAULT;
        let breaker = CircuitBreaker::with("peer", config, EveryError, Broken(clock.clone()));
        assert!(catch_unwind(AssertUnwindSafe(|| breaker.state())).is_err());
        clock.advance(Duration::from_secs(1));
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_stale_guard_says_so_pitfall_31() {
        let (breaker, _) = breaker();
        let late = breaker.try_acquire().unwrap();
        open(&breaker);
        assert_eq!(late.success(), Recorded::Stale);
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn looking_takes_no_probe_pitfall_5() {
        let (breaker, clock) = breaker();
        open(&breaker);
        clock.advance(Duration::from_secs(10));
        for _ in 0..100 {
            assert_eq!(breaker.state(), State::HalfOpen);
            assert_eq!(breaker.retry_at(), None);
        }
        assert!(breaker.try_acquire().is_ok());
    }

    #[test]
    fn forced_states_last_until_the_reset() {
        let (breaker, clock) = breaker();
        breaker.force_open();
        clock.advance(Duration::from_secs(1000));
        assert_eq!(breaker.retry_at(), Some(RetryAt::Unknown));
        breaker.disable();
        for _ in 0..10 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        assert_eq!(breaker.state(), State::Disabled);
        breaker.metrics_only();
        let recorded =
            [(); 2].map(|()| breaker.try_acquire().unwrap().failure(FailureClass::Transient));
        assert!(matches!(recorded[1], Recorded::Detected(_)), "{recorded:?}");
        assert_eq!(breaker.state(), State::MetricsOnly);
        breaker.reset();
        assert_eq!(breaker.state(), State::Closed);
    }
}
