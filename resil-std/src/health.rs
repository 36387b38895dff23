//! How is this node: checks that are run, and what they add up to.
//!
//! A [`HealthChecker`] is core's [registry](resil_core::health) behind a lock, with the checks that
//! feed it. [`get_overall_health`](HealthChecker::get_overall_health) runs every check and answers
//! with the worst; [`report`](HealthChecker::report) answers from what is stored and awaits nothing.
//!
//! # Laws
//!
//! - Checks run concurrently, each with its own timeout: one that hangs delays the answer by its
//!   timeout at most, and delays no other check.
//! - A check that errs, panics or takes too long is unhealthy, with the reason as message.
//! - A check runs once at a time: whoever asks while a run is going gets the result of that run. A
//!   run that is overdue and cannot be stopped is waited for before the check is started again.
//! - Cancel-safe: runs go on without whoever asked, and their results are stored.
//! - No lock is held while a check runs.
//!
//! # Defaults
//!
//! A check may take 5 s and its result counts for 30 s: three rounds of the 10 s period with which
//! Kubernetes probes, half of one to answer in.

mod check;
mod report;
mod run;

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resil_core::Clock;
use resil_core::health::{CheckId, HealthRegistry, RegisterError};

use crate::clock::SystemClock;
use run::Runner;

pub use check::{Check, IntoCheckResult};
pub use report::{CheckHealth, OverallHealth};

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
    defaults: HealthCheckerBuilder,
    state: Mutex<State<N>>,
}

struct State<const N: usize> {
    registry: HealthRegistry<Arc<str>, N>,
    checks: BTreeMap<Arc<str>, Registered>,
}

#[derive(Clone)]
struct Registered {
    id: CheckId,
    runner: Arc<Runner>,
}
