//! How many extra attempts everybody together may make.
//!
//! A limit of three attempts a call does not keep a node from tripling the load on a peer that fails
//! every call. A budget does: it is one for all calls, retries and hedges alike, earns with calls that
//! go well, and pays for extra attempts. While everything works it is full and nobody notices it; when
//! everything fails it is soon empty, and calls fail after their first attempt.
//!
//! # Which one
//!
//! | | says | after an outage | state |
//! |---|---|---|---|
//! | [`TokenBudget`] | failures spend what successes earn | refills with successes only | 4 bytes |
//! | [`RatioBudget`] | at most 20 % of the calls of the last 10 s, and 10 | refills with time | 104 bytes |
//!
//! [`TokenBudget`] is what the AWS SDKs and gRPC have, and the default. Take [`RatioBudget`] where the
//! answer should not depend on how attempts end.
//!
//! # When not to use it
//!
//! - One a call. It must outlive calls: one a peer or one a node.
//! - One at every layer. Layers that retry share a budget: `&mut budget` is a budget too.
//! - Against a single peer that is down for long: a [breaker](crate::circuit_breaker) stops first
//!   attempts as well.
//!
//! # Laws
//!
//! - An extra attempt is charged when it is decided, so attempts that wait in backoff are paid for.
//! - A first attempt needs no leave and costs nothing when it is made.
//! - A charge that is dropped is spent. What was paid for and not made is refunded, once: a charge
//!   can not be copied.
//! - A refusal is [`RETRY_FAILED`](crate::ErrorCode::RetryFailed), takes nothing, and names no instant:
//!   what the next attempt waits for is successes, or that others retry less.
//! - No step of the clock mints anything: [`TokenBudget`] has none, and [`RatioBudget`] forgets what was
//!   earned together with what was spent.
//!
//! # A timeline
//!
//! ```
//! use resil_core::call::{Budget, Extra};
//! use resil_core::outcome::FailureClass;
//! use resil_core::retry::budget::{RetryBudget, TokenBudget};
//! use resil_core::{ErrorCode, Instant, Outcome, valid};
//!
//! const BUDGET: TokenBudget = valid!(TokenBudget::builder().capacity(30).build());
//! let lost = Extra::Retry(FailureClass::Transient);
//! let (mut budget, now) = (RetryBudget::new(BUDGET), Instant::EPOCH);
//!
//! // An outage: two retries are paid for, 14 each, and fail. The third is refused.
//! for _ in 0..2 {
//!     budget.begin(now);
//!     let charge = budget.try_withdraw(lost, now)?;
//!     budget.settle(Some(charge), Outcome::Failure(FailureClass::Transient), now);
//! }
//! let refused = budget.try_withdraw(lost, now).unwrap_err();
//! assert_eq!(refused.code(), ErrorCode::RetryFailed);
//!
//! // It is over: each call that succeeds at once earns 1. The twelfth makes it 14.
//! for _ in 0..12 {
//!     assert!(budget.peek(lost, now).is_err());
//!     budget.begin(now);
//!     budget.settle(None, Outcome::Success, now);
//! }
//! let charge = budget.try_withdraw(lost, now)?;
//! assert!(budget.peek(lost, now).is_err(), "spent");
//!
//! // The retry succeeds, and what it has cost comes back.
//! budget.settle(Some(charge), Outcome::Success, now);
//! assert!(budget.peek(lost, now).is_ok());
//! # Ok::<(), resil_core::Rejected>(())
//! ```
//!
//! # Cost
//!
//! [`TokenBudget`]: a few compares a step. [`RatioBudget`]: two multiplications, and up to ten
//! sub-windows to clear after a pause.

mod ratio;
mod tokens;

pub use ratio::{RatioBudget, RatioBudgetBuilder, RatioBudgetState, RatioCharge};
pub use tokens::{TokenBudget, TokenBudgetBuilder, TokenBudgetState, TokenCharge};

use crate::call::{Bound, Budget, Extra};
use crate::error::ErrorCode;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;
use core::fmt::Debug;

/// A policy for extra attempts, which decides about a state that is kept elsewhere.
///
/// [`RetryBudget`] keeps both; [`Bound`] lends both to a call for a step.
pub trait BudgetPolicy {
    /// What is remembered.
    type State: Clone + Debug;

    /// What an extra attempt has cost. Dropping it means spent.
    type Charge: Debug;

    /// A budget of which nothing is spent.
    const FRESH: Self::State;

    /// A call begins.
    fn begin(&self, state: &mut Self::State, now: Instant);

    /// Asks for an extra attempt, and charges it.
    ///
    /// # Errors
    ///
    /// `RETRY_FAILED`; then nothing is charged.
    fn try_withdraw(
        &self,
        state: &mut Self::State,
        extra: Extra,
        now: Instant,
    ) -> Result<Self::Charge, Rejected>;

    /// What [`try_withdraw`](Self::try_withdraw) would answer; charges nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    fn peek(&self, state: &Self::State, extra: Extra, now: Instant) -> Result<(), Rejected>;

    /// An attempt has ended; `charge` is what it has cost, where it was an extra one.
    fn settle(
        &self,
        state: &mut Self::State,
        charge: Option<Self::Charge>,
        outcome: Outcome,
        now: Instant,
    );

    /// Gives back what an extra attempt has cost that was not made. Never lifts above full.
    fn refund(&self, state: &mut Self::State, charge: Self::Charge, now: Instant);

    /// The first instant after `now` at which an answer changes by itself; `None` where none will.
    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant>;

    /// A state under this policy that goes on from `state` under `old`; a changed setting neither
    /// pays for attempts nor forgets any.
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;
}

/// The refusal of a budget that is spent.
const SPENT: Rejected = Rejected::new(ErrorCode::RetryFailed, RetryAt::Unknown);

impl<P: BudgetPolicy> Budget for Bound<'_, P, P::State> {
    type Charge = P::Charge;

    #[inline]
    fn begin(&mut self, now: Instant) {
        self.policy.begin(self.state, now);
    }

    #[inline]
    fn try_withdraw(&mut self, extra: Extra, now: Instant) -> Result<P::Charge, Rejected> {
        self.policy.try_withdraw(self.state, extra, now)
    }

    #[inline]
    fn settle(&mut self, charge: Option<P::Charge>, outcome: Outcome, now: Instant) {
        self.policy.settle(self.state, charge, outcome, now);
    }

    #[inline]
    fn refund(&mut self, charge: P::Charge, now: Instant) {
        self.policy.refund(self.state, charge, now);
    }
}

/// A policy shared by many states.
impl<P: BudgetPolicy> BudgetPolicy for &P {
    type State = P::State;
    type Charge = P::Charge;

    const FRESH: P::State = P::FRESH;

    fn begin(&self, state: &mut P::State, now: Instant) {
        (**self).begin(state, now);
    }

    fn try_withdraw(
        &self,
        state: &mut P::State,
        extra: Extra,
        now: Instant,
    ) -> Result<P::Charge, Rejected> {
        (**self).try_withdraw(state, extra, now)
    }

    fn peek(&self, state: &P::State, extra: Extra, now: Instant) -> Result<(), Rejected> {
        (**self).peek(state, extra, now)
    }

    fn settle(
        &self,
        state: &mut P::State,
        charge: Option<P::Charge>,
        outcome: Outcome,
        now: Instant,
    ) {
        (**self).settle(state, charge, outcome, now);
    }

    fn refund(&self, state: &mut P::State, charge: P::Charge, now: Instant) {
        (**self).refund(state, charge, now);
    }

    fn next_deadline(&self, state: &P::State, now: Instant) -> Option<Instant> {
        (**self).next_deadline(state, now)
    }

    fn inherit(&self, old: &Self, state: &P::State, now: Instant) -> P::State {
        (**self).inherit(old, state, now)
    }
}

/// A budget and its state in one value; see [the module](self) for a timeline.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryBudget<P: BudgetPolicy = TokenBudget> {
    policy: P,
    state: P::State,
    generation: u32,
}

/// What a [`RetryBudget`] has charged. Dropping it means spent.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BudgetCharge<C> {
    taken: C,
    generation: u32,
}

impl<P: BudgetPolicy> RetryBudget<P> {
    /// A budget of which nothing is spent.
    pub const fn new(policy: P) -> Self {
        Self::from_parts(policy, P::FRESH)
    }

    /// A budget that goes on from a [state](Self::as_state) of this policy.
    pub const fn from_parts(policy: P, state: P::State) -> Self {
        Self { policy, state, generation: 0 }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// What it remembers; `Clone` it for a snapshot.
    #[must_use]
    pub const fn as_state(&self) -> &P::State {
        &self.state
    }

    /// Whether an extra attempt would be paid for; charges nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn peek(&self, extra: Extra, now: Instant) -> Result<(), Rejected> {
        self.policy.peek(&self.state, extra, now)
    }

    /// The first instant after `now` at which an answer changes by itself; `None` where none will.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.policy.next_deadline(&self.state, now)
    }

    /// Forgets everything. Charges from before change nothing any more when they are refunded, and
    /// their attempts count as first ones when they are settled.
    pub fn reset(&mut self) {
        self.state = P::FRESH;
        self.generation = self.generation.wrapping_add(1);
    }

    /// Goes on under another policy: [`BudgetPolicy::inherit`].
    pub fn reconfigure(&mut self, policy: P, now: Instant) {
        self.state = policy.inherit(&self.policy, &self.state, now);
        self.policy = policy;
    }
}

impl<P: BudgetPolicy> Budget for RetryBudget<P> {
    type Charge = BudgetCharge<P::Charge>;

    #[inline]
    fn begin(&mut self, now: Instant) {
        self.policy.begin(&mut self.state, now);
    }

    #[inline]
    fn try_withdraw(&mut self, extra: Extra, now: Instant) -> Result<Self::Charge, Rejected> {
        let taken = self.policy.try_withdraw(&mut self.state, extra, now)?;
        Ok(BudgetCharge { taken, generation: self.generation })
    }

    #[inline]
    fn settle(&mut self, charge: Option<Self::Charge>, outcome: Outcome, now: Instant) {
        let charge = charge.filter(|charge| charge.generation == self.generation);
        self.policy.settle(&mut self.state, charge.map(|charge| charge.taken), outcome, now);
    }

    #[inline]
    fn refund(&mut self, charge: Self::Charge, now: Instant) {
        if charge.generation == self.generation {
            self.policy.refund(&mut self.state, charge.taken, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureClass;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const LOST: Extra = Extra::Retry(FailureClass::Transient);

    /// What a policy says in a history that asks everything, and says something else each time.
    fn says<P: BudgetPolicy>(policy: P) -> Vec<String> {
        let [start, late] = [1_000_000_000, 3_000_000_000].map(Instant::from_nanos);
        let mut state = P::FRESH;
        let mut said = Vec::new();
        (0..50).for_each(|_| policy.begin(&mut state, start));
        said.push(format!("{state:?}"));
        let (one, two) = (
            policy.try_withdraw(&mut state, LOST, start),
            policy.try_withdraw(&mut state, LOST, start),
        );
        said.push(format!("{one:?} {two:?} {:?}", policy.next_deadline(&state, start)));
        policy.refund(&mut state, one.unwrap(), start);
        said.push(format!("{state:?}"));
        policy.settle(&mut state, Some(two.unwrap()), Outcome::Success, late);
        said.push(format!("{state:?} {:?}", policy.inherit(&policy, &state, late)));
        let failed = Outcome::Failure(FailureClass::Transient);
        let _ = (0..100).map_while(|_| policy.try_withdraw(&mut state, LOST, late).ok()).count();
        said.push(format!("{:?}", policy.peek(&state, LOST, late)));
        policy.settle(&mut state, None, failed, late);
        said.push(format!("{state:?}"));
        said
    }

    #[test]
    fn a_reference_to_a_policy_is_that_policy() {
        assert_eq!(says::<&TokenBudget>(&TokenBudget::AWS), says(TokenBudget::AWS));
        assert_eq!(says::<&TokenBudget>(&TokenBudget::GRPC), says(TokenBudget::GRPC));
        assert_eq!(says::<&RatioBudget>(&RatioBudget::DEFAULT), says(RatioBudget::DEFAULT));
    }

    #[test]
    fn a_policy_beside_its_state_is_told_of_calls_that_begin() {
        let (policy, now) = (RatioBudget::DEFAULT, Instant::from_nanos(1));
        let [mut told, mut state] = [RatioBudget::FRESH, RatioBudget::FRESH];
        Bound::new(&policy, &mut told).begin(now);
        Budget::begin(&mut &mut Bound::new(&policy, &mut told), now);
        (0..2).for_each(|_| policy.begin(&mut state, now));
        assert_eq!(format!("{told:?}"), format!("{state:?}"));
        assert_ne!(format!("{told:?}"), format!("{:?}", RatioBudget::FRESH));
    }
}
