//! One call under way: takes its steps, and gives everything back when it is dropped.

use core::fmt::Debug;
use core::future::Future;
use core::pin::pin;

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::call::{Call, Ended, Pipeline, Step, Ticket, Transitions};
use resil_core::event::EventKind;
use resil_core::outcome::{Classification, Classify};
use resil_core::{Clock, Instant, ResilienceError};

use super::attempts::{Attempts, Place};
use super::handle::Handle;
use crate::clock::{EmbassyClock, sleep_until};
use crate::log::{Format, Shown};

/// Makes a call: does what core says, until core says that it is over.
pub(super) async fn run<M, L, V, E, F, Fut>(
    handle: Handle<'_, M, L>,
    mut operation: F,
) -> Result<V, ResilienceError<E>>
where
    M: RawMutex,
    L: Pipeline,
    L::Classifier: Classify<E>,
    E: Debug,
    F: FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    let mut run = Run::start(handle);
    // Declared after the run, so dropped before: an operation ends before its permit goes back.
    let first = pin!(None);
    let second = pin!(None);
    let mut attempts = Attempts([Place::new(first), Place::new(second)]);
    let (mut value, mut last, mut ended) = (None, None, None);
    loop {
        let has_answer = ended.is_some();
        let (step, transitions) = run.step(ended.take());
        while let Some(ticket) = attempts.stop(|ticket| !run.call.is_in_flight(ticket)) {
            run.log_stop(&ticket, has_answer, &step);
            if !has_answer {
                last = None; // the last attempt is the one that timed out
            }
        }
        run.log_transitions(transitions);
        match step {
            Step::Attempt(ticket) => {
                run.log(EventKind::of_start(&ticket), &(ticket.number(), ticket.deadline()));
                let attempt = operation(&ticket, &run.call);
                attempts.start(ticket, attempt);
            }
            Step::Wait { until, in_flight } => {
                if in_flight == 0 {
                    run.log_wait(until);
                }
                let timer = sleep_until(until.unwrap_or(Instant::MAX));
                if let Either::First((ticket, result)) = select(attempts.next(), timer).await {
                    let result = match result {
                        Ok(answer) => {
                            value = Some(answer);
                            run.log(EventKind::of_success(&ticket), &ticket.number());
                            Ok(())
                        }
                        Err(error) => Err(run.failed(&ticket, last.insert(error))),
                    };
                    ended = Some(Ended { ticket, result });
                }
            }
            Step::Done(verdict) => {
                run.log(EventKind::of_verdict(verdict), &(verdict, run.call.attempts()));
                return run.call.result(verdict, value, last);
            }
        }
    }
}

/// A call, and where the state lies that it shares with others.
struct Run<'a, M: RawMutex, L: Pipeline> {
    handle: Handle<'a, M, L>,
    call: Call<L::Permit, L::Charge>,
}

impl<'a, M: RawMutex, L: Pipeline> Run<'a, M, L> {
    fn start(handle: Handle<'a, M, L>) -> Self {
        let call = handle.pipeline.start(handle.request, handle.deadline, EmbassyClock.now());
        Self { handle, call }
    }

    /// One step under the mutex.
    fn step(&mut self, ended: Option<Ended>) -> (Step, Transitions) {
        let (call, entropy) = (&mut self.call, &mut { self.handle.entropy });
        self.handle.apply(|pipeline, state, now| pipeline.step(call, ended, state, entropy, now))
    }

    /// What the error of an attempt means.
    fn failed<E: Debug>(&self, ticket: &Ticket, error: &E) -> Classification
    where
        L::Classifier: Classify<E>,
    {
        let classification = self.handle.pipeline.call().retry().classifier().classify(error);
        let what = (ticket.number(), Shown(error), classification);
        self.log(EventKind::AttemptFailed, &what);
        classification
    }

    fn log(&self, kind: EventKind, what: &impl Format) {
        self.handle.log(kind, what);
    }

    fn log_transitions(&self, transitions: Transitions) {
        for transition in transitions.into_iter().flatten() {
            self.log(EventKind::of_transition(transition), &transition);
        }
    }

    fn log_wait(&self, until: Option<Instant>) {
        let refusal = self.call.refusal();
        self.log(EventKind::of_wait(refusal), &(until, refusal));
    }

    /// An attempt is no longer awaited: another one had the answer, or its time is over.
    fn log_stop(&self, ticket: &Ticket, has_answer: bool, step: &Step) {
        let kind = match step {
            Step::Done(verdict) if has_answer => EventKind::of_loss(ticket, *verdict),
            _ => EventKind::AttemptTimeout,
        };
        self.log(kind, &ticket.number());
    }
}

/// Whoever made the call has gone away, unless it is over.
impl<M: RawMutex, L: Pipeline> Drop for Run<'_, M, L> {
    fn drop(&mut self) {
        if self.call.is_over() {
            return;
        }
        let (call, entropy) = (&mut self.call, &mut { self.handle.entropy });
        let transitions =
            self.handle.apply(|pipeline, state, now| pipeline.abandon(call, state, entropy, now));
        self.log_transitions(transitions);
        self.log(EventKind::CallCancelled, &self.call.attempts());
    }
}
