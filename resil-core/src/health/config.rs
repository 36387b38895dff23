//! What a check is to the node: how long its results count, who is told, and how bad it can get.

use super::{HealthStatus, Hysteresis, Probe};
use crate::config::ConfigError;
use crate::time::saturating_nanos;
use core::fmt;
use core::time::Duration;

/// The probes that a check counts for, as a set. Every check counts for [`Probe::Overall`].
///
/// What fails *outside* of the node belongs in [`READINESS`](Self::READINESS) alone: a peer, a broker,
/// an open breaker. In liveness it has healthy nodes restarted because another one is down, and all
/// of them at once; in startup it keeps them from coming up.
///
/// ```
/// use resil_core::health::{Groups, Probe};
///
/// const HERE: Groups = Groups::LIVENESS.with(Groups::READINESS);
/// assert!(HERE.has(Probe::Liveness) && !HERE.has(Probe::Startup));
/// assert!(Groups::NONE.has(Probe::Overall));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Groups(u8);

impl Groups {
    /// Counts for no probe, and is only reported.
    pub const NONE: Self = Self(0);
    /// Has the node come up.
    pub const STARTUP: Self = Self(1);
    /// Should it go on running, or be restarted.
    pub const LIVENESS: Self = Self(2);
    /// May work be sent to it.
    pub const READINESS: Self = Self(4);
    /// All three, which is what a check counts for where nothing else is said.
    pub const ALL: Self = Self(7);

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a check of these groups counts for `probe`.
    #[must_use]
    pub const fn has(self, probe: Probe) -> bool {
        let group = match probe {
            Probe::Overall => return true,
            Probe::Startup => Self::STARTUP,
            Probe::Liveness => Self::LIVENESS,
            Probe::Readiness => Self::READINESS,
        };
        self.0 & group.0 != 0
    }
}

/// How bad a check can make the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Criticality {
    /// Without it the node does not work: its status is the node's.
    #[default]
    Critical,
    /// The node can do without: whatever it says, the node is degraded at worst.
    Optional,
}

impl Criticality {
    /// The worst that a check of this criticality makes of the node.
    #[must_use]
    pub const fn cap(self) -> HealthStatus {
        match self {
            Self::Critical => HealthStatus::Unhealthy,
            Self::Optional => HealthStatus::Degraded,
        }
    }
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::Optional => "optional",
        })
    }
}

/// The settings of one check.
///
/// ```
/// use core::time::Duration;
/// use resil_core::health::{CheckConfig, Criticality, Groups};
/// use resil_core::valid;
///
/// const BROKER: CheckConfig = valid!(
///     CheckConfig::builder(Duration::from_secs(30))
///         .groups(Groups::READINESS)
///         .criticality(Criticality::Optional)
///         .fall(3)
///         .build()
/// );
/// assert_eq!(BROKER.ttl(), Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CheckConfig {
    pub(super) ttl: u64,
    pub(super) hysteresis: Hysteresis,
    pub(super) groups: Groups,
    pub(super) criticality: Criticality,
}

impl CheckConfig {
    /// A builder for a check whose results count for `ttl`. There is no default for that: three times
    /// the period of the check forgives two lost results.
    pub const fn builder(ttl: Duration) -> CheckConfigBuilder {
        CheckConfigBuilder {
            ttl: saturating_nanos(ttl),
            rise: 1,
            fall: 1,
            groups: Groups::ALL,
            criticality: Criticality::Critical,
        }
    }

    /// How long a result counts.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        Duration::from_nanos(self.ttl)
    }

    /// How many results in a row change the status.
    #[must_use]
    pub const fn hysteresis(&self) -> Hysteresis {
        self.hysteresis
    }

    /// The probes it counts for.
    #[must_use]
    pub const fn groups(&self) -> Groups {
        self.groups
    }

    /// How bad it can make the node.
    #[must_use]
    pub const fn criticality(&self) -> Criticality {
        self.criticality
    }
}

/// Builds a [`CheckConfig`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct CheckConfigBuilder {
    ttl: u64,
    rise: u8,
    fall: u8,
    groups: Groups,
    criticality: Criticality,
}

impl CheckConfigBuilder {
    /// Better results in a row that better the status, 1 to 255. Default: 1, as Kubernetes has it:
    /// what works again is used again.
    pub const fn rise(mut self, results: u8) -> Self {
        self.rise = results;
        self
    }

    /// Worse results in a row that worsen it, 1 to 255. Default: 1, so that the status is what the
    /// last result says. A check that goes over a network wants 3, Kubernetes' default for probes.
    pub const fn fall(mut self, results: u8) -> Self {
        self.fall = results;
        self
    }

    /// The probes it counts for. Default: all.
    pub const fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// How bad it can make the node. Default: critical, because a check that was written down is
    /// rather believed than not.
    pub const fn criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = criticality;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a `ttl`, `rise` or `fall` of zero.
    pub const fn build(self) -> Result<CheckConfig, ConfigError> {
        if self.ttl == 0 {
            return Err(ConfigError::new("ttl", "ttl must be at least 1 ns"));
        }
        match Hysteresis::new(self.rise, self.fall) {
            Ok(hysteresis) => Ok(CheckConfig {
                ttl: self.ttl,
                hysteresis,
                groups: self.groups,
                criticality: self.criticality,
            }),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_together_are_those_of_both_and_each_once() {
        let both = Groups::LIVENESS.with(Groups::READINESS);
        assert_eq!(both.with(Groups::LIVENESS), both);
        assert_eq!(both.with(Groups::STARTUP), Groups::ALL);
        assert_eq!(Groups::NONE.with(Groups::NONE), Groups::NONE);
    }

    #[test]
    fn a_criticality_is_a_word() {
        let words =
            [Criticality::Critical, Criticality::Optional].map(|one| std::format!("{one:>9}"));
        assert_eq!(words, [" critical", " optional"]);
    }

    #[test]
    fn what_does_not_hold_names_its_setting() {
        let setting = |builder: CheckConfigBuilder| builder.build().unwrap_err().setting();
        let builder = CheckConfig::builder(Duration::from_secs(1));
        assert_eq!(setting(CheckConfig::builder(Duration::ZERO)), "ttl");
        assert_eq!(setting(builder.rise(0)), "rise");
        assert_eq!(setting(builder.fall(0)), "fall");
        let config = builder.rise(255).fall(255).build().unwrap();
        assert_eq!((config.hysteresis().rise(), config.hysteresis().fall()), (255, 255));
    }

    #[test]
    fn a_set_has_what_was_put_in_and_always_overall() {
        let probes = [Probe::Overall, Probe::Startup, Probe::Liveness, Probe::Readiness];
        let has = |groups: Groups| probes.map(|probe| groups.has(probe));
        assert_eq!(has(Groups::NONE), [true, false, false, false]);
        assert_eq!(has(Groups::STARTUP), [true, true, false, false]);
        assert_eq!(has(Groups::LIVENESS), [true, false, true, false]);
        assert_eq!(has(Groups::READINESS), [true, false, false, true]);
        assert_eq!(has(Groups::STARTUP.with(Groups::LIVENESS)), [true, true, true, false]);
        assert_eq!(has(Groups::ALL), [true; 4]);
    }
}
