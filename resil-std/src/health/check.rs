//! One check: how to start it, how long it may take, and what its answer means.

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::sync::Arc;

use resil_core::ConfigError;
use resil_core::health::{CheckConfig, Criticality, Groups, HealthCheckResult, IntoCheckResult};
use tokio::task::JoinHandle;

/// A check to register: what it asks, and where it differs from the checker's defaults.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::health::{Criticality, Groups, HealthCheckResult};
/// use resil_std::health::{Check, HealthChecker};
///
/// let checker = HealthChecker::new();
/// checker.register(
///     Check::new("peers", async || HealthCheckResult::healthy("5 of 5 connected"))
///         .timeout(Duration::from_secs(1)),
/// )?;
/// checker.register(Check::sync("disk", || std::fs::metadata("/").map(|_| ())))?;
/// // It is elsewhere, so no restart of this node helps; the node can do without; and one lost answer
/// // means nothing.
/// checker.register(
///     Check::sync("cache", || std::net::TcpStream::connect("10.0.0.7:6379").map(|_| ()))
///         .groups(Groups::READINESS)
///         .criticality(Criticality::Optional)
///         .fall(3),
/// )?;
/// # Ok::<(), resil_std::core::health::RegisterError>(())
/// ```
pub struct Check {
    pub(super) name: Arc<str>,
    pub(super) start: Start,
    pub(super) timeout: Option<Duration>,
    pub(super) patience: Option<Duration>,
    ttl: Option<Duration>,
    settings: Settings,
}

/// What core is told of a check beside its time to live, which may be the checker's; `None` where
/// core's default holds.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    groups: Option<Groups>,
    criticality: Option<Criticality>,
    rise: Option<u8>,
    fall: Option<u8>,
}

/// Sets a run going.
pub(super) type Start = Box<dyn Fn() -> JoinHandle<HealthCheckResult> + Send + Sync>;

impl Check {
    /// An async check. It runs as a task of its own and must not block the thread.
    ///
    /// A run that takes too long is dropped at its next `.await`. An `async` closure that captures something
    /// lends it to its future, which a task cannot have; each future gets a clone of its own:
    ///
    /// ```
    /// use resil_std::CircuitBreaker;
    /// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
    /// use resil_std::health::Check;
    ///
    /// let breaker = CircuitBreaker::new("peer-7", CircuitBreakerConfig::DEFAULT);
    /// let check = Check::new("peer-7", move || {
    ///     let breaker = breaker.clone();
    ///     async move { breaker.state() } // degraded while it is open, never unhealthy
    /// });
    /// # drop(check);
    /// ```
    pub fn new<F, Fut>(name: impl Into<Arc<str>>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoCheckResult> + Send + 'static,
    {
        let check = Arc::new(check);
        let start = move || {
            let check = Arc::clone(&check);
            // Called inside the task, so that a panic of the function itself ends there too.
            tokio::spawn(async move { check().await.into_check_result() })
        };
        Self::starting(name, Box::new(start))
    }

    /// A check that may block its thread; it runs on tokio's threads for that.
    ///
    /// A thread cannot be stopped. A run that takes too long is left to itself, and the check is not
    /// started again before that run has ended.
    pub fn sync<R: IntoCheckResult>(
        name: impl Into<Arc<str>>,
        check: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let check = Arc::new(check);
        let start = move || {
            let check = Arc::clone(&check);
            tokio::task::spawn_blocking(move || check().into_check_result())
        };
        Self::starting(name, Box::new(start))
    }

    fn starting(name: impl Into<Arc<str>>, start: Start) -> Self {
        let settings = Settings::default();
        Self { name: name.into(), start, timeout: None, patience: None, ttl: None, settings }
    }

    /// How long a run may take; otherwise the checker's.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// How long a [probe](super::HealthChecker::probe) waits for a run, counted from its start;
    /// otherwise 500 ms, half of what Kubernetes gives an answer. A probe that has waited that long
    /// answers without a result, and so does every other one until the run has ended. Zero: no probe
    /// waits. A check that is slow by nature wants more of it, or a task that keeps its result fresh
    /// with [`get_overall_health`](super::HealthChecker::get_overall_health).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// How long a result counts; otherwise the checker's.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// The probes it counts for; otherwise all. What is outside of the node, such as a peer or a
    /// breaker, belongs in [`Groups::READINESS`] alone.
    #[must_use]
    pub fn groups(mut self, groups: Groups) -> Self {
        self.settings.groups = Some(groups);
        self
    }

    /// How bad it can make the node; otherwise critical.
    #[must_use]
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.settings.criticality = Some(criticality);
        self
    }

    /// Better results in a row that better its status, 1 to 255; otherwise 1.
    #[must_use]
    pub fn rise(mut self, results: u8) -> Self {
        self.settings.rise = Some(results);
        self
    }

    /// Worse results in a row that worsen its status, 1 to 255; otherwise 1.
    #[must_use]
    pub fn fall(mut self, results: u8) -> Self {
        self.settings.fall = Some(results);
        self
    }

    /// What core is told, where results count for `ttl` unless the check says otherwise.
    pub(super) fn config(&self, ttl: Duration) -> Result<CheckConfig, ConfigError> {
        let Settings { groups, criticality, rise, fall } = self.settings;
        let mut builder = CheckConfig::builder(self.ttl.unwrap_or(ttl));
        if let Some(groups) = groups {
            builder = builder.groups(groups);
        }
        if let Some(criticality) = criticality {
            builder = builder.criticality(criticality);
        }
        if let Some(rise) = rise {
            builder = builder.rise(rise);
        }
        if let Some(fall) = fall {
            builder = builder.fall(fall);
        }
        builder.build()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("patience", &self.patience)
            .field("ttl", &self.ttl)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
