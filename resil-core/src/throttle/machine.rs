//! A policy and a state kept together.

use super::config::AdaptiveThrottle;
use super::state::{Permit, Recorded, ThrottleState};
use crate::entropy::Entropy;
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;
use core::borrow::Borrow;

/// One throttle: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`AdaptiveThrottle`] for what each promises.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Throttler<C = AdaptiveThrottle> {
    config: C,
    state: ThrottleState,
}

impl<C> Throttler<C> {
    /// A throttle that has seen nothing yet.
    #[must_use]
    pub const fn new(config: C) -> Self {
        Self::from_parts(config, ThrottleState::new())
    }

    /// A throttle that goes on from `state`.
    #[must_use]
    pub const fn from_parts(config: C, state: ThrottleState) -> Self {
        Self { config, state }
    }

    /// What it remembers.
    #[must_use]
    pub const fn as_state(&self) -> &ThrottleState {
        &self.state
    }
}

impl<C: Borrow<AdaptiveThrottle>> Throttler<C> {
    /// The policy.
    #[must_use]
    pub fn config(&self) -> &AdaptiveThrottle {
        self.config.borrow()
    }

    /// Asks to make a call: [`AdaptiveThrottle::try_acquire`].
    ///
    /// # Errors
    ///
    /// `LOAD_SHED`, as there.
    #[inline]
    pub fn try_acquire(&mut self, entropy: impl Entropy, now: Instant) -> Result<Permit, Rejected> {
        self.config.borrow().try_acquire(&mut self.state, entropy, now)
    }

    /// Tells a permit back: [`AdaptiveThrottle::record`].
    #[inline]
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> Recorded {
        self.config.borrow().record(&mut self.state, permit, outcome, now)
    }

    /// Of 2^32 calls, how many would be refused: [`AdaptiveThrottle::reject_share`].
    #[must_use]
    pub fn reject_share(&self, now: Instant) -> u32 {
        self.config.borrow().reject_share(&self.state, now)
    }

    /// Requests that count: [`AdaptiveThrottle::requests`].
    #[must_use]
    pub fn requests(&self, now: Instant) -> u32 {
        self.config.borrow().requests(&self.state, now)
    }

    /// What the peer has accepted: [`AdaptiveThrottle::accepts`].
    #[must_use]
    pub fn accepts(&self, now: Instant) -> u32 {
        self.config.borrow().accepts(&self.state, now)
    }

    /// When the oldest of what is counted leaves: [`AdaptiveThrottle::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }

    /// Whether it answers like a new one: [`AdaptiveThrottle::is_fresh`].
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.config.borrow().is_fresh(&self.state, now)
    }

    /// Forgets what was counted: [`AdaptiveThrottle::reset`].
    pub fn reset(&mut self) {
        self.config.borrow().reset(&mut self.state);
    }

    /// Puts another policy in force: [`AdaptiveThrottle::inherit`].
    pub fn reconfigure(&mut self, config: C, now: Instant) {
        self.state = config.borrow().inherit(self.config.borrow(), &self.state, now);
        self.config = config;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fresh_until_it_is_asked_and_after_it_forgets() {
        let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
        let now = Instant::from_nanos(5);
        assert!(throttle.is_fresh(now));
        drop(throttle.try_acquire(0, now));
        assert!(!throttle.is_fresh(now));
        throttle.reset();
        assert!(throttle.is_fresh(now));
    }
}
