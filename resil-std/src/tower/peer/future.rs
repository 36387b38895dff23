//! A composed call with a name, for a service to return.

use core::fmt::{self, Debug};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use resil_core::call::Pipeline;
use resil_core::outcome::Classify;
use resil_core::{Clock, ResilienceError};
use tower_service::Service;

use super::PeerLayer;
use crate::call::attempts::InFlight;
use crate::call::handle::Callee;
use crate::call::run::Run;
use crate::call::under_way::UnderWay;
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
        // Declared before the call, so dropped before: an operation ends before its permit goes back.
        #[pin]
        first: Option<InFlight<Attempt<S, Q>>>,
        #[pin]
        call: Served<S, Q, L, T, E>,
        service: S,
        request: Q,
    }
}

/// The call to a service.
type Served<S, Q, L, T, E> = UnderWay<
    PeerLayer<L, T>,
    Attempt<S, Q>,
    Timer<T>,
    <S as Service<Q>>::Response,
    ResilienceError<E>,
>;

impl<S, Q, L, T, E> PeerFuture<S, Q, L, T, E>
where
    S: Service<Q>,
    L: Pipeline,
    T: Clock,
{
    pub(super) fn start(layer: PeerLayer<L, T>, service: S, request: Q) -> Self {
        let begun = layer.handle().start();
        let call = UnderWay::begin(Run::begin(layer, begun));
        Self { first: None, call, service, request }
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
        let this = self.project();
        let attempt = || Attempt::new(this.service.clone(), this.request.clone());
        let sleep =
            |layer: &PeerLayer<L, T>, until| Timer::new(layer.handle().clock().clone(), until);
        let answer = this.call.poll(this.first, context, |_, _| attempt(), sleep, classify);
        answer.map(|answer| answer.map_err(ResilienceError::flatten))
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
