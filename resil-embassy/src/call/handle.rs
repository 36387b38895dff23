//! A peer to call, by reference, with what this call asks for.

use core::cell::Cell;
use core::fmt::{self, Debug};
use core::future::Future;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::call::{Call, Pipeline, Request, Ticket};
use resil_core::deadline::Deadline;
use resil_core::event::EventKind;
use resil_core::outcome::Classify;
use resil_core::{Clock, Instant, ResilienceError};

use super::run::run;
use crate::clock::EmbassyClock;
use crate::log::{self, Format};

/// A peer, and what a call to it asks for: `Copy`, and a few words.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::core::call::{CallPolicy, PeerPolicy, Priority, Request};
/// use resil_embassy::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_embassy::core::deadline::Deadline;
/// use resil_embassy::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_embassy::core::retry::RetryPolicy;
/// use resil_embassy::core::{Clock, Instant};
/// use resil_embassy::{EmbassyClock, Peers};
/// use core::time::Duration;
///
/// static POLICY: PeerPolicy = PeerPolicy::new(
///     CallPolicy::new(RetryPolicy::DEFAULT),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
/// # fn hardware_random() -> u32 { 4 }
/// static MESH: Peers<CriticalSectionRawMutex, 16> = Peers::new("mesh", &POLICY, hardware_random);
///
/// # async fn relay(deadline: Deadline) -> Option<u8> {
/// // Worth five requests, first in line, and wanted by the deadline that came with the frame.
/// let request = Request { cost: 5, priority: Priority::High, ..Request::ONE };
/// let peer = MESH.get(7)?.request(request).deadline(deadline);
/// peer.call(async || Ok::<_, ()>(7)).await.ok()
/// # }
/// # embassy_futures::block_on(async {
/// # let deadline = Deadline::after(EmbassyClock.now(), Duration::from_secs(3));
/// # assert_eq!(relay(deadline).await, Some(7));
/// # assert!(MESH.get(16).is_none());
/// # });
/// ```
pub struct Handle<'a, M: RawMutex, L: Pipeline> {
    pub(super) name: &'a str,
    /// Which of several.
    pub(super) index: Option<usize>,
    pub(super) pipeline: &'a L,
    pub(super) entropy: fn() -> u32,
    pub(super) state: &'a Mutex<M, Cell<L::State>>,
    pub(super) request: Request,
    pub(super) deadline: Deadline,
}

impl<'a, M: RawMutex, L: Pipeline> Handle<'a, M, L> {
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
    /// given back.
    ///
    /// # Errors
    ///
    /// That of [`Call::result`]: the operation's own, a refusal of ours, or what became of the retries.
    pub async fn call<V, E, F, Fut>(self, mut operation: F) -> Result<V, ResilienceError<E>>
    where
        L::Classifier: Classify<E>,
        E: Debug,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        run(self, |_, _| operation()).await
    }

    /// [`call`](Self::call) for an operation that wants to know which attempt it is: its number and its
    /// deadline, to send them along, and what it [holds](Call::permit), where a gate has chosen the peer.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn call_each<V, E, F, Fut>(self, operation: F) -> Result<V, ResilienceError<E>>
    where
        L::Classifier: Classify<E>,
        E: Debug,
        F: FnMut(&Ticket, &Call<L::Permit, L::Charge>) -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        run(self, operation).await
    }

    /// Does something with the state at the present instant, with the mutex held: to look at the
    /// breaker, to reset it, to save or restore a snapshot.
    ///
    /// It is to be short. While it runs, the peer is new to whoever calls it from in there.
    pub fn apply<R>(&self, apply: impl FnOnce(&L, &mut L::State, Instant) -> R) -> R {
        self.state.lock(|cell| {
            // Read under the mutex, so that the machines see time in order.
            let now = EmbassyClock.now();
            let mut state = cell.replace(L::FRESH);
            let answer = apply(self.pipeline, &mut state, now);
            cell.set(state);
            answer
        })
    }

    pub(super) fn log(&self, kind: EventKind, what: &impl Format) {
        match self.index {
            Some(index) => log::event(kind, self.name, &(index, what)),
            None => log::event(kind, self.name, what),
        }
    }
}

impl<M: RawMutex, L: Pipeline> Clone for Handle<'_, M, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: RawMutex, L: Pipeline> Copy for Handle<'_, M, L> {}

impl<M: RawMutex, L: Pipeline> Debug for Handle<'_, M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("name", &self.name)
            .field("index", &self.index)
            .field("request", &self.request)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M: RawMutex, L: Pipeline> Format for Handle<'_, M, L> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self { name, index, request, deadline, .. } = self;
        defmt::write!(f, "peer {=str} {}: {}, {}", name, index, request, deadline);
    }
}
