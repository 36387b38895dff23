//! A composed call with a name, for a service to return.

use core::fmt::{self, Debug};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use resil_core::call::{Pipeline, Step};
use resil_core::outcome::Classify;
use resil_core::{Clock, Instant, ResilienceError};
use tower_service::Service;

use super::PeerLayer;
use crate::call::attempts::{Attempts, InFlight, Place};
use crate::call::handle::Callee;
use crate::call::run::Run;
use crate::clock::Timer;
use crate::tower::classify::classify;

pin_project! {
    /// The answer of a service behind a [`PeerLayer`].
    ///
    /// Dropping it abandons the call: attempts that run are dropped, and what they held is given back.
    #[must_use = "a future that nobody polls is no call"]
    pub struct PeerFuture<S, Q, L, T, E>
    where
        S: Service<Q>,
        L: Pipeline,
        T: Clock,
    {
        // Declared before the run, so dropped before: an operation ends before its permit goes back.
        #[pin]
        first: Option<InFlight<Attempt<S, Q>>>,
        #[pin]
        second: Option<InFlight<Attempt<S, Q>>>,
        // There while the call waits.
        #[pin]
        timer: Option<Timer<T>>,
        // What comes next, unless the call waits.
        step: Option<Step>,
        service: S,
        request: Q,
        run: Run<PeerLayer<L, T>, <S as Service<Q>>::Response, ResilienceError<E>>,
    }
}

impl<S, Q, L, T, E> PeerFuture<S, Q, L, T, E>
where
    S: Service<Q>,
    L: Pipeline,
    T: Clock,
{
    pub(super) fn start(layer: PeerLayer<L, T>, service: S, request: Q) -> Self {
        let begun = layer.handle().start();
        let (run, step) = Run::begin(layer, begun);
        let (first, second, timer) = (None, None, None);
        Self { first, second, timer, step: Some(step), service, request, run }
    }
}

impl<S, Q, L, T, E> Future for PeerFuture<S, Q, L, T, E>
where
    S: Service<Q, Error = ResilienceError<E>> + Clone,
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Clock + Clone,
    Q: Clone,
    E: Debug,
{
    type Output = Result<S::Response, ResilienceError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let run = this.run;
        let mut attempts = Attempts([Place(this.first), Place(this.second)]);
        loop {
            let over = match this.step.take() {
                Some(Step::Attempt(ticket)) => {
                    let attempt = || Attempt::new(this.service.clone(), this.request.clone());
                    let begun = run.attempt(&ticket, |_| attempt());
                    attempts.start(ticket, begun).or_else(|| ended(attempts.poll(context)))
                }
                Some(Step::Wait { until, in_flight }) => {
                    run.log_wait(until, in_flight);
                    let clock = run.callee.handle().clock().clone();
                    this.timer.set(Some(Timer::new(clock, until.unwrap_or(Instant::MAX))));
                    continue;
                }
                Some(Step::Done(verdict)) => {
                    return Poll::Ready(run.end(verdict).map_err(ResilienceError::flatten));
                }
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
            *this.step = Some(run.advance(over, &mut attempts, classify));
        }
    }
}

fn ended<T>(end: Poll<T>) -> Option<T> {
    match end {
        Poll::Ready(end) => Some(end),
        Poll::Pending => None,
    }
}

impl<S: Service<Q>, Q, L: Pipeline, T: Clock, E> Debug for PeerFuture<S, Q, L, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// One attempt: a service of its own is made ready, and called.
    #[project = Now]
    enum Attempt<S, Q>
    where
        S: Service<Q>,
    {
        Readies { service: S, request: Option<Q> },
        Calls {
            #[pin]
            future: S::Future,
        },
    }
}

impl<S: Service<Q>, Q> Attempt<S, Q> {
    const fn new(service: S, request: Q) -> Self {
        Self::Readies { service, request: Some(request) }
    }
}

impl<S: Service<Q>, Q> Future for Attempt<S, Q> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let future = match self.as_mut().project() {
                Now::Readies { service, request } => {
                    ready!(service.poll_ready(context))?;
                    // It is there until it is called with, just here.
                    let Some(request) = request.take() else { return Poll::Pending };
                    service.call(request)
                }
                Now::Calls { future } => return future.poll(context),
            };
            self.set(Self::Calls { future });
        }
    }
}
