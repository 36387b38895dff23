//! A peer: its policies in one constant, its state in a few bytes.

use super::bound::Bound;
use super::first::First;
use super::gate::Request;
use super::inherit::Inherit;
use super::layers::Layers;
use super::pipeline::Pipeline;
use super::policy::CallPolicy;
use crate::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerState, Consecutive, Glance, Permit, State, Transition,
    Window,
};
use crate::deadline::Deadline;
use crate::outcome::{EveryError, Outcome};
use crate::rate_limit::{Limit, TokenBucket};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// How to call a peer, and what protects it and us: retry, breaker, limit.
///
/// One constant for thousands of peers, each with a [`PeerState`] of its own. `L` is the limit, `C`
/// the retry's [classifier](crate::outcome::Classify), `W` the breaker's
/// [window](crate::circuit_breaker::window).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerPolicy<L = TokenBucket, C = EveryError, W = Consecutive> {
    call: CallPolicy<C>,
    breaker: CircuitBreakerConfig<W>,
    limit: L,
}

/// What is remembered of a peer: 24 bytes with a token bucket and a breaker that counts failures in a
/// row.
#[derive(Clone, Debug)]
pub struct PeerState<L: Limit = TokenBucket, W: Window = Consecutive> {
    /// Its breaker.
    pub breaker: CircuitBreakerState<W::Stats>,
    /// How much of its quota is spent.
    pub limit: L::State,
}

const _: () = assert!(size_of::<PeerState>() <= 24);

impl<L: Limit, C, W: Window> PeerPolicy<L, C, W> {
    /// Each attempt of a `call` passes `breaker`, then `limit`.
    pub const fn new(call: CallPolicy<C>, breaker: CircuitBreakerConfig<W>, limit: L) -> Self {
        Self { call, breaker, limit }
    }

    /// How calls go on.
    #[must_use]
    pub const fn call(&self) -> &CallPolicy<C> {
        &self.call
    }

    /// The breaker's policy.
    #[must_use]
    pub const fn breaker(&self) -> &CircuitBreakerConfig<W> {
        &self.breaker
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> &L {
        &self.limit
    }

    /// What an attempt at one peer has to pass.
    #[inline]
    pub const fn gate<'a>(&'a self, peer: &'a mut PeerState<L, W>) -> PeerGate<'a, L, W> {
        let breaker = Bound::new(&self.breaker, &mut peer.breaker);
        (breaker, Bound::new(&self.limit, &mut peer.limit))
    }

    /// The same for a step of a call; add a budget and hedging where there are any.
    #[inline]
    pub const fn gates<'a>(&'a self, peer: &'a mut PeerState<L, W>) -> Layers<PeerGate<'a, L, W>> {
        Layers::new(self.gate(peer))
    }

    /// What `state`, decided about by `old` so far, is under this policy: its breaker as
    /// [`CircuitBreakerConfig::inherit`] has it, and its quota as [`Limit::inherit`] has it. So an open
    /// breaker stays open, what was spent stays spent, and permits that are out are told back as ever.
    #[must_use]
    pub fn inherit(&self, old: &Self, state: &PeerState<L, W>, now: Instant) -> PeerState<L, W> {
        PeerState {
            breaker: self.breaker.inherit(&old.breaker, &state.breaker, now),
            limit: self.limit.inherit(&old.limit, &state.limit, now),
        }
    }
}

/// A peer's breaker, then its limit.
pub type PeerGate<'a, L = TokenBucket, W = Consecutive> = (
    Bound<'a, CircuitBreakerConfig<W>, CircuitBreakerState<<W as Window>::Stats>>,
    Bound<'a, L, <L as Limit>::State>,
);

impl<L: Limit, C, W: Window> Pipeline for PeerPolicy<L, C, W> {
    type State = PeerState<L, W>;
    type Permit = (Permit, L::Charge);
    type Charge = ();
    type Classifier = C;
    type Gates<'a>
        = Layers<PeerGate<'a, L, W>>
    where
        Self: 'a;

    const FRESH: PeerState<L, W> = PeerState::FRESH;

    fn call(&self) -> &CallPolicy<C> {
        &self.call
    }

    fn gates<'a>(&'a self, state: &'a mut PeerState<L, W>) -> Self::Gates<'a> {
        self.gates(state)
    }

    fn poll_breaker(
        &self,
        state: &mut PeerState<L, W>,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Option<Transition> {
        self.breaker.poll(&mut state.breaker, entropy, now)
    }

    fn breaker_state(&self, state: &PeerState<L, W>, now: Instant) -> Option<State> {
        Some(self.breaker.state(&state.breaker, now))
    }

    const HAS_GLANCE: bool = L::IS_WORD;

    #[inline]
    fn glance(&self, state: &PeerState<L, W>) -> Glance {
        self.breaker.glance(&state.breaker)
    }

    #[inline]
    fn word(state: &mut PeerState<L, W>) -> Option<&mut u64> {
        L::word(&mut state.limit)
    }

    #[inline]
    fn begin_at_a_glance(
        &self,
        glance: Glance,
        word: u64,
        request: &Request,
        deadline: Deadline,
        now: Instant,
    ) -> Option<(First<Self::Permit>, u64)> {
        if deadline.is_past(now) {
            return None;
        }
        let permit = glance.try_acquire(now)?;
        let (charge, word) = self.limit.take(word, request.cost, now)?;
        Some((First::new((permit, charge), now), word))
    }

    #[inline]
    fn succeed_at_a_glance(glance: Glance, first: &First<Self::Permit>) -> bool {
        glance.record(&first.permit().0, Outcome::Success).is_some()
    }
}

impl<L: Limit, C, W: Window> Inherit for PeerPolicy<L, C, W> {
    fn inherit(&self, old: &Self, state: &PeerState<L, W>, now: Instant) -> PeerState<L, W> {
        self.inherit(old, state, now)
    }
}

/// The breaker's payload, then the limit's.
impl<L, C, W> Persist for PeerPolicy<L, C, W>
where
    L: Limit + Persist<State = <L as Limit>::State>,
    W: Window,
{
    type State = PeerState<L, W>;

    const KIND: u8 = kind::PEER;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = <CircuitBreakerConfig<W>>::PAYLOAD.saturating_add(L::PAYLOAD);

    fn write(&self, state: &PeerState<L, W>, now: Instant, to: &mut Writer<'_>) {
        self.breaker.write(&state.breaker, now, to);
        self.limit.write(&state.limit, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<PeerState<L, W>, SnapshotError> {
        Ok(PeerState { breaker: self.breaker.read(from, now)?, limit: self.limit.read(from, now)? })
    }
}

impl<L: Limit, W: Window> PeerState<L, W> {
    /// A peer that nothing is known of.
    pub const FRESH: Self = Self { breaker: CircuitBreakerState::new(), limit: L::FRESH };
}

impl<L: Limit, W: Window> Default for PeerState<L, W> {
    fn default() -> Self {
        Self::FRESH
    }
}
