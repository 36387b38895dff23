//! The settings of a budget of tokens.

use super::{TOKEN, TokenBudget};
use crate::config::ConfigError;
#[cfg(doc)]
use crate::outcome::FailureClass;
use crate::ratio::Ratio;

/// Settings of a [`TokenBudget`]; [`TokenBudget::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct TokenBudgetBuilder {
    capacity: u32,
    floor: Ratio,
    retry_cost: u32,
    throttle_cost: u32,
    hedge_cost: Option<u32>,
    failure_cost: u32,
    success_reward: Ratio,
}

impl TokenBudgetBuilder {
    pub(super) const AWS: Self = Self {
        capacity: 500,
        floor: Ratio::new(0, 1),
        retry_cost: 14,
        throttle_cost: 5,
        hedge_cost: None,
        failure_cost: 0,
        success_reward: Ratio::ONE,
    };

    /// The most tokens there are, and how many there are at first: 500 unless set (AWS).
    pub const fn capacity(mut self, tokens: u32) -> Self {
        self.capacity = tokens;
        self
    }

    /// The share of the capacity that must be *exceeded* for an extra attempt: 0 unless set (AWS);
    /// gRPC has one half.
    pub const fn floor(mut self, share: Ratio) -> Self {
        self.floor = share;
        self
    }

    /// What a retry costs when it is decided: 14 unless set (AWS); gRPC has 0.
    pub const fn retry_cost(mut self, tokens: u32) -> Self {
        self.retry_cost = tokens;
        self
    }

    /// The same after a [throttled](FailureClass::Throttled) failure: 5 unless set (AWS). Less,
    /// because a peer that says so is alive, and long delays follow.
    pub const fn throttle_cost(mut self, tokens: u32) -> Self {
        self.throttle_cost = tokens;
        self
    }

    /// What a hedge costs: as much as a retry unless set.
    pub const fn hedge_cost(mut self, tokens: u32) -> Self {
        self.hedge_cost = Some(tokens);
        self
    }

    /// What an attempt takes that fails, the first one too: 0 unless set (AWS); gRPC has 1.
    pub const fn failure_cost(mut self, tokens: u32) -> Self {
        self.failure_cost = tokens;
        self
    }

    /// What a success earns, in whole thousandths: 1 token unless set (AWS).
    pub const fn success_reward(mut self, tokens: Ratio) -> Self {
        self.success_reward = tokens;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// `capacity` is zero or above 4,294,967; a cost or the reward is above it; the reward is zero, or
    /// not in whole thousandths; `floor` is not below 1; retries cost nothing, and failures neither.
    pub const fn build(self) -> Result<TokenBudget, ConfigError> {
        if self.capacity == 0 || self.capacity > u32::MAX / TOKEN {
            return Err(ConfigError::new("capacity", "capacity must be 1 to 4,294,967 tokens"));
        }
        let hedge_cost = match self.hedge_cost {
            Some(cost) => cost,
            None => self.retry_cost,
        };
        if let Err(error) = self.check_costs(hedge_cost) {
            return Err(error);
        }
        let capacity = self.capacity.saturating_mul(TOKEN);
        if self.floor.numerator() >= self.floor.denominator() {
            return Err(ConfigError::new("floor", "floor must be below 1"));
        }
        let (share, of) = (self.floor.numerator() as u64, self.floor.denominator() as u64);
        let Some(floor) = (capacity as u64).saturating_mul(share).checked_div(of) else {
            return Err(ConfigError::new("floor", "floor must be below 1"));
        };
        let success_reward = match self.reward(capacity) {
            Ok(reward) => reward,
            Err(error) => return Err(error),
        };
        Ok(TokenBudget {
            capacity,
            floor: floor as u32,
            retry_cost: self.retry_cost.saturating_mul(TOKEN),
            throttle_cost: self.throttle_cost.saturating_mul(TOKEN),
            hedge_cost: hedge_cost.saturating_mul(TOKEN),
            failure_cost: self.failure_cost.saturating_mul(TOKEN),
            success_reward,
        })
    }

    const fn check_costs(&self, hedge_cost: u32) -> Result<(), ConfigError> {
        if self.retry_cost > self.capacity {
            return Err(ConfigError::new("retry_cost", "retry_cost must be at most capacity"));
        }
        if self.throttle_cost > self.capacity {
            return Err(ConfigError::new(
                "throttle_cost",
                "throttle_cost must be at most capacity",
            ));
        }
        if hedge_cost > self.capacity {
            return Err(ConfigError::new("hedge_cost", "hedge_cost must be at most capacity"));
        }
        if self.failure_cost > self.capacity {
            return Err(ConfigError::new("failure_cost", "failure_cost must be at most capacity"));
        }
        let is_free = self.retry_cost == 0 || self.throttle_cost == 0 || hedge_cost == 0;
        if is_free && self.failure_cost == 0 {
            return Err(ConfigError::new(
                "failure_cost",
                "failure_cost must be above zero where an extra attempt costs nothing",
            ));
        }
        Ok(())
    }

    /// In thousandths.
    const fn reward(&self, capacity: u32) -> Result<u32, ConfigError> {
        const WHOLE: ConfigError = ConfigError::new(
            "success_reward",
            "success_reward must be above zero, at most capacity, and whole in thousandths",
        );
        let above = (self.success_reward.numerator() as u32).saturating_mul(TOKEN);
        let below = self.success_reward.denominator() as u32;
        match (above.checked_div(below), above.checked_rem(below)) {
            (Some(reward), Some(0)) if reward > 0 && reward <= capacity => Ok(reward),
            _ => Err(WHOLE),
        }
    }
}
