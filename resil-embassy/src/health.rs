//! How is this node: checks that are run, and what they add up to.
//!
//! A [`HealthChecker`] is core's [registry](resil_core::health) as a `static`: what the checks found,
//! behind one of embassy's blocking mutexes, in a fixed number of slots. The checks themselves stay
//! with the tasks that can run them: registering one gives a [`RegisteredCheck`], which owns the
//! closure, and with it the driver that the closure asks.
//!
//! [`get_overall_health`](HealthChecker::get_overall_health) runs checks together and answers with the
//! worst; [`status`](HealthChecker::status) and [`report`](HealthChecker::report) answer from what is
//! stored and await nothing.
//!
//! # Laws
//!
//! - Checks that are run together run concurrently, each with its own timeout: one that hangs delays
//!   the answer by its timeout at most, and delays no other check.
//! - A check that errs or takes too long is unhealthy, with the reason as message.
//! - Whom a check counts for, how bad it can get, how many results in a row change it, how long they
//!   count, maintenance and causes are core's.
//! - A check runs once at a time: running it takes it by `&mut`.
//! - Cancel-safe: a run that is dropped has found nothing. The last result stays, for its time to live.
//! - A check whose task has died is unknown after its time to live, never healthy.
//! - The mutex is held for one decision: never across an `.await`, while a check runs, or while
//!   something is logged.
//!
//! # When not to use it
//!
//! To find out which task hangs: that is [`watchdog`](crate::watchdog), in a few bytes a task. To
//! decide whether to call a peer: that is a [breaker](crate::circuit_breaker)'s work.

mod check;
mod together;

use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::event::EventKind;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, DependencyError, HealthRegistry, HealthReport, HealthStatus,
    IntoCheckResult, NotLive, Probe, RegisterError, UnknownCheck,
};
use resil_core::{Clock, ConfigError, Instant};

use crate::clock::EmbassyClock;
use crate::log;

pub use check::{Check, RegisteredCheck, Run};
pub use together::Checks;

/// The checks of a node, and how it is; fit for a `static`.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `N` is how many checks fit, at 328 bytes each on 32-bit
/// targets, most of them details and message.
///
/// ```
/// use core::time::Duration;
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::HealthChecker;
/// use resil_embassy::core::health::{CheckConfig, HealthCheckResult, HealthStatus};
/// use resil_embassy::core::valid;
///
/// static HEALTH: HealthChecker<CriticalSectionRawMutex, 4> = HealthChecker::new();
/// const RADIO: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(30)).fall(3).build());
/// const HERE: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(30)).build());
///
/// # struct Radio;
/// # impl Radio { async fn peers(&mut self) -> Result<u32, &'static str> { Ok(3) } }
/// # fn battery_millivolts() -> Result<u32, &'static str> { Err("no answer from the gauge") }
/// # let mut driver = Radio;
/// # embassy_futures::block_on(async {
/// let mut radio = HEALTH.register_check("radio", RADIO, async || {
///     driver.peers().await.map(|count| {
///         HealthCheckResult::healthy("peers are connected").with_detail("peer_count", count)
///     })
/// })?;
/// let mut battery = HEALTH.register_sync("battery", HERE, || battery_millivolts().map(|_| ()))?;
/// let mut link = HEALTH.register_bool("link", HERE, || true)?;
///
/// let overall = HEALTH.get_overall_health((&mut radio, &mut battery, &mut link)).await;
/// assert_eq!(overall, HealthStatus::Unhealthy);
/// HEALTH.report(|report| {
///     let cause = report.causes().next().unwrap();
///     assert_eq!((*cause.name(), cause.message().as_str()), ("battery", "no answer from the gauge"));
/// });
/// # Ok::<(), resil_embassy::core::health::RegisterError>(())
/// # }).unwrap();
/// ```
pub struct HealthChecker<M, const N: usize = 8> {
    registry: Mutex<M, RefCell<HealthRegistry<&'static str, N>>>,
}

impl<M: RawMutex, const N: usize> HealthChecker<M, N> {
    /// A checker without checks. Uptime counts from where the clock begins, which is the boot.
    #[must_use]
    pub const fn new() -> Self {
        Self { registry: Mutex::new(RefCell::new(HealthRegistry::new(Instant::EPOCH))) }
    }

    /// Registers an async check: [`Check::new`].
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_check<R: IntoCheckResult>(
        &self,
        name: &'static str,
        config: CheckConfig,
        ask: impl AsyncFnMut() -> R,
    ) -> Result<RegisteredCheck<'_, M, impl Run, N>, RegisterError> {
        self.register(Check::new(name, config, ask))
    }

    /// Registers a check that answers at once: [`Check::sync`].
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_sync<R: IntoCheckResult>(
        &self,
        name: &'static str,
        config: CheckConfig,
        ask: impl FnMut() -> R,
    ) -> Result<RegisteredCheck<'_, M, impl Run, N>, RegisterError> {
        self.register(Check::sync(name, config, ask))
    }

    /// Registers a check that says yes or no, at once.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_bool(
        &self,
        name: &'static str,
        config: CheckConfig,
        ask: impl FnMut() -> bool,
    ) -> Result<RegisteredCheck<'_, M, impl Run, N>, RegisterError> {
        self.register(Check::sync(name, config, ask))
    }

    /// Registers a check. It is unknown until it has been run. Dropping what this returns leaves the
    /// check registered, and so unknown once its last result is too old.
    ///
    /// # Errors
    ///
    /// A check of this name is registered, `N` are, or its timeout is zero. Nothing has changed then.
    pub fn register<F>(
        &self,
        check: Check<F>,
    ) -> Result<RegisteredCheck<'_, M, F, N>, RegisterError> {
        if check.timeout.is_zero() {
            return Err(ConfigError::new("timeout", "timeout must be at least 1 ns").into());
        }
        let id =
            self.apply(|registry, now| registry.register_with(check.name, check.config, now))?;
        Ok(RegisteredCheck::new(self, id, check))
    }

    /// Takes a check out. A run of it that is going finds nobody to tell.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out already.
    pub fn unregister(&self, id: CheckId) -> Result<(), UnknownCheck> {
        self.apply(|registry, _| registry.unregister(id)).map(|_name| ())
    }

    /// Says that the check `id` cannot be better than the check `on`, so that it is no cause of its
    /// own while that is at least as bad.
    ///
    /// # Errors
    ///
    /// [`DependencyError`]: one of them is out, they would depend on each other in a circle, or `id`
    /// depends on four others already.
    pub fn depend(&self, id: CheckId, on: CheckId) -> Result<(), DependencyError> {
        self.apply(|registry, _| registry.depend(id, on))
    }

    /// From now on the check is in maintenance: whatever it finds, readiness says no, and startup and
    /// liveness do not look at it.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out.
    pub fn begin_maintenance(&self, id: CheckId) -> Result<(), UnknownCheck> {
        self.apply(|registry, _| registry.begin_maintenance(id))
    }

    /// The check counts again.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out.
    pub fn end_maintenance(&self, id: CheckId) -> Result<(), UnknownCheck> {
        self.apply(|registry, now| registry.end_maintenance(id, now))
    }

    /// Takes the whole node in or out of maintenance: readiness says no and the node is degraded at
    /// best, while startup and liveness answer as they would otherwise.
    pub fn set_node_maintenance(&self, is_in_maintenance: bool) {
        self.apply(|registry, _| registry.set_node_maintenance(is_in_maintenance));
    }

    /// Stores what a check has found, and says how the check is then. For whoever knows without being
    /// asked: an interrupt, a task that watches heartbeats.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out: the result came too late.
    pub fn record(
        &self,
        id: CheckId,
        result: impl IntoCheckResult,
    ) -> Result<CheckStatus, UnknownCheck> {
        let result = result.into_check_result();
        let message = result.message().clone();
        let (name, before, after) = self.apply(|registry, now| {
            let before = registry.record(id, result, now)?;
            Ok((*registry.name(id)?, before, registry.check(id, now)?))
        })?;
        if before != after {
            log::event(EventKind::of_health(after.known()), name, &(before, after, message));
        }
        Ok(after)
    }

    /// Runs checks together and says how the node is, by these and all others that are registered.
    ///
    /// It takes as long as the slowest of them, and at most as long as the longest timeout.
    pub async fn get_overall_health(&self, checks: impl Checks) -> HealthStatus {
        checks.run().await;
        self.status(Probe::Overall)
    }

    /// How one check is, by its last result.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] when it is out.
    pub fn check(&self, id: CheckId) -> Result<CheckStatus, UnknownCheck> {
        self.read(|registry, now| registry.check(id, now))
    }

    /// Reads how the node is, check by check, from the results that are stored.
    ///
    /// It is read with the mutex held: take what you need, and change nothing here from within, which
    /// panics.
    pub fn report<R>(&self, read: impl FnOnce(&HealthReport<'_, &'static str, N>) -> R) -> R {
        self.read(|registry, now| read(&registry.report(now)))
    }

    /// How the node is for who asks, by the results that are stored.
    #[must_use]
    pub fn status(&self, probe: Probe) -> HealthStatus {
        self.read(|registry, now| registry.status(probe, now))
    }

    /// Whether every check of the liveness group is alive. A task that runs this beside its work and
    /// checks in with the [watchdog](crate::watchdog) for as long as it is, has the node restarted for
    /// a check that is not.
    ///
    /// # Errors
    ///
    /// [`NotLive`] names the check.
    pub fn may_feed(&self) -> Result<(), NotLive> {
        self.read(HealthRegistry::may_feed)
    }

    /// When a check next changes by itself, which is when its result outlives its time to live.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.read(HealthRegistry::next_deadline)
    }

    /// How long the node has been up.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.read(|registry, now| registry.uptime(now))
    }

    /// One decision under the mutex, at the present instant. Nothing of the user's runs in it.
    fn apply<R>(
        &self,
        decide: impl FnOnce(&mut HealthRegistry<&'static str, N>, Instant) -> R,
    ) -> R {
        self.registry.lock(|registry| decide(&mut registry.borrow_mut(), EmbassyClock.now()))
    }

    /// One look under the mutex.
    fn read<R>(&self, look: impl FnOnce(&HealthRegistry<&'static str, N>, Instant) -> R) -> R {
        self.registry.lock(|registry| look(&registry.borrow(), EmbassyClock.now()))
    }
}

impl<M: RawMutex, const N: usize> Default for HealthChecker<M, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: RawMutex, const N: usize> fmt::Debug for HealthChecker<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(|report| write!(f, "HealthChecker {{ {report} }}"))
    }
}

#[cfg(feature = "defmt")]
impl<M: RawMutex, const N: usize> defmt::Format for HealthChecker<M, N> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.report(|report| defmt::write!(f, "health: {}", report));
    }
}
