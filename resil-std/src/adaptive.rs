//! As many calls at once as the peer can take, found out while they run.
//!
//! [`ConcurrencyLimiter`] is core's [machine](resil_core::adaptive) behind a lock, with a clock, a name for
//! the log, a rule for what errors say, and a fair line for those who would rather wait than be refused.
//! Clones are handles to the same limiter: keep one for each peer, or one for the work of this node.
//!
//! [`call`](ConcurrencyLimiter::call) runs an operation under it. Where the call is not one closure,
//! [`try_acquire`](ConcurrencyLimiter::try_acquire) gives a [`Guard`] to be told how it went, and
//! [`acquire`](ConcurrencyLimiter::acquire) waits for one.
//!
//! # Laws
//!
//! Those of core's machine, and:
//!
//! - Every permit is told back exactly once, whatever happens: the operation returns, panics, is cancelled,
//!   or its guard is dropped. Of the last three nobody knows how the call ended, and they move no limit.
//! - **First come, first served** among those who wait: while somebody does, whoever does not is refused.
//!   Whoever goes away while waiting has taken nothing, and the next in line is first at once.
//! - Whoever waits is woken when there is room, at the instant at which core's answer changes by itself, or
//!   by another policy, and not otherwise.
//! - No lock is held across an `.await`, while the operation runs, while a classifier runs or while a log
//!   subscriber runs.
//!
//! # When not to use it
//!
//! Where the right number is known: a [`Bulkhead`](crate::Bulkhead) cannot be fooled.
//!
//! # Cost
//!
//! A short lock and a reading of the clock for a permit, and the same when it is told back. Nothing is
//! allocated.

mod guard;
mod shared;

use core::fmt;
use core::future::Future;
use std::sync::Arc;

use resil_core::adaptive::{Aimd, ConcurrencyLimit};
use resil_core::outcome::{Classify, EveryError, Rejected};
use resil_core::{Clock, ResilienceError};

use crate::clock::{Sleep, SystemClock};
use shared::{Shared, Turn};

pub use guard::Guard;

/// Where its log events go.
const TARGET: &str = "resil::adaptive";

/// An adaptive limit that tasks share.
///
/// `L` is the algorithm, [`Aimd`] or [`Gradient`](resil_core::adaptive::Gradient), `C` says what errors
/// mean, and `T` is the clock. A clone is a handle to the same limiter and costs a reference count.
///
/// ```
/// use resil_std::adaptive::ConcurrencyLimiter;
/// use resil_std::core::adaptive::Aimd;
/// use resil_std::core::{ErrorCode, valid};
///
/// const WORK: Aimd = valid!(Aimd::builder().initial_limit(2).build());
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let limiter = ConcurrencyLimiter::new("work", WORK);
/// assert_eq!(limiter.call(async || Ok::<_, ()>(7)).await, Ok(7));
///
/// let held = (limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap());
/// assert_eq!(limiter.try_acquire().unwrap_err().code(), ErrorCode::LoadShed);
///
/// let next = tokio::spawn({
///     let limiter = limiter.clone();
///     async move { limiter.acquire().await.map(|guard| guard.success()) }
/// });
/// tokio::task::yield_now().await; // it is in line
/// held.0.success();
/// assert!(next.await.unwrap().is_ok());
/// # }
/// ```
pub struct ConcurrencyLimiter<L: ConcurrencyLimit = Aimd, C = EveryError, T = SystemClock>(
    Arc<Shared<L, C, T>>,
);

impl<L: ConcurrencyLimit> ConcurrencyLimiter<L> {
    /// A limiter that has learned nothing yet, for which every error is a failure. `name` stands for it in
    /// the log.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, policy: L) -> Self {
        Self::with(name, policy, EveryError, SystemClock)
    }
}

impl<L: ConcurrencyLimit, C> ConcurrencyLimiter<L, C> {
    /// The same, where `classifier` says what an error means. One that it takes for
    /// [`Ignored`](resil_core::outcome::Classification::Ignored) says nothing about how much the peer can
    /// take.
    #[must_use]
    pub fn with_classifier(name: impl Into<Box<str>>, policy: L, classifier: C) -> Self {
        Self::with(name, policy, classifier, SystemClock)
    }
}

impl<L: ConcurrencyLimit, C, T> ConcurrencyLimiter<L, C, T> {
    /// The same with everything given: the classifier and the clock.
    #[must_use]
    pub fn with(name: impl Into<Box<str>>, policy: L, classifier: C, clock: T) -> Self {
        Self(Arc::new(Shared::new(name.into(), policy, classifier, clock)))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl<L: ConcurrencyLimit, C, T: Clock> ConcurrencyLimiter<L, C, T> {
    /// Runs `operation` if there is room, and takes note of how it went and how long it took.
    ///
    /// # Errors
    ///
    /// The operation's own error, or the refusal as [`try_acquire`](Self::try_acquire) has it: then the
    /// operation was not called.
    pub async fn call<V, E, F, Fut>(&self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        C: Classify<E>,
    {
        let guard = self.try_acquire()?;
        let result = operation().await;
        guard.settle(&result);
        result.map_err(ResilienceError::operation)
    }

    /// Asks for leave to make one call; the guard wants to be told how it went.
    ///
    /// # Errors
    ///
    /// `LOAD_SHED` with [`RetryAt::Unknown`](resil_core::outcome::RetryAt::Unknown) while as many calls are
    /// in flight as the limit allows, or while others wait who would be overtaken.
    pub fn try_acquire(&self) -> Result<Guard<L, C, T>, Rejected> {
        self.0.try_acquire().map(|permit| Guard::new(self.clone(), permit))
    }

    /// Waits in line until there is room.
    ///
    /// Dropping the future leaves the line: nothing was taken, and whoever is next goes on.
    ///
    /// # Errors
    ///
    /// None that comes from its own limits, which never refuse for good; the type is that of
    /// [`try_acquire`](Self::try_acquire).
    pub async fn acquire(&self) -> Result<Guard<L, C, T>, Rejected>
    where
        T: Sleep,
    {
        if let Some(guard) = self.passes() {
            return Ok(guard);
        }
        let shared = &*self.0;
        let _head = shared.line.wait().await;
        loop {
            let freed = shared.line.freed();
            match shared.take_as_head()? {
                Turn::Taken(permit) => return Ok(Guard::new(self.clone(), permit)),
                Turn::WhenFreed(None) => freed.await,
                Turn::WhenFreed(Some(at)) => {
                    crate::line::first_of(shared.clock.sleep_until(at), freed).await;
                }
            }
        }
    }

    /// A guard for who would wait, where there is nothing to wait for.
    pub(crate) fn passes(&self) -> Option<Guard<L, C, T>> {
        self.0.passes().map(|permit| Guard::new(self.clone(), permit))
    }

    /// How many calls may be in flight.
    #[must_use]
    pub fn limit(&self) -> u16 {
        self.0.look(|machine, now| machine.limit(now))
    }

    /// How many are.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.0.look(|machine, _| machine.in_flight())
    }

    /// Forgets everything, what is in flight too. Whoever waits goes on at once.
    pub fn reset(&self) {
        self.0.change(|machine, _| machine.reset());
    }

    /// Puts another policy in force. What is in flight stays so, and what was learned is kept as far as the
    /// policy allows it. Whoever waits looks again.
    pub fn reconfigure(&self, policy: L) {
        self.0.reconfigure(policy);
    }
}

impl<L: ConcurrencyLimit, C, T> Clone for ConcurrencyLimiter<L, C, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: ConcurrencyLimit, C, T> fmt::Debug for ConcurrencyLimiter<L, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimiter").field("name", &self.name()).finish_non_exhaustive()
    }
}
