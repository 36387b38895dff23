//! Retry budgets: the documented rules, in exact fractions.

use super::Ratio;
use num_bigint::BigInt;

/// The settings of a budget of tokens.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named as the builder's methods")]
pub struct Tokens {
    pub capacity: Ratio,
    pub floor: Ratio,
    pub retry_cost: Ratio,
    pub throttle_cost: Ratio,
    pub hedge_cost: Ratio,
    pub failure_cost: Ratio,
    pub success_reward: Ratio,
}

/// What an extra attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// After a failure that was no throttle.
    Retry,
    /// After a throttle.
    Throttled,
    /// Beside another attempt.
    Hedge,
}

/// A budget of tokens.
#[derive(Clone, Debug)]
pub struct TokenBudget {
    settings: Tokens,
    /// What is left.
    pub tokens: Ratio,
}

impl TokenBudget {
    /// A full one.
    #[must_use]
    pub fn new(settings: Tokens) -> Self {
        Self { tokens: settings.capacity.clone(), settings }
    }

    /// What it costs.
    #[must_use]
    pub fn cost(&self, extra: Extra) -> Ratio {
        match extra {
            Extra::Retry => self.settings.retry_cost.clone(),
            Extra::Throttled => self.settings.throttle_cost.clone(),
            Extra::Hedge => self.settings.hedge_cost.clone(),
        }
    }

    /// Takes it, if it passes.
    pub fn withdraw(&mut self, extra: Extra) -> bool {
        let cost = self.cost(extra);
        let passes =
            self.tokens > &self.settings.floor * &self.settings.capacity && self.tokens >= cost;
        if passes {
            self.tokens -= cost;
        }
        passes
    }

    /// An attempt succeeded.
    pub fn success(&mut self, extra: Option<Extra>) {
        let reward = self.settings.success_reward.clone();
        let earned = match extra {
            Some(Extra::Retry | Extra::Throttled) => reward.max(self.cost(extra.unwrap())),
            Some(Extra::Hedge) | None => reward,
        };
        self.give(earned);
    }

    /// An attempt failed in a way that is worth a retry.
    pub fn failure(&mut self) {
        let left = &self.tokens - &self.settings.failure_cost;
        self.tokens = left.max(Ratio::from_integer(BigInt::from(0)));
    }

    /// It was not made.
    pub fn refund(&mut self, extra: Extra) {
        let cost = self.cost(extra);
        self.give(cost);
    }

    fn give(&mut self, tokens: Ratio) {
        self.tokens = (&self.tokens + tokens).min(self.settings.capacity.clone());
    }
}

/// Whether one more extra attempt keeps `extras ≤ ⌊calls · ratio⌋ + minimum`.
#[must_use]
pub fn share_allows(calls: u32, extras: u32, ratio: (u16, u16), minimum: u32) -> bool {
    let share = Ratio::new(BigInt::from(ratio.0), BigInt::from(ratio.1));
    let earned = (share * BigInt::from(calls)).floor().to_integer();
    BigInt::from(extras) < earned + BigInt::from(minimum)
}
