//! Retries are paid for from a budget.

use super::*;
use resil_core::call::{Budget, Extra};
use resil_core::error::GaveUp;
use resil_core::outcome::Outcome;
use resil_core::retry::budget::{RetryBudget, TokenBudget};
use resil_core::valid;

#[test]
fn a_budget_that_is_spent_ends_the_call_with_the_last_error() {
    const ONE: TokenBudget = valid!(TokenBudget::builder().capacity(14).build());
    let mut budget = RetryBudget::new(ONE);
    let policy = policy(EXACT);
    let mut retry = Retry::start(&policy, at(0));
    let (_, charge) = retry.record_within(&policy, &mut budget, LOST, 0, at(0)).unwrap();
    budget.settle(Some(charge), Outcome::Failure(FailureClass::Transient), at(1));
    let stop = retry.record_within(&policy, &mut budget, LOST, 0, at(1)).unwrap_err();
    assert_eq!((stop, stop.code()), (Stop::Budget, ErrorCode::RetryFailed));
    assert_eq!(stop.gave_up(), Some(GaveUp::Budget));
    let error = retry.error(stop, Lost);
    assert_eq!(error.to_string(), "RETRY_FAILED: the budget for retries is spent (attempts=2)");
    assert_eq!(error.into_operation_error(), Some(Lost));
}

#[test]
fn a_call_that_ends_anyway_costs_no_budget() {
    let once = policy(EXACT.max_attempts(1));
    let short = policy(EXACT.deadline(SECOND));
    let many = policy(EXACT);
    let mut budget = RetryBudget::new(TokenBudget::AWS);
    for (policy, class, stop) in [
        (&once, LOST, Stop::Exhausted),
        (&short, LOST, Stop::Deadline),
        (&many, hinted(RetryHint::Never), Stop::Never),
        (&many, FailureClass::Fatal.into(), Stop::Fatal),
        (&many, Classification::Ignored, Stop::Ignored),
    ] {
        let mut retry = Retry::start(policy, at(0));
        let stopped = retry.record_within(policy, &mut budget, class, 0, at(0)).unwrap_err();
        assert_eq!(stopped, stop);
    }
    assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), 500_000);
    assert!(budget.peek(Extra::Hedge, at(0)).is_ok());
}
