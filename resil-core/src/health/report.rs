//! What the node says about itself when asked.

use super::check::Check;
use super::{
    CheckStatus, Criticality, HealthCheckResult, HealthRegistry, HealthStatus, MESSAGE, Probe,
};
use crate::error::Details;
use crate::text::Text;
use crate::time::Instant;
use core::fmt;
use core::time::Duration;

/// A view of a [`HealthRegistry`] at one instant: the overall status, the uptime, every check.
///
/// It copies nothing. With the feature `serde` (and a name that displays) it is written as
/// `{status, uptime_ns, maintenance, checks: [{name, status, consequence, message, details, age_ns}]}`.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::health::{CheckStatus, HealthCheckResult, HealthRegistry};
///
/// let mut health: HealthRegistry = HealthRegistry::new(Instant::EPOCH);
/// let disk = health.register("disk", Duration::from_secs(60), Instant::EPOCH)?;
/// health.register("peers", Duration::from_secs(30), Instant::EPOCH)?;
/// health.record(disk, HealthCheckResult::unhealthy("no space left"), Instant::EPOCH)?;
///
/// let report = health.report(Instant::EPOCH.saturating_add(Duration::from_secs(9)));
/// assert_eq!(report.to_string(), "UNHEALTHY (disk=UNHEALTHY, peers=UNKNOWN)");
/// let disk = report.checks().next().unwrap();
/// assert_eq!((*disk.name(), disk.message().as_str()), ("disk", "no space left"));
/// assert_eq!(disk.age(), Some(Duration::from_secs(9)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HealthReport<'a, Name, const N: usize> {
    registry: &'a HealthRegistry<Name, N>,
    now: Instant,
}

impl<'a, Name, const N: usize> HealthReport<'a, Name, N> {
    pub(super) const fn new(registry: &'a HealthRegistry<Name, N>, now: Instant) -> Self {
        Self { registry, now }
    }

    /// How the node is: the worst of all checks.
    #[must_use]
    pub fn overall(&self) -> HealthStatus {
        self.registry.overall(self.now)
    }

    /// How the node is for who asks.
    #[must_use]
    pub fn status(&self, probe: Probe) -> HealthStatus {
        self.registry.status(probe, self.now)
    }

    /// How long the node has been up.
    #[must_use]
    pub const fn uptime(&self) -> Duration {
        self.registry.uptime(self.now)
    }

    /// When the report was asked for.
    #[must_use]
    pub const fn timestamp(&self) -> Instant {
        self.now
    }

    /// Every check, unknown ones included.
    pub fn checks(&self) -> impl Iterator<Item = CheckReport<'a, Name>> + use<'a, Name, N> {
        let Self { registry, now } = *self;
        registry.checks().map(move |check| {
            let is_consequence = registry.is_consequence(check, now);
            CheckReport { check, now, is_consequence }
        })
    }

    /// The checks that are not well of themselves: neither as a
    /// [consequence](CheckReport::is_consequence) of another one, nor in maintenance.
    pub fn causes(&self) -> impl Iterator<Item = CheckReport<'a, Name>> + use<'a, Name, N> {
        let is_well = |status| {
            matches!(status, CheckStatus::Known(HealthStatus::Healthy) | CheckStatus::Maintenance)
        };
        self.checks().filter(move |check| !check.is_consequence && !is_well(check.status()))
    }

    /// Whether the whole node is in maintenance.
    #[must_use]
    pub const fn is_in_maintenance(&self) -> bool {
        self.registry.is_in_maintenance()
    }
}

/// One check in a [`HealthReport`].
#[derive(Debug)]
pub struct CheckReport<'a, Name> {
    check: &'a Check<Name>,
    now: Instant,
    is_consequence: bool,
}

impl<'a, Name> CheckReport<'a, Name> {
    /// The name under which it was registered.
    #[must_use]
    pub const fn name(&self) -> &'a Name {
        &self.check.name
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> CheckStatus {
        self.check.status(self.now)
    }

    /// What its last result says, or why there is none that counts. Where it takes several results in
    /// a row to change the status, the last one may say something else.
    #[must_use]
    pub fn message(&self) -> Text<MESSAGE> {
        match (self.last_result(), self.status()) {
            (None, CheckStatus::Unknown | CheckStatus::Known(_)) => "no result yet".into(),
            (Some(_), CheckStatus::Unknown) => "no fresh result".into(),
            (_, CheckStatus::Maintenance) => "in maintenance".into(),
            (Some(result), CheckStatus::Known(_)) => result.message().clone(),
        }
    }

    /// Whether it is not well, and something that it [depends](HealthRegistry::depend) on is at least
    /// as bad: look there first.
    #[must_use]
    pub const fn is_consequence(&self) -> bool {
        self.is_consequence
    }

    /// Whether it counts for who asks.
    #[must_use]
    pub const fn counts_for(&self, probe: Probe) -> bool {
        self.check.counts_for(probe)
    }

    /// What it adds to the answer to who asks: its status, no worse than its criticality lets it be,
    /// or what an unknown one and one in maintenance [count as](super); healthy where it does not
    /// count for `probe`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::Instant;
    /// use resil_core::health::{HealthRegistry, HealthStatus, Probe};
    ///
    /// let mut health: HealthRegistry = HealthRegistry::new(Instant::EPOCH);
    /// health.register("peers", Duration::from_secs(30), Instant::EPOCH)?;
    /// let report = health.report(Instant::EPOCH);
    /// let peers = report.checks().next().unwrap();
    /// assert_eq!(peers.counts_as(Probe::Overall), HealthStatus::Degraded, "no result yet");
    /// assert_eq!(peers.counts_as(Probe::Readiness), HealthStatus::Unhealthy);
    /// # Ok::<(), resil_core::health::RegisterError>(())
    /// ```
    #[must_use]
    pub fn counts_as(&self, probe: Probe) -> HealthStatus {
        self.check.counts_as(probe, self.now)
    }

    /// How bad it can make the node.
    #[must_use]
    pub const fn criticality(&self) -> Criticality {
        self.check.criticality()
    }

    /// The details of its last result, however old that is.
    #[must_use]
    pub fn details(&self) -> Option<&'a Details> {
        self.last_result().map(HealthCheckResult::details)
    }

    /// Its last result, however old that is.
    #[must_use]
    pub const fn last_result(&self) -> Option<&'a HealthCheckResult> {
        self.check.last_result()
    }

    /// The time since its last result was recorded.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.check.age(self.now)
    }
}

impl<Name: fmt::Display, const N: usize> fmt::Display for HealthReport<'_, Name, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.overall())?;
        if self.is_in_maintenance() {
            f.write_str(" in maintenance")?;
        }
        let mut separator = " (";
        for check in self.checks() {
            write!(f, "{separator}{}={}", check.name(), check.status())?;
            if check.is_consequence() {
                f.write_str(" (consequence)")?;
            }
            separator = ", ";
        }
        if self.registry.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(feature = "defmt")]
impl<Name: defmt::Format, const N: usize> defmt::Format for HealthReport<'_, Name, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", self.overall());
        for check in self.checks() {
            defmt::write!(f, ", {}", check);
        }
    }
}

#[cfg(feature = "defmt")]
impl<Name: defmt::Format> defmt::Format for CheckReport<'_, Name> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}={=str}", self.name(), self.status().name());
    }
}

#[cfg(feature = "serde")]
mod wire {
    use super::{CheckReport, HealthReport};
    use crate::error::Details;
    use crate::time::saturating_nanos;
    use core::fmt::Display;
    use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

    /// Written as it displays.
    struct Shown<'a, T>(&'a T);

    impl<T: Display> Serialize for Shown<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self.0)
        }
    }

    /// The checks as a sequence.
    struct Checks<'a, Name, const N: usize>(&'a HealthReport<'a, Name, N>);

    impl<Name: Display, const N: usize> Serialize for Checks<'_, Name, N> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(self.0.registry.len()))?;
            for check in self.0.checks() {
                seq.serialize_element(&check)?;
            }
            seq.end()
        }
    }

    impl<Name: Display, const N: usize> Serialize for HealthReport<'_, Name, N> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut report = serializer.serialize_struct("HealthReport", 4)?;
            report.serialize_field("status", &self.overall())?;
            report.serialize_field("uptime_ns", &saturating_nanos(self.uptime()))?;
            report.serialize_field("maintenance", &self.is_in_maintenance())?;
            report.serialize_field("checks", &Checks(self))?;
            report.end()
        }
    }

    impl<Name: Display> Serialize for CheckReport<'_, Name> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut check = serializer.serialize_struct("CheckReport", 6)?;
            check.serialize_field("name", &Shown(self.name()))?;
            check.serialize_field("status", &self.status())?;
            check.serialize_field("consequence", &self.is_consequence())?;
            check.serialize_field("message", &self.message())?;
            check
                .serialize_field("details", self.details().unwrap_or(const { &Details::new() }))?;
            check.serialize_field("age_ns", &self.age().map(saturating_nanos))?;
            check.end()
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use crate::health::{HealthCheckResult, HealthRegistry, HealthStatus};
    use crate::time::Instant;
    use core::time::Duration;

    #[test]
    fn the_report_is_written_with_every_check_its_status_message_details_and_age() {
        let mut health: HealthRegistry<&str, 4> = HealthRegistry::new(Instant::EPOCH);
        let ttl = Duration::from_secs(1);
        let peers = health.register("peers", ttl, Instant::EPOCH).unwrap();
        health.register("disk", ttl, Instant::EPOCH).unwrap();
        let result = HealthCheckResult::healthy("all connected").with_detail("peer_count", 5u32);
        health.record(peers, result, Instant::EPOCH).unwrap();
        let report = health.report(Instant::from_nanos(7));
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            "{\"status\":\"DEGRADED\",\"uptime_ns\":7,\"maintenance\":false,\"checks\":[\
             {\"name\":\"peers\",\"status\":\"HEALTHY\",\"consequence\":false,\"message\":\"all connected\",\
             \"details\":{\"peer_count\":5},\"age_ns\":7},\
             {\"name\":\"disk\",\"status\":\"UNKNOWN\",\"consequence\":false,\"message\":\"no result yet\",\
             \"details\":{},\"age_ns\":null}]}"
        );
        assert!(postcard::to_slice(&report, &mut [0; 256]).is_ok());
    }

    #[test]
    fn a_status_travels_under_its_upper_case_name() {
        for status in HealthStatus::ALL {
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json.trim_matches('"'), status.name());
            assert_eq!(serde_json::from_str::<HealthStatus>(&json).unwrap(), status);
        }
    }
}
