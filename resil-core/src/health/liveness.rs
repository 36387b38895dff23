//! May the hardware watchdog be fed: for as long as no check of the liveness group says no.

use super::{CheckId, HealthRegistry, HealthStatus, Probe};
use crate::time::Instant;

/// A check that keeps the watchdog from being fed, since it was seen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("a check of the liveness group has not been alive when it was asked")]
pub struct NotLive {
    check: CheckId,
    since: Instant,
}

impl NotLive {
    /// The check; the first in the order of registration where there are several.
    #[must_use]
    pub const fn check(&self) -> CheckId {
        self.check
    }

    /// When it was seen.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }
}

impl<Name, const N: usize> HealthRegistry<Name, N> {
    /// Whether every check of the liveness group is alive: not unhealthy, and with a fresh result or
    /// within its grace. A look; [`LivenessGate`] remembers a no.
    ///
    /// # Errors
    ///
    /// [`NotLive`] names the check.
    pub fn may_feed(&self, now: Instant) -> Result<(), NotLive> {
        let dead = |status: HealthStatus| matches!(status, HealthStatus::Unhealthy);
        match self.addressed().find(|(_, check)| dead(check.counts_as(Probe::Liveness, now))) {
            Some((check, _)) => Err(NotLive { check, since: now }),
            None => Ok(()),
        }
    }
}

/// The gate between a registry's liveness group and the hardware watchdog: once a no, always a no.
///
/// A check that comes back to life does not open it, or a hang of one period would leave no trace.
/// It knows what it was asked about: ask at every feed. For tasks with periods of their own that
/// have no results to tell, [`Watchdog`](super::Watchdog) also sees who was late between two feeds.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::health::{HealthCheckResult, HealthRegistry, LivenessGate};
///
/// let at = |second| Instant::from_duration(Duration::from_secs(second));
/// let mut health: HealthRegistry = HealthRegistry::new(at(0));
/// let radio = health.register("radio", Duration::from_secs(10), at(0))?;
/// let mut gate = LivenessGate::new();
/// assert!(gate.may_feed(&health, at(9)).is_ok(), "a new check has one time to live to begin");
/// health.record(radio, HealthCheckResult::healthy("ok"), at(9))?;
/// assert!(gate.may_feed(&health, at(18)).is_ok());
/// assert_eq!(gate.may_feed(&health, at(19)).unwrap_err().check(), radio);
///
/// health.record(radio, HealthCheckResult::healthy("ok"), at(20))?;
/// assert!(gate.may_feed(&health, at(20)).is_err(), "it has hung, and the node restarts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LivenessGate {
    closed: Option<NotLive>,
}

impl LivenessGate {
    /// An open gate.
    #[must_use]
    pub const fn new() -> Self {
        Self { closed: None }
    }

    /// Whether the watchdog may be fed now.
    ///
    /// # Errors
    ///
    /// [`NotLive`]: what kept it from being fed first.
    pub fn may_feed<Name, const N: usize>(
        &mut self,
        registry: &HealthRegistry<Name, N>,
        now: Instant,
    ) -> Result<(), NotLive> {
        let closed = self.closed.or_else(|| registry.may_feed(now).err());
        self.closed = closed;
        closed.map_or(Ok(()), Err)
    }

    /// What has closed it.
    #[must_use]
    pub const fn closed(&self) -> Option<NotLive> {
        self.closed
    }

    /// Opens it again: for who has found and mended the cause without a restart.
    pub const fn reset(&mut self) {
        self.closed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_closed_gate_says_by_what_and_since_when_until_it_is_opened() {
        let at = |second| Instant::from_duration(Duration::from_secs(second));
        let mut health = HealthRegistry::<&str, 1>::new(at(0));
        let radio = health.register("radio", Duration::from_secs(10), at(0)).unwrap();
        let mut gate = LivenessGate::new();
        assert!(gate.may_feed(&health, at(9)).is_ok() && gate.closed().is_none());
        let closed = gate.may_feed(&health, at(10)).unwrap_err();
        assert_eq!((closed.check(), closed.since()), (radio, at(10)));
        assert_eq!(gate.may_feed(&health, at(11)), Err(closed), "as it was");
        assert_eq!(gate.closed(), Some(closed));
        gate.reset();
        assert_eq!(gate.closed(), None);
    }
}
