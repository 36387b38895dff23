//! No request to a service that is known to be down.

use core::convert::Infallible;
use core::fmt::{self, Debug};

use resil_core::circuit_breaker::{Consecutive, Window};
use resil_core::outcome::{Classify, EveryError, Outcome, Rejected};
use resil_core::{Clock, ResilienceError};

use super::classify::outcome;
use super::gate::{Asked, Gate, GateLayer, Gated, Reserved, Settle};
use crate::circuit_breaker::{CircuitBreaker, Guard};
use crate::clock::SystemClock;

/// Lets requests pass as a [`CircuitBreaker`] does, and refuses the others: nobody waits for it.
///
/// While it refuses, the inner service is not touched, not even its `poll_ready`. `poll_ready` reserves, of
/// a half-open breaker one of its probes; a service that is dropped without a call gives it back and counts
/// nowhere. One that is neither called nor dropped counts as a lost probe when its lease ends. `call` looks
/// again: what was reserved before the breaker opened lets nobody pass after.
///
/// The breaker's classifier is asked about the operation's own errors. A timeout of a layer further in is
/// a failure, a refusal there says nothing about the peer.
///
/// ```
/// use resil_std::CircuitBreaker;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_std::tower::{CircuitBreakerLayer, OperationLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let config = CircuitBreakerConfig::builder().failure_threshold(1).build()?;
/// let breaker = CircuitBreaker::new("store", config);
/// let mut service = ServiceBuilder::new()
///     .layer(CircuitBreakerLayer::new(breaker))
///     .layer(OperationLayer)
///     .service(service_fn(async |_: ()| Err::<(), _>("connection reset")));
///
/// let failed = service.ready().await.unwrap().call(()).await.unwrap_err();
/// assert_eq!(failed.operation_error(), Some(&"connection reset"));
/// let refused = service.ready().await.unwrap().call(()).await.unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::CircuitBreakerOpen);
/// # Ok(())
/// # }
/// ```
pub type CircuitBreakerLayer<C = EveryError, T = SystemClock, W = Consecutive> =
    GateLayer<CircuitBreakerGate<C, T, W>>;

/// A service behind a [`CircuitBreakerLayer`].
pub type CircuitBroken<S, C = EveryError, T = SystemClock, W = Consecutive> =
    Gated<S, CircuitBreakerGate<C, T, W>>;

/// The gate of a [`CircuitBreakerLayer`].
pub struct CircuitBreakerGate<C = EveryError, T = SystemClock, W: Window = Consecutive> {
    breaker: CircuitBreaker<C, T, W>,
}

impl<C, T, W: Window> GateLayer<CircuitBreakerGate<C, T, W>> {
    /// Lets pass what `breaker` lets pass.
    #[must_use]
    pub const fn new(breaker: CircuitBreaker<C, T, W>) -> Self {
        Self::of(CircuitBreakerGate { breaker })
    }
}

impl<C, T: Clock, W: Window> Gate for CircuitBreakerGate<C, T, W> {
    type Reserved = Probe<C, T, W>;
    type Turn = Infallible;

    fn ask(&self) -> Asked<Probe<C, T, W>, Infallible> {
        self.ask_now().map_or_else(Asked::Refused, Asked::Reserved)
    }

    fn ask_now(&self) -> Result<Probe<C, T, W>, Rejected> {
        let guard = self.breaker.try_acquire().map_err(|error| error.refusal())?;
        Ok(Probe(Some(guard)))
    }

    fn refusal<E>(&self, rejected: Rejected) -> ResilienceError<E> {
        self.breaker.refusal(rejected)
    }
}

/// Leave for a call that has not begun; it counts nowhere if it never does.
#[derive(Debug)]
pub struct Probe<C, T: Clock, W: Window>(Option<Guard<C, T, W>>);

impl<C, T: Clock, W: Window> Reserved for Probe<C, T, W> {
    type Permit = Running<C, T, W>;

    fn begin(mut self) -> Result<Running<C, T, W>, Rejected> {
        self.0.take().map(Guard::renew).transpose().map(Running)
    }
}

impl<C, T: Clock, W: Window> Drop for Probe<C, T, W> {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take() {
            guard.tell(Outcome::Ignored);
        }
    }
}

/// Leave for a call that runs.
#[derive(Debug)]
pub struct Running<C, T: Clock, W: Window>(Option<Guard<C, T, W>>);

impl<C: Classify<E>, T: Clock, W: Window, E> Settle<E> for Running<C, T, W> {
    fn settle<V>(self, result: &Result<V, ResilienceError<E>>) {
        if let Some(guard) = self.0 {
            // The permit is still in the guard while the classifier runs, should that panic.
            let outcome = outcome(guard.classifier(), result);
            guard.tell(outcome);
        }
    }
}

impl<C, T, W: Window> Clone for CircuitBreakerGate<C, T, W> {
    fn clone(&self) -> Self {
        Self { breaker: self.breaker.clone() }
    }
}

impl<C, T, W: Window> Debug for CircuitBreakerGate<C, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerGate")
            .field("breaker", &self.breaker.name())
            .finish_non_exhaustive()
    }
}
