//! A policy and a state kept together.

use super::config::EjectionConfig;
use super::peers::EjectionState;
use super::rule::{Blame, Ruling, Spared};
use crate::call::Bound;
use crate::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, Transition, Window};
use crate::outcome::Outcome;
use crate::time::Instant;
use core::borrow::Borrow;

/// The rule for the peers of one node: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`EjectionConfig`] for what each promises.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ejection<C = EjectionConfig, const WORDS: usize = 1> {
    config: C,
    state: EjectionState<WORDS>,
}

impl<C: Borrow<EjectionConfig<WORDS>>, const WORDS: usize> Ejection<C, WORDS> {
    /// No peers.
    #[must_use]
    pub const fn new(config: C) -> Self {
        Self::from_parts(config, EjectionState::new())
    }

    /// A rule that goes on from `state`.
    #[must_use]
    pub const fn from_parts(config: C, state: EjectionState<WORDS>) -> Self {
        Self { config, state }
    }

    /// What it remembers.
    #[must_use]
    pub const fn as_state(&self) -> &EjectionState<WORDS> {
        &self.state
    }

    /// The policy.
    #[must_use]
    pub fn config(&self) -> &EjectionConfig<WORDS> {
        self.config.borrow()
    }

    /// Goes on under another policy. What was heard, and who is ejected, stays; where fewer may be
    /// ejected now, none is before the next is readmitted.
    pub fn reconfigure(&mut self, config: C, now: Instant) {
        self.state = config.borrow().inherit(self.config.borrow(), &self.state, now);
        self.config = config;
    }

    /// A peer is known from now on: [`EjectionConfig::join`].
    pub fn join(&mut self, peer: usize) {
        self.config.borrow().join(&mut self.state, peer);
    }

    /// A peer is gone: [`EjectionConfig::leave`].
    pub fn leave(&mut self, peer: usize) {
        self.config.borrow().leave(&mut self.state, peer);
    }

    /// Tells how a call ended: [`EjectionConfig::record`].
    pub fn record(&mut self, peer: usize, outcome: Outcome, now: Instant) -> Blame {
        self.config.borrow().record(&mut self.state, peer, outcome, now)
    }

    /// Asks to eject a peer: [`EjectionConfig::try_eject`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_eject(&mut self, peer: usize, now: Instant) -> Result<(), Spared> {
        self.config.borrow().try_eject(&mut self.state, peer, now)
    }

    /// A peer's breaker has closed: [`EjectionConfig::readmit`].
    pub fn readmit(&mut self, peer: usize) {
        self.config.borrow().readmit(&mut self.state, peer);
    }

    /// Applies the rule to a transition of a peer's breaker: [`EjectionConfig::rule`].
    pub fn rule<W: Window>(
        &mut self,
        peer: usize,
        transition: Transition,
        breaker: Bound<'_, CircuitBreakerConfig<W>, CircuitBreakerState<W::Stats>>,
        now: Instant,
    ) -> Ruling {
        self.config.borrow().rule(&mut self.state, peer, transition, breaker, now)
    }

    /// Who is to blame at `now`: [`EjectionConfig::blame`].
    #[must_use]
    pub fn blame(&self, now: Instant) -> Blame {
        self.config.borrow().blame(&self.state, now)
    }

    /// Peers that are known: [`EjectionConfig::peers`].
    #[must_use]
    pub fn peers(&self) -> u32 {
        self.config.borrow().peers(&self.state)
    }

    /// Peers that are ejected: [`EjectionConfig::ejected`].
    #[must_use]
    pub fn ejected(&self) -> u32 {
        self.config.borrow().ejected(&self.state)
    }

    /// Whether a peer is ejected: [`EjectionConfig::is_ejected`].
    #[must_use]
    pub fn is_ejected(&self, peer: usize) -> bool {
        self.config.borrow().is_ejected(&self.state, peer)
    }

    /// When something that was heard counts no more: [`EjectionConfig::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }
}
