//! Are enough peers well.

use super::{CheckStatus, HealthCheckResult, HealthStatus};
use crate::config::ConfigError;

/// How many healthy peers a node needs: "3 of 5".
///
/// It asks whoever knows about the peers ([`judge`](Self::judge)) and keeps nothing, so what has gone
/// stale there does not count here. Not for votes: who is alive is not who agrees.
///
/// # Laws
///
/// - Healthy with at least [`healthy`](Self::healthy) healthy peers, else degraded with at least
///   [`degraded`](Self::degraded), else unhealthy. A node that knows fewer peers than it needs healthy
///   ones is never healthy.
/// - Only a healthy peer counts: not one that is degraded, unknown or in maintenance.
/// - One more healthy peer never makes it worse.
///
/// ```
/// use resil_core::health::{CheckStatus, HealthStatus, HeartbeatStatus, Quorum};
/// use resil_core::valid;
///
/// const MAJORITY: Quorum = valid!(Quorum::new(3, 2));
/// let peers = [
///     HeartbeatStatus::Alive,
///     HeartbeatStatus::Suspected,
///     HeartbeatStatus::Alive,
///     HeartbeatStatus::Unknown,
///     HeartbeatStatus::Suspected,
/// ];
/// let verdict = MAJORITY.judge(peers.map(CheckStatus::from));
/// assert_eq!(verdict.status(), HealthStatus::Degraded);
/// assert_eq!(verdict.to_result().to_string(), "DEGRADED: 2 of 5 peers healthy, 3 needed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quorum {
    healthy: u16,
    degraded: u16,
}

/// What a [`Quorum`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Verdict {
    status: HealthStatus,
    healthy: u16,
    peers: u16,
    needed: u16,
}

impl Quorum {
    /// Healthy with `healthy` healthy peers, degraded with `degraded`. There is no default: a node
    /// that needs a majority of n takes n / 2 + 1, one that can do with any takes 1.
    ///
    /// A `degraded` of 0 is for a node that can work alone: without any peer it is degraded. Where
    /// both are equal it is healthy or unhealthy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: `healthy` is zero, or `degraded` above it.
    pub const fn new(healthy: u16, degraded: u16) -> Result<Self, ConfigError> {
        if healthy == 0 {
            return Err(ConfigError::new("healthy", "healthy must be at least 1"));
        }
        if degraded > healthy {
            return Err(ConfigError::new("degraded", "degraded must be at most healthy"));
        }
        Ok(Self { healthy, degraded })
    }

    /// Healthy peers that it takes to be healthy.
    #[must_use]
    pub const fn healthy(self) -> u16 {
        self.healthy
    }

    /// Healthy peers that it takes to be degraded.
    #[must_use]
    pub const fn degraded(self) -> u16 {
        self.degraded
    }

    /// What `healthy` healthy peers make of the node.
    #[must_use]
    pub const fn status(self, healthy: u16) -> HealthStatus {
        if healthy >= self.healthy {
            HealthStatus::Healthy
        } else if healthy >= self.degraded {
            HealthStatus::Degraded
        } else {
            HealthStatus::Unhealthy
        }
    }

    /// Asks every peer once. Counts stop at 65,535.
    pub fn judge(self, peers: impl IntoIterator<Item = CheckStatus>) -> Verdict {
        let (mut healthy, mut all) = (0_u16, 0_u16);
        for peer in peers {
            all = all.saturating_add(1);
            if peer == CheckStatus::Known(HealthStatus::Healthy) {
                healthy = healthy.saturating_add(1);
            }
        }
        Verdict { status: self.status(healthy), healthy, peers: all, needed: self.healthy }
    }
}

impl Verdict {
    /// What it makes of the node.
    #[must_use]
    pub const fn status(self) -> HealthStatus {
        self.status
    }

    /// How many peers are healthy.
    #[must_use]
    pub const fn healthy(self) -> u16 {
        self.healthy
    }

    /// How many there are.
    #[must_use]
    pub const fn peers(self) -> u16 {
        self.peers
    }

    /// How many healthy ones are missing.
    #[must_use]
    pub const fn missing(self) -> u16 {
        self.needed.saturating_sub(self.healthy)
    }

    /// The result to record for a check of the peers. That belongs in
    /// [`Groups::READINESS`](super::Groups::READINESS): peers that are away are no reason to restart.
    #[must_use]
    pub fn to_result(self) -> HealthCheckResult {
        let Self { status, healthy, peers, needed } = self;
        HealthCheckResult::new(
            status,
            format_args!("{healthy} of {peers} peers healthy, {needed} needed"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::HealthStatus::{Degraded, Healthy, Unhealthy};
    use super::*;

    #[test]
    fn what_does_not_hold_names_its_setting() {
        assert_eq!(Quorum::new(0, 0).unwrap_err().setting(), "healthy");
        assert_eq!(Quorum::new(2, 3).unwrap_err().setting(), "degraded");
    }

    #[test]
    fn too_few_known_peers_are_never_healthy() {
        let quorum = Quorum::new(3, 2).unwrap();
        assert_eq!((quorum.healthy(), quorum.degraded()), (3, 2));
        let quorum = Quorum::new(3, 1).unwrap();
        for (peers, status) in [(0, Unhealthy), (1, Degraded), (2, Degraded), (3, Healthy)] {
            let verdict = quorum.judge((0..peers).map(|_| CheckStatus::Known(Healthy)));
            assert_eq!(verdict.status(), status);
            assert_eq!((verdict.peers(), verdict.missing()), (peers, 3 - peers));
        }
        assert_eq!(Quorum::new(1, 0).unwrap().judge([]).status(), Degraded, "it can work alone");
    }

    #[test]
    fn only_healthy_ones_count() {
        let quorum = Quorum::new(1, 1).unwrap();
        let others = [
            CheckStatus::Unknown,
            CheckStatus::Maintenance,
            CheckStatus::Known(Degraded),
            CheckStatus::Known(Unhealthy),
        ];
        let verdict = quorum.judge(others);
        assert_eq!((verdict.status(), verdict.healthy(), verdict.peers()), (Unhealthy, 0, 4));
    }
}
