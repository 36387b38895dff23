//! A limit for each of many peers.

use core::fmt::{self, Debug};
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;
use resil_core::outcome::Rejected;
use resil_core::rate_limit::{Limit, PeerCharge, RateLimit};
use resil_core::{Clock, ResilienceError};
use tower_layer::Layer;
use tower_service::Service;

use crate::clock::SystemClock;
use crate::rate_limit::{RandomHash, RateLimiter};
use crate::tower::classify::was_refused;

/// Lets requests pass as a [`RateLimiter`] does: each peer has its own limit. What does not pass is
/// refused.
///
/// Whose request it is says a function of the request, so `poll_ready` cannot know and reserves nothing; it
/// is that of the inner service. `call` takes a token. It is given back where a layer further in refuses.
///
/// ```
/// use resil_std::core::rate_limit::RateLimitConfig;
/// use resil_std::core::{ErrorCode, valid};
/// use resil_std::rate_limit::RateLimiter;
/// use resil_std::tower::{KeyedRateLimitLayer, OperationLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// const SENDER: RateLimitConfig = valid!(RateLimitConfig::builder().burst_size(1).build());
///
/// #[derive(Clone)]
/// struct Message { sender: u64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let limiter = RateLimiter::new(SENDER);
/// let mut service = ServiceBuilder::new()
///     .layer(KeyedRateLimitLayer::new(limiter, |message: &Message| message.sender))
///     .layer(OperationLayer)
///     .service(service_fn(async |_: Message| Ok::<_, std::io::Error>(())));
///
/// service.ready().await?.call(Message { sender: 1 }).await?;
/// service.ready().await?.call(Message { sender: 2 }).await?;
/// let refused = service.ready().await?.call(Message { sender: 1 }).await.unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
/// # Ok(())
/// # }
/// ```
pub struct KeyedRateLimitLayer<F, K, L: Limit = RateLimit, T = SystemClock, H = RandomHash> {
    limiter: RateLimiter<K, L, T, H>,
    key: F,
}

impl<F, K, L: Limit, T, H> KeyedRateLimitLayer<F, K, L, T, H> {
    /// One token a request, of the limit of the peer that `key` finds in it.
    #[must_use]
    pub const fn new(limiter: RateLimiter<K, L, T, H>, key: F) -> Self {
        Self { limiter, key }
    }
}

impl<S, F: Clone, K, L: Limit, T, H> Layer<S> for KeyedRateLimitLayer<F, K, L, T, H> {
    type Service = KeyedRateLimit<S, F, K, L, T, H>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedRateLimit { inner, layer: self.clone() }
    }
}

/// A service behind a [`KeyedRateLimitLayer`].
pub struct KeyedRateLimit<S, F, K, L: Limit = RateLimit, T = SystemClock, H = RandomHash> {
    inner: S,
    layer: KeyedRateLimitLayer<F, K, L, T, H>,
}

impl<S, F, K, L, T, H, Q, E> Service<Q> for KeyedRateLimit<S, F, K, L, T, H>
where
    S: Service<Q, Error = ResilienceError<E>>,
    F: Fn(&Q) -> K,
    K: Hash + Eq + Clone + Debug,
    L: Limit,
    T: Clock,
    H: BuildHasher,
{
    type Response = S::Response;
    type Error = ResilienceError<E>;
    type Future = KeyedResponseFuture<S::Future, K, L, T, H>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ResilienceError<E>>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let KeyedRateLimitLayer { limiter, key } = &self.layer;
        let state = match limiter.check(&key(&request), 1) {
            Ok(charge) => {
                let (limiter, charge) = (limiter.clone(), Some(charge));
                State::Called { future: self.inner.call(request), limiter, charge }
            }
            Err(rejected) => State::Refused { rejected },
        };
        KeyedResponseFuture { state }
    }
}

pin_project! {
    /// The answer of a service behind a [`KeyedRateLimitLayer`].
    #[must_use = "a future that nobody polls is no call"]
    pub struct KeyedResponseFuture<F, K, L, T, H>
    where
        L: Limit,
    {
        #[pin]
        state: State<F, K, L, T, H>,
    }
}

pin_project! {
    #[project = Now]
    enum State<F, K, L, T, H>
    where
        L: Limit,
    {
        Called {
            #[pin]
            future: F,
            limiter: RateLimiter<K, L, T, H>,
            charge: Option<PeerCharge<L::Charge>>,
        },
        Refused { rejected: Rejected },
    }
}

impl<F, K, L, T, H, V, E> Future for KeyedResponseFuture<F, K, L, T, H>
where
    F: Future<Output = Result<V, ResilienceError<E>>>,
    K: Hash + Eq + Clone + Debug,
    L: Limit,
    T: Clock,
    H: BuildHasher,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            Now::Called { future, limiter, charge } => future.poll(context).map(|result| {
                if was_refused(&result)
                    && let Some(charge) = charge.take()
                {
                    limiter.refund(charge);
                }
                result
            }),
            Now::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

impl<F: Clone, K, L: Limit, T, H> Clone for KeyedRateLimitLayer<F, K, L, T, H> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone(), key: self.key.clone() }
    }
}

impl<S: Clone, F: Clone, K, L: Limit, T, H> Clone for KeyedRateLimit<S, F, K, L, T, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<F, K, L: Limit, T, H> Debug for KeyedRateLimitLayer<F, K, L, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimitLayer")
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

impl<S: Debug, F, K, L: Limit, T, H> Debug for KeyedRateLimit<S, F, K, L, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimit")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}

impl<F, K, L: Limit, T, H> Debug for KeyedResponseFuture<F, K, L, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedResponseFuture").finish_non_exhaustive()
    }
}
