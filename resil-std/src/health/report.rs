//! What the node says about itself, with wall time.

use core::time::Duration;

use jiff::Timestamp;
use resil_core::error::Details;
use resil_core::health::{CheckReport, CheckStatus, HealthReport, HealthStatus, Probe};

/// How the node is, and every check of it.
///
/// With the feature `serde` it is the body of a health endpoint:
///
/// ```json
/// {"status":"DEGRADED","timestamp":"2026-11-24T00:20:00Z","uptime_ns":60000000000,
///  "maintenance":false,
///  "checks":[{"name":"peers","status":"DEGRADED","counts_as":"DEGRADED","consequence":false,
///             "message":"3 of 5 connected","details":{"peer_count":3},
///             "timestamp":"2026-11-24T00:19:59Z"}]}
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OverallHealth {
    /// For who asks: the worst of all that counts for them ([which](resil_core::health)); healthy
    /// without any.
    pub status: HealthStatus,
    /// When this was said: RFC 3339 when displayed or serialised.
    pub timestamp: Timestamp,
    /// How long the checker has been there.
    #[cfg_attr(feature = "serde", serde(rename = "uptime_ns", serialize_with = "nanos"))]
    pub uptime: Duration,
    /// Whether the whole node is in maintenance.
    pub maintenance: bool,
    /// Every check that counts for who asks, in no particular order.
    pub checks: Vec<CheckHealth>,
}

/// How one check is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CheckHealth {
    /// Its name.
    pub name: String,
    /// Its status; unknown without a fresh result.
    pub status: CheckStatus,
    /// What it adds to the status of the whole.
    pub counts_as: HealthStatus,
    /// Whether it is not well because of another one: look there first.
    pub consequence: bool,
    /// What its last result says, or why there is none that counts.
    pub message: String,
    /// The details of its last result.
    pub details: Details,
    /// When its last result was recorded.
    pub timestamp: Option<Timestamp>,
}

impl OverallHealth {
    /// The checks that are not well of themselves: neither as a consequence of another one, nor in
    /// maintenance.
    pub fn causes(&self) -> impl Iterator<Item = &CheckHealth> {
        let is_well = |check: &CheckHealth| {
            let healthy = CheckStatus::Known(HealthStatus::Healthy);
            check.consequence || [healthy, CheckStatus::Maintenance].contains(&check.status)
        };
        self.checks.iter().filter(move |check| !is_well(check))
    }

    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&CheckHealth> {
        self.checks.iter().find(|check| check.name == name)
    }

    pub(super) fn new<Name: AsRef<str>, const N: usize>(
        report: &HealthReport<'_, Name, N>,
        probe: Probe,
    ) -> Self {
        let timestamp = Timestamp::now();
        let checks = report.checks().filter(|check| check.counts_for(probe));
        Self {
            status: report.status(probe),
            timestamp,
            uptime: report.uptime(),
            maintenance: report.is_in_maintenance(),
            checks: checks.map(|check| CheckHealth::new(&check, probe, timestamp)).collect(),
        }
    }
}

impl CheckHealth {
    fn new<Name: AsRef<str>>(check: &CheckReport<'_, Name>, probe: Probe, now: Timestamp) -> Self {
        // The wall clock may be set at any time, so an age is all that can be placed on it.
        let recorded = |age| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Self {
            name: check.name().as_ref().to_owned(),
            status: check.status(),
            counts_as: check.counts_as(probe),
            consequence: check.is_consequence(),
            message: check.message().to_string(),
            details: check.details().cloned().unwrap_or_default(),
            timestamp: check.age().map(recorded),
        }
    }
}

#[cfg(feature = "serde")]
fn nanos<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(resil_core::Instant::from_duration(*span).as_nanos())
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use resil_core::Instant;
    use resil_core::health::{HealthCheckResult, HealthRegistry};

    use super::*;

    #[test]
    fn it_is_the_body_of_a_health_endpoint_with_rfc_3339_times() {
        let ttl = Duration::from_secs(60);
        let mut health: HealthRegistry = HealthRegistry::new(Instant::EPOCH);
        let peers = health.register("peers", ttl, Instant::EPOCH).unwrap();
        health.register("disk", ttl, Instant::EPOCH).unwrap();
        let found = HealthCheckResult::degraded("3 of 5 connected").with_detail("peer_count", 3_u8);
        health.record(peers, found, Instant::EPOCH).unwrap();

        let report = health.report(Instant::from_duration(Duration::from_secs(2)));
        let mut overall = OverallHealth::new(&report, Probe::Overall);
        let now: Timestamp = "2026-11-24T00:20:00Z".parse().unwrap();
        overall.checks =
            report.checks().map(|check| CheckHealth::new(&check, Probe::Overall, now)).collect();
        overall.timestamp = now;
        assert_eq!(
            serde_json::to_string(&overall).unwrap(),
            "{\"status\":\"DEGRADED\",\"timestamp\":\"2026-11-24T00:20:00Z\",\
             \"uptime_ns\":2000000000,\"maintenance\":false,\"checks\":[\
             {\"name\":\"peers\",\"status\":\"DEGRADED\",\"counts_as\":\"DEGRADED\",\"consequence\":false,\"message\":\"3 of 5 connected\",\
             \"details\":{\"peer_count\":3},\"timestamp\":\"2026-11-24T00:19:58Z\"},\
             {\"name\":\"disk\",\"status\":\"UNKNOWN\",\"counts_as\":\"DEGRADED\",\"consequence\":false,\"message\":\"no result yet\",\
             \"details\":{},\"timestamp\":null}]}"
        );
    }

    #[test]
    fn an_age_beyond_the_calendar_is_its_beginning() {
        let mut health: HealthRegistry = HealthRegistry::new(Instant::EPOCH);
        let id = health.register("peers", Duration::MAX, Instant::EPOCH).unwrap();
        health.record(id, true.into(), Instant::EPOCH).unwrap();
        let report = health.report(Instant::MAX);
        let check = report.checks().next().unwrap();
        let check = CheckHealth::new(&check, Probe::Overall, Timestamp::MIN);
        assert_eq!(check.timestamp, Some(Timestamp::MIN));
    }
}
