//! An end to waiting for an answer.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use resil_core::deadline::Deadline;
use resil_core::error::TimeoutError;
use resil_core::{Clock, Instant, ResilienceError};
use tower_layer::Layer;
use tower_service::Service;

use crate::clock::{SystemClock, Timer};

/// Lets a call take so long, from `call` on; what is not answered by then is dropped, and is an
/// `ATTEMPT_TIMEOUT`.
///
/// As with [`timeout`](crate::timeout()): an answer that is there counts, and it comes up to a millisecond
/// late, never early. Waits in `poll_ready` are not bounded by it. Inside of a
/// [`RetryLayer`](super::RetryLayer) it bounds an attempt, outside of one all of them: but there a deadline in
/// the policy is better, so that the retry knows how much time is left.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::ErrorCode;
/// use resil_std::tower::{OperationLayer, TimeoutLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(TimeoutLayer::new(Duration::from_secs(2)))
///     .layer(OperationLayer)
///     .service(service_fn(async |_: ()| core::future::pending::<Result<(), ()>>().await));
/// assert_eq!(service.oneshot(()).await.unwrap_err().code(), ErrorCode::AttemptTimeout);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer<T = SystemClock> {
    after: Duration,
    clock: T,
}

impl TimeoutLayer {
    /// So long, and no longer.
    #[must_use]
    pub const fn new(after: Duration) -> Self {
        Self { after, clock: SystemClock }
    }
}

impl<T> TimeoutLayer<T> {
    /// The same by another clock, which is looked at when tokio's timer is over.
    #[must_use]
    pub fn clock<U>(self, clock: U) -> TimeoutLayer<U> {
        TimeoutLayer { after: self.after, clock }
    }
}

impl<S, T: Clone> Layer<S> for TimeoutLayer<T> {
    type Service = Timeout<S, T>;

    fn layer(&self, inner: S) -> Timeout<S, T> {
        Timeout { inner, layer: self.clone() }
    }
}

/// A service behind a [`TimeoutLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Timeout<S, T = SystemClock> {
    inner: S,
    layer: TimeoutLayer<T>,
}

impl<S, T, Q, E> Service<Q> for Timeout<S, T>
where
    S: Service<Q, Error = ResilienceError<E>>,
    T: Clock + Clone,
{
    type Response = S::Response;
    type Error = ResilienceError<E>;
    type Future = TimeoutFuture<S::Future, T>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ResilienceError<E>>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let TimeoutLayer { after, clock } = &self.layer;
        let deadline = Deadline::after(clock.now(), *after).instant().unwrap_or(Instant::MAX);
        let timer = Timer::new(clock.clone(), deadline);
        TimeoutFuture { future: Some(self.inner.call(request)), timer }
    }
}

pin_project! {
    /// The answer of a service behind a [`TimeoutLayer`].
    #[must_use = "a future that nobody polls is no call"]
    pub struct TimeoutFuture<F, T> {
        #[pin]
        future: Option<F>,
        #[pin]
        timer: Timer<T>,
    }
}

impl<F, T, V, E> Future for TimeoutFuture<F, T>
where
    F: Future<Output = Result<V, ResilienceError<E>>>,
    T: Clock,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(answer) = future.poll(context) {
            this.future.set(None);
            return Poll::Ready(answer);
        }
        ready!(this.timer.poll(context));
        this.future.set(None); // ends the call before anybody hears of it
        Poll::Ready(Err(TimeoutError::attempt().into()))
    }
}

impl<F, T> fmt::Debug for TimeoutFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutFuture").finish_non_exhaustive()
    }
}
