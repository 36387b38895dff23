//! The composed call: retry, budget, hedge, breaker, limit and timeouts around one peer.

use super::no_entropy;
use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::call::{
    Budget, Call, CallPolicy, Finished, Layers, PeerGate, PeerPolicy, PeerState, Request, Step,
    Ticket, Verdict,
};
use resil_core::circuit_breaker::{self, CircuitBreakerConfig};
use resil_core::error::{GaveUp, RetryExhaustedError};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{Classification, Classify, EveryError, FailureClass, RetryHint};
use resil_core::rate_limit::{BucketCharge, Limit, RateLimitConfig, TokenBucket};
use resil_core::retry::budget::{RetryBudget, TokenBudget};
use resil_core::retry::{Guarded, RetryPolicy};
use resil_core::{Instant, ResilienceError};
use serde::Deserialize;

/// The settings; what is not given is the default of its layer, and there is no jitter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    max_attempts: Option<u32>,
    deadline: Option<u64>,
    max_refusal_waits: Option<u32>,
    attempt_timeout: Option<u64>,
    failure_threshold: Option<u16>,
    open_for: Option<u64>,
    burst_size: Option<u32>,
    /// A token a retry.
    budget: Option<u32>,
    /// A fixed delay; without one there is no hedge.
    pub hedge_after: Option<u64>,
}

impl Policy {
    /// How calls go on.
    #[must_use]
    pub fn call(&self) -> CallPolicy {
        let mut retry = RetryPolicy::builder()
            .jitter(Jitter::None)
            .max_attempts(self.max_attempts.unwrap_or(3))
            .max_refusal_waits(self.max_refusal_waits.unwrap_or(0));
        if let Some(deadline) = self.deadline {
            retry = retry.deadline(Duration::from_millis(deadline));
        }
        let policy = CallPolicy::new(retry.build().unwrap());
        match self.attempt_timeout {
            Some(timeout) => policy.with_attempt_timeout(Duration::from_millis(timeout)).unwrap(),
            None => policy,
        }
    }

    /// The breaker and the limit too.
    #[must_use]
    pub fn peer(&self) -> PeerPolicy {
        let breaker = CircuitBreakerConfig::builder()
            .failure_threshold(self.failure_threshold.unwrap_or(5))
            .timeout(Duration::from_millis(self.open_for.unwrap_or(60_000)));
        let limit = RateLimitConfig::builder().burst_size(self.burst_size.unwrap_or(10));
        let limit = TokenBucket::new(limit.build().unwrap());
        PeerPolicy::new(self.call(), breaker.build().unwrap(), limit)
    }

    /// What pays for extra attempts: a token each.
    #[must_use]
    pub fn budget(&self) -> TokenBudget {
        TokenBudget::builder()
            .capacity(self.budget.unwrap_or(1_000))
            .retry_cost(1)
            .throttle_cost(1)
            .hedge_cost(1)
            .build()
            .unwrap()
    }

    /// Where no hedge is wanted, one after a year.
    #[must_use]
    pub fn hedge(&self) -> HedgePolicy {
        let never = 365 * 86_400_000;
        let delay = Duration::from_millis(self.hedge_after.unwrap_or(never));
        HedgePolicy::builder().fixed_delay(delay).build().unwrap()
    }
}

type Paid = <RetryBudget as Budget>::Charge;

/// A peer, the calls to it one after the other, and what they share.
#[derive(Debug)]
pub struct Peer {
    policy: PeerPolicy,
    state: PeerState,
    budget: RetryBudget,
    hedge: Option<Hedge>,
    call: Call<(circuit_breaker::Permit, BucketCharge), Paid>,
    tickets: Vec<Ticket>,
}

impl Subject for Peer {
    type Policy = Policy;

    fn new(policy: &Policy, now: Instant) -> Self {
        let peer = policy.peer();
        let call = Call::start(peer.call(), Request::ONE, now);
        Self {
            policy: peer,
            state: PeerState::FRESH,
            budget: RetryBudget::new(policy.budget()),
            hedge: policy.hedge_after.map(|_| Hedge::new(policy.hedge())),
            call,
            tickets: Vec::new(),
        }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["start"] => {
                self.call = Call::start(self.policy.call(), Request::ONE, now);
                self.tickets.clear();
                "started".to_owned()
            }
            ["poll"] => {
                let step = self.poll(now);
                self.say(step, start)
            }
            ["abandon"] => {
                let layers = &mut layers(&self.policy, &mut self.state, &mut self.budget);
                self.call.abandon(self.policy.call(), layers, no_entropy, now);
                "abandoned".to_owned()
            }
            ["look"] => {
                let state = self.policy.breaker().state(&self.state.breaker, now);
                let tokens = self.policy.limit().available(&self.state.limit, now);
                format!("{state}, {tokens} available")
            }
            [end, attempt] => self.finish(attempt, result(end, None), now),
            [end, attempt, "hint", hint] => self.finish(attempt, result(end, Some(hint)), now),
            _ => panic!("a call knows no event {event:?}"),
        }
    }
}

impl Peer {
    fn poll(&mut self, now: Instant) -> Step {
        let layers = layers(&self.policy, &mut self.state, &mut self.budget);
        match &mut self.hedge {
            Some(hedge) => {
                let mut layers = layers.with_hedge(hedge);
                self.call.poll(self.policy.call(), &mut layers, no_entropy, now)
            }
            None => self.call.poll(self.policy.call(), &mut { layers }, no_entropy, now),
        }
    }

    fn finish(
        &mut self,
        attempt: &str,
        result: Result<(), Classification>,
        now: Instant,
    ) -> String {
        let number: u32 = attempt.parse().unwrap();
        let Some(place) = self.tickets.iter().position(|ticket| ticket.number() == number) else {
            return "nothing to tell".to_owned();
        };
        let ticket = self.tickets.swap_remove(place);
        let layers = layers(&self.policy, &mut self.state, &mut self.budget);
        let policy = self.policy.call();
        let finished = match &mut self.hedge {
            Some(hedge) => {
                let mut layers = layers.with_hedge(hedge);
                self.call.finish(policy, ticket, result, &mut layers, no_entropy, now)
            }
            None => self.call.finish(policy, ticket, result, &mut { layers }, no_entropy, now),
        };
        match finished {
            Finished::Counted => "counted".to_owned(),
            Finished::Stale => "stale".to_owned(),
        }
    }

    fn say(&mut self, step: Step, start: Instant) -> String {
        let until = |at: Option<Instant>| match at {
            Some(at) => format!(" until {}", millis(at, start)),
            None => String::new(),
        };
        match step {
            Step::Attempt(ticket) => {
                let kind = if ticket.is_hedge() { "hedge" } else { "attempt" };
                let said = format!("{kind} {}{}", ticket.number(), until(ticket.deadline()));
                self.tickets.push(ticket);
                said
            }
            Step::Wait { until: at, in_flight: 0 } => format!("wait{}", until(at)),
            Step::Wait { until: at, in_flight } => format!("wait for {in_flight}{}", until(at)),
            Step::Done(Verdict::Success) => "done".to_owned(),
            Step::Done(Verdict::Abandoned) => "abandoned".to_owned(),
            Step::Done(verdict) => {
                let error = self.call.error(verdict, Some("lost")).expect("it failed");
                format!("failed {}", error.code())
            }
        }
    }
}

fn layers<'a>(
    policy: &'a PeerPolicy,
    state: &'a mut PeerState,
    budget: &'a mut RetryBudget,
) -> Layers<PeerGate<'a>, &'a mut RetryBudget> {
    policy.gates(state).with_budget(budget)
}

/// How an attempt ends, as a script spells it.
///
/// # Panics
///
/// If no attempt ends so.
pub fn result(end: &str, hint: Option<&str>) -> Result<(), Classification> {
    let class = match end {
        "success" => return Ok(()),
        "ignored" => return Err(Classification::Ignored),
        "transient" => FailureClass::Transient,
        "throttled" => FailureClass::Throttled,
        "timeout" => FailureClass::Timeout,
        "local" => FailureClass::Local,
        "fatal" => FailureClass::Fatal,
        // A retry further in has used up its attempts.
        "gave_up" => {
            let error = RetryExhaustedError::new(GaveUp::Attempts, 3, ());
            return Err(Guarded::<EveryError>::default().classify(&ResilienceError::from(error)));
        }
        _ => panic!("no attempt ends with {end}"),
    };
    let hint = match hint {
        None => RetryHint::None,
        Some("never") => RetryHint::Never,
        Some(after) => RetryHint::After(Duration::from_millis(after.parse().unwrap())),
    };
    Err(Classification::Failure(class, hint))
}
