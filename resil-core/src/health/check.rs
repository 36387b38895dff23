//! One registered check: how long its results count, and what it counts as without one.

use super::{CheckStatus, HealthCheckResult, HealthStatus, Probe};
use crate::time::{Instant, earliest, saturating_nanos};
use core::time::Duration;

/// A check in its slot.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Check<Name> {
    pub(super) name: Name,
    ttl_nanos: u64,
    registered: Instant,
    /// The result was seen to have outlived its time: no step back revives it.
    outlived: bool,
    result: Option<HealthCheckResult>,
}

impl<Name> Check<Name> {
    pub(super) const fn new(name: Name, ttl: Duration, now: Instant) -> Self {
        Self {
            name,
            ttl_nanos: saturating_nanos(ttl),
            registered: now,
            outlived: false,
            result: None,
        }
    }

    /// Stores what the check found at `now`.
    pub(super) fn record(&mut self, mut result: HealthCheckResult, now: Instant) {
        result.stamp(now);
        self.result = Some(result);
        self.outlived = false;
    }

    /// Keeps what a later step back must not undo, and undoes what an earlier one has done: no
    /// stored instant is later than `now`.
    pub(super) fn settle(&mut self, now: Instant) {
        self.registered = self.registered.min(now);
        let Some(result) = &mut self.result else { return };
        let Some(recorded) = result.timestamp() else { return };
        if recorded.plus_nanos(self.ttl_nanos).is_reached(now) {
            self.outlived = true;
        }
        result.stamp(recorded.min(now));
    }

    /// The last result, however old it is.
    pub(super) const fn last_result(&self) -> Option<&HealthCheckResult> {
        self.result.as_ref()
    }

    /// The one place where it is decided whether a result counts.
    pub(super) fn status(&self, now: Instant) -> CheckStatus {
        match (&self.result, self.recorded()) {
            (Some(result), Some(recorded))
                if !self.outlived && within(recorded, self.ttl_nanos, now) =>
            {
                result.status().into()
            }
            _ => CheckStatus::Unknown,
        }
    }

    /// The time since the last result was recorded.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.recorded().map(|recorded| now.saturating_since(recorded))
    }

    fn recorded(&self) -> Option<Instant> {
        self.result.as_ref().and_then(HealthCheckResult::timestamp)
    }

    /// What the status of this check adds to the answer.
    pub(super) fn counts_as(&self, probe: Probe, now: Instant) -> HealthStatus {
        match (self.status(now), probe) {
            (CheckStatus::Known(status), _) => status,
            (CheckStatus::Unknown, Probe::Overall) => HealthStatus::Degraded,
            (CheckStatus::Unknown, Probe::Startup | Probe::Readiness) => HealthStatus::Unhealthy,
            (CheckStatus::Unknown, Probe::Liveness) => {
                if within(self.registered, self.ttl_nanos, now) {
                    HealthStatus::Healthy
                } else {
                    HealthStatus::Unhealthy
                }
            }
        }
    }

    /// The first instant after `now` at which the status, or what it counts as, changes by itself.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let counts = self.recorded().filter(|_| !self.outlived);
        let result = counts.and_then(|recorded| edge(recorded, self.ttl_nanos, now));
        match self.status(now) {
            CheckStatus::Known(_) => result,
            CheckStatus::Unknown => earliest(result, edge(self.registered, self.ttl_nanos, now)),
        }
    }
}

/// Whether `now` is in the span of `ttl` from `since` on. A clock that stepped back leaves `since`
/// ahead: by up to one `ttl` it counts as just now, beyond that it proves nothing.
fn within(since: Instant, ttl: u64, now: Instant) -> bool {
    since.nanos_since(now) <= ttl && !since.plus_nanos(ttl).is_reached(now)
}

/// The first instant after `now` at which [`within`] changes.
fn edge(since: Instant, ttl: u64, now: Instant) -> Option<Instant> {
    let begin = since.saturating_sub(Duration::from_nanos(ttl));
    [begin, since.plus_nanos(ttl)].into_iter().find(|edge| !edge.is_reached(now))
}
