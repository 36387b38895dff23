//! Budgets beside their exact models.

use crate::oracle::{Ratio as Exact, budget as oracle};
use core::time::Duration;
use num_bigint::BigInt;
use resil_core::call::{Budget, Extra};
use resil_core::outcome::FailureClass;
use resil_core::retry::budget::{
    BudgetPolicy, RatioBudget, RatioBudgetState, RetryBudget, TokenBudget,
};
use resil_core::{Instant, Outcome, Ratio};

const LOST: FailureClass = FailureClass::Transient;
const FAILED: Outcome = Outcome::Failure(LOST);

fn at(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

fn exact(above: u32, below: u32) -> Exact {
    Exact::new(BigInt::from(above), BigInt::from(below))
}

const fn core_extra(extra: oracle::Extra) -> Extra {
    match extra {
        oracle::Extra::Retry => Extra::Retry(LOST),
        oracle::Extra::Throttled => Extra::Retry(FailureClass::Throttled),
        oracle::Extra::Hedge => Extra::Hedge,
    }
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Well.
    Succeeds,
    /// Badly.
    Fails,
    /// In a way that says nothing.
    SaysNothing,
    /// It is not made.
    IsNotMade,
}

/// An attempt: what it is for, where it is an extra one, and how it ends.
pub type Attempt = (Option<oracle::Extra>, End);

/// capacity, floor, costs of retry, throttle, hedge and failure, and the reward in thousandths.
pub type Numbers = (u32, (u16, u16), [u32; 4], u16);

fn built((capacity, floor, [retry, throttle, hedge, failure], reward): Numbers) -> TokenBudget {
    TokenBudget::builder()
        .capacity(capacity)
        .floor(Ratio::new(floor.0, floor.1))
        .retry_cost(retry)
        .throttle_cost(throttle)
        .hedge_cost(hedge)
        .failure_cost(failure)
        .success_reward(Ratio::new(reward, 1_000))
        .build()
        .unwrap()
}

fn modelled((capacity, floor, costs, reward): Numbers) -> oracle::TokenBudget {
    let [retry_cost, throttle_cost, hedge_cost, failure_cost] = costs.map(|cost| exact(cost, 1));
    oracle::TokenBudget::new(oracle::Tokens {
        capacity: exact(capacity, 1),
        floor: exact(floor.0.into(), floor.1.into()),
        retry_cost,
        throttle_cost,
        hedge_cost,
        failure_cost,
        success_reward: exact(reward.into(), 1_000),
    })
}

/// Any settings, AWS's and gRPC's kinds among them; 0 ≤ tokens ≤ capacity after every step.
///
/// # Panics
///
/// Where it does not hold.
pub fn tokens_are_those_of_the_exact_model(numbers: Numbers, attempts: &[Attempt]) {
    let policy = built(numbers);
    let (mut budget, mut model) = (RetryBudget::new(policy), modelled(numbers));
    for (extra, end) in attempts.iter().copied() {
        let mut charge = None;
        if let Some(extra) = extra {
            let taken = budget.try_withdraw(core_extra(extra), at(0));
            assert_eq!(taken.is_ok(), model.withdraw(extra));
            let Ok(taken) = taken else { continue };
            charge = Some(taken);
        }
        match (end, charge) {
            (End::IsNotMade, Some(charge)) => {
                budget.refund(charge, at(0));
                model.refund(extra.unwrap());
            }
            (End::Succeeds, charge) => {
                budget.settle(charge, Outcome::Success, at(0));
                model.success(extra);
            }
            (End::Fails, charge) => {
                budget.settle(charge, FAILED, at(0));
                model.failure();
            }
            (End::SaysNothing | End::IsNotMade, charge) => {
                budget.settle(charge, Outcome::Ignored, at(0));
            }
        }
        let left = policy.millitokens(budget.as_state());
        assert!(left <= policy.capacity() * 1_000);
        assert_eq!(exact(left, 1_000), model.tokens.clone());
    }
}

/// The share is exact, whatever the clock does, and is of what the budget says it has counted. A step is
/// by how many ms the clock moves, and what happens then.
///
/// # Panics
///
/// Where it does not hold.
pub fn a_share_is_that_of_the_exact_model(ratio: (u16, u16), minimum: u32, steps: &[(i64, u8)]) {
    let ratio_of = Ratio::new(ratio.0, ratio.1);
    let policy = RatioBudget::builder().ratio(ratio_of).minimum(minimum).build().unwrap();
    let (mut state, mut now, mut charges) = (RatioBudget::FRESH, 100_000_i64, Vec::new());
    for (by, event) in steps.iter().copied() {
        now = (now + by).max(0);
        let now = at(now.unsigned_abs());
        let (calls, extras) = policy.counted(&state, now);
        match event {
            0 | 1 => policy.begin(&mut state, now),
            2 => {
                let passes = oracle::share_allows(calls, extras, ratio, minimum);
                assert_eq!(policy.peek(&state, Extra::Hedge, now).is_ok(), passes);
                let charge = policy.try_withdraw(&mut state, Extra::Hedge, now);
                assert_eq!(charge.is_ok(), passes);
                let counted = (calls, extras + u32::from(passes));
                assert_eq!(policy.counted(&state, now), counted);
                charges.extend(charge);
            }
            _ => {
                if let Some(charge) = charges.pop() {
                    policy.refund(&mut state, charge, now);
                    let left = policy.counted(&state, now);
                    assert!(left == (calls, extras) || left == (calls, extras - 1));
                }
            }
        }
        deadline_is_kept(&policy, &state, now);
    }
    let _ = policy.try_withdraw(&mut state, Extra::Hedge, at(now.unsigned_abs()));
    let quiet = at(now.unsigned_abs() + 15_000);
    assert_eq!(policy.counted(&state, quiet), (0, 0), "stuck");
}

/// After somebody has asked (which is when a step of the clock is noticed) it is after `now`, and the
/// answer is another one there, and not before.
fn deadline_is_kept(policy: &RatioBudget, state: &RatioBudgetState, now: Instant) {
    let state = &mut state.clone();
    let _ = policy.try_withdraw(state, Extra::Hedge, now);
    let answer = |now| policy.peek(state, Extra::Hedge, now).is_ok();
    let Some(due) = policy.next_deadline(state, now) else {
        assert_eq!(answer(now.saturating_add(Duration::from_secs(20))), answer(now));
        return;
    };
    assert!(due > now);
    assert_eq!(answer(due), !answer(now));
    assert_eq!(answer(due.saturating_sub(Duration::from_nanos(1)).max(now)), answer(now));
}
