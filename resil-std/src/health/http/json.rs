//! The answer for programs: `application/health+json` of `draft-inadarei-api-health-check-06`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use resil_core::error::Details;
use resil_core::health::HealthStatus;
use serde::Serialize;

use super::super::{CheckHealth, OverallHealth};

pub(super) const CONTENT_TYPE: &str = "application/health+json";

#[derive(Serialize)]
pub(super) struct Health<'a> {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'static [&'static str],
    /// The draft has a list under each name, for things of which there are several.
    checks: BTreeMap<&'a str, [Check<'a>; 1]>,
}

/// `consequence` and `details` are ours: the draft lets one add keys.
#[derive(Serialize)]
struct Check<'a> {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    consequence: bool,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: &'a Details,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Warn,
    Fail,
}

impl From<HealthStatus> for Status {
    fn from(status: HealthStatus) -> Self {
        match status {
            HealthStatus::Healthy => Self::Pass,
            HealthStatus::Degraded => Self::Warn,
            HealthStatus::Unhealthy => Self::Fail,
        }
    }
}

impl<'a> Health<'a> {
    pub(super) fn new(report: &'a OverallHealth) -> Self {
        let causes: Vec<_> =
            report.causes().map(|check| format!("{}: {}", check.name, check.message)).collect();
        Self {
            status: report.status.into(),
            output: (!causes.is_empty()).then(|| causes.join("; ")),
            notes: if report.maintenance { &["in maintenance"] } else { &[] },
            checks: report.checks.iter().map(|check| (&*check.name, [Check::new(check)])).collect(),
        }
    }
}

impl<'a> Check<'a> {
    fn new(check: &'a CheckHealth) -> Self {
        // Its own status, though it may be one that the node can do without.
        let status = Status::from(check.status.known().unwrap_or(check.counts_as));
        Self {
            status,
            time: check.timestamp,
            // The draft wants none where all is well.
            output: (status != Status::Pass).then_some(&*check.message),
            consequence: check.consequence,
            details: &check.details,
        }
    }
}
