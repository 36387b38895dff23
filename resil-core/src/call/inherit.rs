//! Policies that take the place of others.

use super::pipeline::Pipeline;
use crate::time::Instant;

/// A pipeline whose policies can be put in force over a state that others have left.
///
/// [`PeerPolicy`](super::PeerPolicy), [`BudgetedPolicy`](super::BudgetedPolicy) and
/// [`HedgedPolicy`](super::HedgedPolicy) are.
///
/// ```
/// use resil_core::call::{CallPolicy, HedgedPolicy, Inherit, PeerPolicy, Pipeline};
/// use resil_core::circuit_breaker::{CircuitBreakerConfig, State};
/// use resil_core::hedge::HedgePolicy;
/// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_core::retry::budget::TokenBudget;
/// use resil_core::{ConfigError, Instant};
///
/// let policy = |threshold| {
///     let breaker = CircuitBreakerConfig::builder().failure_threshold(threshold).build()?;
///     let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
///     let peer = PeerPolicy::new(CallPolicy::default(), breaker, limit);
///     Ok::<_, ConfigError>(HedgedPolicy::new(peer, TokenBudget::DEFAULT, HedgePolicy::DEFAULT))
/// };
/// let (old, new, now) = (policy(5)?, policy(7)?, Instant::EPOCH);
/// let mut state = <HedgedPolicy as Pipeline>::FRESH;
/// old.peer().breaker().force_open(&mut state.peer.breaker, now);
///
/// let state = new.inherit(&old, &state, now);
/// assert_eq!(new.breaker_state(&state, now), Some(State::ForcedOpen));
/// # Ok::<(), ConfigError>(())
/// ```
pub trait Inherit: Pipeline {
    /// What `state`, decided about by `old` so far, is under these policies. Permits and charges that
    /// are out are told back as ever.
    #[must_use]
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;
}
