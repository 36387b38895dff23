use super::*;
use crate::outcome::FailureClass;
use crate::ratio::Ratio;
use std::format;
use std::string::String;
use std::vec::Vec;

const LOST: Extra = Extra::Retry(FailureClass::Transient);

/// What a budget answers in a history that asks everything, and says something else each time.
fn answers<P: BudgetPolicy>(policy: P) -> Vec<String> {
    let (now, late) = (Instant::from_nanos(100), Instant::from_nanos(20_000_000_000));
    let mut state = P::FRESH;
    let mut said = Vec::new();
    let look = |state: &P::State| {
        format!(
            "{state:?} {:?} {:?} {:?}",
            policy.peek(state, LOST, now),
            policy.peek(state, LOST, late),
            policy.next_deadline(state, now)
        )
    };
    for _ in 0..3 {
        policy.begin(&mut state, now);
        said.push(look(&state));
    }
    let mut charges = Vec::new();
    while let Ok(charge) = policy.try_withdraw(&mut state, LOST, now) {
        charges.push(charge);
        said.push(look(&state));
    }
    policy.settle(&mut state, charges.pop(), Outcome::Success, now);
    said.push(look(&state));
    policy.refund(&mut state, charges.pop().unwrap(), now);
    said.push(look(&state));
    said.push(look(&policy.inherit(&policy, &state, late)));
    said
}

/// The same calls through what lends a budget to a call, and what is remembered after each.
fn lent<P: BudgetPolicy>(policy: &P) -> [String; 4] {
    let (now, mut state) = (Instant::from_nanos(100), P::FRESH);
    let begun = {
        Budget::begin(&mut Bound::new(policy, &mut state), now);
        format!("{state:?}")
    };
    let mut draw = || Bound::new(policy, &mut state).try_withdraw(LOST, now).unwrap();
    let (first, second) = (draw(), draw());
    let drawn = format!("{state:?}");
    Budget::settle(&mut Bound::new(policy, &mut state), Some(first), Outcome::Success, now);
    let settled = format!("{state:?}");
    Budget::refund(&mut Bound::new(policy, &mut state), second, now);
    [begun, drawn, settled, format!("{state:?}")]
}

/// The same calls on the policy itself.
fn own<P: BudgetPolicy>(policy: &P) -> [String; 4] {
    let (now, mut state) = (Instant::from_nanos(100), P::FRESH);
    policy.begin(&mut state, now);
    let begun = format!("{state:?}");
    let mut draw = || policy.try_withdraw(&mut state, LOST, now).unwrap();
    let (first, second) = (draw(), draw());
    let drawn = format!("{state:?}");
    policy.settle(&mut state, Some(first), Outcome::Success, now);
    let settled = format!("{state:?}");
    policy.refund(&mut state, second, now);
    [begun, drawn, settled, format!("{state:?}")]
}

#[test]
fn a_reference_to_a_budget_and_a_loan_of_it_are_that_budget() {
    let ratio = RatioBudget::builder().ratio(Ratio::ONE).minimum(2).build().unwrap();
    let tokens = TokenBudget::DEFAULT;
    assert_eq!(answers::<&RatioBudget>(&ratio), answers(ratio));
    assert_eq!(answers::<&TokenBudget>(&tokens), answers(tokens));
    assert_eq!(lent(&ratio), own(&ratio));
    assert_eq!(lent(&tokens), own(&tokens));
}

#[test]
fn a_policy_beside_its_state_is_told_of_calls_that_begin() {
    let (policy, now) = (RatioBudget::DEFAULT, Instant::from_nanos(1));
    let [mut told, mut state] = [RatioBudget::FRESH, RatioBudget::FRESH];
    Bound::new(&policy, &mut told).begin(now);
    Budget::begin(&mut &mut Bound::new(&policy, &mut told), now);
    (0..2).for_each(|_| policy.begin(&mut state, now));
    assert_eq!(format!("{told:?}"), format!("{state:?}"));
    assert_ne!(format!("{told:?}"), format!("{:?}", RatioBudget::FRESH));
}

/// What a budget says about ends, itself, by reference, lent, and with its state.
fn needs_end<P: BudgetPolicy>(policy: P) -> bool {
    fn by<P: BudgetPolicy>(policy: P) -> bool {
        policy.needs_end()
    }
    let mut state = P::FRESH;
    let mut lent = Bound::new(&policy, &mut state);
    let says = [policy.needs_end(), by(&policy), lent.needs_end(), Budget::needs_end(&&mut lent)];
    assert_eq!(says, [says[0]; 4]);
    assert_eq!(RetryBudget::new(policy).needs_end(), says[0]);
    says[0]
}

#[test]
fn when_an_attempt_ended_matters_unless_the_budget_says_that_it_does_not() {
    /// Says nothing about it.
    struct Silent;
    impl BudgetPolicy for Silent {
        type State = ();
        type Charge = ();
        const FRESH: () = ();
        fn begin(&self, (): &mut (), _: Instant) {}
        fn try_withdraw(&self, (): &mut (), _: Extra, _: Instant) -> Result<(), Rejected> {
            Ok(())
        }
        fn peek(&self, (): &(), _: Extra, _: Instant) -> Result<(), Rejected> {
            Ok(())
        }
        fn settle(&self, (): &mut (), _: Option<()>, _: Outcome, _: Instant) {}
        fn refund(&self, (): &mut (), (): (), _: Instant) {}
        fn next_deadline(&self, (): &(), _: Instant) -> Option<Instant> {
            None
        }
        fn inherit(&self, _: &Self, (): &(), _: Instant) {}
    }
    assert!(needs_end(Silent));
    assert!(!needs_end(TokenBudget::DEFAULT) && !needs_end(RatioBudget::DEFAULT));
}
