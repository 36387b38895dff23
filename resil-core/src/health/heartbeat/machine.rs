//! A policy and a state kept together.

use super::config::HeartbeatConfig;
use super::phi::Phi;
use super::state::{Beat, HeartbeatState, HeartbeatStatus};
use crate::time::Instant;
use core::borrow::Borrow;

/// One peer's heartbeats: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`HeartbeatConfig`] for what each promises.
///
/// ```
/// use resil_core::Instant;
/// use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, HeartbeatStatus};
///
/// static EVERY_SECOND: HeartbeatConfig = HeartbeatConfig::DEFAULT;
/// let mut peer = Heartbeat::new(&EVERY_SECOND);
/// assert_eq!(peer.record(Instant::EPOCH), Beat::First);
/// assert_eq!(peer.status(Instant::EPOCH), HeartbeatStatus::Alive);
/// assert_eq!(peer.status(Instant::MAX), HeartbeatStatus::Suspected);
/// ```
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Heartbeat<C = HeartbeatConfig> {
    config: C,
    state: HeartbeatState,
}

impl<C> Heartbeat<C> {
    /// A peer of which nothing is known.
    #[must_use]
    pub const fn new(config: C) -> Self {
        Self::from_parts(config, HeartbeatState::new())
    }

    /// A peer of which `state` is known.
    #[must_use]
    pub const fn from_parts(config: C, state: HeartbeatState) -> Self {
        Self { config, state }
    }

    /// What is remembered; `Clone` it for a snapshot.
    #[must_use]
    pub const fn as_state(&self) -> &HeartbeatState {
        &self.state
    }
}

impl<C: Borrow<HeartbeatConfig>> Heartbeat<C> {
    /// The policy.
    #[must_use]
    pub fn config(&self) -> &HeartbeatConfig {
        self.config.borrow()
    }

    /// Starts to wait for it: [`HeartbeatConfig::expect`].
    pub fn expect(&mut self, now: Instant) {
        self.config.borrow().expect(&mut self.state, now);
    }

    /// Takes a heartbeat: [`HeartbeatConfig::record`].
    #[inline]
    pub fn record(&mut self, now: Instant) -> Beat {
        self.config.borrow().record(&mut self.state, now)
    }

    /// Takes a heartbeat that carries a number: [`HeartbeatConfig::record_numbered`].
    #[inline]
    pub fn record_numbered(&mut self, number: u32, now: Instant) -> Beat {
        self.config.borrow().record_numbered(&mut self.state, number, now)
    }

    /// Goes on after this node was away: [`HeartbeatConfig::resume`].
    pub fn resume(&mut self, now: Instant) {
        self.config.borrow().resume(&mut self.state, now);
    }

    /// Brings back what a step of the clock has left ahead: [`HeartbeatConfig::reanchor`].
    pub fn reanchor(&mut self, now: Instant) {
        self.config.borrow().reanchor(&mut self.state, now);
    }

    /// How the peer is: [`HeartbeatConfig::status`].
    #[must_use]
    #[inline]
    pub fn status(&self, now: Instant) -> HeartbeatStatus {
        self.config.borrow().status(&self.state, now)
    }

    /// How much its silence says: [`HeartbeatConfig::phi`].
    #[must_use]
    pub fn phi(&self, now: Instant) -> Phi {
        self.config.borrow().phi(&self.state, now)
    }

    /// When the status next changes by itself: [`HeartbeatConfig::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }

    /// Goes on under another policy: [`HeartbeatConfig::inherit`].
    pub fn reconfigure(&mut self, config: C, now: Instant) {
        self.state = config.borrow().inherit(self.config.borrow(), &self.state, now);
        self.config = config;
    }
}
