//! Where the operation begins.

use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;
use resil_core::ResilienceError;
use tower_layer::Layer;
use tower_service::Service;

/// Marks a service as the operation that the layers around it guard: its errors become
/// [`ResilienceError::operation`]. It is the innermost of them, and every stack has one.
///
/// ```
/// use resil_std::core::ResilienceError;
/// use resil_std::tower::OperationLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = service_fn(async |_: ()| Err::<(), _>("no route"));
/// let service = ServiceBuilder::new().layer(OperationLayer).service(service);
/// assert_eq!(service.oneshot(()).await, Err(ResilienceError::operation("no route")));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OperationLayer;

impl<S> Layer<S> for OperationLayer {
    type Service = Operation<S>;

    fn layer(&self, inner: S) -> Operation<S> {
        Operation { inner }
    }
}

/// A service as the operation that layers guard.
#[derive(Clone, Copy, Debug)]
pub struct Operation<S> {
    inner: S,
}

impl<S: Service<Q>, Q> Service<Q> for Operation<S> {
    type Response = S::Response;
    type Error = ResilienceError<S::Error>;
    type Future = OperationFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(ResilienceError::operation)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        OperationFuture { future: self.inner.call(request) }
    }
}

pin_project! {
    /// The answer of an [`Operation`].
    #[derive(Debug)]
    #[must_use = "a future that nobody polls is no call"]
    pub struct OperationFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = Result<V, E>>, V, E> Future for OperationFuture<F> {
    type Output = Result<V, ResilienceError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(context).map_err(ResilienceError::operation)
    }
}

/// An error in a box, as tower's own middleware has them, that is an [`Error`] itself.
///
/// A `Box<dyn Error>` is none, so a [`ResilienceError`] of one is none either, and no middleware of tower
/// takes it. Map to this before [`OperationLayer`]; [`Error::source`] and [`Display`](fmt::Display) are
/// those of what is in the box.
///
/// ```
/// use core::time::Duration;
/// use resil_std::tower::{BoxedError, OperationLayer, TimeoutLayer};
/// use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .map_err(BoxError::from) // of our error, for whatever is outside
///     .layer(TimeoutLayer::new(Duration::from_secs(1)))
///     .layer(OperationLayer)
///     .map_err(BoxedError)
///     .service(service_fn(async |_: ()| Err::<(), BoxError>("no route".into())));
///
/// let error: BoxError = service.oneshot(()).await.unwrap_err();
/// assert_eq!(error.to_string(), "OPERATION_FAILED: the operation failed");
/// assert_eq!(error.source().unwrap().to_string(), "no route");
/// # }
/// ```
#[derive(Debug)]
pub struct BoxedError(pub Box<dyn Error + Send + Sync>);

impl fmt::Display for BoxedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BoxedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Box<dyn Error + Send + Sync>> for BoxedError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Lost(fmt::Error);

    impl fmt::Display for Lost {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lost")
        }
    }

    impl Error for Lost {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_in_a_box_is_shown_and_caused_as_it_is() {
        let boxed = BoxedError::from(Box::<dyn Error + Send + Sync>::from(Lost(fmt::Error)));
        assert_eq!(boxed.to_string(), "lost");
        assert!(boxed.source().is_some_and(|source| source.is::<fmt::Error>()));
    }
}
