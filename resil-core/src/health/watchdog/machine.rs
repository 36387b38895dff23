//! A policy and a state kept together.

use super::config::WatchdogConfig;
use super::state::{Boot, BootRecord, ChannelError, Starved, WatchdogState};
use crate::entropy::Entropy;
use crate::time::Instant;
use core::borrow::Borrow;
use core::time::Duration;

/// The gate in front of a hardware watchdog: a policy, owned or borrowed, and its state.
///
/// Every method is the policy's method of the same name, applied to the state inside; see
/// [`WatchdogConfig`] for what each promises.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watchdog<const N: usize, C = WatchdogConfig<N>> {
    config: C,
    state: WatchdogState<N>,
}

impl<const N: usize, C: Borrow<WatchdogConfig<N>>> Watchdog<N, C> {
    /// Starts: [`WatchdogConfig::start`].
    #[must_use]
    pub fn start(config: C, record: BootRecord, boot: Boot, now: Instant) -> Self {
        let state = config.borrow().start(record, boot, now);
        Self { config, state }
    }

    /// The policy.
    #[must_use]
    pub fn config(&self) -> &WatchdogConfig<N> {
        self.config.borrow()
    }

    /// A task is alive: [`WatchdogConfig::check_in`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn check_in(&mut self, channel: u8, now: Instant) -> Result<(), ChannelError> {
        self.config.borrow().check_in(&mut self.state, channel, now)
    }

    /// A task sleeps on purpose: [`WatchdogConfig::suspend`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn suspend(&mut self, channel: u8, now: Instant) -> Result<(), ChannelError> {
        self.config.borrow().suspend(&mut self.state, channel, now)
    }

    /// A task goes on: [`WatchdogConfig::resume`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn resume(&mut self, channel: u8, now: Instant) -> Result<(), ChannelError> {
        self.config.borrow().resume(&mut self.state, channel, now)
    }

    /// Whether the hardware may be fed: [`WatchdogConfig::may_feed`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn may_feed(&mut self, now: Instant) -> Result<(), Starved> {
        self.config.borrow().may_feed(&mut self.state, now)
    }

    /// Whether the hardware may be fed, and when to come back: [`WatchdogConfig::feed`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn feed(&mut self, now: Instant) -> Result<Instant, Starved> {
        self.config.borrow().feed(&mut self.state, now)
    }

    /// What `may_feed` would answer: [`WatchdogConfig::peek`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn peek(&self, now: Instant) -> Result<(), Starved> {
        self.config.borrow().peek(&self.state, now)
    }

    /// When feeding is next forbidden: [`WatchdogConfig::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.borrow().next_deadline(&self.state, now)
    }

    /// Begins anew without a restart: [`WatchdogConfig::reset`].
    pub fn reset(&mut self, now: Instant) {
        self.config.borrow().reset(&mut self.state, now);
    }

    /// The channel that had starved in the life before: [`WatchdogState::last_cause`].
    #[must_use]
    pub const fn last_cause(&self) -> Option<u8> {
        self.state.last_cause()
    }

    /// Resets in a row: [`WatchdogConfig::resets`].
    #[must_use]
    pub fn resets(&self, now: Instant) -> u8 {
        self.config.borrow().resets(&self.state, now)
    }

    /// For how long to hold back: [`WatchdogConfig::splay`].
    #[must_use]
    pub fn splay(&self, entropy: impl Entropy, now: Instant) -> Duration {
        self.config.borrow().splay(&self.state, entropy, now)
    }

    /// What the next life is to know: [`WatchdogConfig::boot_record`].
    #[must_use]
    pub fn boot_record(&self, now: Instant) -> BootRecord {
        self.config.borrow().boot_record(&self.state, now)
    }
}
