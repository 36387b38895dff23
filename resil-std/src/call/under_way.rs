//! A call under way in a task: every step but the first.

use core::fmt::Debug;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::thread;

use pin_project_lite::pin_project;
use resil_core::call::{Call, Pipeline, Step, Ticket};
use resil_core::outcome::Classification;
use resil_core::{Instant, ResilienceError};

use super::attempts::{Attempts, InFlight, Place};
use super::handle::Callee;
use super::run::Run;

/// A first attempt that has been polled, and what came of it.
pub(super) type Polled<V, E> = (Ticket, thread::Result<Poll<Result<V, E>>>);

pin_project! {
    /// A call that is more than its first attempt, but for that one, which lies where it was begun.
    ///
    /// `F` is an attempt, `S` a sleep.
    pub(crate) struct UnderWay<P: Callee, F, S, V, E> {
        // Declared before the run, so dropped before: an operation ends before its permit goes back.
        #[pin]
        second: Option<InFlight<F>>,
        // There while the call waits.
        #[pin]
        timer: Option<S>,
        // What comes next, unless the call waits.
        next: Option<Step>,
        run: Run<P, V, E>,
    }
}

impl<P: Callee, F, S, V, E> UnderWay<P, F, S, V, E> {
    /// A call, and what comes next, if that is not the end of the first attempt.
    pub(super) const fn new(run: Run<P, V, E>, next: Option<Step>) -> Self {
        Self { second: None, timer: None, next, run }
    }

    /// A call that has begun by steps.
    pub(super) fn begun((run, step): (Run<P, V, E>, Step)) -> Self {
        Self::new(run, Some(step))
    }
}

impl<L, P, F, S, V, E> UnderWay<P, F, S, V, E>
where
    L: Pipeline,
    P: Callee<Layers = L>,
    F: Future<Output = Result<V, E>>,
    S: Future<Output = ()>,
    E: Debug,
{
    /// Does what core says, until core says that it is over: makes an `attempt`, or `sleep`s. The first
    /// attempt may have been `polled` before.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        first: Pin<&mut Option<InFlight<F>>>,
        polled: Option<Polled<V, E>>,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> F,
        sleep: impl Fn(&P, Instant) -> S,
        classify: impl Fn(&L::Classifier, &E) -> Classification,
    ) -> Poll<Result<V, ResilienceError<E>>> {
        let mut this = self.project();
        let run = this.run;
        let mut attempts = Attempts([Place(first), Place(this.second)]);
        if let Some((ticket, end)) = polled {
            let over = attempts.go_on(ticket, end);
            *this.next = Some(run.advance(over, &mut attempts, &classify));
        }
        loop {
            let over = match this.next.take() {
                Some(Step::Attempt(ticket)) => {
                    let begun = run.attempt(&ticket, |call| attempt(&ticket, call));
                    attempts.start(ticket, begun).or_else(|| ended(attempts.poll(context)))
                }
                Some(Step::Wait { until, in_flight }) => {
                    run.log_wait(until, in_flight);
                    let timer = sleep(&run.callee, until.unwrap_or(Instant::MAX));
                    this.timer.set(Some(timer));
                    continue;
                }
                Some(Step::Done(verdict)) => return Poll::Ready(run.end(verdict)),
                None => {
                    let over = ended(attempts.poll(context));
                    if over.is_none() {
                        let timer = this.timer.as_mut().as_pin_mut();
                        // Without one the call is over, and was not to be polled again.
                        ready!(timer.map_or(Poll::Pending, |timer| timer.poll(context)));
                    }
                    over
                }
            };
            this.timer.set(None);
            *this.next = Some(run.advance(over, &mut attempts, &classify));
        }
    }
}

fn ended<T>(end: Poll<T>) -> Option<T> {
    match end {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    }
}
