//! To be told when the node is another.

use resil_core::Clock;
use resil_core::health::{HealthStatus, Probe};

use super::HealthChecker;
use crate::clock::{Sleep, SystemClock};
use crate::line::first_of;

impl<const N: usize> HealthChecker<N> {
    /// Waits until the node is something else than `known` for who asks, and says what: at once where nothing
    /// is known. For who has to tell others, such as a registry of services.
    ///
    /// While it waits, what counts for `probe` is kept up to date, as by a [`probe`](Self::probe) whenever a
    /// result is no longer fresh. It sleeps until then, or until a result, another check or a maintenance
    /// comes between.
    ///
    /// ```
    /// use resil_std::core::health::{HealthStatus, Probe};
    /// use resil_std::health::HealthChecker;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// let checker = HealthChecker::new();
    /// let started = tokio::time::Instant::now();
    /// checker.register_check("peers", move || async move { started.elapsed().as_secs() < 60 })?;
    ///
    /// let known = checker.changed(Probe::Readiness, None).await;
    /// assert_eq!(known, HealthStatus::Healthy);
    /// let known = checker.changed(Probe::Readiness, Some(known)).await;
    /// assert_eq!(known, HealthStatus::Unhealthy);
    /// assert_eq!(started.elapsed().as_secs(), 60, "results count for 30 s");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn changed(&self, probe: Probe, known: Option<HealthStatus>) -> HealthStatus {
        loop {
            // Counted from here: what comes between the look and the sleep ends that.
            let told = self.0.told.notified();
            self.refresh(probe).await;
            let status = self.status(probe);
            if known != Some(status) {
                return status;
            }
            let next = self.0.state().registry.next_deadline(SystemClock.now());
            let outlived = SystemClock.sleep_until(next.unwrap_or(resil_core::Instant::MAX));
            first_of(outlived, told).await;
        }
    }
}
