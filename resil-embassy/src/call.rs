//! A call to a peer, through every layer.
//!
//! [`Peer`] is core's [composed call](resil_core::call) as a `static`: what is remembered of a peer
//! behind one of embassy's blocking mutexes, the policy in flash. [`call`](Peer::call) runs an operation
//! with retries, a breaker, a limit and timeouts, where the policy is a
//! [`BudgetedPolicy`](resil_core::call::BudgetedPolicy) with a budget of retries too, and where it is a
//! [`HedgedPolicy`](resil_core::call::HedgedPolicy) with a budget and hedging. [`Peers`] are many peers under
//! one policy. Other layers are another [`Pipeline`].
//!
//! # Laws
//!
//! Those of core's call, in its order, and:
//!
//! - An attempt is dropped when its deadline comes, or when another one has the answer. An answer that is
//!   there counts, even at the deadline.
//! - Everything is given back exactly once: permits, probe slots, the price of a retry, whatever happens;
//!   the call ends, its future is dropped at any point, or the operation panics.
//! - The mutex is held for one step: never across an `.await`, while an operation or a classifier runs,
//!   or while something is logged. The clock is read once a step.
//! - Nothing is allocated: both attempts lie in the future of the call.
//!
//! # A value when there is no answer
//!
//! ```
//! # use embassy_sync::blocking_mutex::raw::NoopRawMutex;
//! # use resil_embassy::Peer;
//! # use resil_embassy::core::call::{CallPolicy, PeerPolicy};
//! # use resil_embassy::core::circuit_breaker::CircuitBreakerConfig;
//! # use resil_embassy::core::rate_limit::{RateLimitConfig, TokenBucket};
//! # use resil_embassy::core::retry::RetryPolicy;
//! use resil_embassy::core::fallback::{Answer, is_unavailable, or_degraded};
//! # let policy = PeerPolicy::new(
//! #     CallPolicy::new(RetryPolicy::DEFAULT),
//! #     CircuitBreakerConfig::DEFAULT,
//! #     TokenBucket::new(RateLimitConfig::DEFAULT),
//! # );
//! # let gateway = Peer::<NoopRawMutex, _>::new("gateway", policy, || 4);
//! # gateway.handle().apply(|policy, peer, now| policy.breaker().force_open(&mut peer.breaker, now));
//! # async fn temperature() -> Result<i8, &'static str> { Ok(20) }
//!
//! # embassy_futures::block_on(async {
//! let last = Some(19); // what it said last
//! let answer = gateway.call(temperature).await; // its breaker is open
//! let answer = or_degraded(answer, is_unavailable, |_| last).unwrap();
//! assert!(matches!(answer, Answer::Degraded(19, _)));
//! # });
//! ```
//!
//! # When not to use it
//!
//! For an operation that may not run twice, unless the policy has one attempt and no hedging. For a
//! breaker or a retry alone: [`CircuitBreaker`](crate::CircuitBreaker) and
//! [`retry_with_policy`](crate::retry_with_policy) take less room.
//!
//! # Cost
//!
//! A peer is 24 bytes with core's [`PeerPolicy`]; the future of a call is two futures of the operation
//! (lend it large buffers), its output and 800 bytes at most. A step takes the state out of its cell and
//! puts it back.

mod attempts;
mod handle;
mod run;

use core::cell::Cell;
use core::fmt::{self, Debug};
use core::future::Future;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::ResilienceError;
use resil_core::call::{PeerPolicy, Pipeline, Request};
use resil_core::deadline::Deadline;
use resil_core::outcome::Classify;

pub use handle::Handle;

/// One peer that tasks call, fit for a `static`.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `L` are the layers' policies, or what lends them: `&'static`
/// ones stay in flash.
///
/// ```
/// use core::time::Duration;
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::Peer;
/// use resil_embassy::core::call::{CallPolicy, PeerPolicy};
/// use resil_embassy::core::circuit_breaker::{CircuitBreakerConfig, State};
/// use resil_embassy::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_embassy::core::retry::RetryPolicy;
/// use resil_embassy::core::valid;
///
/// const RETRY: RetryPolicy =
///     valid!(RetryPolicy::builder().deadline(Duration::from_secs(9)).build());
/// static POLICY: PeerPolicy = PeerPolicy::new(
///     valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2))),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
/// # fn hardware_random() -> u32 { 4 }
/// static GATEWAY: Peer<CriticalSectionRawMutex> = Peer::new("gateway", &POLICY, hardware_random);
///
/// # async fn report() -> Result<u8, &'static str> { Ok(7) }
/// # embassy_futures::block_on(async {
/// // At most three attempts of 2 s each, within 9 s; none while the gateway is known to be down.
/// assert_eq!(GATEWAY.call(report).await, Ok(7));
///
/// let breaker = GATEWAY.handle().apply(|policy, peer, now| {
///     policy.breaker().state(&peer.breaker, now)
/// });
/// assert_eq!(breaker, State::Closed);
/// # });
/// ```
pub struct Peer<M, L: Pipeline = &'static PeerPolicy> {
    peers: Peers<M, 1, L>,
}

impl<M: RawMutex, L: Pipeline> Peer<M, L> {
    /// A peer that nothing is known of.
    ///
    /// `name` stands for it in the log. `entropy` gives 32 random bits, from the hardware or a generator
    /// seeded with it: for the jitter of waits and of open times, with the mutex held, so it is to be
    /// short and must not use this peer.
    #[must_use]
    pub const fn new(name: &'static str, policy: L, entropy: fn() -> u32) -> Self {
        Self { peers: Peers::new(name, policy, entropy) }
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.peers.name
    }

    /// Calls it, with a request of cost 1 and normal priority: [`Handle::call`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn call<V, E, F, Fut>(&self, operation: F) -> Result<V, ResilienceError<E>>
    where
        L::Classifier: Classify<E>,
        E: Debug,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.handle().call(operation).await
    }

    /// To ask for more: another cost, a priority, a deadline; or to look at the state.
    #[must_use]
    pub const fn handle(&self) -> Handle<'_, M, L> {
        let [state] = &self.peers.states;
        self.peers.lend(state, None)
    }
}

/// `N` peers under one policy, fit for a `static`; see [`Handle`] for how one is called.
///
/// Each has a mutex of its own, which takes no room where it is `CriticalSectionRawMutex` or
/// `NoopRawMutex`.
pub struct Peers<M, const N: usize, L: Pipeline = &'static PeerPolicy> {
    name: &'static str,
    policy: L,
    entropy: fn() -> u32,
    states: [Mutex<M, Cell<L::State>>; N],
}

impl<M: RawMutex, const N: usize, L: Pipeline> Peers<M, N, L> {
    /// Peers that nothing is known of. `name` stands for all of them in the log, with the index of each;
    /// the rest is as in [`Peer::new`].
    #[must_use]
    pub const fn new(name: &'static str, policy: L, entropy: fn() -> u32) -> Self {
        let states = [const { Mutex::new(Cell::new(L::FRESH)) }; N];
        Self { name, policy, entropy, states }
    }

    /// The peer with this index, below `N`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Handle<'_, M, L>> {
        self.states.get(index).map(|state| self.lend(state, Some(index)))
    }

    const fn lend<'a>(
        &'a self,
        state: &'a Mutex<M, Cell<L::State>>,
        index: Option<usize>,
    ) -> Handle<'a, M, L> {
        Handle {
            name: self.name,
            index,
            pipeline: &self.policy,
            entropy: self.entropy,
            state,
            request: Request::ONE,
            deadline: Deadline::NONE,
        }
    }
}

impl<M, L: Pipeline> Debug for Peer<M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.peers.name).finish_non_exhaustive()
    }
}

impl<M, const N: usize, L: Pipeline> Debug for Peers<M, N, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("name", &self.name).field("len", &N).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, L: Pipeline> defmt::Format for Peer<M, L> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "peer {=str}", self.peers.name);
    }
}

#[cfg(feature = "defmt")]
impl<M, const N: usize, L: Pipeline> defmt::Format for Peers<M, N, L> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} peers {=str}", N, self.name);
    }
}
