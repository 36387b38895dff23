//! As many requests at once as the service can take.

use core::fmt::{self, Debug};

use resil_core::adaptive::{Aimd, ConcurrencyLimit};
use resil_core::outcome::{Classify, EveryError, Rejected};
use resil_core::{Clock, ResilienceError};

use super::classify::outcome;
use super::gate::{Asked, Gate, GateLayer, Gated, Reserved, Settle};
use super::in_line::InLine;
use crate::adaptive::{ConcurrencyLimiter, Guard};
use crate::clock::{Sleep, SystemClock};

/// Lets requests pass as a [`ConcurrencyLimiter`] does. In `poll_ready` they wait in its line, first come,
/// first served; or, with [`shed`](GateLayer::shed), `call` refuses them: `LOAD_SHED`.
///
/// The latency that the limit learns from begins with `call`, however long the service was ready before.
/// `call` looks again: where the limit has fallen below what is in flight meanwhile, it refuses, also where
/// others wait.
///
/// The limiter's classifier is asked about the operation's own errors. A timeout of a layer further in is
/// a loss, a refusal there says nothing.
///
/// ```
/// use resil_std::adaptive::ConcurrencyLimiter;
/// use resil_std::core::adaptive::Aimd;
/// use resil_std::core::{ErrorCode, valid};
/// use resil_std::tower::{AdaptiveLayer, OperationLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// const WORK: Aimd = valid!(Aimd::builder().initial_limit(1).build());
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let limiter = ConcurrencyLimiter::new("work", WORK);
/// let service = ServiceBuilder::new()
///     .layer(AdaptiveLayer::new(limiter).shed())
///     .layer(OperationLayer)
///     .service(service_fn(async |_: ()| Ok::<_, std::io::Error>("done")));
///
/// let first = service.clone().ready().await?.call(());
/// let second = service.clone().oneshot(()).await.unwrap_err();
/// assert_eq!(second.code(), ErrorCode::LoadShed);
/// assert_eq!(first.await?, "done");
/// # Ok(())
/// # }
/// ```
pub type AdaptiveLayer<L = Aimd, C = EveryError, T = SystemClock> =
    GateLayer<AdaptiveGate<L, C, T>>;

/// A service behind an [`AdaptiveLayer`].
pub type Adaptive<S, L = Aimd, C = EveryError, T = SystemClock> = Gated<S, AdaptiveGate<L, C, T>>;

/// The gate of an [`AdaptiveLayer`].
pub struct AdaptiveGate<L: ConcurrencyLimit = Aimd, C = EveryError, T = SystemClock> {
    limiter: ConcurrencyLimiter<L, C, T>,
    waits: bool,
}

impl<L: ConcurrencyLimit, C, T> GateLayer<AdaptiveGate<L, C, T>> {
    /// Those for whom there is no room wait.
    #[must_use]
    pub const fn new(limiter: ConcurrencyLimiter<L, C, T>) -> Self {
        Self::of(AdaptiveGate { limiter, waits: true })
    }

    /// Refuses those for whom there is no room.
    #[must_use]
    pub fn shed(mut self) -> Self {
        self.gate.waits = false;
        self
    }
}

impl<L, C, T> Gate for AdaptiveGate<L, C, T>
where
    L: ConcurrencyLimit<State: Send> + Send + 'static,
    C: Send + Sync + 'static,
    T: Sleep + Send + Sync + 'static,
{
    type Reserved = Place<L, C, T>;
    type Turn = InLine<Place<L, C, T>>;

    fn ask(&self) -> Asked<Place<L, C, T>, Self::Turn> {
        if !self.waits {
            return self.ask_now().map_or_else(Asked::Refused, Asked::Reserved);
        }
        match self.limiter.passes() {
            Some(guard) => Asked::Reserved(Place(guard)),
            None => {
                let limiter = self.limiter.clone();
                let wait = async move { limiter.acquire().await.map(Place) };
                Asked::Waits(InLine::new(wait))
            }
        }
    }

    fn ask_now(&self) -> Result<Place<L, C, T>, Rejected> {
        self.limiter.try_acquire().map(Place)
    }
}

/// Room for a call that has not begun; it counts nowhere if it never does.
#[derive(Debug)]
pub struct Place<L: ConcurrencyLimit, C, T: Clock>(Guard<L, C, T>);

impl<L: ConcurrencyLimit, C, T: Clock> Reserved for Place<L, C, T> {
    type Permit = Running<L, C, T>;

    fn begin(self) -> Result<Running<L, C, T>, Rejected> {
        self.0.renew().map(Running)
    }
}

/// Room for a call that runs.
#[derive(Debug)]
pub struct Running<L: ConcurrencyLimit, C, T: Clock>(Guard<L, C, T>);

impl<L: ConcurrencyLimit, C: Classify<E>, T: Clock, E> Settle<E> for Running<L, C, T> {
    fn settle<V>(self, result: &Result<V, ResilienceError<E>>) {
        // The permit is still in the guard while the classifier runs, should that panic.
        let outcome = outcome(self.0.classifier(), result);
        self.0.tell(outcome);
    }
}

impl<L: ConcurrencyLimit, C, T> Clone for AdaptiveGate<L, C, T> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone(), waits: self.waits }
    }
}

impl<L: ConcurrencyLimit, C, T> Debug for AdaptiveGate<L, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveGate").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
