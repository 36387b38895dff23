//! One check: how to start it, how long it may take, and what its answer means.

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::sync::Arc;

use resil_core::health::HealthCheckResult;
use tokio::task::JoinHandle;

/// A check to register: what it asks, and where it differs from the checker's defaults.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::health::HealthCheckResult;
/// use resil_std::health::{Check, HealthChecker};
///
/// let checker = HealthChecker::new();
/// checker.register(
///     Check::new("peers", async || HealthCheckResult::healthy("5 of 5 connected"))
///         .timeout(Duration::from_secs(1)),
/// )?;
/// checker.register(Check::sync("disk", || std::fs::metadata("/").map(|_| ())))?;
/// # Ok::<(), resil_std::core::health::RegisterError>(())
/// ```
pub struct Check {
    pub(super) name: Arc<str>,
    pub(super) start: Start,
    pub(super) timeout: Option<Duration>,
    pub(super) ttl: Option<Duration>,
}

/// Sets a run going.
pub(super) type Start = Box<dyn Fn() -> JoinHandle<HealthCheckResult> + Send + Sync>;

impl Check {
    /// An async check. It runs as a task of its own and must not block the thread.
    ///
    /// A run that takes too long is dropped at its next `.await`.
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
        Self { name: name.into(), start, timeout: None, ttl: None }
    }

    /// How long a run may take; otherwise the checker's.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// How long a result counts; otherwise the checker's.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// What a check may answer with.
///
/// | answer | means |
/// |---|---|
/// | a [`HealthCheckResult`] | itself |
/// | `true`, `()` | healthy |
/// | `false` | unhealthy |
/// | `Ok` of any of these | that |
/// | `Err` of anything that displays | unhealthy, with the error as reason |
pub trait IntoCheckResult {
    /// The answer as a result.
    fn into_check_result(self) -> HealthCheckResult;
}

impl IntoCheckResult for HealthCheckResult {
    fn into_check_result(self) -> HealthCheckResult {
        self
    }
}

impl IntoCheckResult for bool {
    fn into_check_result(self) -> HealthCheckResult {
        self.into()
    }
}

impl IntoCheckResult for () {
    fn into_check_result(self) -> HealthCheckResult {
        true.into()
    }
}

impl<R: IntoCheckResult, E: fmt::Display> IntoCheckResult for Result<R, E> {
    fn into_check_result(self) -> HealthCheckResult {
        match self {
            Ok(answer) => answer.into_check_result(),
            Err(error) => HealthCheckResult::unhealthy(error),
        }
    }
}
