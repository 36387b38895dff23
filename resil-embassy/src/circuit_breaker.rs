//! Do not call a peer that is known to be down.
//!
//! [`CircuitBreaker`] is core's [machine](resil_core::circuit_breaker) as a `static`: the state
//! behind one of embassy's blocking mutexes, with a name for the log and a rule for which errors
//! count. Keep one per peer and share it by reference.
//!
//! [`call`](CircuitBreaker::call) runs an operation under it. Where the call is not one closure,
//! [`try_acquire`](CircuitBreaker::try_acquire) gives a [`Guard`] to be told how it went.
//!
//! # Laws
//!
//! - Every permit is told back exactly once, whatever happens: the operation returns, its future is
//!   dropped, or its guard is.
//! - While the breaker refuses, the operation is not touched: not called, not polled.
//! - The mutex is held for one decision: never across an `.await`, while the operation or a
//!   classifier runs, or while something is logged.
//!
//! # When not to use it
//!
//! For a peripheral of this chip, or anything whose failures say nothing about the next call.

mod guard;

use core::borrow::Borrow;
use core::cell::Cell;
use core::fmt;
use core::future::Future;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerState, Permit, Recorded, State, Transition,
};
use resil_core::error::CircuitBreakerOpenError;
use resil_core::event::EventKind;
use resil_core::outcome::{Classify, EveryError, Outcome, RetryAt};
use resil_core::{Clock, Instant, ResilienceError};

use crate::clock::EmbassyClock;
use crate::log;

pub use guard::Guard;

/// A circuit breaker that tasks share, fit for a `static`.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `C` says which errors count as failures. `P` is the
/// policy, or what lends one: a `&'static` policy stays in flash, and the breaker is 16 bytes of
/// state and a few words in RAM.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::CircuitBreaker;
/// use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, State};
/// use resil_embassy::core::{ErrorCode, valid};
///
/// static POLICY: CircuitBreakerConfig =
///     valid!(CircuitBreakerConfig::builder().failure_threshold(2).build());
/// # fn hardware_random() -> u32 { 4 }
/// static GATEWAY: CircuitBreaker<CriticalSectionRawMutex> =
///     CircuitBreaker::new("gateway", &POLICY, hardware_random);
///
/// # embassy_futures::block_on(async {
/// assert_eq!(GATEWAY.call(async || Ok::<_, ()>("sent")).await, Ok("sent"));
/// for _ in 0..2 {
///     let failed = GATEWAY.call(async || Err::<(), _>("no acknowledgement")).await;
///     assert_eq!(failed.unwrap_err().code(), ErrorCode::OperationFailed);
/// }
/// assert_eq!(GATEWAY.state(), State::Open);
/// let refused = GATEWAY.call(async || Err::<(), _>("never called")).await;
/// assert_eq!(refused.unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
/// # });
/// ```
pub struct CircuitBreaker<M, C = EveryError, P = &'static CircuitBreakerConfig> {
    name: &'static str,
    policy: P,
    classifier: C,
    entropy: fn() -> u32,
    state: Mutex<M, Cell<CircuitBreakerState>>,
}

impl<M: RawMutex, P> CircuitBreaker<M, EveryError, P> {
    /// A closed breaker for which every error is a failure.
    ///
    /// `name` stands for it in the log. `entropy` gives 32 random bits, from the hardware or a
    /// generator seeded with it; it is called when the breaker opens and the policy has jitter, with
    /// the mutex held, so it is to be short and must not use this breaker.
    #[must_use]
    pub const fn new(name: &'static str, policy: P, entropy: fn() -> u32) -> Self {
        Self::with_classifier(name, policy, entropy, EveryError)
    }
}

impl<M: RawMutex, C, P> CircuitBreaker<M, C, P> {
    /// A closed breaker for which `classifier` says what is a failure (the seed's
    /// `expected_exception`).
    ///
    /// An error that it takes for [`Ignored`](resil_core::outcome::Classification::Ignored) passes
    /// through and moves no counter.
    ///
    /// ```
    /// use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    /// use resil_embassy::CircuitBreaker;
    /// use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, State};
    /// use resil_embassy::core::outcome::{Classification, FailureClass};
    ///
    /// enum Error { NotFound, NoAnswer }
    /// let by_kind = |error: &Error| match error {
    ///     Error::NotFound => Classification::Ignored, // an answer, not a broken peer
    ///     Error::NoAnswer => FailureClass::Timeout.into(),
    /// };
    /// let policy = CircuitBreakerConfig::builder().failure_threshold(1).build()?;
    /// let breaker =
    ///     CircuitBreaker::<NoopRawMutex, _, _>::with_classifier("store", policy, || 4, by_kind);
    ///
    /// # embassy_futures::block_on(async {
    /// assert!(breaker.call(async || Err::<(), _>(Error::NotFound)).await.is_err());
    /// assert_eq!(breaker.state(), State::Closed);
    /// assert!(breaker.call(async || Err::<(), _>(Error::NoAnswer)).await.is_err());
    /// assert_eq!(breaker.state(), State::Open);
    /// # });
    /// # Ok::<(), resil_embassy::core::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn with_classifier(
        name: &'static str,
        policy: P,
        entropy: fn() -> u32,
        classifier: C,
    ) -> Self {
        let state = Mutex::new(Cell::new(CircuitBreakerState::new()));
        Self { name, policy, classifier, entropy, state }
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> CircuitBreaker<M, C, P> {
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
    /// [`CIRCUIT_BREAKER_HALF_OPEN`](resil_core::ErrorCode::CircuitBreakerHalfOpen) and when to come
    /// back.
    pub async fn call<V, E, F, Fut>(&self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        C: Classify<E>,
    {
        let guard = self.try_acquire()?;
        let result = operation().await;
        guard.settle(&result);
        result.map_err(ResilienceError::operation)
    }

    /// Asks for leave to make one call; the guard wants to be told how it went.
    ///
    /// # Errors
    ///
    /// The refusal: the breaker is open, or half-open with every probe slot taken.
    pub fn try_acquire(&self) -> Result<Guard<'_, M, C, P>, CircuitBreakerOpenError> {
        let entropy = self.entropy;
        match self.apply(|policy, state, now| policy.try_acquire(state, entropy, now)) {
            Ok(permit) => Ok(Guard::new(self, permit)),
            Err(rejected) => {
                log::event(EventKind::of_refusal(rejected), self.name, &rejected);
                Err(CircuitBreakerOpenError::new(rejected))
            }
        }
    }

    /// What it would answer now. Takes nothing and changes nothing.
    #[must_use]
    pub fn state(&self) -> State {
        self.read(CircuitBreakerConfig::state)
    }

    /// When to come back, where a call would be refused now.
    #[must_use]
    pub fn retry_at(&self) -> Option<RetryAt> {
        self.read(CircuitBreakerConfig::retry_at)
    }

    /// Closes it and forgets what it has counted. Calls in flight no longer matter to it.
    pub fn reset(&self) {
        self.log(self.apply(CircuitBreakerConfig::reset));
    }

    /// Refuses every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.log(self.apply(CircuitBreakerConfig::force_open));
    }

    /// Lets every call pass and counts nothing until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.log(self.apply(CircuitBreakerConfig::disable));
    }

    /// Lets every call pass and counts it, and only says what would have opened the breaker
    /// ([`Recorded::Detected`]), until [`reset`](Self::reset).
    pub fn metrics_only(&self) {
        self.log(self.apply(CircuitBreakerConfig::metrics_only));
    }

    fn record(&self, permit: Permit, outcome: Outcome) -> Recorded {
        let entropy = self.entropy;
        let recorded =
            self.apply(|policy, state, now| policy.record(state, permit, outcome, entropy, now));
        self.log(recorded.transition());
        if let Some(detected) = recorded.detected() {
            log::detected(EventKind::of_transition(detected), self.name, &detected);
        }
        recorded
    }

    /// One decision under the mutex, at the present instant; logs what time alone has changed.
    fn apply<R>(
        &self,
        decide: impl FnOnce(&CircuitBreakerConfig, &mut CircuitBreakerState, Instant) -> R,
    ) -> R {
        let policy = self.policy.borrow();
        let (due, answer) = self.state.lock(|cell| {
            let now = EmbassyClock.now();
            let mut state = cell.take();
            let due = [(); 2].map(|()| policy.poll(&mut state, self.entropy, now));
            let answer = decide(policy, &mut state, now);
            cell.set(state);
            (due, answer)
        });
        due.into_iter().for_each(|transition| self.log(transition));
        answer
    }

    /// One look under the mutex.
    fn read<R>(
        &self,
        look: impl FnOnce(&CircuitBreakerConfig, &CircuitBreakerState, Instant) -> R,
    ) -> R {
        self.state.lock(|cell| {
            let state = cell.take();
            let answer = look(self.policy.borrow(), &state, EmbassyClock.now());
            cell.set(state);
            answer
        })
    }

    fn log(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            log::event(EventKind::of_transition(transition), self.name, &transition);
        }
    }
}

impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> fmt::Debug for CircuitBreaker<M, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M: RawMutex, C, P: Borrow<CircuitBreakerConfig>> defmt::Format for CircuitBreaker<M, C, P> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "circuit breaker {=str}: {}", self.name, self.state());
    }
}
