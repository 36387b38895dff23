//! One registered check: how long its results count, and what it counts as without one.

use super::id::CheckId;
use super::{
    CheckConfig, CheckStatus, Criticality, HealthCheckResult, HealthStatus, HysteresisState, Probe,
};
use crate::time::{Instant, earliest};
use core::time::Duration;

/// The most checks that one check depends on. What hangs on more than four others is better said to
/// hang on one that stands for them.
pub(super) const DEPENDENCIES: usize = 4;

/// A check in its slot.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Check<Name> {
    pub(super) name: Name,
    config: CheckConfig,
    /// From when on liveness gives it one time to live.
    grace: Instant,
    result: Option<HealthCheckResult>,
    pub(super) dependencies: [Option<CheckId>; DEPENDENCIES],
    hysteresis: HysteresisState,
    /// The result was seen to have outlived its time: no step back revives it.
    outlived: bool,
    is_in_maintenance: bool,
}

impl<Name> Check<Name> {
    pub(super) const fn new(name: Name, config: CheckConfig, now: Instant) -> Self {
        Self {
            name,
            config,
            grace: now,
            result: None,
            dependencies: [None; DEPENDENCIES],
            hysteresis: HysteresisState::new(),
            outlived: false,
            is_in_maintenance: false,
        }
    }

    /// Stores what the check found at `now`. The first result that follows none, or only one that
    /// has outlived its time, counts at once: what is too old to count does not hold it back.
    pub(super) fn record(&mut self, mut result: HealthCheckResult, now: Instant) {
        if !self.is_fresh(now) {
            self.hysteresis = HysteresisState::new();
        }
        self.config.hysteresis.record(&mut self.hysteresis, result.status());
        result.stamp(now);
        self.result = Some(result);
        self.outlived = false;
    }

    /// Keeps what a later step back must not undo, and undoes what an earlier one has done: no
    /// stored instant is later than `now`.
    pub(super) fn settle(&mut self, now: Instant) {
        self.grace = self.grace.min(now);
        let Some(result) = &mut self.result else { return };
        let Some(recorded) = result.timestamp() else { return };
        if recorded.plus_nanos(self.config.ttl).is_reached(now) {
            self.outlived = true;
        }
        result.stamp(recorded.min(now));
    }

    pub(super) fn reconfigure(&mut self, config: CheckConfig, now: Instant) {
        self.settle(now);
        let old = self.config.hysteresis;
        self.hysteresis = config.hysteresis.inherit(old, &self.hysteresis);
        self.config = config;
    }

    pub(super) const fn begin_maintenance(&mut self) {
        self.is_in_maintenance = true;
    }

    /// Nobody has to have a result ready at once: the grace begins anew.
    pub(super) const fn end_maintenance(&mut self, now: Instant) {
        if self.is_in_maintenance {
            self.is_in_maintenance = false;
            self.grace = now;
        }
    }

    /// Whether a result is there, and counts. The one place where that is decided.
    fn is_fresh(&self, now: Instant) -> bool {
        self.recorded()
            .is_some_and(|recorded| !self.outlived && within(recorded, self.config.ttl, now))
    }

    /// The last result, however old it is.
    pub(super) const fn last_result(&self) -> Option<&HealthCheckResult> {
        self.result.as_ref()
    }

    /// Whether an answer to `probe` wants for a result of it.
    pub(super) fn is_due(&self, probe: Probe, now: Instant) -> bool {
        self.counts_for(probe) && !self.is_in_maintenance && !self.is_fresh(now)
    }

    /// Whether it is in the group that `probe` asks about.
    pub(super) const fn counts_for(&self, probe: Probe) -> bool {
        self.config.groups.has(probe)
    }

    /// How it is.
    pub(super) fn status(&self, now: Instant) -> CheckStatus {
        if self.is_in_maintenance {
            return CheckStatus::Maintenance;
        }
        match self.hysteresis.status() {
            Some(status) if self.is_fresh(now) => CheckStatus::Known(status),
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
        if !self.counts_for(probe) {
            return HealthStatus::Healthy;
        }
        let status = match (self.status(now), probe) {
            (CheckStatus::Known(status), _) => status,
            (CheckStatus::Unknown | CheckStatus::Maintenance, Probe::Overall) => {
                HealthStatus::Degraded
            }
            (CheckStatus::Unknown | CheckStatus::Maintenance, Probe::Readiness)
            | (CheckStatus::Unknown, Probe::Startup) => HealthStatus::Unhealthy,
            (CheckStatus::Unknown, Probe::Liveness)
                if !within(self.grace, self.config.ttl, now) =>
            {
                HealthStatus::Unhealthy
            }
            (CheckStatus::Unknown, Probe::Liveness)
            | (CheckStatus::Maintenance, Probe::Startup | Probe::Liveness) => HealthStatus::Healthy,
        };
        status.min(self.config.criticality.cap())
    }

    /// The first instant after `now` at which the status, or what it counts as, changes by itself.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let counts = self.recorded().filter(|_| !self.outlived);
        let result = counts.and_then(|recorded| edge(recorded, self.config.ttl, now));
        match self.status(now) {
            CheckStatus::Maintenance => None,
            CheckStatus::Unknown if self.counts_for(Probe::Liveness) => {
                earliest(result, edge(self.grace, self.config.ttl, now))
            }
            CheckStatus::Known(_) | CheckStatus::Unknown => result,
        }
    }

    pub(super) const fn criticality(&self) -> Criticality {
        self.config.criticality
    }
}

/// Whether `now` is in the span of `ttl` from `since` on. A clock that stepped back leaves `since`
/// ahead: by up to one `ttl` it counts as just now, beyond that it proves nothing.
fn within(since: Instant, ttl: u64, now: Instant) -> bool {
    since.nanos_since(now) <= ttl && !since.plus_nanos(ttl).is_reached(now)
}

/// The first instant after `now` at which [`within`] changes.
fn edge(since: Instant, ttl: u64, now: Instant) -> Option<Instant> {
    let begin = Instant::from_nanos(since.as_nanos().saturating_sub(ttl));
    [begin, since.plus_nanos(ttl)].into_iter().find(|edge| !edge.is_reached(now))
}
