//! A call to a peer, through every layer.
//!
//! [`Peer`] is core's [composed call](resil_core::call) for tasks and threads: what is remembered of a
//! peer behind a lock, beside the policy in force, and before the lock what calls need that go well.
//! [`call`](Peer::call) runs an operation with retries, a breaker, a limit and timeouts, where the policy is a
//! [`BudgetedPolicy`](resil_core::call::BudgetedPolicy) with a budget of retries too, and where it is a
//! [`HedgedPolicy`](resil_core::call::HedgedPolicy) with a budget and hedging;
//! [`call_blocking`](Peer::call_blocking) does so on a thread. [`Peers`] are many peers under one policy.
//! Other layers are another [`Pipeline`]; a gate over several peers makes hedges and retries go
//! [elsewhere](Request::elsewhere), and [`call_each`](Handle::call_each) is told where.
//!
//! # Laws
//!
//! Those of core's call, in its order, and:
//!
//! - An attempt is dropped when its deadline comes, or when another one has the answer. An answer that is
//!   there counts, even at the deadline.
//! - Everything is given back exactly once: permits, probe slots, the price of a retry, whatever happens;
//!   the call ends, its future is dropped at any point, or the operation panics.
//! - A panic of the operation or of the classifier is a fatal failure of the attempt, and goes on.
//! - The lock is held for one step: never across an `.await`, while an operation or a classifier runs, or
//!   while something is logged. The clock is read once a step.
//! - A call that succeeds at once, when its operation is called or its future first polled, reads the
//!   clock once, unless a layer wants to know [when it ended](Pipeline::needs_end): a breaker that is not
//!   closed or measures, a budget, hedging. One that is refused reads it once. The decisions are those of
//!   any other call.
//! - Nothing is allocated: both attempts lie in the future of the call.
//!
//! # A value when there is no answer
//!
//! ```
//! # use resil_std::Peer;
//! # use resil_std::core::call::{CallPolicy, PeerPolicy};
//! # use resil_std::core::circuit_breaker::CircuitBreakerConfig;
//! # use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
//! # use resil_std::core::retry::RetryPolicy;
//! use resil_std::core::fallback::{Answer, is_unavailable, or_degraded};
//!
//! # async fn balance() -> Result<i64, &'static str> { Ok(20) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let policy = PeerPolicy::new(
//! #     CallPolicy::new(RetryPolicy::DEFAULT),
//! #     CircuitBreakerConfig::DEFAULT,
//! #     TokenBucket::new(RateLimitConfig::DEFAULT),
//! # );
//! # let store = Peer::new("store", policy);
//! # store.handle().apply(|policy, peer, now| policy.breaker().force_open(&mut peer.breaker, now));
//! let last = Some(19); // what it said last
//! let answer = store.call(balance).await; // its breaker is open
//! let answer = or_degraded(answer, is_unavailable, |_| last).unwrap();
//! assert!(matches!(answer, Answer::Degraded(19, _)));
//! # }
//! ```
//!
//! # One call to several peers
//!
//! A retry or a hedge of a [`Peer`] goes to that peer again. Where several hold the same, a gate of one's own
//! chooses among them; its permit says whom it chose, and [`call_each`](Handle::call_each) reads that.
//!
//! ```
//! use core::time::Duration;
//! use resil_std::Peer;
//! use resil_std::core::Instant;
//! use resil_std::core::call::{
//!     Bound, CallPolicy, End, Gate, Layers, PeerPolicy, PeerState, Pipeline, Request,
//! };
//! use resil_std::core::hedge::{HedgePolicy, HedgeState};
//! use resil_std::core::outcome::{EveryError, Rejected};
//! # use resil_std::core::circuit_breaker::CircuitBreakerConfig;
//! # use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
//!
//! /// Three that hold the same.
//! struct Replicas { each: PeerPolicy, hedge: HedgePolicy }
//! struct Known { peers: [PeerState; 3], last: usize }
//! struct Anyone<'a> { policy: &'a PeerPolicy, known: &'a mut Known }
//! type Permit = <PeerPolicy as Pipeline>::Permit;
//!
//! impl Gate for Anyone<'_> {
//!     type Permit = (usize, Permit); // whom, and what that one lent
//!     type Report = ();
//!
//!     fn try_acquire(
//!         &mut self, request: &Request, entropy: &mut impl FnMut() -> u32, now: Instant,
//!     ) -> Result<(usize, Permit), Rejected> {
//!         let known = &mut *self.known;
//!         known.last = (known.last + usize::from(request.elsewhere)) % known.peers.len();
//!         let mut gate = self.policy.gate(&mut known.peers[known.last]);
//!         gate.try_acquire(request, entropy, now).map(|permit| (known.last, permit))
//!     }
//!
//!     fn settle(
//!         &mut self, (whom, permit): (usize, Permit), end: End, entropy: &mut impl FnMut() -> u32, now: Instant,
//!     ) {
//!         self.policy.gate(&mut self.known.peers[whom]).settle(permit, end, entropy, now);
//!     }
//! }
//!
//! impl Pipeline for Replicas {
//!     type State = (Known, HedgeState);
//!     type Permit = (usize, Permit);
//!     type Charge = ();
//!     type Classifier = EveryError;
//!     type Gates<'a> = Layers<Anyone<'a>, (), Bound<'a, HedgePolicy, HedgeState>>;
//!     const FRESH: Self::State =
//!         (Known { peers: [const { PeerState::FRESH }; 3], last: 0 }, HedgeState::FRESH);
//!
//!     fn call(&self) -> &CallPolicy {
//!         self.each.call()
//!     }
//!
//!     fn gates<'a>(&'a self, (known, hedge): &'a mut Self::State) -> Self::Gates<'a> {
//!         let anyone = Anyone { policy: &self.each, known };
//!         Layers::new(anyone).with_hedge(Bound::new(&self.hedge, hedge))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let (call, limit) = (CallPolicy::default(), TokenBucket::new(RateLimitConfig::DEFAULT));
//! # let each = PeerPolicy::new(call, CircuitBreakerConfig::DEFAULT, limit);
//! let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(50)).build()?;
//! let store = Peer::new("store", Replicas { each, hedge });
//! let answer = store.handle().call_each(|ticket, call| {
//!     let whom = call.permit(ticket).map(|permit| permit.0);
//!     async move {
//!         if whom == Some(0) {
//!             core::future::pending::<()>().await; // it hangs
//!         }
//!         Ok::<_, std::io::Error>(whom)
//!     }
//! });
//! assert_eq!(answer.await?, Some(1), "the hedge went to the next one");
//! # Ok(())
//! # }
//! ```
//!
//! # When not to use it
//!
//! For an operation that may not run twice, unless the policy has one attempt and no hedging. For a
//! breaker or a retry alone: [`CircuitBreaker`](crate::CircuitBreaker) and
//! [`retry_with_policy`](crate::retry_with_policy) say more about the one thing.
//!
//! # Cost
//!
//! A call that succeeds at once takes no lock where its limit is a bucket and its breaker is closed and has
//! no failure to forget: it exchanges one word and loads another one, before and after. With another limit it
//! takes the lock to begin, and with a layer that counts successes to end.
//!
//! Once another policy has taken the place of the first one, such a call still takes no lock. It has to find
//! the policy, which costs two exchanges of a word that no other thread looks at.
//!
//! The lock is taken twice where somebody listens to successes (at level `DEBUG`, or by metrics), and for
//! [`call_each`](Handle::call_each).
//!
//! The future of a call is two futures of the operation, its output and 900 bytes at most.

pub(crate) mod attempts;
mod begin;
pub(crate) mod calling;
pub(crate) mod handle;
mod kept;
pub(crate) mod run;
mod task;
mod thread;
mod under_way;

use core::fmt::{self, Debug};
use core::future::Future;
use std::sync::Arc;

use resil_core::call::{Inherit, PeerPolicy, Pipeline, Request};
use resil_core::deadline::Deadline;
use resil_core::outcome::Classify;
use resil_core::{Clock, ResilienceError};

use crate::clock::{Sleep, SystemClock};
use kept::Kept;

pub use handle::Handle;

/// Where its log events go.
const TARGET: &str = "resil::call";

/// One peer that tasks and threads call. A clone is a handle to the same peer and costs a reference
/// count.
///
/// `L` are the layers' policies, `T` is the clock.
///
/// ```
/// use core::time::Duration;
/// use resil_std::Peer;
/// use resil_std::core::call::{CallPolicy, PeerPolicy};
/// use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::core::valid;
///
/// const RETRY: RetryPolicy =
///     valid!(RetryPolicy::builder().deadline(Duration::from_secs(9)).build());
/// const POLICY: PeerPolicy = PeerPolicy::new(
///     valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2))),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
///
/// # async fn report() -> Result<u8, &'static str> { Ok(7) }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let gateway = Peer::new("gateway", POLICY);
/// // At most three attempts of 2 s each, within 9 s; none while the gateway is known to be down.
/// assert_eq!(gateway.call(report).await, Ok(7));
///
/// let breaker = gateway.handle().apply(|policy, peer, now| {
///     policy.breaker().state(&peer.breaker, now)
/// });
/// assert_eq!(breaker, State::Closed);
/// # }
/// ```
///
/// # Going away
///
/// Dropping the future abandons the call, so whatever ends it by dropping will do:
///
/// ```
/// # use resil_std::Peer;
/// # use resil_std::core::call::{CallPolicy, PeerPolicy};
/// # use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// # use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// # use resil_std::core::retry::RetryPolicy;
/// use core::future::pending;
/// use tokio_util::sync::CancellationToken;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # let policy = PeerPolicy::new(
/// #     CallPolicy::new(RetryPolicy::DEFAULT),
/// #     CircuitBreakerConfig::DEFAULT,
/// #     TokenBucket::new(RateLimitConfig::DEFAULT),
/// # );
/// # let peer = Peer::new("gateway", policy);
///
/// let shutdown = CancellationToken::new();
/// let call = peer.call(async || pending::<Result<(), ()>>().await);
/// let (answer, ()) = tokio::join!(shutdown.run_until_cancelled(call), async { shutdown.cancel() });
/// assert!(answer.is_none());
/// # }
/// ```
pub struct Peer<L: Pipeline = PeerPolicy, T = SystemClock>(Arc<Shared<Kept<L>, T>>);

impl<L: Pipeline> Peer<L> {
    /// A peer that nothing is known of. `name` stands for it in the log.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, policy: L) -> Self {
        Self::with(name, policy, SystemClock)
    }
}

impl<L: Pipeline, T: Clock> Peer<L, T> {
    /// The same by another clock.
    #[must_use]
    pub fn with(name: impl Into<Box<str>>, policy: L, clock: T) -> Self {
        let kept = Kept::fresh(&Arc::new(policy));
        Self(Arc::new(Shared { name: name.into(), clock, kept }))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Calls it, with a request of cost 1 and normal priority: [`Handle::call`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn call<V, E, F, Fut>(
        &self,
        operation: F,
    ) -> impl Future<Output = Result<V, ResilienceError<E>>>
    where
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        self.handle().call(operation)
    }

    /// [`call`](Self::call) for an operation that blocks the thread: [`Handle::call_blocking`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline(always)]
    pub fn call_blocking<V, E, F>(&self, operation: F) -> Result<V, ResilienceError<E>>
    where
        F: FnMut() -> Result<V, E>,
        L::Classifier: Classify<E>,
        T: Sleep,
        E: Debug,
    {
        self.handle().call_blocking(operation)
    }

    /// To ask for more: another cost, a priority, a deadline; or to look at the state.
    #[must_use]
    #[inline(always)]
    pub fn handle(&self) -> Handle<'_, L, T> {
        self.0.lend(&self.0.kept, None)
    }

    /// Puts another policy in force, also for calls that are under way. What is known of the peer is
    /// kept as the policy [inherits](Inherit) it: an open breaker stays open, what was spent stays spent,
    /// and what is out comes back as ever.
    ///
    /// ```
    /// use resil_std::Peer;
    /// use resil_std::core::call::{CallPolicy, PeerPolicy};
    /// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
    /// use resil_std::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
    ///
    /// let policy = |burst| {
    ///     let limit = RateLimitConfig::builder().burst_size(burst).build()?;
    ///     let (call, breaker) = (CallPolicy::default(), CircuitBreakerConfig::DEFAULT);
    ///     Ok::<_, resil_std::core::ConfigError>(PeerPolicy::new(call, breaker, TokenBucket::new(limit)))
    /// };
    /// let peer = Peer::new("store", policy(4)?);
    /// peer.call_blocking(|| Ok::<_, ()>(())).unwrap();
    /// peer.reconfigure(policy(8)?); // of the 8 that there may be, one is spent
    /// let left = peer.handle().apply(|policy, peer, now| policy.limit().available(&peer.limit, now));
    /// assert_eq!(left, 7);
    /// # Ok::<(), resil_std::core::ConfigError>(())
    /// ```
    pub fn reconfigure(&self, policy: L)
    where
        L: Inherit,
    {
        self.handle().reconfigure(&Arc::new(policy));
    }
}

/// Many peers under one policy; see [`Handle`] for how one is called. A clone is a handle to the same
/// peers.
///
/// Each has a lock of its own. They are as many as there are from the start: give peers that come and go
/// an index while they are there, and [`FRESH`](Pipeline::FRESH) [state](Handle::apply) when it passes on.
pub struct Peers<L: Pipeline = PeerPolicy, T = SystemClock>(Arc<Shared<Many<L>, T>>);

type Many<L> = Box<[Kept<L>]>;

impl<L: Pipeline> Peers<L> {
    /// So many peers that nothing is known of. `name` stands for all of them in the log, with the index
    /// of each.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, policy: L, len: usize) -> Self {
        Self::with(name, policy, len, SystemClock)
    }
}

impl<L: Pipeline, T: Clock> Peers<L, T> {
    /// The same by another clock.
    #[must_use]
    pub fn with(name: impl Into<Box<str>>, policy: L, len: usize, clock: T) -> Self {
        let policy = Arc::new(policy);
        let kept = (0..len).map(|_| Kept::fresh(&policy)).collect();
        Self(Arc::new(Shared { name: name.into(), clock, kept }))
    }

    /// The name they were given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.kept.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.kept.is_empty()
    }

    /// The peer with this index, below [`len`](Self::len).
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Handle<'_, L, T>> {
        self.0.kept.get(index).map(|kept| self.0.lend(kept, Some(index)))
    }

    /// [`Peer::reconfigure`] for all of them, one after another: while it runs, some are under the new
    /// policy already and some are not yet.
    pub fn reconfigure(&self, policy: L)
    where
        L: Inherit,
    {
        let policy = Arc::new(policy);
        for (index, kept) in self.0.kept.iter().enumerate() {
            self.0.lend(kept, Some(index)).reconfigure(&policy);
        }
    }
}

struct Shared<S, T> {
    name: Box<str>,
    clock: T,
    kept: S,
}

impl<S, T> Shared<S, T> {
    #[inline(always)]
    fn lend<'a, L: Pipeline>(
        &'a self,
        kept: &'a Kept<L>,
        index: Option<usize>,
    ) -> Handle<'a, L, T> {
        Handle {
            name: &self.name,
            index,
            kept,
            clock: &self.clock,
            request: Request::ONE,
            deadline: Deadline::NONE,
        }
    }
}

impl<L: Pipeline, T> Clone for Peer<L, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Pipeline, T> Clone for Peers<L, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Pipeline, T> Debug for Peer<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl<L: Pipeline, T> Debug for Peers<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, len) = (&self.0.name, self.0.kept.len());
        f.debug_struct("Peers").field("name", name).field("len", &len).finish_non_exhaustive()
    }
}
