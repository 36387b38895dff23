//! A peer: its policies in one constant, its state in a few bytes.

use super::bound::Bound;
use super::layers::Layers;
use super::policy::CallPolicy;
use crate::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState};
use crate::outcome::EveryError;
use crate::rate_limit::{Limit, TokenBucket};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// How to call a peer, and what protects it and us: retry, breaker, limit.
///
/// One constant for thousands of peers, each with a [`PeerState`] of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerPolicy<L = TokenBucket, C = EveryError> {
    call: CallPolicy<C>,
    breaker: CircuitBreakerConfig,
    limit: L,
}

/// What is remembered of a peer: 24 bytes with a token bucket.
#[derive(Clone, Debug)]
pub struct PeerState<L: Limit = TokenBucket> {
    /// Its breaker.
    pub breaker: CircuitBreakerState,
    /// How much of its quota is spent.
    pub limit: L::State,
}

const _: () = assert!(size_of::<PeerState>() <= 24);

impl<L: Limit, C> PeerPolicy<L, C> {
    /// Each attempt of a `call` passes `breaker`, then `limit`.
    pub const fn new(call: CallPolicy<C>, breaker: CircuitBreakerConfig, limit: L) -> Self {
        Self { call, breaker, limit }
    }

    /// How calls go on.
    #[must_use]
    pub const fn call(&self) -> &CallPolicy<C> {
        &self.call
    }

    /// The breaker's policy.
    #[must_use]
    pub const fn breaker(&self) -> &CircuitBreakerConfig {
        &self.breaker
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> &L {
        &self.limit
    }

    /// What an attempt at one peer has to pass.
    #[inline]
    pub const fn gate<'a>(&'a self, peer: &'a mut PeerState<L>) -> PeerGate<'a, L> {
        let breaker = Bound::new(&self.breaker, &mut peer.breaker);
        (breaker, Bound::new(&self.limit, &mut peer.limit))
    }

    /// The same for a step of a call; add a budget and hedging where there are any.
    #[inline]
    pub const fn gates<'a>(&'a self, peer: &'a mut PeerState<L>) -> Layers<PeerGate<'a, L>> {
        Layers::new(self.gate(peer))
    }
}

/// A peer's breaker, then its limit.
pub type PeerGate<'a, L = TokenBucket> =
    (Bound<'a, CircuitBreakerConfig, CircuitBreakerState>, Bound<'a, L, <L as Limit>::State>);

/// The breaker's payload, then the limit's.
impl<L, C> Persist for PeerPolicy<L, C>
where
    L: Limit + Persist<State = <L as Limit>::State>,
{
    type State = PeerState<L>;

    const KIND: u8 = kind::PEER;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = <CircuitBreakerConfig>::PAYLOAD.saturating_add(L::PAYLOAD);

    fn write(&self, state: &PeerState<L>, now: Instant, to: &mut Writer<'_>) {
        self.breaker.write(&state.breaker, now, to);
        self.limit.write(&state.limit, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<PeerState<L>, SnapshotError> {
        Ok(PeerState { breaker: self.breaker.read(from, now)?, limit: self.limit.read(from, now)? })
    }
}

impl<L: Limit> PeerState<L> {
    /// A peer that nothing is known of.
    pub const FRESH: Self = Self { breaker: CircuitBreakerState::new(), limit: L::FRESH };
}

impl<L: Limit> Default for PeerState<L> {
    fn default() -> Self {
        Self::FRESH
    }
}
