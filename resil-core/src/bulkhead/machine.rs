//! A policy and a state kept together.

use super::config::BulkheadConfig;
use super::state::{BulkheadState, Permit, Recorded};
use crate::call::Priority;
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;
use core::borrow::Borrow;

/// One bulkhead: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`BulkheadConfig`] for what each promises.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bulkhead<C = BulkheadConfig> {
    config: C,
    state: BulkheadState,
}

impl<C> Bulkhead<C> {
    /// A bulkhead of which nothing is held.
    #[must_use]
    pub const fn new(config: C) -> Self {
        Self::from_parts(config, BulkheadState::new())
    }

    /// A bulkhead that goes on from `state`.
    #[must_use]
    pub const fn from_parts(config: C, state: BulkheadState) -> Self {
        Self { config, state }
    }

    /// What it remembers.
    #[must_use]
    pub const fn as_state(&self) -> &BulkheadState {
        &self.state
    }

    /// Permits that are out.
    #[must_use]
    #[inline]
    pub const fn held(&self) -> u16 {
        self.state.held()
    }
}

impl<C: Borrow<BulkheadConfig>> Bulkhead<C> {
    /// The policy.
    #[must_use]
    pub fn config(&self) -> &BulkheadConfig {
        self.config.borrow()
    }

    /// Asks to make a call: [`BulkheadConfig::try_acquire`].
    ///
    /// # Errors
    ///
    /// `BULKHEAD_FULL`, as there.
    #[inline]
    pub fn try_acquire(
        &mut self,
        weight: u16,
        priority: Priority,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.config.borrow().try_acquire(&mut self.state, weight, priority, now)
    }

    /// Tells a permit back: [`BulkheadConfig::record`].
    #[inline]
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> Recorded {
        self.config.borrow().record(&mut self.state, permit, outcome, now)
    }

    /// What `try_acquire` would answer: [`BulkheadConfig::peek`].
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn peek(&self, weight: u16, priority: Priority, now: Instant) -> Result<(), Rejected> {
        self.config.borrow().peek(&self.state, weight, priority, now)
    }

    /// The largest weight that passes: [`BulkheadConfig::available`].
    #[must_use]
    #[inline]
    pub fn available(&self, priority: Priority) -> u16 {
        self.config.borrow().available(&self.state, priority)
    }

    /// Always `None`: [`BulkheadConfig::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }

    /// Whether it answers like a new one: [`BulkheadConfig::is_fresh`].
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.config.borrow().is_fresh(&self.state)
    }

    /// Forgets what is held: [`BulkheadConfig::reset`].
    pub fn reset(&mut self) {
        self.config.borrow().reset(&mut self.state);
    }

    /// Puts another policy in force: [`BulkheadConfig::inherit`].
    pub fn reconfigure(&mut self, config: C, now: Instant) {
        self.state = config.borrow().inherit(self.config.borrow(), &self.state, now);
        self.config = config;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fresh_while_nothing_is_held() {
        let (mut bulkhead, now) = (Bulkhead::new(BulkheadConfig::DEFAULT), Instant::EPOCH);
        assert!(bulkhead.is_fresh());
        let permit = bulkhead.try_acquire(1, Priority::Normal, now).unwrap();
        assert!(!bulkhead.is_fresh());
        assert_eq!(bulkhead.record(permit, Outcome::Success, now), Recorded::Released);
        assert!(bulkhead.is_fresh());
    }
}
