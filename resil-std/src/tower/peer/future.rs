//! A composed call with a name, for a service to return.

use core::fmt::{self, Debug};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use resil_core::call::Pipeline;
use resil_core::outcome::{Classification, Classify};
use resil_core::{Clock, Instant, ResilienceError};
use tower_service::Service;

use super::PeerLayer;
use crate::call::calling::{Calling, Operation};
use crate::call::handle::Callee;
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
        #[pin]
        call: Served<S, Q, L, T, E>,
    }
}

/// The call of a service.
type Served<S, Q, L, T, E> = Calling<
    PeerLayer<L, T>,
    Requested<S, Q>,
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
    pub(super) const fn new(layer: PeerLayer<L, T>, service: S, request: Q) -> Self {
        Self { call: Calling::new(layer, Requested { service, request }) }
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

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().call.poll(context).map(|answer| answer.map_err(ResilienceError::flatten))
    }
}

/// A service and a request, of which every attempt has clones.
struct Requested<S, Q> {
    service: S,
    request: Q,
}

impl<S, Q, L, T, E> Operation<PeerLayer<L, T>> for Requested<S, Q>
where
    S: Service<Q, Error = ResilienceError<E>> + Clone,
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Clock + Clone,
    Q: Clone,
    E: Debug,
{
    type Value = S::Response;
    type Error = ResilienceError<E>;
    type Attempt = Attempt<S, Q>;
    type Timer = Timer<T>;

    fn attempt(&mut self) -> Attempt<S, Q> {
        Attempt::new(self.service.clone(), self.request.clone())
    }

    fn sleep(&self) -> fn(&PeerLayer<L, T>, Instant) -> Timer<T> {
        |layer, until| Timer::new(layer.handle().clock().clone(), until)
    }

    fn classify(classifier: &L::Classifier, error: &ResilienceError<E>) -> Classification {
        classify(classifier, error)
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
