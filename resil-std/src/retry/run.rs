//! One call under a policy: asks core what comes next, and logs the answer.

use core::borrow::Borrow;
use core::fmt::Debug;
use core::future::Future;

use resil_core::event::EventKind;
use resil_core::outcome::{Classify, Rejected};
use resil_core::retry::{self as machine, Next, Wait};
use resil_core::{Instant, ResilienceError};

use super::Retry;
use crate::clock::Sleep;
use crate::log;

/// Where its log events go.
const TARGET: &str = "resil::retry";

/// Makes attempts until one succeeds or the policy has had enough. `guarded` makes the error of an
/// operation one of an operation that may be guarded itself.
#[expect(clippy::manual_async_fn, reason = "an async function holds its arguments twice")]
#[inline]
pub(super) fn run<'p, C, T, V, E, X, Fut>(
    retry: impl Borrow<Retry<'p, C, T>>,
    mut operation: impl FnMut() -> Fut,
    guarded: impl Fn(X) -> ResilienceError<E>,
) -> impl Future<Output = Result<V, ResilienceError<E>>>
where
    C: Classify<E> + 'p,
    T: Sleep,
    E: Debug,
    Fut: Future<Output = Result<V, X>>,
{
    async move {
        let retry = retry.borrow();
        let started = retry.started();
        let mut run = None;
        loop {
            match operation().await {
                Ok(value) => {
                    retry.succeeded(&run);
                    return Ok(value);
                }
                Err(error) => {
                    let run = run.get_or_insert_with(|| Run::start(retry, started));
                    let wait = run.failed(guarded(error))?;
                    retry.clock.sleep_until(wait.until()).await;
                    run.woken()?;
                }
            }
        }
    }
}

/// [`run`] for an operation that blocks the thread.
#[inline]
pub(super) fn run_blocking<C, T, V, E, X>(
    retry: &Retry<'_, C, T>,
    mut operation: impl FnMut() -> Result<V, X>,
    guarded: impl Fn(X) -> ResilienceError<E>,
) -> Result<V, ResilienceError<E>>
where
    C: Classify<E>,
    T: Sleep,
    E: Debug,
{
    let started = retry.started();
    let mut run = None;
    loop {
        match operation() {
            Ok(value) => {
                retry.succeeded(&run);
                return Ok(value);
            }
            Err(error) => {
                let run = run.get_or_insert_with(|| Run::start(retry, started));
                let wait = run.failed(guarded(error))?;
                retry.clock.block_until(wait.until());
                run.woken()?;
            }
        }
    }
}

/// A call of which an attempt has failed.
struct Run<'r, C, T, E> {
    retry: &'r Retry<'r, C, T>,
    machine: machine::Retry,
    /// The error of the last attempt, kept while waiting for the next one.
    last: Option<E>,
    /// The refusal that is being waited for.
    refusal: Option<Rejected>,
}

impl<C, T: Sleep> Retry<'_, C, T> {
    /// When the first attempt starts. Only a deadline counts from there; without one the clock is left
    /// alone.
    #[inline]
    fn started(&self) -> Instant {
        self.policy.deadline().map_or(Instant::EPOCH, |_| self.clock.now())
    }

    /// An attempt succeeded: the first one, where nothing runs yet.
    #[inline]
    fn succeeded<E>(&self, run: &Option<Run<'_, C, T, E>>) {
        if log::hears_successes() {
            self.log_success(run.as_ref().map_or(1, |run| run.machine.attempt()));
        }
    }

    #[cold]
    fn log_success(&self, attempt: u32) {
        let (operation, max_attempts) = (self.operation, self.policy.max_attempts());
        let kind = EventKind::AttemptSucceeded;
        log::at!(debug, TARGET, kind; operation, attempt, max_attempts, "attempt succeeded");
    }
}

impl<'r, C, T: Sleep, E: Debug> Run<'r, C, T, E> {
    #[cold]
    fn start(retry: &'r Retry<'_, C, T>, started: Instant) -> Self {
        let machine = machine::Retry::start(retry.policy, started);
        Self { retry, machine, last: None, refusal: None }
    }

    /// The attempt failed or was refused: how long to wait for the next one, or the error of the call.
    #[cold]
    fn failed(&mut self, error: ResilienceError<E>) -> Result<Wait, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        if let Some(rejected) = error.refusal() {
            return self.refused(rejected, error);
        }
        self.lost(error.try_into_operation()?)
    }

    /// The attempt was made and failed.
    fn lost(&mut self, error: E) -> Result<Wait, ResilienceError<E>>
    where
        C: Classify<E>,
    {
        let (operation, attempt, max_attempts) = self.progress();
        let kind = EventKind::AttemptFailed;
        let Retry { policy, clock, .. } = self.retry;
        let classification = policy.classifier().classify(&error);
        match self.machine.record(policy, classification, entropy, clock.now()) {
            Next::Wait(wait) => {
                let delay = wait.delay();
                log::at!(
                    warn, TARGET, kind; operation, attempt, max_attempts, ?error, ?delay,
                    "attempt failed"
                );
                #[cfg(feature = "metrics")]
                crate::metrics::retry_waits(operation, delay);
                self.last = Some(error);
                self.refusal = None;
                Ok(wait)
            }
            Next::Stop(stop) => {
                let code = stop.code().name();
                log::at!(
                    warn, TARGET, kind; operation, attempt, max_attempts, ?error, code,
                    "attempt failed"
                );
                Err(self.machine.error(stop, error))
            }
        }
    }

    /// The attempt was not even made.
    fn refused(
        &mut self,
        rejected: Rejected,
        error: ResilienceError<E>,
    ) -> Result<Wait, ResilienceError<E>> {
        let (operation, attempt, max_attempts) = self.progress();
        let (kind, code) = (EventKind::RetryRefused, rejected.code().name());
        let Retry { policy, clock, .. } = self.retry;
        match self.machine.refused(policy, rejected, entropy, clock.now()) {
            Next::Wait(wait) => {
                let delay = wait.delay();
                log::at!(
                    warn, TARGET, kind; operation, attempt, max_attempts, code, ?delay,
                    "attempt refused"
                );
                #[cfg(feature = "metrics")]
                crate::metrics::retry_waits(operation, delay);
                self.refusal = Some(rejected);
                Ok(wait)
            }
            Next::Stop(refused) => {
                log::at!(
                    warn, TARGET, kind; operation, attempt, max_attempts, code, "attempt refused"
                );
                // Where the refusal is the answer, so are the details that it came with.
                let waited = refused.after_waiting();
                let last = self.last.take();
                Err(if waited { self.machine.refusal_error(refused, last) } else { error })
            }
        }
    }

    /// The wait is over: whether there is time left for the attempt that it was for.
    fn woken(&mut self) -> Result<(), ResilienceError<E>> {
        if !self.machine.is_past_deadline(self.retry.clock.now()) {
            return Ok(());
        }
        let (refusal, last) = (self.refusal.take(), self.last.take());
        let Some(error) = self.machine.overslept_error(refusal, last) else { return Ok(()) };
        let (operation, attempt, max_attempts) = self.progress();
        let (kind, code) = (EventKind::DeadlineExceeded, error.code().name());
        log::at!(warn, TARGET, kind; operation, attempt, max_attempts, code, "overslept");
        Err(error)
    }

    fn progress(&self) -> (&'r str, u32, u32) {
        (self.retry.operation, self.machine.attempt(), self.retry.policy.max_attempts())
    }
}

/// Drawn from only when there is a wait.
fn entropy() -> u32 {
    rand::random()
}
