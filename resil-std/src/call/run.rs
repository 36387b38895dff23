//! One call under way: takes its steps, and gives everything back when it is dropped.

use core::fmt::Debug;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use resil_core::call::{Call, Ended, First, Pipeline, Step, Ticket, Transitions, Verdict};
use resil_core::event::EventKind;
use resil_core::outcome::{Classification, FailureClass};
use resil_core::{Clock, Instant, ResilienceError};

use super::TARGET;
use super::attempts::{Attempts, Over};
use super::begin::Begun;
use super::handle::{Callee, Handle};
use crate::log;

/// A call, what came of its attempts, and where the state lies that it shares with others.
pub(crate) struct Run<P: Callee, V, E> {
    /// Whom the call is to.
    pub(crate) callee: P,
    call: Call<<P::Layers as Pipeline>::Permit, <P::Layers as Pipeline>::Charge>,
    max_attempts: u32,
    value: Option<V>,
    /// The error of the last attempt, unless that one timed out.
    last: Option<E>,
    #[cfg(feature = "metrics")]
    started: Instant,
}

impl<L: Pipeline, T: Clock, P: Callee<Layers = L, Clock = T>, V, E> Run<P, V, E> {
    /// A call that has begun, and what it does first.
    pub(crate) fn begin(callee: P, begun: Begun<L>) -> (Self, Step) {
        let Begun { call, step, transitions, max_attempts, at } = begun;
        let run = Self::new(callee, call, max_attempts, at);
        run.callee.handle().log_transitions(transitions);
        (run, step)
    }

    /// A call that is more than its first attempt.
    #[cold]
    pub(super) fn go_on(callee: P, first: First<L::Permit>) -> (Self, Ticket) {
        let Handle { request, deadline, .. } = callee.handle();
        let (policy, at) = (callee.handle().policy(), first.started_at());
        let (call, ticket) = policy.go_on(first, request, deadline);
        (Self::new(callee, call, policy.call().retry().max_attempts(), at), ticket)
    }

    fn new(
        callee: P,
        call: Call<L::Permit, L::Charge>,
        max_attempts: u32,
        #[cfg_attr(not(feature = "metrics"), expect(unused_variables))] started: Instant,
    ) -> Self {
        Self {
            callee,
            call,
            max_attempts,
            value: None,
            last: None,
            #[cfg(feature = "metrics")]
            started,
        }
    }

    /// One step under the lock.
    #[inline]
    pub(super) fn step(&mut self, ended: Option<Ended>) -> (Step, Transitions) {
        let call = &mut self.call;
        let step = |pipeline: &L, state: &mut L::State, now| {
            pipeline.step(call, ended, state, &mut entropy, now)
        };
        self.callee.handle().apply(step)
    }

    /// Takes note of an attempt that is `over`, if one is, and of those that nobody waits for any more, and
    /// says what comes next. `classify` asks the classifier what an error means.
    #[inline]
    pub(crate) fn advance<F>(
        &mut self,
        over: Option<Over<Result<V, E>>>,
        attempts: &mut Attempts<'_, F>,
        classify: impl FnOnce(&L::Classifier, &E) -> Classification,
    ) -> Step
    where
        F: Future<Output = Result<V, E>>,
        E: Debug,
    {
        let ended = over.map(|over| self.ended(over, classify));
        let has_answer = ended.is_some();
        let (next, transitions) = self.step(ended);
        while let Some(ticket) = attempts.stop(|ticket| !self.call.is_in_flight(ticket)) {
            self.stopped(&ticket, has_answer, &next);
        }
        self.callee.handle().log_transitions(transitions);
        next
    }

    /// Calls the operation for an attempt; `Err` is its panic.
    #[inline]
    pub(crate) fn attempt<R>(
        &self,
        ticket: &Ticket,
        operation: impl FnOnce(&Call<L::Permit, L::Charge>) -> R,
    ) -> thread::Result<R> {
        if log::is_on() {
            self.log_start(ticket);
        }
        // It is not called again once it has panicked, and the panic goes on.
        catch_unwind(AssertUnwindSafe(|| operation(&self.call)))
    }

    /// An attempt has ended: keeps what it came to, and says what that means.
    #[inline]
    pub(super) fn ended(
        &mut self,
        (ticket, end): Over<Result<V, E>>,
        classify: impl FnOnce(&L::Classifier, &E) -> Classification,
    ) -> Ended
    where
        E: Debug,
    {
        let judged = match end {
            Ok(Ok(value)) => {
                self.value = Some(value);
                if log::is_on() {
                    self.log_success(&ticket);
                }
                Ok(Ok(()))
            }
            // The classifier is the user's too, and so is how the error is written.
            Ok(Err(error)) => {
                catch_unwind(AssertUnwindSafe(|| self.failed(&ticket, error, classify))).map(Err)
            }
            Err(panic) => Err(panic),
        };
        match judged {
            Ok(result) => Ended { ticket, result },
            Err(panic) => {
                self.died(ticket);
                resume_unwind(panic)
            }
        }
    }

    /// What the error of an attempt means.
    #[cold]
    fn failed(
        &mut self,
        ticket: &Ticket,
        error: E,
        classify: impl FnOnce(&L::Classifier, &E) -> Classification,
    ) -> Classification
    where
        E: Debug,
    {
        // The classifier is the user's: it runs with the lock free.
        let policy: Arc<L> = self.callee.handle().policy();
        let classification = classify(policy.call().retry().classifier(), &error);
        self.log_failure(ticket, &error, classification);
        self.last = Some(error);
        classification
    }

    /// A panic is a fault in the program, not a hiccup of the network: a fatal failure.
    #[cold]
    fn died(&mut self, ticket: Ticket) {
        let fatal = Classification::from(FailureClass::Fatal);
        self.log_failure(&ticket, &format_args!("a panic"), fatal);
        let (step, transitions) = self.step(Some(Ended { ticket, result: Err(fatal) }));
        self.callee.handle().log_transitions(transitions);
        if let Step::Done(verdict) = step {
            self.log_end(verdict);
        }
    }

    /// An attempt is no longer awaited: another one had the answer, or its time is over.
    #[cold]
    fn stopped(&mut self, ticket: &Ticket, has_answer: bool, step: &Step) {
        let kind = match step {
            Step::Done(verdict) if has_answer => EventKind::of_loss(ticket, *verdict),
            _ => EventKind::AttemptTimeout,
        };
        let (peer, index, attempt, max_attempts) = self.progress(ticket);
        log::event!(TARGET, kind, peer, index, attempt, max_attempts);
        if !has_answer {
            self.last = None; // the last attempt is the one that timed out
        }
    }

    /// Keeps how long the call took; only then is the clock read once more.
    fn measure(&self, kind: EventKind) {
        #[cfg(feature = "metrics")]
        {
            let took = self.callee.handle().clock.now().saturating_since(self.started);
            crate::metrics::call_ended(self.callee.handle().name, kind, took);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = kind;
    }

    /// The call is over.
    #[inline]
    pub(crate) fn end(&mut self, verdict: Verdict) -> Result<V, ResilienceError<E>> {
        if log::is_on() {
            self.log_end(verdict);
        }
        self.call.result(verdict, self.value.take(), self.last.take())
    }

    /// Which attempt, for the log: whose, the number, and how many there may be.
    fn progress<'r>(&'r self, ticket: &Ticket) -> (&'r str, Option<usize>, u32, u32)
    where
        L: 'r,
        T: 'r,
    {
        let Handle { name: peer, index, .. } = self.callee.handle();
        (peer, index, ticket.number(), self.max_attempts)
    }

    #[cold]
    fn log_start(&self, ticket: &Ticket) {
        let deadline = ticket.deadline();
        let (peer, index, attempt, max_attempts) = self.progress(ticket);
        let kind = EventKind::of_start(ticket);
        log::event!(TARGET, kind, peer, index, attempt, max_attempts, ?deadline);
    }

    #[cold]
    fn log_success(&self, ticket: &Ticket) {
        let (peer, index, attempt, max_attempts) = self.progress(ticket);
        let kind = EventKind::of_success(ticket);
        log::event!(TARGET, kind, peer, index, attempt, max_attempts);
    }

    #[cold]
    fn log_failure(&self, ticket: &Ticket, error: &dyn Debug, classification: Classification) {
        let (peer, index, attempt, max_attempts) = self.progress(ticket);
        let kind = EventKind::AttemptFailed;
        log::event!(TARGET, kind, peer, index, attempt, max_attempts, ?error, ?classification);
    }

    /// With nothing in flight, a wait is one for the next attempt.
    pub(crate) fn log_wait(&self, until: Option<Instant>, in_flight: u8) {
        if in_flight == 0 && log::is_on() {
            let Handle { name: peer, index, clock, .. } = self.callee.handle();
            let delay = until.map(|until| until.saturating_since(clock.now()));
            let refusal = self.call.refusal();
            let code = refusal.map(|refusal| refusal.code().name());
            log::event!(TARGET, EventKind::of_wait(refusal), peer, index, code, ?delay);
            #[cfg(feature = "metrics")]
            if let Some(delay) = delay {
                crate::metrics::retry_waits(peer, delay);
            }
        }
    }

    #[cold]
    fn log_end(&self, verdict: Verdict) {
        let Handle { name: peer, index, .. } = self.callee.handle();
        let attempts = self.call.attempts();
        let kind = EventKind::of_verdict(verdict);
        log::event!(TARGET, kind, peer, index, attempts, ?verdict);
        self.measure(kind);
    }
}

/// Whoever made the call has gone away, unless it is over.
impl<P: Callee, V, E> Drop for Run<P, V, E> {
    fn drop(&mut self) {
        if self.call.is_over() {
            return;
        }
        let call = &mut self.call;
        let abandon = |pipeline: &P::Layers, state: &mut <P::Layers as Pipeline>::State, now| {
            pipeline.abandon(call, state, &mut entropy, now)
        };
        let transitions = self.callee.handle().apply(abandon);
        self.callee.handle().log_transitions(transitions);
        let Handle { name: peer, index, .. } = self.callee.handle();
        let attempts = self.call.attempts();
        let kind = EventKind::CallCancelled;
        log::event!(TARGET, kind, peer, index, attempts);
        self.measure(kind);
    }
}

/// Drawn from only for a wait, or when a breaker opens, that has jitter.
pub(super) fn entropy() -> u32 {
    rand::random()
}
