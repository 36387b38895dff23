//! The composed call: every layer in one.

mod future;

use core::fmt::{self, Debug};
use core::task::{Context, Poll};

use resil_core::call::{PeerPolicy, Pipeline, Request};
use resil_core::outcome::Classify;
use resil_core::{Clock, ResilienceError};
use tower_layer::Layer;
use tower_service::Service;

use crate::Peer;
use crate::call::handle::{Callee, Handle};
use crate::clock::SystemClock;

pub use future::PeerFuture;

/// Calls the service as the operation of a [`Peer`]: with its retries, budget, hedging, breaker, limit and
/// timeouts, in core's order, and its state shared with whoever else calls that peer.
///
/// `poll_ready` is always ready and reserves nothing. The gates are asked when an attempt is due, and each
/// attempt gets a clone of the inner service ready for itself, within its own deadline: a peer whose breaker
/// is open is not touched at all. For backpressure put a [`BulkheadLayer`](super::BulkheadLayer) outside.
///
/// The request is cloned for each attempt. The policy's classifier is asked about the operation's own
/// errors; a refusal of a layer further in is passed through and not retried, and a timeout there is one of
/// the attempt.
///
/// ```
/// use core::time::Duration;
/// use resil_std::Peer;
/// use resil_std::core::call::{CallPolicy, PeerPolicy};
/// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::core::valid;
/// use resil_std::tower::{OperationLayer, PeerLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// const RETRY: RetryPolicy =
///     valid!(RetryPolicy::builder().max_attempts(3).deadline(Duration::from_secs(9)).build());
/// const POLICY: PeerPolicy = PeerPolicy::new(
///     valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2))),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut fails = 2;
/// let flaky = move |number: u8| {
///     let failed = fails > 0;
///     fails -= 1;
///     async move { if failed { Err("connection reset") } else { Ok(number) } }
/// };
/// # let attempt = std::sync::Arc::new(std::sync::Mutex::new(flaky));
/// # let flaky = move |number| (attempt.lock().unwrap())(number);
/// let service = ServiceBuilder::new()
///     .layer(PeerLayer::new(Peer::new("gateway", POLICY)))
///     .layer(OperationLayer)
///     .service(service_fn(flaky));
/// assert_eq!(service.oneshot(7).await, Ok(7));
/// # }
/// ```
///
/// # Cost
///
/// That of [`Peer::call`], and a reference count. Nothing is allocated: the attempts lie in the future.
pub struct PeerLayer<L: Pipeline = PeerPolicy, T = SystemClock> {
    peer: Peer<L, T>,
    asks: Request,
}

impl<L: Pipeline, T> PeerLayer<L, T> {
    /// Calls `peer`, with requests of cost 1 and normal priority.
    #[must_use]
    pub const fn new(peer: Peer<L, T>) -> Self {
        Self { peer, asks: Request::ONE }
    }

    /// Each call asks for this.
    #[must_use]
    pub const fn request(mut self, request: Request) -> Self {
        self.asks = request;
        self
    }

    /// The peer that is called.
    #[must_use]
    pub const fn peer(&self) -> &Peer<L, T> {
        &self.peer
    }
}

impl<S, L: Pipeline, T> Layer<S> for PeerLayer<L, T> {
    type Service = PeerService<S, L, T>;

    fn layer(&self, inner: S) -> PeerService<S, L, T> {
        PeerService { inner, layer: self.clone() }
    }
}

/// A service behind a [`PeerLayer`].
pub struct PeerService<S, L: Pipeline = PeerPolicy, T = SystemClock> {
    inner: S,
    layer: PeerLayer<L, T>,
}

impl<S, L, T, Q, E> Service<Q> for PeerService<S, L, T>
where
    S: Service<Q, Error = ResilienceError<E>> + Clone,
    L: Pipeline,
    L::Classifier: Classify<E>,
    T: Clock + Clone,
    Q: Clone,
    E: Debug,
{
    type Response = S::Response;
    type Error = ResilienceError<E>;
    type Future = PeerFuture<S, Q, L, T, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResilienceError<E>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Self::Future {
        // A clone that nobody has made ready: each attempt does that with one of its own.
        PeerFuture::new(self.layer.clone(), self.inner.clone(), request)
    }
}

impl<L: Pipeline, T: Clock> Callee for PeerLayer<L, T> {
    type Layers = L;
    type Clock = T;

    fn handle(&self) -> Handle<'_, L, T> {
        self.peer.handle().request(self.asks)
    }
}

impl<L: Pipeline, T> Clone for PeerLayer<L, T> {
    fn clone(&self) -> Self {
        Self { peer: self.peer.clone(), asks: self.asks }
    }
}

impl<S: Clone, L: Pipeline, T> Clone for PeerService<S, L, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<L: Pipeline, T> Debug for PeerLayer<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, asks } = self;
        f.debug_struct("PeerLayer").field("peer", peer).field("request", asks).finish()
    }
}

impl<S: Debug, L: Pipeline, T> Debug for PeerService<S, L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, layer } = self;
        f.debug_struct("PeerService").field("inner", inner).field("layer", layer).finish()
    }
}
