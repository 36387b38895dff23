//! Retries and what bounds them: budgets, hedging, deadlines.

use crate::{any_duration, any_now, refused};
use core::hint::black_box;
use resil_core::call::Budget;
use resil_core::call::Extra;
use resil_core::deadline::{CallContext, Deadline, WireContext};
use resil_core::fallback::{Answer, is_unavailable, or_degraded};
use resil_core::hedge::{Hedge, HedgePolicy, HedgeState};
use resil_core::outcome::Classify;
use resil_core::outcome::{Classification, EveryError, FailureClass, RetryAt, RetryHint};
use resil_core::retry::budget::{BudgetPolicy, RetryBudget};
use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
use resil_core::{ErrorCode, Outcome, Rejected, ResilienceError};

#[inline(never)]
pub(crate) fn outcomes() {
    black_box(EveryError.classify(&()));
    black_box(black_box(Classification::Ignored).outcome());
}

#[inline(never)]
pub(crate) fn retry(policy: &RetryPolicy) {
    let mut retry = black_box(Retry::start(policy, any_now()));
    black_box((retry.attempt(), retry.failed(), retry.deadline()));
    black_box(retry.is_past_deadline(any_now()));
    let failure = black_box(Classification::Ignored);
    if let Next::Wait(wait) = retry.record(policy, failure, black_box(0_u32), any_now()) {
        black_box((wait.until(), wait.attempt()));
    }
    let refusal = Rejected::new(black_box(ErrorCode::RateLimitExceeded), black_box(RetryAt::Never));
    match retry.refused(policy, refusal, black_box(0_u32), any_now()) {
        Next::Wait(wait) => black_box(wait.until()),
        Next::Stop(refused) => {
            black_box(retry.refusal_error(refused, Some(())));
            any_now()
        }
    };
    black_box(retry.error(black_box(Stop::Exhausted), ()));
}

/// Every decision of a budget on any state, and a retry that asks it.
#[inline(never)]
pub(crate) fn budget<P: BudgetPolicy>(policy: &P) {
    let mut state = black_box(P::FRESH);
    let extra = || black_box(Extra::Retry(FailureClass::Transient));
    policy.begin(&mut state, any_now());
    match black_box(policy.try_withdraw(&mut state, extra(), any_now())) {
        Ok(charge) => policy.refund(&mut state, charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    let charge = policy.try_withdraw(&mut state, extra(), any_now()).ok();
    policy.settle(&mut state, black_box(charge), black_box(Outcome::Success), any_now());
    black_box(policy.peek(&state, extra(), any_now()).is_ok());
    black_box(policy.next_deadline(&state, any_now()));
    let state = black_box(policy.inherit(policy, &state, any_now()));

    let mut budget = RetryBudget::from_parts(policy, state);
    let retries = black_box(RetryPolicy::DEFAULT);
    let mut retry = black_box(Retry::start(&retries, any_now()));
    let failure = black_box(Classification::Ignored);
    match retry.record_within(&retries, &mut budget, failure, black_box(0_u32), any_now()) {
        Ok((wait, charge)) => {
            black_box(wait.until());
            budget.settle(Some(charge), black_box(Outcome::Ignored), any_now());
        }
        Err(stop) => {
            black_box(retry.last_error::<()>(stop, black_box(None)));
        }
    }
    budget.reset();
    black_box(budget.as_state());
}

#[inline(never)]
pub(crate) fn hedge(policy: &HedgePolicy) {
    let mut hedge = Hedge::from_parts(policy, black_box(HedgeState::FRESH));
    hedge.record_latency(any_now(), any_now());
    black_box(hedge.due(black_box(0), any_now()));
    let class = black_box(FailureClass::Transient);
    let _ = black_box(hedge.on_failure(black_box(0), class, black_box(RetryHint::None), any_now()));
    hedge.reconfigure(black_box(policy), any_now());
    black_box(hedge.as_state().samples());
}

#[inline(never)]
pub(crate) fn deadline() {
    let deadline = black_box(Deadline::after(any_now(), any_duration()));
    black_box((deadline.is_past(any_now()), deadline.instant(), deadline.min(Deadline::NONE)));
    black_box(deadline.attempt(any_duration(), any_now()));
    black_box(deadline.next_deadline(any_now()));
    if let Err(rejected) = deadline.check(any_now()) {
        refused(rejected);
    }
    let context = black_box(CallContext::new(deadline)).child(black_box(1), black_box(false));
    let bytes = black_box(context.wire(any_now()).encode());
    let Ok(wire) = WireContext::decode(black_box(&bytes)) else { return };
    let context = black_box(wire.received(any_duration(), any_now()).until(deadline));
    black_box((context.attempt(), context.is_retry(), context.is_hedge()));

    let failed: Result<u8, ResilienceError<()>> = Err(black_box(ResilienceError::operation(())));
    let answer = or_degraded(failed, is_unavailable, |_| black_box(None));
    black_box(answer.map(Answer::into_inner).is_ok());
}
