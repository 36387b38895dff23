//! Budgets: against exact models, against the laws, and in outages.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::call::{Budget, Extra};
use resil_core::outcome::FailureClass;
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, RetryBudget, TokenBudget};
use resil_core::retry::{Retry, RetryPolicy, Stop};
use resil_core::snapshot::Persist;
use resil_core::{ErrorCode, Instant, Outcome, valid};
use resil_tests::laws::budget_models::{self as laws, Attempt, End, Numbers};
use resil_tests::oracle::budget as oracle;

const LOST: FailureClass = FailureClass::Transient;
const FAILED: Outcome = Outcome::Failure(LOST);

fn at(millis: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(millis))
}

/// An attempt: what it is for, where it is an extra one, and how it ends.
fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let extras = prop_oneof![
        Just(oracle::Extra::Retry),
        Just(oracle::Extra::Throttled),
        Just(oracle::Extra::Hedge)
    ];
    let ends = prop_oneof![
        Just(End::Succeeds),
        Just(End::Fails),
        Just(End::SaysNothing),
        Just(End::IsNotMade)
    ];
    prop::collection::vec((prop::option::of(extras), ends), 1..200)
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (1..60_u32).prop_flat_map(|capacity| {
        let costs = [0..=capacity.min(14), 0..=capacity.min(5), 0..=capacity, 1..=capacity.min(3)];
        let reward = 1..=u16::try_from(capacity.min(3) * 1_000).unwrap();
        ((Just(capacity)), (0..9_u16).prop_map(|above| (above, 9)), costs, reward)
    })
}

proptest! {
    /// Any settings, AWS's and gRPC's kinds among them; 0 ≤ tokens ≤ capacity after every step.
    #[test]
    fn tokens_are_those_of_the_exact_model_pitfall_96(numbers in numbers(), attempts in attempts()) {
        laws::tokens_are_those_of_the_exact_model(numbers, &attempts);
    }

    /// The share is exact, whatever the clock does, and is of what the budget says it has counted.
    #[test]
    fn a_share_is_that_of_the_exact_model_pitfall_62(
        ratio in (1..200_u16, 200..300_u16),
        minimum in 0..5_u32,
        steps in prop::collection::vec((prop_oneof![9 => 0..900_i64, 1 => -30_000..30_000_i64], 0..4_u8), 1..300),
    ) {
        laws::a_share_is_that_of_the_exact_model(ratio, minimum, &steps);
    }

    /// Saved at any time and restored by any clock that has gone on for a sub-window.
    #[test]
    fn a_restored_share_answers_alike(
        steps in prop::collection::vec((0..2_500_u64, 0..3_u8), 1..60),
        clock in 1_000..100_000_u64,
    ) {
        let (policy, mut state, mut now) = (RatioBudget::DEFAULT, RatioBudget::FRESH, 5_000);
        for (by, event) in steps {
            now += by;
            match event {
                0 => policy.begin(&mut state, at(now)),
                _ => drop(policy.try_withdraw(&mut state, Extra::Hedge, at(now))),
            }
        }
        let mut bytes = [0; RatioBudget::LEN];
        policy.save(&state, at(now), &mut bytes).unwrap();
        let restored = policy.restore(&bytes, at(clock)).unwrap();
        for later in (0..11_000).step_by(500) {
            let (then, now) = (at(now + later), at(clock + later));
            prop_assert_eq!(policy.counted(&state, then), policy.counted(&restored, now));
            let wait = |due: Option<Instant>, now| due.map(|due| due.saturating_since(now));
            prop_assert_eq!(
                wait(policy.next_deadline(&state, then), then),
                wait(policy.next_deadline(&restored, now), now)
            );
        }
    }

    /// Without steps of the clock: counted for nine tenths of the window, and not beyond it.
    #[test]
    fn what_is_counted_is_what_lies_in_the_window(
        steps in prop::collection::vec((0..2_500_u64, any::<bool>()), 1..200),
    ) {
        let (policy, mut state, mut now) = (RatioBudget::DEFAULT, RatioBudget::FRESH, 5_000);
        let mut begun = Vec::new();
        for (by, begins) in steps {
            now += by;
            if begins {
                policy.begin(&mut state, at(now));
                begun.push(now);
            }
            let younger = |age: u64| begun.iter().filter(|&&then| now - then < age).count();
            let (calls, _) = policy.counted(&state, at(now));
            let calls = calls as usize;
            prop_assert!(younger(9_000) <= calls && calls <= younger(10_000));
        }
    }
}

#[test]
fn a_charge_from_before_a_reset_pays_nothing_back() {
    let mut budget = RetryBudget::new(TokenBudget::AWS);
    let old = budget.try_withdraw(Extra::Hedge, at(0)).unwrap();
    let older = budget.try_withdraw(Extra::Retry(LOST), at(0)).unwrap();
    budget.reset();
    let new = budget.try_withdraw(Extra::Hedge, at(0)).unwrap();
    let left = TokenBudget::AWS.millitokens(budget.as_state());
    budget.refund(old, at(0));
    assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), left);
    budget.settle(Some(older), Outcome::Success, at(0));
    assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), left + 1_000, "as a first attempt");
    budget.refund(new, at(0));
    assert_eq!(budget.as_state(), &TokenBudget::FRESH);
}

#[test]
fn a_reconfigured_budget_goes_on() {
    let mut budget = RetryBudget::new(TokenBudget::GRPC);
    for _ in 0..5 {
        budget.settle(None, FAILED, at(0));
    }
    assert!(budget.peek(Extra::Hedge, at(0)).is_err());
    budget.reconfigure(TokenBudget::AWS, at(0));
    assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), 250_000);

    let mut shared = RetryBudget::new(&RatioBudget::DEFAULT);
    while shared.try_withdraw(Extra::Hedge, at(0)).is_ok() {}
    assert!(shared.next_deadline(at(0)).is_some());
    const MORE: RatioBudget = valid!(RatioBudget::builder().minimum(12).build());
    shared.reconfigure(&MORE, at(1));
    assert_eq!((0..9).filter(|_| shared.try_withdraw(Extra::Hedge, at(1)).is_ok()).count(), 2);
}

const FIVE: RetryPolicy = valid!(RetryPolicy::builder().max_attempts(5).build());

/// A call of which every attempt fails: how many there were, and why there was no other.
fn failing_call(budget: &mut impl Budget, now: Instant) -> (u32, Stop) {
    let mut retry = Retry::start(&FIVE, now);
    budget.begin(now);
    let mut charge = None;
    loop {
        budget.settle(charge.take(), FAILED, now);
        match retry.record_within(&FIVE, budget, LOST.into(), 0, now) {
            Ok((_, paid)) => charge = Some(paid),
            Err(stop) => return (retry.failed(), stop),
        }
    }
}

#[test]
fn layers_share_a_budget_pitfall_91() {
    /// Three layers of five attempts each, without a budget 125.
    fn layered(layers: u32, budget: &mut impl Budget, sent: &mut u32) {
        let mut retry = Retry::start(&FIVE, at(0));
        loop {
            match layers {
                0 => *sent += 1,
                _ => layered(layers - 1, &mut *budget, sent),
            }
            if retry.record_within(&FIVE, &mut *budget, LOST.into(), 0, at(0)).is_err() {
                return;
            }
        }
    }
    const TEN: TokenBudget = valid!(TokenBudget::builder().capacity(140).build());
    let (mut without, mut with) = (0, 0);
    layered(2, &mut (), &mut without);
    layered(2, &mut RetryBudget::new(TEN), &mut with);
    assert_eq!((without, with), (125, 1 + 10));
}

#[test]
fn retries_that_wait_in_backoff_are_paid_for_pitfall_93() {
    const FIFTH: RatioBudget = valid!(RatioBudget::builder().minimum(0).build());
    let mut budget = RetryBudget::new(FIFTH);
    let mut calls: Vec<_> = (0..100).map(|_| Retry::start(&FIVE, at(0))).collect();
    calls.iter().for_each(|_| budget.begin(at(0)));
    // All fail before the first of the delays, a second, is over: no retry has been sent.
    let waiting = calls.iter_mut().filter_map(|call| {
        call.record_within(&FIVE, &mut budget, LOST.into(), u32::MAX, at(1)).ok()
    });
    assert_eq!(waiting.filter(|(wait, _)| wait.until() > at(500)).count(), 20);
}

#[test]
fn an_outage_adds_what_the_budget_has_and_no_more_pitfall_89() {
    let mut tokens = RetryBudget::new(TokenBudget::AWS);
    let attempts: u32 = (0..10_000).map(|_| failing_call(&mut tokens, at(0)).0).sum();
    assert_eq!(attempts, 10_000 + 500 / 14);
    assert_eq!(failing_call(&mut tokens, at(0)), (1, Stop::Budget));

    let mut throttle = RetryBudget::new(TokenBudget::GRPC);
    let attempts: u32 = (0..10_000).map(|_| failing_call(&mut throttle, at(0)).0).sum();
    assert_eq!(attempts, 10_000 + 4, "five failures leave half");

    let mut share = RetryBudget::new(RatioBudget::DEFAULT);
    let attempts: u32 = (0..10_000).map(|call| failing_call(&mut share, at(call)).0).sum();
    assert!(attempts <= 12_020, "{attempts}: a fifth, and the minimum of two windows");
}

#[test]
fn load_is_back_at_one_attempt_a_call_when_an_outage_ends_pitfall_90() {
    let mut budget = RetryBudget::new(TokenBudget::AWS);
    let mut calls = 0;
    while failing_call(&mut budget, at(0)).1 != Stop::Budget {
        calls += 1;
        assert!(calls < 100);
    }
    // One call in ten fails once from now on. The others earn, and its retry pays itself back.
    let mut attempts = 0;
    for call in 0..1_000 {
        budget.begin(at(1));
        attempts += 1;
        if call % 10 != 9 {
            budget.settle(None, Outcome::Success, at(1));
            continue;
        }
        budget.settle(None, FAILED, at(1));
        if let Ok(charge) = budget.try_withdraw(Extra::Retry(LOST), at(1)) {
            attempts += 1;
            budget.settle(Some(charge), Outcome::Success, at(1));
        }
    }
    assert!((1_095..=1_100).contains(&attempts), "{attempts}");
    assert_eq!(TokenBudget::AWS.millitokens(budget.as_state()), 500_000, "and it is full again");
}

#[test]
fn hedges_are_one_in_twenty_in_the_long_run() {
    let mut budget = RetryBudget::new(TokenBudget::S3_HEDGE);
    let mut hedges = 0;
    for _ in 0..10_000 {
        budget.begin(at(0));
        match budget.try_withdraw(Extra::Hedge, at(0)) {
            Ok(charge) => {
                hedges += 1;
                // The hedge wins, and the first attempt is dropped.
                budget.settle(Some(charge), Outcome::Success, at(0));
                budget.settle(None, Outcome::Ignored, at(0));
            }
            Err(refused) => {
                assert_eq!(refused.code(), ErrorCode::RetryFailed);
                budget.settle(None, Outcome::Success, at(0));
            }
        }
    }
    assert!((500..=10 + 500).contains(&hedges), "{hedges}");
}
