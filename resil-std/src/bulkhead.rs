//! So many calls at once, and the others wait their turn.
//!
//! [`Bulkhead`] is core's [machine](resil_core::bulkhead) with core's
//! [queue](resil_core::bulkhead::queue) behind a lock. Clones are handles to the same bulkhead. Keep one
//! for each thing that is scarce: a peer, a pool of connections, a disk.
//!
//! [`call`](Bulkhead::call) waits and runs an operation under it. Where the call is not one closure,
//! [`acquire`](Bulkhead::acquire) waits for a [`Guard`], and [`try_acquire`](Bulkhead::try_acquire)
//! does not wait. On a thread: [`call_blocking`](Bulkhead::call_blocking) and
//! [`acquire_blocking`](Bulkhead::acquire_blocking), in the same queue.
//!
//! # Who is next
//!
//! The first of the highest priority. Nobody overtakes who waits with the same priority or a higher
//! one, however little they want: a heavy call at the head keeps light ones behind it until enough
//! has come back. A call of higher priority does overtake, or gossip in the queue would keep
//! heartbeats from the permits that are reserved for them; so calls of high priority that never end
//! can starve the others, and reserves are there so that the others cannot starve them.
//!
//! # Laws
//!
//! - Core alone says whether there is room; what is held never exceeds what it allows.
//! - Every permit comes back exactly once, whatever happens: the guard is dropped, or the future of a
//!   call, or of one that waits and has been let in but not been polled since; or the operation panics.
//! - Whoever waits is let in by the drop that makes room, not by being polled: a task that does not
//!   poll its place in the queue holds up nobody but itself.
//! - A place that is given up lets in those whom it kept back.
//! - What can never pass is refused at once and does not wait.
//! - The lock is held for one decision: never across an `.await`, while a task is woken, or while
//!   something is logged.
//! - Nothing is allocated, but for the waker of a thread that waits, and for places beyond a thousand.
//!
//! # When not to use it
//!
//! To limit how *often* calls are made: that is [`rate_limit`](crate::rate_limit). Where neither weights
//! nor priorities matter and nobody is to be refused: `tokio::sync::Semaphore`.
//!
//! # Cost
//!
//! 40 bytes a place, a thousand of them reserved at the start. Joining, polling and leaving are linear in how many wait, so
//! the number of places bounds the time that the lock is held.

mod guard;
mod queue;

use core::fmt;
use core::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};

use resil_core::bulkhead::{BulkheadConfig, Entered, Permit, Queue, Recorded};
use resil_core::call::Priority;
use resil_core::event::EventKind;
use resil_core::outcome::{Outcome, Rejected};
use resil_core::{Instant, ResilienceError};

use crate::log;
pub(crate) use queue::Place;
use queue::Places;

pub use guard::Guard;

/// Where its log events go.
const TARGET: &str = "resil::bulkhead";

/// How many can wait where nothing else is said.
const WAITERS: usize = 256;

/// A bulkhead that tasks and threads share. A clone is a handle to the same one and costs a reference
/// count.
///
/// ```
/// use resil_std::Bulkhead;
/// use resil_std::core::bulkhead::BulkheadConfig;
/// use resil_std::core::call::Priority::{High, Low};
/// use resil_std::core::{ErrorCode, valid};
///
/// const POLICY: BulkheadConfig =
///     valid!(BulkheadConfig::builder().max_concurrent(4).high_reserve(1).build());
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resil_std::core::Rejected> {
/// let store = Bulkhead::new("store", POLICY);
/// let gossip = store.acquire(3, Low).await?;
/// let refused = store.try_acquire(1, Low).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::BulkheadFull);
/// assert_eq!(store.call(1, High, async || Ok::<_, ()>("heartbeat")).await, Ok("heartbeat"));
/// drop(gossip);
/// assert_eq!(store.held(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Bulkhead(Arc<Shared>);

struct Shared {
    name: Box<str>,
    locked: Mutex<Locked>,
}

struct Locked {
    policy: BulkheadConfig,
    queue: Queue<Places>,
}

/// No decision of a bulkhead depends on time, so no clock is read.
const NOW: Instant = Instant::EPOCH;

impl Bulkhead {
    /// A bulkhead of which nothing is held, and for which 256 calls can wait. `name` stands for it in the
    /// log.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, policy: BulkheadConfig) -> Self {
        Self::with_waiters(name, policy, WAITERS)
    }

    /// The same, with so many that can wait; with 0 nobody does, with `usize::MAX` everybody.
    #[must_use]
    pub fn with_waiters(name: impl Into<Box<str>>, policy: BulkheadConfig, waiters: usize) -> Self {
        let queue = Queue::new(Places::new(waiters));
        Self(Arc::new(Shared { name: name.into(), locked: Mutex::new(Locked { policy, queue }) }))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Waits for `weight` permits, runs `operation`, and gives them back.
    ///
    /// Dropping the future gives up the place in the queue, or the permits, and nothing else.
    ///
    /// # Errors
    ///
    /// The operation's own error, or the refusal as [`acquire`](Self::acquire) has it: then the
    /// operation was not called.
    pub async fn call<V, E, F, Fut>(
        &self,
        weight: u16,
        priority: Priority,
        operation: F,
    ) -> Result<V, ResilienceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let _guard = self.acquire(weight, priority).await?;
        operation().await.map_err(ResilienceError::operation)
    }

    /// [`call`](Self::call) for an operation that blocks the thread; so does the wait.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn call_blocking<V, E>(
        &self,
        weight: u16,
        priority: Priority,
        operation: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>> {
        let _guard = self.acquire_blocking(weight, priority)?;
        operation().map_err(ResilienceError::operation)
    }

    /// Waits for `weight` permits. The place in the queue is that of the first poll.
    ///
    /// There is no timeout in it: put one around it, and the place is given up when it fires.
    ///
    /// # Errors
    ///
    /// [`BULKHEAD_FULL`](resil_core::ErrorCode::BulkheadFull): with
    /// [`RetryAt::Unknown`](resil_core::outcome::RetryAt::Unknown) where as many wait as can, with
    /// [`RetryAt::Never`](resil_core::outcome::RetryAt::Never) where `weight` is more than calls of
    /// this priority can ever hold, from the start or by a policy that came while it waited.
    pub async fn acquire(&self, weight: u16, priority: Priority) -> Result<Guard, Rejected> {
        match self.enter(weight, priority)? {
            Ok(guard) => Ok(guard),
            Err(mut place) => poll_fn(|context| place.poll(context)).await,
        }
    }

    /// [`acquire`](Self::acquire) for a thread, which is blocked for as long as the wait takes: there is no
    /// timeout, and nobody can give up its place.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_blocking(&self, weight: u16, priority: Priority) -> Result<Guard, Rejected> {
        match self.enter(weight, priority)? {
            Ok(guard) => Ok(guard),
            Err(place) => place.block(),
        }
    }

    /// Asks for `weight` permits now.
    ///
    /// # Errors
    ///
    /// [`BULKHEAD_FULL`](resil_core::ErrorCode::BulkheadFull) as in [`acquire`](Self::acquire), but
    /// also while others wait who would be overtaken.
    pub fn try_acquire(&self, weight: u16, priority: Priority) -> Result<Guard, Rejected> {
        match self.apply(|queue, policy| queue.pass(policy, weight, priority, NOW)) {
            Ok(permit) => Ok(Guard::new(self.clone(), permit)),
            Err(rejected) => Err(self.refused(rejected)),
        }
    }

    /// The largest weight that [`try_acquire`](Self::try_acquire) would let pass now.
    #[must_use]
    pub fn available(&self, priority: Priority) -> u16 {
        self.apply(|queue, policy| queue.available(policy, priority))
    }

    /// Permits that are out.
    #[must_use]
    pub fn held(&self) -> u16 {
        self.apply(|queue, _| queue.held())
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.apply(|queue, _| queue.waiting())
    }

    /// Forgets what is held and lets in who waits. Guards that are out give nothing back any more.
    pub fn reset(&self) {
        self.apply(|queue, policy| queue.reset(policy));
        self.let_in();
    }

    /// Puts another policy in force, and lets in who fits by it. What is held stays held; where that is
    /// more than there is, nobody passes until enough is back. Whoever waits for more than there will ever
    /// be by it is refused when it is their turn.
    pub fn reconfigure(&self, policy: BulkheadConfig) {
        {
            let mut locked = self.0.locked.lock().unwrap_or_else(PoisonError::into_inner);
            let old = core::mem::replace(&mut locked.policy, policy);
            let Locked { policy, queue } = &mut *locked;
            queue.inherit(policy, &old, NOW);
        }
        let bulkhead = self.name();
        log::event!(TARGET, EventKind::ConfigurationChanged, bulkhead);
        self.let_in();
    }

    /// A guard, or a place in the queue.
    pub(crate) fn enter(
        &self,
        weight: u16,
        priority: Priority,
    ) -> Result<Result<Guard, Place>, Rejected> {
        match self.apply(|queue, policy| queue.enter(policy, weight, priority, NOW)) {
            Entered::Passed(permit) => Ok(Ok(Guard::new(self.clone(), permit))),
            Entered::Waits(ticket) => Ok(Err(Place::new(self.clone(), ticket))),
            Entered::Refused(rejected) => Err(self.refused(rejected)),
        }
    }

    fn record(&self, permit: Permit) -> Recorded {
        let abandoned = Outcome::Abandoned;
        let recorded = self.apply(|queue, policy| queue.record(policy, permit, abandoned, NOW));
        self.let_in();
        recorded
    }

    /// Wakes those for whom there is room, one after another, with the lock free.
    fn let_in(&self) {
        while let Some(waker) = self.apply(|queue, policy| queue.let_in_next(policy, NOW)) {
            waker.wake();
        }
    }

    /// One decision under the lock. Nothing of the user's runs in it, so nothing can have panicked.
    fn apply<R>(&self, decide: impl FnOnce(&mut Queue<Places>, &BulkheadConfig) -> R) -> R {
        let mut locked = self.0.locked.lock().unwrap_or_else(PoisonError::into_inner);
        let Locked { policy, queue } = &mut *locked;
        decide(queue, policy)
    }

    fn refused(&self, rejected: Rejected) -> Rejected {
        let (bulkhead, code) = (self.name(), rejected.code().name());
        log::event!(TARGET, EventKind::BulkheadFull, bulkhead, code);
        rejected
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("name", &self.name())
            .field("held", &self.held())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
