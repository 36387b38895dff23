//! A policy and a state kept together.

use super::config::CircuitBreakerConfig;
use super::glance::Glance;
use super::permit::{Permit, Recorded};
use super::state::{CircuitBreakerState, State, Transition};
use super::sub_window::SubWindow;
use super::window::{Consecutive, Counts, Window};
use crate::entropy::Entropy;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;
use core::borrow::Borrow;

/// One circuit breaker: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`CircuitBreakerConfig`] for what each promises. `C` is the policy, or anything that lends one,
/// such as `&'static CircuitBreakerConfig`; `W` is the policy's [window](super::window).
///
/// ```
/// use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, State};
/// use resil_core::outcome::FailureClass;
/// use resil_core::{Instant, Outcome, valid};
///
/// const TWO: CircuitBreakerConfig = valid!(CircuitBreakerConfig::builder().failure_threshold(2).build());
/// let mut breaker = CircuitBreaker::new(TWO);
/// let now = Instant::EPOCH;
/// for _ in 0..2 {
///     let permit = breaker.try_acquire(0, now)?;
///     breaker.record(permit, Outcome::Failure(FailureClass::Transient), 0, now);
/// }
/// assert_eq!(breaker.state(now), State::Open);
/// # Ok::<(), resil_core::Rejected>(())
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker<C = CircuitBreakerConfig, W: Window = Consecutive> {
    config: C,
    state: CircuitBreakerState<W::Stats>,
}

impl<C: Borrow<CircuitBreakerConfig<W>>, W: Window> CircuitBreaker<C, W> {
    /// A closed breaker.
    #[must_use]
    pub const fn new(config: C) -> Self {
        Self::from_parts(config, CircuitBreakerState::new())
    }

    /// A breaker that goes on from `state`.
    #[must_use]
    pub const fn from_parts(config: C, state: CircuitBreakerState<W::Stats>) -> Self {
        Self { config, state }
    }

    /// What it remembers; `Clone` it for a snapshot.
    #[must_use]
    pub const fn as_state(&self) -> &CircuitBreakerState<W::Stats> {
        &self.state
    }

    /// The policy.
    #[must_use]
    pub fn config(&self) -> &CircuitBreakerConfig<W> {
        self.config.borrow()
    }

    /// Applies one transition that is due: [`CircuitBreakerConfig::poll`].
    #[inline]
    pub fn poll(&mut self, entropy: impl Entropy, now: Instant) -> Option<Transition> {
        self.config.borrow().poll(&mut self.state, entropy, now)
    }

    /// Asks to make a call: [`CircuitBreakerConfig::try_acquire`].
    ///
    /// # Errors
    ///
    /// `CIRCUIT_BREAKER_OPEN` or `CIRCUIT_BREAKER_HALF_OPEN`, as there.
    #[inline]
    pub fn try_acquire(&mut self, entropy: impl Entropy, now: Instant) -> Result<Permit, Rejected> {
        self.config.borrow().try_acquire(&mut self.state, entropy, now)
    }

    /// Tells a permit back: [`CircuitBreakerConfig::record`].
    #[inline]
    pub fn record(
        &mut self,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        self.config.borrow().record(&mut self.state, permit, outcome, entropy, now)
    }

    /// The state at `now`: [`CircuitBreakerConfig::state`].
    #[must_use]
    #[inline]
    pub fn state(&self, now: Instant) -> State {
        self.config.borrow().state(&self.state, now)
    }

    /// What `try_acquire` would answer: [`CircuitBreakerConfig::peek`].
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        self.config.borrow().peek(&self.state, now)
    }

    /// When to come back, where a call would be refused: [`CircuitBreakerConfig::retry_at`].
    #[must_use]
    pub fn retry_at(&self, now: Instant) -> Option<RetryAt> {
        self.config.borrow().retry_at(&self.state, now)
    }

    /// When an answer next changes by itself: [`CircuitBreakerConfig::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }

    /// Failures in a row: [`CircuitBreakerConfig::failures`].
    #[must_use]
    pub fn failures(&self) -> u16 {
        self.config.borrow().failures(&self.state)
    }

    /// What is in the window: [`CircuitBreakerConfig::counts`].
    #[must_use]
    pub fn counts(&self, now: Instant) -> Counts {
        self.config.borrow().counts(&self.state, now)
    }

    /// Probes that are out: [`CircuitBreakerConfig::probes_in_flight`].
    #[must_use]
    pub fn probes_in_flight(&self, now: Instant) -> u8 {
        self.config.borrow().probes_in_flight(&self.state, now)
    }

    /// Whether it answers like a new one: [`CircuitBreakerConfig::is_fresh`].
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.config.borrow().is_fresh(&self.state, now)
    }

    /// What can be answered without it: [`CircuitBreakerConfig::glance`].
    #[must_use]
    #[inline]
    pub fn glance(&self) -> Glance {
        self.config.borrow().glance(&self.state)
    }

    /// In which successes add up: [`CircuitBreakerConfig::sub_window`].
    #[must_use]
    #[inline]
    pub fn sub_window(&self) -> SubWindow {
        self.config.borrow().sub_window(&self.state)
    }

    /// Counts successes that added up: [`CircuitBreakerConfig::add_successes`].
    #[inline]
    pub fn add_successes(&mut self, successes: u32) {
        self.config.borrow().add_successes(&mut self.state, successes);
    }

    /// Refuses every call until a reset: [`CircuitBreakerConfig::force_open`].
    pub fn force_open(&mut self, now: Instant) -> Option<Transition> {
        self.config.borrow().force_open(&mut self.state, now)
    }

    /// Admits every call and counts nothing until a reset: [`CircuitBreakerConfig::disable`].
    pub fn disable(&mut self, now: Instant) -> Option<Transition> {
        self.config.borrow().disable(&mut self.state, now)
    }

    /// Admits and counts every call, and only says what would have opened the breaker:
    /// [`CircuitBreakerConfig::metrics_only`].
    pub fn metrics_only(&mut self, now: Instant) -> Option<Transition> {
        self.config.borrow().metrics_only(&mut self.state, now)
    }

    /// Closes the breaker and forgets everything: [`CircuitBreakerConfig::reset`].
    pub fn reset(&mut self, now: Instant) -> Option<Transition> {
        self.config.borrow().reset(&mut self.state, now)
    }

    /// Goes on under another policy: [`CircuitBreakerConfig::inherit`].
    pub fn reconfigure(&mut self, config: C, now: Instant) {
        self.state = config.borrow().inherit(self.config.borrow(), &self.state, now);
        self.config = config;
    }
}

impl<C: Borrow<CircuitBreakerConfig<W>> + Default, W: Window> Default for CircuitBreaker<C, W> {
    fn default() -> Self {
        Self::new(C::default())
    }
}

#[cfg(feature = "defmt")]
impl<C: defmt::Format, W: Window> defmt::Format for CircuitBreaker<C, W> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "CircuitBreaker {{ config: {}, state: {} }}", self.config, self.state);
    }
}
