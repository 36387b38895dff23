//! The composed call.

use crate::{RATE, any_now};
use core::hint::black_box;
use resil_core::bulkhead::{Bulkhead, BulkheadConfig};
use resil_core::call::{
    Call, CallPolicy, Ended, Layers, PeerPolicy, PeerState, Pipeline, Request, Step, Verdict,
};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::deadline::Deadline;
use resil_core::event::EventKind;
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::Classification;
use resil_core::rate_limit::{Limiter, TokenBucket};
use resil_core::retry::budget::{RetryBudget, TokenBudget};

/// A call to a peer, whatever happens to it.
#[inline(never)]
pub(crate) fn call(peer: &PeerPolicy) {
    let (policy, mut state) = (peer.call(), black_box(PeerState::FRESH));
    let mut call = black_box(Call::start(policy, black_box(Request::ONE), any_now()));
    let entropy = || black_box(0_u32);
    match call.poll(policy, &mut peer.gates(&mut state), entropy, any_now()) {
        Step::Attempt(ticket) => {
            let result = black_box(Err(Classification::Ignored));
            call.finish(policy, ticket, result, &mut peer.gates(&mut state), entropy, any_now());
        }
        Step::Wait { until, .. } => drop(black_box(until)),
        Step::Done(verdict) => drop(black_box(call.error(verdict, Some(())))),
    }
    call.abandon(policy, &mut peer.gates(&mut state), entropy, any_now());
    black_box((call.attempts(), call.deadline(), call.is_over()));
}

/// The same as a driver makes it, with the deadline of whoever calls.
#[inline(never)]
pub(crate) fn driven<L: Pipeline>(pipeline: &L) {
    let mut state = black_box(L::FRESH);
    let entropy = &mut || black_box(0_u32);
    let deadline = Deadline::at(any_now());
    let mut call = black_box(pipeline.start(black_box(Request::ONE), deadline, any_now()));
    let (step, changed) = pipeline.step(&mut call, None, &mut state, entropy, any_now());
    black_box((EventKind::of_wait(call.refusal()), changed));
    match step {
        Step::Attempt(ticket) => {
            black_box((EventKind::of_start(&ticket), EventKind::of_success(&ticket)));
            black_box((EventKind::of_loss(&ticket, Verdict::Success), call.is_in_flight(&ticket)));
            let ended = Some(Ended { ticket, result: black_box(Err(Classification::Ignored)) });
            drop(black_box(pipeline.step(&mut call, ended, &mut state, entropy, any_now())));
        }
        Step::Wait { until, .. } => drop(black_box(until)),
        Step::Done(verdict) => {
            black_box(EventKind::of_verdict(verdict));
            drop(black_box(call.result(verdict, black_box(None::<u8>), Some(()))));
        }
    }
    black_box(pipeline.abandon(&mut call, &mut state, entropy, any_now()));
}

/// A call with a budget and hedging, through a breaker, a limit and a bulkhead.
#[inline(never)]
pub(crate) fn with_all(policy: &CallPolicy) {
    let mut breaker = black_box(CircuitBreaker::new(CircuitBreakerConfig::DEFAULT));
    let mut limit = black_box(Limiter::new(TokenBucket::new(RATE)));
    let mut bulkhead = black_box(Bulkhead::new(BulkheadConfig::DEFAULT));
    let mut budget = black_box(RetryBudget::new(TokenBudget::AWS));
    let mut hedge = black_box(Hedge::new(HedgePolicy::DEFAULT));
    let mut call = black_box(Call::start(policy, black_box(Request::ONE), any_now()));
    let entropy = || black_box(0_u32);
    let mut gates = Layers::new((&mut breaker, &mut limit, &mut bulkhead))
        .with_budget(&mut budget)
        .with_hedge(&mut hedge);
    match call.poll(policy, &mut gates, entropy, any_now()) {
        Step::Attempt(ticket) => {
            black_box((ticket.deadline(), ticket.number(), ticket.is_hedge()));
            black_box(call.permit(&ticket).is_some());
            let result = black_box(Err(Classification::Ignored));
            black_box(call.finish(policy, ticket, result, &mut gates, entropy, any_now()));
        }
        Step::Wait { until, .. } => drop(black_box(until)),
        Step::Done(verdict) => drop(black_box(call.error(verdict, Some(())))),
    }
    call.abandon(policy, &mut gates, entropy, any_now());
}
