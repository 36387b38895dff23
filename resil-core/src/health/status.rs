//! The three statuses, the unknown one, and who asks.

use core::fmt;
use core::str::FromStr;

/// How something is. Ordered: what is worse is greater.
///
/// With the feature `serde` it travels under its upper-case name.
///
/// ```
/// use resil_core::health::HealthStatus;
///
/// assert!(HealthStatus::Healthy < HealthStatus::Unhealthy);
/// assert_eq!(HealthStatus::Degraded.worst(HealthStatus::Healthy), HealthStatus::Degraded);
/// assert_eq!("DEGRADED".parse(), Ok(HealthStatus::Degraded));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "UPPERCASE"))]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// It works, with less than it should have.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl HealthStatus {
    /// Every status, the best first.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Degraded, Self::Unhealthy];

    /// The name: `HEALTHY`, `DEGRADED` or `UNHEALTHY`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
        }
    }

    /// The worse of the two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }

    /// The worst of all; healthy where there is none.
    #[must_use]
    pub fn worst_of(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::Healthy, Self::worst)
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for HealthStatus {
    type Err = crate::error::UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(crate::error::UnknownName)
    }
}

/// How a check is: what its last result said, as long as that counts.
///
/// With the feature `serde` it is written as its upper-case name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CheckStatus {
    /// There is no fresh result: none yet, or the last one has outlived its time.
    Unknown,
    /// The last results are fresh and say this.
    Known(HealthStatus),
    /// It is in maintenance, and its results do not count.
    Maintenance,
}

impl CheckStatus {
    /// The name: `UNKNOWN`, `MAINTENANCE`, or that of the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Maintenance => "MAINTENANCE",
            Self::Known(status) => status.name(),
        }
    }

    /// The status, where it is known.
    #[must_use]
    pub const fn known(self) -> Option<HealthStatus> {
        match self {
            Self::Unknown | Self::Maintenance => None,
            Self::Known(status) => Some(status),
        }
    }
}

impl From<HealthStatus> for CheckStatus {
    fn from(status: HealthStatus) -> Self {
        Self::Known(status)
    }
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for CheckStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who asks, and so what an unknown check counts as ([table](super)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Probe {
    /// A person or a dashboard: how is the node.
    Overall,
    /// Has it come up.
    Startup,
    /// May work be sent to it.
    Readiness,
    /// Should it go on running, or be restarted.
    Liveness,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_three_statuses_have_the_seeds_names() {
        assert_eq!(HealthStatus::ALL.map(HealthStatus::name), ["HEALTHY", "DEGRADED", "UNHEALTHY"]);
        for status in HealthStatus::ALL {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
        assert!("healthy".parse::<HealthStatus>().is_err());
    }

    #[test]
    fn the_worst_wins_and_none_is_healthy() {
        use HealthStatus::{Degraded, Healthy, Unhealthy};
        assert_eq!(HealthStatus::worst_of([]), Healthy);
        assert_eq!(HealthStatus::worst_of([Healthy, Degraded, Healthy]), Degraded);
        assert_eq!(HealthStatus::worst_of([Unhealthy, Degraded, Healthy]), Unhealthy);
    }
}
