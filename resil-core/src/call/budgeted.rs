//! A peer with a budget of extra attempts.

use super::bound::Bound;
use super::inherit::Inherit;
use super::layers::Layers;
use super::peer::{PeerGate, PeerPolicy, PeerState};
use super::pipeline::Pipeline;
use super::policy::CallPolicy;
use crate::circuit_breaker::{Consecutive, State, Transition, Window};
use crate::outcome::EveryError;
use crate::rate_limit::{Limit, TokenBucket};
use crate::retry::budget::{BudgetPolicy, TokenBudget};
use crate::time::Instant;

/// A [`PeerPolicy`], and the budget that pays for its retries.
///
/// `B` is the budget. It is one for all calls to a peer. Where a second attempt beside a slow one helps too,
/// take a [`HedgedPolicy`](super::HedgedPolicy).
///
/// ```
/// use resil_core::call::{BudgetedPolicy, CallPolicy, PeerPolicy, Pipeline};
/// use resil_core::circuit_breaker::CircuitBreakerConfig;
/// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_core::retry::RetryPolicy;
/// use resil_core::retry::budget::TokenBudget;
///
/// const PEER: PeerPolicy = PeerPolicy::new(
///     CallPolicy::new(RetryPolicy::DEFAULT),
///     CircuitBreakerConfig::DEFAULT,
///     TokenBucket::new(RateLimitConfig::DEFAULT),
/// );
/// const POLICY: BudgetedPolicy = BudgetedPolicy::new(PEER, TokenBudget::DEFAULT);
/// assert_eq!(POLICY.call().retry().max_attempts(), 3);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BudgetedPolicy<B = TokenBudget, L = TokenBucket, C = EveryError, W = Consecutive> {
    peer: PeerPolicy<L, C, W>,
    budget: B,
}

/// What is remembered of a peer with a budget.
#[derive(Clone, Debug)]
pub struct BudgetedState<
    B: BudgetPolicy = TokenBudget,
    L: Limit = TokenBucket,
    W: Window = Consecutive,
> {
    /// Its breaker and its quota.
    pub peer: PeerState<L, W>,
    /// What extra attempts have left.
    pub budget: B::State,
}

impl<B, L: Limit, C, W: Window> BudgetedPolicy<B, L, C, W> {
    /// Calls to `peer` whose retries are paid from `budget`.
    #[must_use]
    pub const fn new(peer: PeerPolicy<L, C, W>, budget: B) -> Self {
        Self { peer, budget }
    }

    /// The breaker, the limit, and how calls go on.
    #[must_use]
    pub const fn peer(&self) -> &PeerPolicy<L, C, W> {
        &self.peer
    }

    /// What pays for retries.
    #[must_use]
    pub const fn budget(&self) -> &B {
        &self.budget
    }
}

impl<B: BudgetPolicy, L: Limit, C, W: Window> Pipeline for BudgetedPolicy<B, L, C, W> {
    type State = BudgetedState<B, L, W>;
    type Permit = <PeerPolicy<L, C, W> as Pipeline>::Permit;
    type Charge = B::Charge;
    type Classifier = C;
    type Gates<'a>
        = Layers<PeerGate<'a, L, W>, Bound<'a, B, B::State>>
    where
        Self: 'a;

    const FRESH: Self::State = BudgetedState { peer: PeerState::FRESH, budget: B::FRESH };

    fn call(&self) -> &CallPolicy<C> {
        self.peer.call()
    }

    fn gates<'a>(&'a self, state: &'a mut Self::State) -> Self::Gates<'a> {
        self.peer.gates(&mut state.peer).with_budget(Bound::new(&self.budget, &mut state.budget))
    }

    fn poll_breaker(
        &self,
        state: &mut Self::State,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Option<Transition> {
        self.peer.poll_breaker(&mut state.peer, entropy, now)
    }

    fn breaker_state(&self, state: &Self::State, now: Instant) -> Option<State> {
        self.peer.breaker_state(&state.peer, now)
    }
}

impl<B: BudgetPolicy, L: Limit, C, W: Window> Inherit for BudgetedPolicy<B, L, C, W> {
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        BudgetedState {
            peer: self.peer.inherit(&old.peer, &state.peer, now),
            budget: self.budget.inherit(&old.budget, &state.budget, now),
        }
    }
}
