//! A policy and a state kept together.

use super::limit::ConcurrencyLimit;
use super::permit::{Permit, Recorded};
use crate::entropy::Entropy;
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;

/// One adaptive limit: a policy, owned or borrowed, and its state.
///
/// Every method is the one of [`ConcurrencyLimit`] with the same name, applied to the state inside.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConcurrencyLimiter<L: ConcurrencyLimit> {
    policy: L,
    state: L::State,
}

impl<L: ConcurrencyLimit> ConcurrencyLimiter<L> {
    /// One that has learned nothing yet.
    #[must_use]
    pub fn new(policy: L) -> Self {
        let state = policy.start();
        Self { policy, state }
    }

    /// One that goes on from `state`.
    #[must_use]
    pub const fn from_parts(policy: L, state: L::State) -> Self {
        Self { policy, state }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &L {
        &self.policy
    }

    /// What it remembers.
    #[must_use]
    pub const fn as_state(&self) -> &L::State {
        &self.state
    }

    /// Asks to make a call: [`ConcurrencyLimit::try_acquire`].
    ///
    /// # Errors
    ///
    /// `LOAD_SHED`, as there.
    #[inline]
    pub fn try_acquire(&mut self, entropy: impl Entropy, now: Instant) -> Result<Permit, Rejected> {
        self.policy.try_acquire(&mut self.state, entropy, now)
    }

    /// Tells a permit back: [`ConcurrencyLimit::record`].
    #[inline]
    pub fn record(
        &mut self,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        self.policy.record(&mut self.state, permit, outcome, entropy, now)
    }

    /// What `try_acquire` would answer: [`ConcurrencyLimit::peek`].
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        self.policy.peek(&self.state, now)
    }

    /// How many calls may be in flight.
    #[must_use]
    #[inline]
    pub fn limit(&self, now: Instant) -> u16 {
        self.policy.limit(&self.state, now)
    }

    /// How many are.
    #[must_use]
    #[inline]
    pub fn in_flight(&self) -> u16 {
        self.policy.in_flight(&self.state)
    }

    /// How many calls would pass.
    #[must_use]
    pub fn available(&self, now: Instant) -> u16 {
        self.policy.available(&self.state, now)
    }

    /// When an answer next changes by itself: [`ConcurrencyLimit::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.policy.next_deadline(&self.state, now)
    }

    /// Whether it answers like a new one: [`ConcurrencyLimit::is_fresh`].
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.policy.is_fresh(&self.state)
    }

    /// Forgets everything: [`ConcurrencyLimit::reset`].
    pub fn reset(&mut self) {
        self.policy.reset(&mut self.state);
    }

    /// Puts another policy in force: [`ConcurrencyLimit::inherit`].
    pub fn reconfigure(&mut self, policy: L, now: Instant) {
        self.state = policy.inherit(&self.policy, &self.state, now);
        self.policy = policy;
    }
}
