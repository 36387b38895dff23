//! One check: how to ask, how long it may take, and where the answer goes.

use core::fmt;
use core::future::Future;
use core::time::Duration;

use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, HealthCheckResult, IntoCheckResult, UnknownCheck,
};

use super::HealthChecker;
use crate::timeout;

/// A check to register: what it asks, what it is to the node, and how long an answer may take.
///
/// ```
/// use core::time::Duration;
/// use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// use resil_embassy::HealthChecker;
/// use resil_embassy::core::health::{CheckConfig, CheckStatus, Criticality, Groups, HealthStatus};
/// use resil_embassy::core::valid;
/// use resil_embassy::health::Check;
///
/// // It is elsewhere, so no restart of this node helps; and the node can do without.
/// const GATEWAY: CheckConfig = valid!(
///     CheckConfig::builder(Duration::from_secs(30))
///         .groups(Groups::READINESS)
///         .criticality(Criticality::Optional)
///         .build()
/// );
/// # async fn ping() -> Result<(), &'static str> { Err("no route") }
/// let health = HealthChecker::<NoopRawMutex, 4>::new();
/// let mut gateway = health
///     .register(Check::new("gateway", GATEWAY, ping).timeout(Duration::from_secs(1)))?;
/// # embassy_futures::block_on(async {
/// assert_eq!(gateway.run().await, Ok(CheckStatus::Known(HealthStatus::Unhealthy)));
/// # });
/// # Ok::<(), resil_embassy::core::health::RegisterError>(())
/// ```
pub struct Check<F> {
    pub(super) name: &'static str,
    pub(super) config: CheckConfig,
    pub(super) timeout: Duration,
    ask: F,
}

/// What can be run, and finds something: what [`Check::new`] and [`Check::sync`] make of a closure.
pub trait Run {
    /// Asks once.
    fn ask(&mut self) -> impl Future<Output = HealthCheckResult>;
}

/// What is asked, and awaited.
struct Asked<F>(F);

impl<R: IntoCheckResult, F: AsyncFnMut() -> R> Run for Asked<F> {
    async fn ask(&mut self) -> HealthCheckResult {
        (self.0)().await.into_check_result()
    }
}

/// What answers at once.
struct AskedSync<F>(F);

impl<R: IntoCheckResult, F: FnMut() -> R> Run for AskedSync<F> {
    async fn ask(&mut self) -> HealthCheckResult {
        (self.0)().into_check_result()
    }
}

impl Check<()> {
    /// A check that nobody runs: whoever knows tells it, with [`RegisteredCheck::record`].
    #[must_use]
    pub const fn told(name: &'static str, config: CheckConfig) -> Self {
        Self::asking(name, config, ())
    }
}

impl<F> Check<F> {
    /// An async check. A run that takes too long is dropped at its `.await`.
    pub fn new<R: IntoCheckResult>(
        name: &'static str,
        config: CheckConfig,
        ask: F,
    ) -> Check<impl Run>
    where
        F: AsyncFnMut() -> R,
    {
        Check::asking(name, config, Asked(ask))
    }

    /// A check that answers at once. Nothing can stop it, so it has no timeout, and while it runs
    /// nothing else does.
    pub fn sync<R: IntoCheckResult>(
        name: &'static str,
        config: CheckConfig,
        ask: F,
    ) -> Check<impl Run>
    where
        F: FnMut() -> R,
    {
        Check::asking(name, config, AskedSync(ask))
    }

    const fn asking(name: &'static str, config: CheckConfig, ask: F) -> Self {
        Self { name, config, timeout: config.ttl(), ask }
    }

    /// How long a run may take; otherwise as long as a result counts.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl<F> fmt::Debug for Check<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<F> defmt::Format for Check<F> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "check {=str}: {}", self.name, self.config);
    }
}

/// A check that is registered, to be run by the task that has it.
///
/// What it asks with is in it, drivers by `&mut` included.
#[must_use = "a check that nobody runs is unknown"]
pub struct RegisteredCheck<'a, M, F, const N: usize> {
    checker: &'a HealthChecker<M, N>,
    id: CheckId,
    check: Check<F>,
}

impl<'a, M: RawMutex, F, const N: usize> RegisteredCheck<'a, M, F, N> {
    pub(super) const fn new(
        checker: &'a HealthChecker<M, N>,
        id: CheckId,
        check: Check<F>,
    ) -> Self {
        Self { checker, id, check }
    }

    /// What addresses it in its checker.
    #[must_use]
    pub const fn id(&self) -> CheckId {
        self.id
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.check.name
    }

    /// Runs it, stores what it found, and says how it is then.
    ///
    /// Dropping the future drops the check where it waits; nothing was found then.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it has been taken out meanwhile.
    pub async fn run(&mut self) -> Result<CheckStatus, UnknownCheck>
    where
        F: Run,
    {
        let after = self.check.timeout;
        let answer = timeout(after, self.check.ask.ask()).await;
        self.record(answer.unwrap_or_else(|_| HealthCheckResult::timed_out(after)))
    }

    /// Stores what somebody has found: [`HealthChecker::record`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn record(&self, result: impl IntoCheckResult) -> Result<CheckStatus, UnknownCheck> {
        self.checker.record(self.id, result)
    }
}

impl<M, F, const N: usize> fmt::Debug for RegisteredCheck<'_, M, F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredCheck")
            .field("id", &self.id)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, F, const N: usize> defmt::Format for RegisteredCheck<'_, M, F, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "registered {}", self.check);
    }
}
