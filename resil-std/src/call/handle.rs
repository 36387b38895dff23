//! A peer to call, by reference, with what this call asks for.

use core::fmt::{self, Debug};
use core::future::Future;
use std::sync::Arc;

use resil_core::call::{Call, Inherit, Pipeline, Request, Ticket};
use resil_core::deadline::Deadline;
use resil_core::event::EventKind;
use resil_core::outcome::Classify;
use resil_core::{Clock, Instant, ResilienceError};

use super::TARGET;
use super::kept::{Held, Kept};
use super::task::{run, step};
use super::thread::{run_blocking, step_blocking};
use crate::clock::Sleep;
use crate::log;

/// A peer, and what a call to it asks for: `Copy`, and a few words.
///
/// It borrows: a task that outlives the caller moves a clone of the [`Peer`](super::Peer) or of the
/// [`Peers`](super::Peers) in, and takes its handle there.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::call::{CallPolicy, PeerPolicy, Priority, Request};
/// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_std::core::deadline::Deadline;
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::core::Clock;
/// use resil_std::{Peers, SystemClock};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// let policy = PeerPolicy::new(
///     CallPolicy::new(RetryPolicy::DEFAULT),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
/// let mesh = Peers::new("mesh", policy, 16);
///
/// // Worth five requests, first in line, and wanted by the deadline that came with the frame.
/// let deadline = Deadline::after(SystemClock.now(), Duration::from_secs(3));
/// let request = Request { cost: 5, priority: Priority::High, ..Request::ONE };
/// let relay = tokio::spawn({
///     let mesh = mesh.clone();
///     async move {
///         let peer = mesh.get(7)?.request(request).deadline(deadline);
///         peer.call(async || Ok::<_, ()>(7)).await.ok()
///     }
/// });
/// assert_eq!(relay.await?, Some(7));
/// assert!(mesh.get(16).is_none());
/// # Ok(())
/// # }
/// ```
pub struct Handle<'a, L: Pipeline, T> {
    pub(super) name: &'a str,
    /// Which of several.
    pub(super) index: Option<usize>,
    pub(super) kept: &'a Kept<L>,
    pub(super) clock: &'a T,
    pub(super) request: Request,
    pub(super) deadline: Deadline,
}

/// Whom a call is to: a handle, or what the call itself keeps to have one.
pub(crate) trait Callee {
    type Layers: Pipeline;
    type Clock: Clock;

    fn handle(&self) -> Handle<'_, Self::Layers, Self::Clock>;
}

impl<L: Pipeline, T: Clock> Callee for Handle<'_, L, T> {
    type Layers = L;
    type Clock = T;

    #[inline]
    fn handle(&self) -> Self {
        *self
    }
}

impl<'a, L: Pipeline, T: Clock> Handle<'a, L, T> {
    /// The same peer, asked for this.
    #[must_use]
    pub const fn request(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// The same peer, with calls that are over at `deadline`, or earlier where the policy says so.
    #[must_use]
    pub const fn deadline(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// Calls the peer: runs `operation` as often as the policy allows and the peer makes necessary.
    ///
    /// Dropping the future abandons the call: operations that run are dropped, and what they held is
    /// given back. The future is `Send` where the operation and its futures are.
    ///
    /// # Errors
    ///
    /// That of [`Call::result`]: the operation's own, a refusal of ours, or what became of the retries.
    #[inline]
    pub fn call<V, E, F, Fut>(
        self,
        operation: F,
    ) -> impl Future<Output = Result<V, ResilienceError<E>>>
    where
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        run(self, operation)
    }

    /// [`call`](Self::call) for an operation that wants to know which attempt it is: its number and its
    /// deadline, to send them along, and what it [holds](Call::permit), where a gate has chosen the peer.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn call_each<V, E, F, Fut>(
        self,
        operation: F,
    ) -> impl Future<Output = Result<V, ResilienceError<E>>>
    where
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
        F: FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        step(self, operation)
    }

    /// [`call`](Self::call) for an operation that blocks the thread; so do the waits.
    ///
    /// A thread is in one attempt at a time. So nothing is hedged beside a slow attempt (a hedge that
    /// follows a failure at once is made), and an attempt is not cut off: it counts as it ends, even after
    /// its deadline. [`call_each_blocking`](Self::call_each_blocking) says when that is.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline(always)]
    pub fn call_blocking<V, E, F>(self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnMut() -> Result<V, E>,
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
    {
        run_blocking(self, operation)
    }

    /// [`call_each`](Self::call_each) for an operation that blocks the thread. Give sockets the time that
    /// is left until the ticket's [deadline](Ticket::deadline).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn call_each_blocking<V, E, F>(self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Result<V, E>,
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
    {
        step_blocking(self, operation)
    }

    /// Does something with the state at the present instant, with the lock held: to look at the
    /// breaker, to reset it, to save or restore a snapshot.
    ///
    /// It is to be short, and must not use this peer: it would wait for itself.
    #[inline]
    pub fn apply<R>(&self, apply: impl FnOnce(&L, &mut L::State, Instant) -> R) -> R {
        let (mut held, now) = self.at_present();
        let (policy, state) = held.parts();
        apply(policy, state, now)
    }

    /// The clock.
    #[cfg(feature = "tower")]
    pub(crate) const fn clock(&self) -> &'a T {
        self.clock
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<L> {
        self.kept.policy()
    }

    /// Puts another policy in force.
    pub(super) fn reconfigure(&self, policy: &Arc<L>)
    where
        L: Inherit,
    {
        let (mut held, now) = self.at_present();
        let (old, state) = held.parts();
        let state = policy.inherit(old, state, now);
        let old = held.replace(policy, state);
        drop(held);
        drop(old); // it may be the last of them, and what it holds is the user's
        let Self { name: peer, index, .. } = *self;
        log::event!(TARGET, EventKind::ConfigurationChanged, peer, index);
    }

    /// Itself, for a function that is not in line: what is passed to one lies in memory, and this here
    /// does not have to.
    #[inline(always)]
    pub(super) const fn copied(&self) -> Self {
        *self
    }

    /// The state, locked, and the present instant. It is read under the lock, so that the machines see time
    /// in order.
    #[inline]
    pub(super) fn at_present(&self) -> (Held<'a, L>, Instant) {
        let held = self.kept.lock();
        let now = self.clock.now();
        (held, now)
    }
}

impl<L: Pipeline, T> Clone for Handle<'_, L, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Pipeline, T> Copy for Handle<'_, L, T> {}

impl<L: Pipeline, T> Debug for Handle<'_, L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("name", &self.name)
            .field("index", &self.index)
            .field("request", &self.request)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
