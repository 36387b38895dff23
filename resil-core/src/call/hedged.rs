//! A peer with everything: a budget of extra attempts, and hedging.

use super::bound::Bound;
use super::inherit::Inherit;
use super::layers::Layers;
use super::peer::{PeerGate, PeerPolicy, PeerState};
use super::pipeline::Pipeline;
use super::policy::CallPolicy;
use crate::circuit_breaker::{Consecutive, State, Transition, Window};
use crate::hedge::{HedgePolicy, HedgeState};
use crate::outcome::EveryError;
use crate::rate_limit::{Limit, TokenBucket};
use crate::retry::budget::{BudgetPolicy, TokenBudget};
use crate::time::Instant;

/// A [`PeerPolicy`], the budget that pays for extra attempts, and when to hedge.
///
/// `B` is the budget. Use it where a slow answer costs more than a second request and the operation may
/// run twice at a time; a peer that is rarely asked has no latencies to measure by, and wants a
/// [fixed delay](crate::hedge::HedgePolicyBuilder::fixed_delay).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HedgedPolicy<B = TokenBudget, L = TokenBucket, C = EveryError, W = Consecutive> {
    peer: PeerPolicy<L, C, W>,
    budget: B,
    hedge: HedgePolicy,
}

/// What is remembered of a peer with a budget and hedging.
#[derive(Clone, Debug)]
pub struct HedgedState<
    B: BudgetPolicy = TokenBudget,
    L: Limit = TokenBucket,
    W: Window = Consecutive,
> {
    /// Its breaker and its quota.
    pub peer: PeerState<L, W>,
    /// What extra attempts have left.
    pub budget: B::State,
    /// How long its answers take.
    pub hedge: HedgeState,
}

impl<B, L: Limit, C, W: Window> HedgedPolicy<B, L, C, W> {
    /// Calls to `peer` whose extra attempts are paid from `budget`, hedged as `hedge` says.
    #[must_use]
    pub const fn new(peer: PeerPolicy<L, C, W>, budget: B, hedge: HedgePolicy) -> Self {
        Self { peer, budget, hedge }
    }

    /// The breaker, the limit, and how calls go on.
    #[must_use]
    pub const fn peer(&self) -> &PeerPolicy<L, C, W> {
        &self.peer
    }

    /// What pays for extra attempts.
    #[must_use]
    pub const fn budget(&self) -> &B {
        &self.budget
    }

    /// When to hedge.
    #[must_use]
    pub const fn hedge(&self) -> &HedgePolicy {
        &self.hedge
    }
}

impl<B: BudgetPolicy, L: Limit, C, W: Window> Pipeline for HedgedPolicy<B, L, C, W> {
    type State = HedgedState<B, L, W>;
    type Permit = <PeerPolicy<L, C, W> as Pipeline>::Permit;
    type Charge = B::Charge;
    type Classifier = C;
    type Gates<'a>
        = Layers<PeerGate<'a, L, W>, Bound<'a, B, B::State>, Bound<'a, HedgePolicy, HedgeState>>
    where
        Self: 'a;

    const FRESH: Self::State =
        HedgedState { peer: PeerState::FRESH, budget: B::FRESH, hedge: HedgeState::FRESH };

    fn call(&self) -> &CallPolicy<C> {
        self.peer.call()
    }

    fn gates<'a>(&'a self, state: &'a mut Self::State) -> Self::Gates<'a> {
        let budget = Bound::new(&self.budget, &mut state.budget);
        let hedge = Bound::new(&self.hedge, &mut state.hedge);
        self.peer.gates(&mut state.peer).with_budget(budget).with_hedge(hedge)
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

impl<B: BudgetPolicy, L: Limit, C, W: Window> Inherit for HedgedPolicy<B, L, C, W> {
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        HedgedState {
            peer: self.peer.inherit(&old.peer, &state.peer, now),
            budget: self.budget.inherit(&old.budget, &state.budget, now),
            hedge: self.hedge.inherit(&old.hedge, &state.hedge, now),
        }
    }
}
