//! One call under a policy: asks core what comes next, and logs the answer.

use core::fmt::Debug;

use resil_core::event::EventKind;
use resil_core::outcome::{Classify, Rejected};
use resil_core::retry::{self as machine, Next, Wait};
use resil_core::{Instant, ResilienceError};

use super::Retry;
use crate::clock::Sleep;
use crate::log;

/// Where its log events go.
const TARGET: &str = "resil::retry";

pub(super) struct Run<'r, C, T, E> {
    retry: &'r Retry<'r, C, T>,
    machine: machine::Retry,
    /// The error of the last attempt, kept while waiting for the next one.
    last: Option<E>,
    /// The refusal that is being waited for.
    refusal: Option<Rejected>,
}

impl<'r, C, T: Sleep, E: Debug> Run<'r, C, T, E> {
    pub(super) fn start(retry: &'r Retry<'_, C, T>) -> Self {
        // Only a deadline counts from the start; without one the clock is left alone.
        let now = retry.policy.deadline().map_or(Instant::EPOCH, |_| retry.clock.now());
        Self { retry, machine: machine::Retry::start(retry.policy, now), last: None, refusal: None }
    }

    /// The attempt succeeded.
    pub(super) fn succeeded<V>(&self, value: V) -> V {
        let (operation, attempt, max_attempts) = self.progress();
        let kind = EventKind::AttemptSucceeded;
        log::at!(debug, TARGET, kind; operation, attempt, max_attempts, "attempt succeeded");
        value
    }

    /// The attempt failed or was refused: how long to wait for the next one, or the error of the call.
    pub(super) fn failed(&mut self, error: ResilienceError<E>) -> Result<Wait, ResilienceError<E>>
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
    pub(super) fn woken(&mut self) -> Result<(), ResilienceError<E>> {
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
