//! Budgets.

use crate::vectors::beside::Subject;
use crate::vectors::machines::refused;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use resil_core::call::{Budget, Extra};
use resil_core::outcome::FailureClass;
use resil_core::retry::budget::{
    BudgetCharge, BudgetPolicy, RatioBudget, RetryBudget, TokenBudget,
};
use resil_core::retry::{Retry, RetryPolicy};
use resil_core::{Instant, Outcome, Ratio};
use serde::Deserialize;

/// The settings, named as the builders' methods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub(super) enum Policy {
    Tokens {
        capacity: Option<u32>,
        floor: Option<(u16, u16)>,
        retry_cost: Option<u32>,
        throttle_cost: Option<u32>,
        hedge_cost: Option<u32>,
        failure_cost: Option<u32>,
        success_reward: Option<(u16, u16)>,
    },
    Ratio {
        ratio: Option<(u16, u16)>,
        minimum: Option<u32>,
        window: Option<u64>,
    },
}

pub(super) enum Either {
    Tokens(Kept<TokenBudget>),
    Ratio(Kept<RatioBudget>),
}

pub(super) struct Kept<P: BudgetPolicy> {
    budget: RetryBudget<P>,
    charges: BTreeMap<String, BudgetCharge<P::Charge>>,
    left: fn(&RetryBudget<P>, Instant) -> String,
}

impl Subject for Either {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        let fraction = |(above, below)| Ratio::new(above, below);
        match *policy {
            Policy::Tokens {
                capacity,
                floor,
                retry_cost,
                throttle_cost,
                hedge_cost,
                failure_cost,
                success_reward,
            } => {
                let mut builder = TokenBudget::builder();
                builder = capacity.map_or(builder, |tokens| builder.capacity(tokens));
                builder = floor.map_or(builder, |share| builder.floor(fraction(share)));
                builder = retry_cost.map_or(builder, |tokens| builder.retry_cost(tokens));
                builder = throttle_cost.map_or(builder, |tokens| builder.throttle_cost(tokens));
                builder = hedge_cost.map_or(builder, |tokens| builder.hedge_cost(tokens));
                builder = failure_cost.map_or(builder, |tokens| builder.failure_cost(tokens));
                builder = success_reward
                    .map_or(builder, |tokens| builder.success_reward(fraction(tokens)));
                Self::Tokens(Kept::new(builder.build().unwrap(), |budget, _| {
                    let left = budget.policy().millitokens(budget.as_state());
                    millis(Instant::from_nanos(u64::from(left) * 1_000), Instant::EPOCH)
                }))
            }
            Policy::Ratio { ratio, minimum, window } => {
                let mut builder = RatioBudget::builder();
                builder = ratio.map_or(builder, |ratio| builder.ratio(fraction(ratio)));
                builder = minimum.map_or(builder, |minimum| builder.minimum(minimum));
                builder =
                    window.map_or(builder, |window| builder.window(Duration::from_millis(window)));
                Self::Ratio(Kept::new(builder.build().unwrap(), |budget, now| {
                    let (calls, extras) = budget.policy().counted(budget.as_state(), now);
                    format!("{extras} beside {calls}")
                }))
            }
        }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match self {
            Self::Tokens(kept) => kept.apply(event, now, start),
            Self::Ratio(kept) => kept.apply(event, now, start),
        }
    }
}

impl<P: BudgetPolicy> Kept<P> {
    fn new(policy: P, left: fn(&RetryBudget<P>, Instant) -> String) -> Self {
        Self { budget: RetryBudget::new(policy), charges: BTreeMap::new(), left }
    }

    fn withdraw(&mut self, name: &str, extra: Extra, now: Instant, start: Instant) -> String {
        match self.budget.try_withdraw(extra, now) {
            Ok(charge) => {
                self.charges.insert(name.to_owned(), charge);
                "paid".to_owned()
            }
            Err(rejected) => refused(rejected, start),
        }
    }

    /// How often the operation is sent by a retry around so many others, which share this budget.
    fn sent(&mut self, inside: u32, policy: &RetryPolicy, now: Instant) -> u32 {
        let (mut retry, mut sent) = (Retry::start(policy, now), 0);
        loop {
            sent += if inside == 0 { 1 } else { self.sent(inside - 1, policy, now) };
            let lost = FailureClass::Transient.into();
            if retry.record_within(policy, &mut self.budget, lost, 0, now).is_err() {
                return sent;
            }
        }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let outcome = match *event {
            ["retry", name] => {
                return self.withdraw(name, Extra::Retry(FailureClass::Transient), now, start);
            }
            ["retry", name, "throttled"] => {
                return self.withdraw(name, Extra::Retry(FailureClass::Throttled), now, start);
            }
            ["hedge", name] => return self.withdraw(name, Extra::Hedge, now, start),
            ["next"] => {
                let next = self.budget.next_deadline(now);
                return next.map_or("never".to_owned(), |at| format!("at {}", millis(at, start)));
            }
            ["left"] => return (self.left)(&self.budget, now),
            ["begin", ref times @ ..] => {
                let times = times.first().map_or(1, |times| times.parse().unwrap());
                (0..times).for_each(|_| self.budget.begin(now));
                return (self.left)(&self.budget, now);
            }
            ["reset"] => {
                self.budget.reset();
                return (self.left)(&self.budget, now);
            }
            ["refund", name] => {
                self.budget.refund(self.charges.remove(name).unwrap(), now);
                return (self.left)(&self.budget, now);
            }
            // So many layers around an operation that fails, each of so many attempts.
            ["layers", layers, "of", attempts] => {
                let policy = RetryPolicy::builder().max_attempts(attempts.parse().unwrap());
                let layers: u32 = layers.parse().unwrap();
                let sent = self.sent(layers - 1, &policy.build().unwrap(), now);
                return format!("sent {sent}");
            }
            ["success", ..] => Outcome::Success,
            ["failure", ..] => Outcome::Failure(FailureClass::Transient),
            ["fatal", ..] => Outcome::Failure(FailureClass::Fatal),
            ["ignored", ..] => Outcome::Ignored,
            _ => panic!("a budget knows no event {event:?}"),
        };
        let charge = event.get(1).map(|&name| self.charges.remove(name).unwrap());
        self.budget.settle(charge, outcome, now);
        (self.left)(&self.budget, now)
    }
}
