//! Failures spend what successes earn.

mod builder;

pub use builder::TokenBudgetBuilder;

use super::{BudgetPolicy, SPENT};
use crate::call::Extra;
use crate::outcome::{FailureClass, Outcome, Rejected};
use crate::ratio::Ratio;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// Thousandths of a token in a token: gRPC's ratios have three decimals.
const TOKEN: u32 = 1_000;

/// A bucket of tokens that only successes refill.
///
/// Two designs are settings of it:
///
/// - [`AWS`](Self::AWS), the default: an extra attempt costs tokens when it is decided. A success at
///   the first try earns one, and a retry that succeeds gives back what it has cost.
/// - [`GRPC`](Self::GRPC): an extra attempt costs nothing, a failed attempt does, and extra attempts
///   are made only while more than half of the tokens are left.
///
/// # Laws
///
/// - `0 ≤ tokens ≤ capacity`: a good day does not pay for a bad hour.
/// - An extra attempt passes if `tokens > floor` and `tokens ≥ its cost`, and takes its cost.
/// - A success earns `success_reward`, or what the retry that succeeded has cost, if that is more. A
///   hedge gives nothing back: it may well have been for nothing.
/// - An attempt that fails in a way that is worth a retry takes `failure_cost`, as far as there is so
///   much. Fatal, ignored and abandoned ones take nothing.
///
/// Numbers are exact: thousandths of a token, as whole numbers.
///
/// ```
/// use resil_core::Ratio;
/// use resil_core::retry::budget::TokenBudget;
/// use resil_core::valid;
///
/// // gRPC's throttle, as `{ maxTokens: 100, tokenRatio: 0.25 }` sets it.
/// const THROTTLE: TokenBudget = valid!(
///     TokenBudget::builder()
///         .capacity(100)
///         .retry_cost(0)
///         .throttle_cost(0)
///         .failure_cost(1)
///         .success_reward(Ratio::new(1, 4))
///         .floor(Ratio::new(1, 2))
///         .build()
/// );
/// assert_eq!(THROTTLE.capacity(), 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokenBudget {
    capacity: u32,
    floor: u32,
    retry_cost: u32,
    throttle_cost: u32,
    hedge_cost: u32,
    failure_cost: u32,
    success_reward: u32,
}

impl TokenBudget {
    /// The AWS SDKs' retry quota of November 2026: 500 tokens, 14 a retry and 5 after a throttle, 1
    /// for a success at the first try.
    pub const AWS: Self = crate::valid!(Self::builder().build());

    /// gRPC's retry throttle (proposal A6) with `maxTokens` 10 and `tokenRatio` 0.1: a failure takes
    /// 1, a success earns 0.1, and extra attempts need more than 5.
    pub const GRPC: Self = crate::valid!(
        Self::builder()
            .capacity(10)
            .retry_cost(0)
            .throttle_cost(0)
            .failure_cost(1)
            .success_reward(Ratio::new(1, 10))
            .floor(Ratio::new(1, 2))
            .build()
    );

    /// The hedging budget of the AWS S3 transfer manager: 10 tokens, 1 a hedge, 0.05 for a success; in
    /// the long run one hedge in 20 calls.
    pub const S3_HEDGE: Self = crate::valid!(
        Self::builder()
            .capacity(10)
            .retry_cost(1)
            .throttle_cost(1)
            .success_reward(Ratio::new(1, 20))
            .build()
    );

    /// [`AWS`](Self::AWS).
    pub const DEFAULT: Self = Self::AWS;

    /// Starts from the defaults.
    pub const fn builder() -> TokenBudgetBuilder {
        TokenBudgetBuilder::AWS
    }

    /// The most tokens there are.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity / TOKEN
    }

    /// Thousandths of a token that are left.
    #[must_use]
    #[inline]
    pub const fn millitokens(&self, state: &TokenBudgetState) -> u32 {
        self.capacity.saturating_sub(state.missing)
    }

    const fn cost(&self, extra: Extra) -> u32 {
        match extra {
            Extra::Hedge => self.hedge_cost,
            Extra::Retry(FailureClass::Throttled) => self.throttle_cost,
            Extra::Retry(_) => self.retry_cost,
        }
    }

    /// The cost of the attempt, where it can be paid.
    const fn price(&self, state: &TokenBudgetState, extra: Extra) -> Option<u32> {
        let (tokens, cost) = (self.millitokens(state), self.cost(extra));
        if tokens > self.floor && tokens >= cost { Some(cost) } else { None }
    }

    fn take(&self, state: &mut TokenBudgetState, tokens: u32) {
        state.missing = state.missing.saturating_add(tokens).min(self.capacity);
    }
}

impl Default for TokenBudget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a [`TokenBudget`] remembers: how much is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokenBudgetState {
    missing: u32,
}

const _: () = assert!(size_of::<TokenBudgetState>() <= 4);
const _: () = assert!(size_of::<TokenBudget>() <= 28);

impl TokenBudgetState {
    fn give(&mut self, tokens: u32) {
        self.missing = self.missing.saturating_sub(tokens);
    }
}

/// What a [`TokenBudget`] has charged. Dropping it means spent.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokenCharge {
    cost: u32,
    is_retry: bool,
}

impl BudgetPolicy for TokenBudget {
    type State = TokenBudgetState;
    type Charge = TokenCharge;

    const FRESH: TokenBudgetState = TokenBudgetState { missing: 0 };

    fn begin(&self, _: &mut TokenBudgetState, _: Instant) {}

    fn try_withdraw(
        &self,
        state: &mut TokenBudgetState,
        extra: Extra,
        _: Instant,
    ) -> Result<TokenCharge, Rejected> {
        let cost = self.price(state, extra).ok_or(SPENT)?;
        self.take(state, cost);
        Ok(TokenCharge { cost, is_retry: matches!(extra, Extra::Retry(_)) })
    }

    fn peek(&self, state: &TokenBudgetState, extra: Extra, _: Instant) -> Result<(), Rejected> {
        if self.price(state, extra).is_some() { Ok(()) } else { Err(SPENT) }
    }

    fn settle(
        &self,
        state: &mut TokenBudgetState,
        charge: Option<TokenCharge>,
        outcome: Outcome,
        _: Instant,
    ) {
        match (outcome, charge) {
            (Outcome::Success, Some(charge)) if charge.is_retry => {
                state.give(charge.cost.max(self.success_reward));
            }
            (Outcome::Success, _) => state.give(self.success_reward),
            (Outcome::Failure(class), _) if class.is_retryable() => {
                self.take(state, self.failure_cost);
            }
            (Outcome::Failure(_) | Outcome::Ignored | Outcome::Abandoned, _) => {}
        }
    }

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }

    fn refund(&self, state: &mut TokenBudgetState, charge: TokenCharge, _: Instant) {
        state.give(charge.cost);
    }

    /// `None`: time refills nothing.
    fn next_deadline(&self, _: &TokenBudgetState, _: Instant) -> Option<Instant> {
        None
    }

    /// The share of the tokens that is left stays the same, rounded down, as gRPC does it.
    fn inherit(&self, old: &Self, state: &TokenBudgetState, _: Instant) -> TokenBudgetState {
        let left = old.millitokens(state);
        TokenBudgetState { missing: self.capacity.saturating_sub(scaled(left, self, old)) }
    }
}

/// The most tokens of `new` that are no larger a share of it than `left` is of `old`. By bisection, so
/// that it takes no wide division.
fn scaled(left: u32, new: &TokenBudget, old: &TokenBudget) -> u32 {
    let most = u64::from(left).saturating_mul(u64::from(new.capacity));
    let mut tokens = 0_u32;
    let mut bit = 1_u32 << 31;
    while bit > 0 {
        let more = tokens | bit;
        if u64::from(more).saturating_mul(u64::from(old.capacity)) <= most {
            tokens = more;
        }
        bit >>= 1;
    }
    tokens
}

/// 8 bytes.
impl Persist for TokenBudget {
    type State = TokenBudgetState;

    const KIND: u8 = kind::TOKEN_BUDGET;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 4;

    fn write(&self, state: &TokenBudgetState, _: Instant, to: &mut Writer<'_>) {
        to.u32(state.missing.min(self.capacity));
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<TokenBudgetState, SnapshotError> {
        let missing = from.u32()?;
        if missing > self.capacity {
            return Err(SnapshotError::Invalid);
        }
        Ok(TokenBudgetState { missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::EPOCH;
    const LOST: Extra = Extra::Retry(FailureClass::Transient);
    const BUSY: Extra = Extra::Retry(FailureClass::Throttled);
    const FAILED: Outcome = Outcome::Failure(FailureClass::Transient);

    fn setting(builder: TokenBudgetBuilder) -> &'static str {
        builder.build().unwrap_err().setting()
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let builder = TokenBudget::builder();
        assert_eq!(setting(builder.capacity(0)), "capacity");
        assert_eq!(setting(builder.capacity(4_294_968)), "capacity");
        assert_eq!(setting(builder.capacity(13)), "retry_cost");
        assert_eq!(setting(builder.throttle_cost(501)), "throttle_cost");
        assert_eq!(setting(builder.hedge_cost(501)), "hedge_cost");
        assert_eq!(setting(builder.failure_cost(501)), "failure_cost");
        for free in [builder.retry_cost(0), builder.throttle_cost(0), builder.hedge_cost(0)] {
            assert_eq!(setting(free), "failure_cost");
        }
        assert!(builder.failure_cost(500).build().is_ok());
        assert_eq!(setting(builder.floor(Ratio::ONE)), "floor");
        assert_eq!(setting(builder.floor(Ratio::new(0, 0))), "floor");
        for reward in [(0, 1), (1, 0), (1, 3), (501, 1), (1, 2_000)] {
            let reward = Ratio::new(reward.0, reward.1);
            assert_eq!(setting(builder.success_reward(reward)), "success_reward");
        }
        assert!(builder.capacity(4_294_967).build().is_ok());
    }

    #[test]
    fn a_quota_is_exhausted_and_recovers_pitfall_92() {
        let mut state = TokenBudget::FRESH;
        for _ in 0..35 {
            assert!(TokenBudget::AWS.try_withdraw(&mut state, LOST, NOW).is_ok());
        }
        assert_eq!(TokenBudget::AWS.millitokens(&state), 10_000);
        assert_eq!(TokenBudget::AWS.try_withdraw(&mut state, LOST, NOW), Err(SPENT));
        assert!(TokenBudget::AWS.peek(&state, BUSY, NOW).is_ok(), "5 are left for a throttle");
        for _ in 0..4 {
            TokenBudget::AWS.settle(&mut state, None, Outcome::Success, NOW);
        }
        assert!(TokenBudget::AWS.try_withdraw(&mut state, LOST, NOW).is_ok());
    }

    #[test]
    fn tokens_stay_between_nothing_and_the_capacity_pitfall_96() {
        let (budget, mut state) = (TokenBudget::GRPC, TokenBudget::FRESH);
        for _ in 0..1_000 {
            budget.settle(&mut state, None, Outcome::Success, NOW);
        }
        assert_eq!(budget.millitokens(&state), 10_000);
        for _ in 0..1_000 {
            budget.settle(&mut state, None, FAILED, NOW);
        }
        assert_eq!((budget.millitokens(&state), state.missing), (0, 10_000));
        for successes in 1..=51 {
            assert!(budget.peek(&state, LOST, NOW).is_err(), "{successes}");
            budget.settle(&mut state, None, Outcome::Success, NOW);
        }
        assert_eq!(budget.millitokens(&state), 5_100);
        assert!(budget.peek(&state, LOST, NOW).is_ok(), "above half");
    }

    #[test]
    fn a_retry_that_succeeds_gives_its_cost_back_and_a_hedge_does_not() {
        let (budget, mut state) = (TokenBudget::AWS, TokenBudget::FRESH);
        for (extra, left) in [(LOST, 500_000), (BUSY, 500_000), (Extra::Hedge, 487_000)] {
            let charge = budget.try_withdraw(&mut state, extra, NOW).unwrap();
            budget.settle(&mut state, Some(charge), Outcome::Success, NOW);
            assert_eq!(budget.millitokens(&state), left, "{extra:?}");
        }
    }

    #[test]
    fn what_says_nothing_about_a_retry_costs_nothing() {
        let (budget, mut state) = (TokenBudget::GRPC, TokenBudget::FRESH);
        for outcome in [Outcome::Failure(FailureClass::Fatal), Outcome::Ignored, Outcome::Abandoned]
        {
            budget.settle(&mut state, None, outcome, NOW);
        }
        assert_eq!(state, TokenBudget::FRESH);
    }

    #[test]
    fn a_floor_is_exact_where_half_is_no_whole_number() {
        let builder = TokenBudget::builder().capacity(5).retry_cost(0).throttle_cost(0);
        let builder = builder.failure_cost(1).success_reward(Ratio::new(1, 1_000));
        let budget = builder.floor(Ratio::new(1, 2)).build().unwrap();
        let at = |millitokens: u32| TokenBudgetState { missing: 5_000 - millitokens };
        assert!(budget.peek(&at(2_500), LOST, NOW).is_err());
        assert!(budget.peek(&at(2_501), LOST, NOW).is_ok());
    }

    #[test]
    fn another_capacity_keeps_the_share() {
        let larger = TokenBudget::builder().capacity(1_000).build().unwrap();
        let half = TokenBudgetState { missing: 250_000 };
        let moved = larger.inherit(&TokenBudget::AWS, &half, NOW);
        assert_eq!(larger.millitokens(&moved), 500_000);
        assert_eq!(larger.inherit(&TokenBudget::AWS, &TokenBudget::FRESH, NOW), TokenBudget::FRESH);
        let small = TokenBudget::GRPC.inherit(&larger, &TokenBudgetState { missing: 999_999 }, NOW);
        assert_eq!(TokenBudget::GRPC.millitokens(&small), 0, "rounded down");
        assert_eq!(larger.inherit(&larger, &half, NOW), half);
    }

    #[test]
    fn it_outlives_a_reboot_and_another_policy_says_what_can_not_be() {
        let (budget, mut bytes) = (TokenBudget::AWS, [0; 8]);
        let state = TokenBudgetState { missing: 333_000 };
        assert_eq!(budget.save(&state, Instant::MAX, &mut bytes), Ok(8));
        assert_eq!(budget.restore(&bytes, NOW), Ok(state));
        assert_eq!(TokenBudget::GRPC.restore(&bytes, NOW), Err(SnapshotError::Invalid));
    }

    #[test]
    fn a_budget_of_which_all_is_spent_outlives_a_reboot() {
        let (budget, spent) = (TokenBudget::DEFAULT, |missing| TokenBudgetState { missing });
        let mut bytes = [0; TokenBudget::LEN];
        budget.save(&spent(u32::MAX), NOW, &mut bytes).unwrap();
        let restored = budget.restore(&bytes, NOW);
        assert_eq!(restored, Ok(spent(budget.capacity)));
        let smaller = TokenBudget::builder().capacity(499).build().unwrap();
        assert_eq!(smaller.restore(&bytes, NOW), Err(SnapshotError::Invalid));
    }
}
