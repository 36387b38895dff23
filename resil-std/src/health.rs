//! How is this node: checks that are run, and what they add up to.
//!
//! A [`HealthChecker`] is core's [registry](resil_core::health) behind a lock, with the checks that
//! feed it. [`get_overall_health`](HealthChecker::get_overall_health) runs every check and answers
//! with the worst; [`report`](HealthChecker::report) answers from what is stored and awaits nothing;
//! [`probe`](HealthChecker::probe) is between them, for who asks often: it runs only what has no fresh
//! result. With the feature `axum`, `health::http` answers probes over HTTP, and with `grpc` `health::grpc`
//! answers them over gRPC.
//!
//! # Laws
//!
//! - Checks run concurrently, each with its own timeout: one that hangs delays the answer by its
//!   timeout at most, and delays no other check.
//! - A check that errs, panics or takes too long is unhealthy, with the reason as message.
//! - Whom a check counts for, how bad it can get, how many results in a row change it, maintenance and
//!   causes are core's, set with [`Check`].
//! - A check runs once at a time: whoever asks while a run is going gets the result of that run. A
//!   run that is overdue and cannot be stopped is waited for before the check is started again.
//! - However many probes there are, they run a check at most once in its time to live, only where it
//!   counts for the probe, and wait for a run no longer than the check's patience from its start.
//! - Cancel-safe: runs go on without whoever asked, and their results are stored.
//! - No lock is held while a check runs, or is dropped.
//!
//! # Defaults
//!
//! A check may take 5 s and its result counts for 30 s: three rounds of the 10 s period with which
//! Kubernetes probes, half of one to answer in. A probe waits for it for 500 ms: Kubernetes waits a
//! second for the answer.

mod check;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "axum")]
pub mod http;
mod report;
mod run;
mod watch;

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resil_core::event::EventKind;
use resil_core::health::{
    CheckId, CheckStatus, DependencyError, HealthCheckResult, HealthRegistry, HealthStatus,
    MESSAGE, Probe, RegisterError, UnknownCheck,
};
use resil_core::text::Text;
use resil_core::{Clock, ConfigError, Instant};

use crate::clock::SystemClock;
use crate::log;
use run::{Ended, Runner};
use tokio::sync::Notify;

pub use check::Check;
pub use report::{CheckHealth, OverallHealth};
pub use resil_core::health::IntoCheckResult;

/// Where its log events go.
const TARGET: &str = "resil::health";
/// How long a check may take, where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a probe waits for a run, where nothing else is said.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a result counts, where nothing else is said.
const TTL: Duration = Duration::from_secs(30);

/// The checks of a node, and how it is.
///
/// A clone is a handle to the same checker. `N` is how many checks fit. Running checks needs a tokio
/// runtime with time enabled.
///
/// ```
/// use resil_std::core::health::{HealthCheckResult, HealthStatus};
/// use resil_std::health::HealthChecker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let health_checker = HealthChecker::new();
/// health_checker.register_check("peers", async || {
///     HealthCheckResult::healthy("all peers connected").with_detail("peer_count", 5u32)
/// })?;
/// health_checker.register_sync("disk", || std::fs::metadata("/no/such/place").map(|_| ()))?;
/// health_checker.register_bool("link", || true)?;
///
/// let overall = health_checker.get_overall_health().await;
/// assert_eq!(overall.status, HealthStatus::Unhealthy);
/// assert_eq!(overall.check("peers").unwrap().message, "all peers connected");
/// # Ok(())
/// # }
/// ```
pub struct HealthChecker<const N: usize = 32>(Arc<Shared<N>>);

struct Shared<const N: usize> {
    state: Mutex<State<N>>,
    timeout: Duration,
    ttl: Duration,
    /// What is to be said may be another.
    told: Notify,
}

struct State<const N: usize> {
    registry: HealthRegistry<Arc<str>, N>,
    runners: BTreeMap<Arc<str>, (CheckId, Arc<Runner>)>,
}

impl HealthChecker {
    /// A checker without checks, with room for 32.
    #[must_use]
    pub fn new() -> Self {
        Self::with_defaults(TIMEOUT, TTL)
    }
}

impl Default for HealthChecker {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> HealthChecker<N> {
    /// A checker whose checks may take `timeout` and whose results count for `ttl`, where a
    /// [`Check`] says nothing else. With room for `N` checks, at 360 bytes each.
    ///
    /// Durations of zero are refused with the first check that would use them.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_std::health::HealthChecker;
    ///
    /// let checker =
    ///     HealthChecker::<64>::with_defaults(Duration::from_secs(1), Duration::from_secs(10));
    /// assert!(checker.register_bool("link", || true).is_ok());
    /// ```
    #[must_use]
    pub fn with_defaults(timeout: Duration, ttl: Duration) -> Self {
        let registry = HealthRegistry::new(SystemClock.now());
        let state = Mutex::new(State { registry, runners: BTreeMap::new() });
        Self(Arc::new(Shared { state, timeout, ttl, told: Notify::new() }))
    }

    /// Registers an async check: [`Check::new`].
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_check<F, Fut>(
        &self,
        name: impl Into<Arc<str>>,
        check: F,
    ) -> Result<(), RegisterError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoCheckResult> + Send + 'static,
    {
        self.register(Check::new(name, check))
    }

    /// Registers a check that may block its thread: [`Check::sync`].
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_sync<R: IntoCheckResult>(
        &self,
        name: impl Into<Arc<str>>,
        check: impl Fn() -> R + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register(Check::sync(name, check))
    }

    /// Registers a check that says yes or no; it may block its thread.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_bool(
        &self,
        name: impl Into<Arc<str>>,
        check: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register(Check::sync(name, check))
    }

    /// Registers a check. It is unknown until it has been run.
    ///
    /// # Errors
    ///
    /// A check of this name is registered, `N` are, or its timeout, time to live, rise or fall is
    /// zero. Nothing has changed then.
    pub fn register(&self, check: Check) -> Result<(), RegisterError> {
        let config = check.config(self.0.ttl)?;
        let Check { name, start, timeout, patience, .. } = check;
        let timeout = timeout.unwrap_or(self.0.timeout);
        let patience = patience.unwrap_or(PATIENCE);
        if timeout.is_zero() {
            return Err(ConfigError::new("timeout", "timeout must be at least 1 ns").into());
        }
        // Should it be refused it is dropped here, with the lock free: it is the user's.
        let runner = Arc::new(Runner::new(start, timeout, patience));
        self.0.change(|state| {
            let now = SystemClock.now();
            let id = state.registry.register_with(Arc::clone(&name), config, now)?;
            state.runners.insert(name, (id, Arc::clone(&runner)));
            Ok(())
        })
    }

    /// Takes a check out; `false` when there is none of this name. A run of it that is going ends by
    /// itself, and its result is dropped.
    #[expect(clippy::must_use_candidate, reason = "whether it was there is news, not a duty")]
    pub fn unregister(&self, name: &str) -> bool {
        let taken = self.0.change(|state| {
            let (id, runner) = state.runners.remove(name)?;
            Some((state.registry.unregister(id).is_ok(), runner))
        });
        // Dropped here, with the lock free: it is the user's.
        taken.is_some_and(|(is_out, _runner)| is_out)
    }

    /// Says that the check `name` cannot be better than the check `on`, so that it is no cause of its
    /// own while that is at least as bad.
    ///
    /// # Errors
    ///
    /// [`DependencyError`]: there is no check of either name, they would depend on each other in a
    /// circle, or `name` depends on four others already.
    pub fn depend(&self, name: &str, on: &str) -> Result<(), DependencyError> {
        self.0.change(|state| {
            let (name, on) = (state.id(name)?, state.id(on)?);
            state.registry.depend(name, on)
        })
    }

    /// From now on the check is in maintenance: whatever it finds, readiness says no, and startup and
    /// liveness do not look at it.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when there is none of this name.
    pub fn begin_maintenance(&self, name: &str) -> Result<(), UnknownCheck> {
        self.maintain(name, "maintenance has begun", |registry, id, _| {
            registry.begin_maintenance(id)
        })
    }

    /// The check counts again.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when there is none of this name.
    pub fn end_maintenance(&self, name: &str) -> Result<(), UnknownCheck> {
        self.maintain(name, "maintenance has ended", HealthRegistry::end_maintenance)
    }

    /// Takes the whole node in or out of maintenance: readiness says no and the node is degraded at
    /// best, while startup and liveness answer as they would otherwise.
    pub fn set_node_maintenance(&self, is_in_maintenance: bool) {
        self.0.change(|state| state.registry.set_node_maintenance(is_in_maintenance));
    }

    /// Runs every check and says how the node is.
    ///
    /// It takes as long as the slowest check, and at most as long as the longest timeout. Results
    /// that count for less than that are unknown again by then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, where there is a check to run.
    pub async fn get_overall_health(&self) -> OverallHealth {
        let runners: Vec<_> = self.0.state().runners.values().cloned().collect();
        let runs: Vec<_> = runners.into_iter().map(|(id, runner)| self.run(id, &runner)).collect();
        for run in runs {
            run::ended(run).await;
        }
        self.report()
    }

    /// Brings up to date what counts for who asks, and says how the node is for them: runs the checks
    /// that count for `probe` and have no fresh result, and lists those that count for it.
    ///
    /// Made to be asked as often as anyone likes: between two runs of a check lies its time to live at
    /// least, and a run that is going is joined. It waits for a run no longer than the check's
    /// [patience](Check::patience), counted from the run's start, so a check that hangs holds up the
    /// first who ask, once, and nobody after them; until it has answered or timed out it is unknown.
    ///
    /// ```
    /// use resil_std::core::health::{Groups, HealthStatus, Probe};
    /// use resil_std::health::{Check, HealthChecker};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// let checker = HealthChecker::new();
    /// checker.register(Check::new("peers", async || false).groups(Groups::READINESS))?;
    ///
    /// let ready = checker.probe(Probe::Readiness).await;
    /// assert_eq!(ready.status, HealthStatus::Unhealthy);
    /// let alive = checker.probe(Probe::Liveness).await;
    /// assert!(alive.status == HealthStatus::Healthy && alive.checks.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, where there is a check to run.
    pub async fn probe(&self, probe: Probe) -> OverallHealth {
        self.refresh(probe).await;
        self.report_for(probe)
    }

    /// Runs what [`probe`](Self::probe) runs and waits as it does, for who then asks for less than a
    /// report, such as the [`status`](Self::status).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, where there is a check to run.
    pub async fn refresh(&self, probe: Probe) {
        for run in self.start_due(probe) {
            run::ended_or_slow(run).await;
        }
    }

    /// Runs one check and says how it is; `None` when there is none of this name.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn check(&self, name: &str) -> Option<CheckHealth> {
        let (id, runner) = self.0.state().runners.get(name).cloned()?;
        run::ended(self.run(id, &runner)).await;
        self.report().checks.into_iter().find(|check| check.name == name)
    }

    /// How the node is by the results that are stored; runs nothing and awaits nothing.
    #[must_use]
    pub fn report(&self) -> OverallHealth {
        self.report_for(Probe::Overall)
    }

    /// How the node is for who asks, by the results that are stored, with the checks that count for
    /// them; runs nothing and awaits nothing.
    #[must_use]
    pub fn report_for(&self, probe: Probe) -> OverallHealth {
        let state = self.0.state();
        OverallHealth::new(&state.registry.report(SystemClock.now()), probe)
    }

    /// How the node is for who asks, by the results that are stored.
    #[must_use]
    pub fn status(&self, probe: Probe) -> HealthStatus {
        self.0.state().registry.status(probe, SystemClock.now())
    }

    /// How long the checker has been there.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.0.state().registry.uptime(SystemClock.now())
    }

    /// Starts or joins a run of each check that an answer to `probe` wants for.
    fn start_due(&self, probe: Probe) -> Vec<Ended> {
        // Under the lock to the end, so that no result comes between the question and the start.
        let state = self.0.state();
        let due = state.registry.due(probe, SystemClock.now());
        let runner = |due| state.runners.values().find(|(id, _)| *id == due);
        due.filter_map(runner).map(|(id, runner)| self.run(*id, runner)).collect()
    }

    /// Takes a check in or out of maintenance, and logs it where that changes how it is.
    fn maintain(
        &self,
        name: &str,
        message: &str,
        change: impl FnOnce(
            &mut HealthRegistry<Arc<str>, N>,
            CheckId,
            Instant,
        ) -> Result<(), UnknownCheck>,
    ) -> Result<(), UnknownCheck> {
        let now = SystemClock.now();
        let (before, after) = self.0.change(|state| {
            let id = state.id(name)?;
            let before = state.registry.check(id, now)?;
            change(&mut state.registry, id, now)?;
            Ok((before, state.registry.check(id, now)?))
        })?;
        log_change(name, before, after, &message.into());
        Ok(())
    }

    fn run(&self, id: CheckId, runner: &Arc<Runner>) -> Ended {
        let shared = Arc::clone(&self.0);
        runner.run(move |result| shared.record(id, result))
    }
}

impl<const N: usize> State<N> {
    fn id(&self, name: &str) -> Result<CheckId, UnknownCheck> {
        self.runners.get(name).map(|(id, _)| *id).ok_or(UnknownCheck)
    }
}

impl<const N: usize> Shared<N> {
    /// Nothing of the user's runs under the lock, so a panic cannot have left it half-changed.
    fn state(&self) -> MutexGuard<'_, State<N>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is answered, and wakes who waits for another answer.
    fn change<R>(&self, change: impl FnOnce(&mut State<N>) -> R) -> R {
        let result = change(&mut self.state());
        self.told.notify_waiters();
        result
    }

    fn record(&self, id: CheckId, result: HealthCheckResult) {
        let message = result.message().clone();
        let now = SystemClock.now();
        let (before, after, name) = self.change(|state| {
            let before = state.registry.record(id, result, now);
            let after = state.registry.check(id, now);
            let mut names = state.runners.iter().filter(|(_, (of, _))| *of == id);
            (before, after, names.next().map(|(name, _)| Arc::clone(name)))
        });
        // Without them it has been taken out meanwhile.
        if let (Ok(before), Ok(after), Some(check)) = (before, after, name) {
            log_change(&check, before, after, &message);
        }
    }
}

/// Logs a check whose status is not what it was.
fn log_change(check: &str, before: CheckStatus, after: CheckStatus, message: &Text<MESSAGE>) {
    if before == after {
        return;
    }
    let kind = EventKind::of_health(after.known());
    #[cfg(feature = "metrics")]
    crate::metrics::check_changed(check, after.known());
    let (from, to) = (before.name(), after.name());
    match after {
        CheckStatus::Known(HealthStatus::Healthy) | CheckStatus::Maintenance => {
            log::at!(info, TARGET, kind; check, from, to, %message, "changed");
        }
        CheckStatus::Known(HealthStatus::Degraded | HealthStatus::Unhealthy)
        | CheckStatus::Unknown => {
            log::at!(warn, TARGET, kind; check, from, to, %message, "changed");
        }
    }
}

impl<const N: usize> Clone for HealthChecker<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<const N: usize> fmt::Debug for HealthChecker<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthChecker").field("report", &self.report()).finish_non_exhaustive()
    }
}
