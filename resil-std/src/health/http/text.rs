//! The answer for people and for Kubernetes, which reads nothing but the status code.

use core::fmt::{self, Write};

use resil_core::health::{CheckStatus, HealthStatus};

use super::super::{CheckHealth, OverallHealth};

pub(super) const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

pub(super) fn brief(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "ok",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Unhealthy => "failed",
    }
}

/// A line for each check, and one for all of them.
pub(super) fn verbose(name: &str, report: &OverallHealth) -> String {
    let mut text = String::new();
    for check in &report.checks {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", Line(check));
    }
    let verdict = match report.status {
        HealthStatus::Healthy | HealthStatus::Degraded => "passed",
        HealthStatus::Unhealthy => "failed",
    };
    let maintenance = if report.maintenance { " (in maintenance)" } else { "" };
    let _ = writeln!(text, "{name} check {verdict}{maintenance}");
    text
}

struct Line<'a>(&'a CheckHealth);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CheckHealth { name, status, counts_as, message, .. } = self.0;
        let (name, message) = (OneLine(name), OneLine(message));
        match (counts_as, status) {
            (HealthStatus::Unhealthy, _) => write!(f, "[-]{name} failed: {message}"),
            (_, CheckStatus::Known(HealthStatus::Healthy)) => write!(f, "[+]{name} ok"),
            _ => write!(f, "[+]{name} {}: {message}", status.name().to_ascii_lowercase()),
        }
    }
}

/// Without what would end the line: messages may quote what a peer said.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        self.0.chars().map(printable).try_for_each(|c| f.write_char(c))
    }
}
