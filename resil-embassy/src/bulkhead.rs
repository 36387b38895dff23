//! So many calls at once, and the others wait their turn.
//!
//! [`Bulkhead`] is core's [machine](resil_core::bulkhead) as a `static`: the state behind one of
//! embassy's blocking mutexes, with a queue of fixed length beside it. Keep one for each thing that
//! is scarce: a radio, a peer, a pool of buffers.
//!
//! [`call`](Bulkhead::call) waits and runs an operation under it. Where the call is not one closure,
//! [`acquire`](Bulkhead::acquire) waits for a [`Guard`], and [`try_acquire`](Bulkhead::try_acquire)
//! does not wait.
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
//!   call, or of one that waits and has been let in but not been polled since.
//! - Whoever waits is let in by the drop that makes room, not by being polled: a task that does not
//!   poll its place in the queue holds up nobody but itself.
//! - A place that is given up lets in those whom it kept back.
//! - What can never pass is refused at once and does not wait.
//! - The mutex is held for one decision: never across an `.await`, while a task is woken, or while
//!   something is logged.
//!
//! # When not to use it
//!
//! To limit how *often* calls are made: that is [`rate_limit`](crate::rate_limit). To exclude one task
//! from what another one uses: that is `embassy_sync::mutex::Mutex`.

mod guard;
mod queue;

use core::borrow::Borrow;
use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::bulkhead::{BulkheadConfig, Entered, FixedPlaces, Permit, Queue, Recorded};
use resil_core::call::Priority;
use resil_core::event::EventKind;
use resil_core::outcome::{Outcome, Rejected};
use resil_core::{Clock, Instant, ResilienceError};

use crate::clock::EmbassyClock;
use crate::log;
use queue::Place;

pub use guard::Guard;

/// A bulkhead that tasks share, fit for a `static`.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `P` is the policy, or what lends one: a `&'static` policy
/// stays in flash. `WAITERS` calls can wait, at 32 bytes each on 32-bit targets; with 0 nobody does.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::Bulkhead;
/// use resil_embassy::core::bulkhead::BulkheadConfig;
/// use resil_embassy::core::call::Priority::{High, Low};
/// use resil_embassy::core::{ErrorCode, valid};
///
/// static POLICY: BulkheadConfig =
///     valid!(BulkheadConfig::builder().max_concurrent(4).high_reserve(1).build());
/// static RADIO: Bulkhead<CriticalSectionRawMutex> = Bulkhead::new("radio", &POLICY);
///
/// # embassy_futures::block_on(async {
/// let gossip = RADIO.acquire(3, Low).await?;
/// let refused = RADIO.try_acquire(1, Low).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::BulkheadFull);
/// assert_eq!(RADIO.call(1, High, async || Ok::<_, ()>("heartbeat")).await, Ok("heartbeat"));
/// drop(gossip);
/// assert_eq!(RADIO.held(), 0);
/// # Ok::<(), resil_embassy::core::Rejected>(())
/// # }).unwrap();
/// ```
pub struct Bulkhead<M, P = &'static BulkheadConfig, const WAITERS: usize = 8> {
    name: &'static str,
    policy: P,
    queue: Mutex<M, RefCell<Queue<FixedPlaces<WAITERS>>>>,
}

impl<M: RawMutex, P, const WAITERS: usize> Bulkhead<M, P, WAITERS> {
    /// A bulkhead of which nothing is held; `name` stands for it in the log.
    #[must_use]
    pub const fn new(name: &'static str, policy: P) -> Self {
        let queue = Queue::new(FixedPlaces::new());
        Self { name, policy, queue: Mutex::new(RefCell::new(queue)) }
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<M: RawMutex, P: Borrow<BulkheadConfig>, const WAITERS: usize> Bulkhead<M, P, WAITERS> {
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

    /// Waits for `weight` permits. The place in the queue is that of the first poll.
    ///
    /// There is no timeout in it: put one around it, and the place is given up when it fires.
    ///
    /// # Errors
    ///
    /// [`BULKHEAD_FULL`](resil_core::ErrorCode::BulkheadFull): with
    /// [`RetryAt::Unknown`](resil_core::outcome::RetryAt::Unknown) where as many wait as can, with
    /// [`RetryAt::Never`](resil_core::outcome::RetryAt::Never) where `weight` is more than calls of
    /// this priority can ever hold.
    pub async fn acquire(
        &self,
        weight: u16,
        priority: Priority,
    ) -> Result<Guard<'_, M, P, WAITERS>, Rejected> {
        match self.apply(|queue, policy, now| queue.enter(policy, weight, priority, now)) {
            Entered::Passed(permit) => Ok(Guard::new(self, permit)),
            Entered::Waits(ticket) => {
                let mut place = Place::new(self, ticket);
                poll_fn(|context| place.poll(context)).await
            }
            Entered::Refused(rejected) => Err(self.refused(rejected)),
        }
    }

    /// Asks for `weight` permits now.
    ///
    /// # Errors
    ///
    /// [`BULKHEAD_FULL`](resil_core::ErrorCode::BulkheadFull) as in [`acquire`](Self::acquire), but
    /// also while others wait who would be overtaken.
    pub fn try_acquire(
        &self,
        weight: u16,
        priority: Priority,
    ) -> Result<Guard<'_, M, P, WAITERS>, Rejected> {
        match self.apply(|queue, policy, now| queue.pass(policy, weight, priority, now)) {
            Ok(permit) => Ok(Guard::new(self, permit)),
            Err(rejected) => Err(self.refused(rejected)),
        }
    }

    /// The largest weight that [`try_acquire`](Self::try_acquire) would let pass now.
    #[must_use]
    pub fn available(&self, priority: Priority) -> u16 {
        self.apply(|queue, policy, _| queue.available(policy, priority))
    }

    /// Permits that are out.
    #[must_use]
    pub fn held(&self) -> u16 {
        self.apply(|queue, _, _| queue.held())
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.apply(|queue, _, _| queue.waiting())
    }

    /// Forgets what is held and lets in who waits. Guards that are out give nothing back any more.
    pub fn reset(&self) {
        self.apply(|queue, policy, _| queue.reset(policy));
        self.let_in();
    }

    fn record(&self, permit: Permit) -> Recorded {
        let recorded =
            self.apply(|queue, policy, now| queue.record(policy, permit, Outcome::Abandoned, now));
        self.let_in();
        recorded
    }

    /// Wakes those for whom there is room, one after another, with the mutex free.
    fn let_in(&self) {
        while let Some(waker) = self.apply(|queue, policy, now| queue.let_in_next(policy, now)) {
            waker.wake();
        }
    }

    /// One decision under the mutex, at the present instant. Nothing of the user's runs in it.
    fn apply<R>(
        &self,
        decide: impl FnOnce(&mut Queue<FixedPlaces<WAITERS>>, &BulkheadConfig, Instant) -> R,
    ) -> R {
        let policy = self.policy.borrow();
        self.queue.lock(|queue| decide(&mut queue.borrow_mut(), policy, EmbassyClock.now()))
    }

    fn refused(&self, rejected: Rejected) -> Rejected {
        log::event(EventKind::BulkheadFull, self.name, &rejected);
        rejected
    }
}

impl<M, P, const WAITERS: usize> fmt::Debug for Bulkhead<M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("name", &self.name)
            .field("held", &self.held())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, P, const WAITERS: usize> defmt::Format for Bulkhead<M, P, WAITERS>
where
    M: RawMutex,
    P: Borrow<BulkheadConfig>,
{
    fn format(&self, f: defmt::Formatter<'_>) {
        let (held, waiting) = (self.held(), self.waiting());
        defmt::write!(
            f,
            "bulkhead {=str}: {=u16} held, {=usize} waiting",
            self.name,
            held,
            waiting
        );
    }
}
