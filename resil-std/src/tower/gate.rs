//! What the layers have in common that let a request pass or not; and what it takes to write another one.
//!
//! [`Gated`] is a service behind a [`Gate`]. It reserves in `poll_ready`, in the order of the stack: the
//! gate first, and then the inner service. What is reserved belongs to this one service:
//!
//! - dropping the service gives it back, and so does a place in line;
//! - a clone starts with nothing;
//! - `call` uses it up. Without `poll_ready` before it, `call` asks at once and does not wait; so it does
//!   from a place in line, which is given up.
//!
//! A gate that refuses leaves the inner service alone: `poll_ready` says ready without polling it, and
//! `call` answers with the refusal without calling it.

use core::fmt::{self, Debug};
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use resil_core::ResilienceError;
use resil_core::outcome::Rejected;
use tower_layer::Layer;
use tower_service::Service;

/// What a request has to pass. A clone is a handle to the same limit.
///
/// ```
/// use core::convert::Infallible;
/// use core::task::{Context, Poll};
/// use resil_std::core::{ErrorCode, Rejected, ResilienceError, RetryAt};
/// use resil_std::tower::gate::{Asked, Gate, GateLayer, Reserved, Settle, Turn};
///
/// /// Lets nobody pass.
/// #[derive(Clone)]
/// struct Shut;
///
/// impl Gate for Shut {
///     type Reserved = Nothing;
///     type Turn = Infallible;
///
///     fn ask(&self) -> Asked<Nothing, Infallible> {
///         Asked::Refused(Rejected::new(ErrorCode::LoadShed, RetryAt::Never))
///     }
///
///     fn ask_now(&self) -> Result<Nothing, Rejected> {
///         Err(Rejected::new(ErrorCode::LoadShed, RetryAt::Never))
///     }
/// }
///
/// struct Nothing;
///
/// impl Reserved for Nothing {
///     type Permit = Nothing;
///
///     fn begin(self) -> Result<Nothing, Rejected> {
///         Ok(self)
///     }
/// }
///
/// impl<E> Settle<E> for Nothing {
///     fn settle<V>(self, _: &Result<V, ResilienceError<E>>) {}
/// }
///
/// let layer = GateLayer::of(Shut);
/// # let _ = layer;
/// ```
pub trait Gate: Clone {
    /// What is taken in `poll_ready`. Dropping it gives it back.
    type Reserved: Reserved;
    /// A place in line; [`Infallible`](core::convert::Infallible) where nobody waits. Dropping it gives it
    /// up.
    type Turn: Turn<Self::Reserved>;

    /// Asks for leave to make one call.
    fn ask(&self) -> Asked<Self::Reserved, Self::Turn>;

    /// The same for who does not wait.
    ///
    /// # Errors
    ///
    /// The refusal; then nothing is taken.
    fn ask_now(&self) -> Result<Self::Reserved, Rejected>;

    /// A refusal as the error of a call.
    fn refusal<E>(&self, rejected: Rejected) -> ResilienceError<E> {
        rejected.into()
    }
}

/// The answer of a gate.
#[derive(Debug)]
pub enum Asked<R, T> {
    /// There is room, and it is taken.
    Reserved(R),
    /// There will be.
    Waits(T),
    /// There is none, and nobody waits for it.
    Refused(Rejected),
}

/// Leave to make one call, which may be made later or never.
pub trait Reserved {
    /// What a call holds while it runs. Dropping it abandons the call.
    type Permit;

    /// The call begins. Whatever counts time counts from here.
    ///
    /// # Errors
    ///
    /// The refusal, where what was reserved is good no more: a breaker has opened meanwhile.
    fn begin(self) -> Result<Self::Permit, Rejected>;
}

/// A place in line.
pub trait Turn<R> {
    /// What is waited for, when it is there; else the task is woken then.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<R, Rejected>>;
}

/// Nobody waits.
impl<R> Turn<R> for core::convert::Infallible {
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Result<R, Rejected>> {
        match *self {}
    }
}

/// What is told how the call ended.
pub trait Settle<E> {
    /// The call has ended like this.
    fn settle<V>(self, result: &Result<V, ResilienceError<E>>);
}

/// Puts services behind a gate: all of them behind the same one.
#[derive(Clone, Debug)]
pub struct GateLayer<G> {
    pub(super) gate: G,
}

impl<G> GateLayer<G> {
    /// The layer of a gate of your own.
    pub const fn of(gate: G) -> Self {
        Self { gate }
    }
}

impl<S, G: Gate> Layer<S> for GateLayer<G> {
    type Service = Gated<S, G>;

    fn layer(&self, inner: S) -> Gated<S, G> {
        Gated { inner, gate: self.gate.clone(), slot: Slot::Nothing }
    }
}

/// A service behind a gate.
pub struct Gated<S, G: Gate> {
    // Declared first, so that what the inner service has reserved goes back first.
    inner: S,
    slot: Slot<G::Reserved, G::Turn>,
    gate: G,
}

/// What this service has reserved.
enum Slot<R, T> {
    Nothing,
    Waits(T),
    Reserved(R),
    /// And nothing is reserved.
    Refused(Rejected),
}

impl<R, T> From<Asked<R, T>> for Slot<R, T> {
    fn from(asked: Asked<R, T>) -> Self {
        match asked {
            Asked::Reserved(reserved) => Self::Reserved(reserved),
            Asked::Waits(turn) => Self::Waits(turn),
            Asked::Refused(rejected) => Self::Refused(rejected),
        }
    }
}

impl<R, T> From<Result<R, Rejected>> for Slot<R, T> {
    fn from(answer: Result<R, Rejected>) -> Self {
        answer.map_or_else(Self::Refused, Self::Reserved)
    }
}

impl<S, G: Gate> Gated<S, G> {
    /// The service behind the gate.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Whether there is a reservation, and not a refusal.
    fn poll_gate(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if let Slot::Nothing | Slot::Refused(_) = self.slot {
            self.slot = self.gate.ask().into();
        }
        if let Slot::Waits(turn) = &mut self.slot {
            self.slot = ready!(turn.poll(context)).into();
        }
        Poll::Ready(matches!(self.slot, Slot::Reserved(_)))
    }

    /// Asks for whoever is in line and waits no longer.
    fn ask_from(&self, mut turn: G::Turn) -> Result<G::Reserved, Rejected> {
        match turn.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                drop(turn); // or its place would stand in the way
                self.gate.ask_now()
            }
        }
    }
}

impl<S, G, Q, E> Service<Q> for Gated<S, G>
where
    S: Service<Q, Error = ResilienceError<E>>,
    G: Gate,
    <G::Reserved as Reserved>::Permit: Settle<E>,
{
    type Response = S::Response;
    type Error = ResilienceError<E>;
    type Future = ResponseFuture<S::Future, <G::Reserved as Reserved>::Permit, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ResilienceError<E>>> {
        if !ready!(self.poll_gate(context)) {
            return Poll::Ready(Ok(()));
        }
        let answer = ready!(self.inner.poll_ready(context));
        if answer.is_err() {
            self.slot = Slot::Nothing; // the inner service is of no more use
        }
        Poll::Ready(answer)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let reserved = match mem::replace(&mut self.slot, Slot::Nothing) {
            Slot::Reserved(reserved) => Ok(reserved),
            Slot::Refused(rejected) => Err(rejected),
            Slot::Waits(turn) => self.ask_from(turn),
            Slot::Nothing => self.gate.ask_now(),
        };
        let state = match reserved.and_then(Reserved::begin) {
            // In this order: should the call panic, the permit is there to be told.
            Ok(permit) => State::Called { future: self.inner.call(request), permit: Some(permit) },
            Err(rejected) => State::Refused { error: Some(self.gate.refusal(rejected)) },
        };
        ResponseFuture { state }
    }
}

/// With nothing reserved.
impl<S: Clone, G: Gate> Clone for Gated<S, G> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: self.gate.clone(), slot: Slot::Nothing }
    }
}

impl<S: Debug, G: Gate> Debug for Gated<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_reserved = matches!(self.slot, Slot::Reserved(_));
        f.debug_struct("Gated")
            .field("inner", &self.inner)
            .field("is_reserved", &is_reserved)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The answer of a service behind a gate.
    ///
    /// Dropping it drops the call, and what that held goes back.
    #[must_use = "a future that nobody polls is no call"]
    pub struct ResponseFuture<F, P, E> {
        #[pin]
        state: State<F, P, E>,
    }
}

pin_project! {
    #[project = Now]
    enum State<F, P, E> {
        Called {
            // Declared first, so that the call ends before its permit goes back.
            #[pin]
            future: F,
            permit: Option<P>,
        },
        Refused { error: Option<ResilienceError<E>> },
        Over,
    }
}

impl<F, P, V, E> Future for ResponseFuture<F, P, E>
where
    F: Future<Output = Result<V, ResilienceError<E>>>,
    P: Settle<E>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut state = self.project().state;
        match state.as_mut().project() {
            Now::Called { future, permit } => {
                let result = ready!(future.poll(context));
                let permit = permit.take();
                state.set(State::Over); // ends the call
                if let Some(permit) = permit {
                    permit.settle(&result);
                }
                Poll::Ready(result)
            }
            Now::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending, // as after the end of a call
            },
            Now::Over => Poll::Pending,
        }
    }
}

impl<F, P, E> Debug for ResponseFuture<F, P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
