//! One run of a check: started once, awaited by many, ended by its own timeout.

use core::pin::pin;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resil_core::health::HealthCheckResult;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time;

use super::check::Start;

/// A registered check, and the run of it that is going.
pub(super) struct Runner {
    start: Start,
    timeout: Duration,
    patience: Duration,
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    /// Closed when the run that is going has ended.
    going: Option<Ended>,
    /// A run that took too long and may still be going.
    overdue: Option<JoinHandle<HealthCheckResult>>,
}

/// Changes when a run has taken longer than whoever probes waits for, and closes when it has ended
/// and its result is stored.
pub(super) type Ended = watch::Receiver<()>;

/// Waits until a run has ended.
pub(super) async fn ended(mut run: Ended) {
    while run.changed().await.is_ok() {}
}

/// Waits until a run has ended, or has taken longer than its check's patience; not at all where it
/// already has.
pub(super) async fn ended_or_slow(mut run: Ended) {
    // Either way there is nothing more to wait for.
    let _ = run.changed().await;
}

impl Runner {
    pub(super) fn new(start: Start, timeout: Duration, patience: Duration) -> Self {
        Self { start, timeout, patience, run: Mutex::default() }
    }

    /// Starts a run, or joins the one that is going.
    ///
    /// The run is a task of its own: it ends by itself, by its timeout at the latest, whether or not
    /// anyone is still waiting, and `store` gets its result in any case.
    pub(super) fn run(
        self: &Arc<Self>,
        store: impl FnOnce(HealthCheckResult) + Send + 'static,
    ) -> Ended {
        let mut run = self.lock();
        if let Some(going) = run.going.as_ref().filter(|going| going.has_changed().is_ok()) {
            return going.clone();
        }
        let (end, ended) = watch::channel(());
        let overdue = run.overdue.take();
        let runner = Arc::clone(self);
        tokio::spawn(async move {
            let mut result = pin!(runner.result(overdue));
            let result = match time::timeout(runner.patience, &mut result).await {
                Ok(result) => result,
                Err(_) => {
                    // Nobody may be there to be told.
                    let _ = end.send(());
                    result.await
                }
            };
            store(result);
            drop(end);
        });
        run.going = Some(ended.clone());
        ended
    }

    /// Runs the check, after the last run of it has ended.
    async fn result(&self, overdue: Option<JoinHandle<HealthCheckResult>>) -> HealthCheckResult {
        let mut run = overdue;
        let mut started = false;
        let answer = time::timeout(self.timeout, async {
            if let Some(overdue) = &mut run {
                // Too late to be of use.
                let _ = overdue.await;
            }
            started = true;
            run.insert((self.start)()).await
        });
        match answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(died)) => HealthCheckResult::unhealthy(reason(died)),
            Err(_) => {
                if let Some(run) = run {
                    // Ends an async check at its next `.await`; a thread runs on.
                    run.abort();
                    self.lock().overdue = Some(run);
                }
                let waited = self.timeout;
                if started {
                    HealthCheckResult::timed_out(waited)
                } else {
                    HealthCheckResult::unhealthy(format_args!(
                        "the run before has not ended within {waited:?}"
                    ))
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a run has died: what it panicked with, or that its runtime has gone.
fn reason(died: JoinError) -> String {
    let Ok(panic) = died.try_into_panic() else { return "cancelled".to_owned() };
    let said = panic.downcast_ref::<String>().map(String::as_str);
    match said.or_else(|| panic.downcast_ref::<&str>().copied()) {
        Some(said) => format!("panicked: {said}"),
        None => "panicked".to_owned(),
    }
}
