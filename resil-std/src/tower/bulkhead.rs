//! So many requests at once.

use core::fmt;
use core::task::{Context, Poll};

use resil_core::ResilienceError;
use resil_core::call::Priority;
use resil_core::outcome::Rejected;

use super::gate::{Asked, Gate, GateLayer, Gated, Reserved, Settle, Turn};
use crate::Bulkhead;
use crate::bulkhead::{Guard, Place};

/// Lets requests pass as a [`Bulkhead`] does. In `poll_ready` they wait in its queue; or, with
/// [`shed`](GateLayer::shed), `call` refuses them. More than can wait are refused in either case.
///
/// `poll_ready` takes the permits, or a place. Whoever holds a service that is ready holds permits: one that
/// is not going to be called should be dropped, and its clones begin with nothing.
///
/// ```
/// use resil_std::Bulkhead;
/// use resil_std::core::bulkhead::BulkheadConfig;
/// use resil_std::core::valid;
/// use resil_std::tower::{BulkheadLayer, OperationLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// const POLICY: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(1).build());
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let store = Bulkhead::new("store", POLICY);
/// let mut service = ServiceBuilder::new()
///     .layer(BulkheadLayer::new(store.clone()))
///     .layer(OperationLayer)
///     .service(service_fn(async |_: ()| Ok::<_, std::io::Error>("done")));
///
/// let answer = service.ready().await?.call(());
/// assert_eq!(store.held(), 1);
/// assert_eq!(answer.await?, "done");
/// assert_eq!(store.held(), 0);
/// # Ok(())
/// # }
/// ```
pub type BulkheadLayer = GateLayer<BulkheadGate>;

/// A service behind a [`BulkheadLayer`].
pub type Bulkheaded<S> = Gated<S, BulkheadGate>;

/// The gate of a [`BulkheadLayer`].
#[derive(Clone, Debug)]
pub struct BulkheadGate {
    bulkhead: Bulkhead,
    weight: u16,
    priority: Priority,
    waits: bool,
}

impl GateLayer<BulkheadGate> {
    /// One permit a request, of normal priority, and those for whom there is none wait.
    #[must_use]
    pub const fn new(bulkhead: Bulkhead) -> Self {
        Self::of(BulkheadGate { bulkhead, weight: 1, priority: Priority::Normal, waits: true })
    }

    /// So many permits a request.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.gate.weight = weight;
        self
    }

    /// Requests of this priority.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.gate.priority = priority;
        self
    }

    /// Refuses those for whom there is none.
    #[must_use]
    pub const fn shed(mut self) -> Self {
        self.gate.waits = false;
        self
    }
}

impl Gate for BulkheadGate {
    type Reserved = Guard;
    type Turn = InQueue;

    fn ask(&self) -> Asked<Guard, InQueue> {
        if !self.waits {
            return self.ask_now().map_or_else(Asked::Refused, Asked::Reserved);
        }
        match self.bulkhead.enter(self.weight, self.priority) {
            Ok(Ok(guard)) => Asked::Reserved(guard),
            Ok(Err(place)) => Asked::Waits(InQueue(place)),
            Err(rejected) => Asked::Refused(rejected),
        }
    }

    fn ask_now(&self) -> Result<Guard, Rejected> {
        self.bulkhead.try_acquire(self.weight, self.priority)
    }
}

/// A place in the queue.
pub struct InQueue(Place);

impl Turn<Guard> for InQueue {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Guard, Rejected>> {
        self.0.poll(context)
    }
}

impl fmt::Debug for InQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InQueue").finish_non_exhaustive()
    }
}

/// A bulkhead counts no time.
impl Reserved for Guard {
    type Permit = Self;

    fn begin(self) -> Result<Self, Rejected> {
        Ok(self)
    }
}

impl<E> Settle<E> for Guard {
    fn settle<V>(self, _: &Result<V, ResilienceError<E>>) {
        self.release();
    }
}
