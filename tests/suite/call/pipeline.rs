//! What a driver is given: pipelines, the deadline of whoever calls, and the events of a call.

use super::bench::{ms, s};
use core::time::Duration;
use resil_core::backoff::Jitter;
use resil_core::call::{
    BudgetedPolicy, Call, CallPolicy, Ended, HedgedPolicy, Inherit, PeerPolicy, Pipeline, Request,
    Step, Ticket, Verdict,
};
use resil_core::circuit_breaker::{CircuitBreakerConfig, State, Transition};
use resil_core::deadline::Deadline;
use resil_core::error::ResilienceError;
use resil_core::event::EventKind;
use resil_core::hedge::HedgePolicy;
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::TokenBudget;
use resil_core::{ErrorCode, Instant, valid};

/// A failure opens the breaker for a second; an attempt takes 2 s at most, a call 10 s.
const PEER: PeerPolicy = PeerPolicy::new(
    valid!(
        CallPolicy::new(valid!(
            RetryPolicy::builder().jitter(Jitter::None).deadline(Duration::from_secs(10)).build()
        ))
        .with_attempt_timeout(Duration::from_secs(2))
    ),
    valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(1)
            .timeout(Duration::from_secs(1))
            .abandon_counts_after(None)
            .build()
    ),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

const HEDGED: HedgedPolicy = HedgedPolicy::new(
    PEER,
    TokenBudget::DEFAULT,
    valid!(HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).build()),
);

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

/// A pipeline, its state, and a call.
struct Driver<L: Pipeline> {
    pipeline: L,
    state: L::State,
    call: Call<L::Permit, L::Charge>,
}

impl<L: Pipeline> Driver<L> {
    fn new(pipeline: L, deadline: Deadline, now: Instant) -> Self {
        let call = pipeline.start(Request::ONE, deadline, now);
        Self { pipeline, state: L::FRESH, call }
    }

    /// The step, and the transitions that came with it.
    fn step(&mut self, ended: Option<Ended>, now: Instant) -> (Step, Vec<(State, State)>) {
        let entropy = &mut { no_entropy };
        let (step, transitions) =
            self.pipeline.step(&mut self.call, ended, &mut self.state, entropy, now);
        let ends = |Transition { from, to }| (from, to);
        (step, transitions.into_iter().flatten().map(ends).collect())
    }

    fn attempt(&mut self, now: Instant) -> Ticket {
        let (Step::Attempt(ticket), _) = self.step(None, now) else { panic!("at {now:?}") };
        ticket
    }
}

fn lost(ticket: Ticket) -> Option<Ended> {
    Some(Ended { ticket, result: Err(FailureClass::Transient.into()) })
}

#[test]
fn the_earlier_of_two_deadlines_rules() {
    let deadline = |at| Driver::new(PEER, at, s(1)).call.deadline();
    assert_eq!(deadline(Deadline::at(s(3))), Some(s(3)));
    assert_eq!(deadline(Deadline::at(s(11))), Some(s(11)));
    assert_eq!(deadline(Deadline::at(s(12))), Some(s(11)), "the policy's");
    assert_eq!(deadline(Deadline::NONE), Some(s(11)));
    let endless = CallPolicy::default();
    let call = |at| Call::<()>::start(&endless, Request::ONE, s(1)).within(at).deadline();
    assert_eq!((call(Deadline::NONE), call(Deadline::at(s(3)))), (None, Some(s(3))));
}

#[test]
fn a_callers_deadline_bounds_attempts_and_is_an_instant_whatever_the_clock_does() {
    let mut driver = Driver::new(PEER, Deadline::at(s(3)), s(2));
    let ticket = driver.attempt(s(2));
    assert_eq!(ticket.deadline(), Some(s(3)));
    assert!(matches!(driver.step(None, s(1)).0, Step::Wait { until: Some(at), .. } if at == s(3)));
    assert_eq!(driver.step(None, s(3)).0, Step::Done(Verdict::Deadline { refusal: None }));
    assert!(!driver.call.is_in_flight(&ticket));

    let mut late = Driver::new(PEER, Deadline::at(s(3)), s(3));
    assert_eq!(late.step(None, s(3)).0, Step::Done(Verdict::Deadline { refusal: None }));
    let ended: Result<u8, ResilienceError<&str>> =
        late.call.result(Verdict::Deadline { refusal: None }, None, None);
    assert_eq!(ended.unwrap_err().code(), ErrorCode::DeadlineExceeded);
}

#[test]
fn a_step_tells_how_an_attempt_ended_and_what_became_of_the_breaker() {
    let mut driver = Driver::new(PEER, Deadline::NONE, s(0));
    let ticket = driver.attempt(s(0));
    assert!(driver.call.is_in_flight(&ticket));
    let (step, transitions) = driver.step(lost(ticket), s(0));
    assert!(matches!(step, Step::Wait { in_flight: 0, .. }), "{step:?}");
    assert_eq!(transitions, [(State::Closed, State::Open)]);
    assert_eq!(driver.call.refusal(), None, "it waits after a failure");

    // The open time and the wait end together.
    let (step, transitions) = driver.step(None, s(1));
    let Step::Attempt(ticket) = step else { panic!("{step:?}") };
    assert_eq!(transitions, [(State::Open, State::HalfOpen)]);
    let (_, transitions) = driver.step(lost(ticket), s(1));
    assert_eq!(transitions, [(State::HalfOpen, State::Open)]);

    let entropy = &mut { no_entropy };
    let abandoned = PEER.abandon(&mut driver.call, &mut driver.state, entropy, s(2));
    assert_eq!(
        abandoned,
        [Some(Transition { from: State::Open, to: State::HalfOpen }), None, None]
    );
    assert!(driver.call.is_over());
}

#[test]
fn a_pipeline_elsewhere_is_the_same_pipeline() {
    let mut driver = Driver::new(&HEDGED, Deadline::NONE, s(0));
    let first = driver.attempt(s(0));
    let hedge = driver.attempt(ms(500));
    assert!(hedge.is_hedge() && driver.call.is_in_flight(&first));
    let (step, transitions) = driver.step(Some(Ended { ticket: hedge, result: Ok(()) }), ms(600));
    assert_eq!((step, transitions), (Step::Done(Verdict::Success), vec![]));
    assert!(!driver.call.is_in_flight(&first), "another one had the answer");
    let ended: Result<_, ResilienceError<&str>> =
        driver.call.result(Verdict::Success, Some(7), None);
    assert_eq!(ended, Ok(7));
}

#[test]
fn a_value_that_nobody_kept_is_an_attempt_without_an_answer() {
    let driver = Driver::new(PEER, Deadline::NONE, s(0));
    for verdict in [Verdict::Success, Verdict::Abandoned] {
        let ended: Result<u8, ResilienceError<&str>> = driver.call.result(verdict, None, None);
        assert_eq!(ended.unwrap_err().code(), ErrorCode::AttemptTimeout);
    }
}

#[test]
fn what_a_call_does_has_its_events() {
    let mut driver = Driver::new(HEDGED, Deadline::NONE, s(0));
    let (first, hedge) = (driver.attempt(s(0)), driver.attempt(ms(500)));
    let kinds = |ticket| {
        let lost = |verdict| EventKind::of_loss(ticket, verdict);
        [
            EventKind::of_start(ticket),
            EventKind::of_success(ticket),
            lost(Verdict::Success),
            lost(Verdict::Abandoned),
        ]
        .map(EventKind::number)
    };
    assert_eq!(kinds(&first), [101, 102, 104, 104]);
    assert_eq!(kinds(&hedge), [401, 402, 403, 104]);
    let ends = [
        Verdict::Success,
        Verdict::Failed(resil_core::retry::Stop::Exhausted),
        Verdict::Deadline { refusal: None },
        Verdict::Abandoned,
    ];
    let numbers = ends.map(|verdict| EventKind::of_verdict(verdict).number());
    assert_eq!(numbers, [902, 903, 601, 905]);
    let refused = resil_core::Rejected::new(ErrorCode::BulkheadFull, resil_core::RetryAt::Unknown);
    let waits = [None, Some(refused)].map(|refusal| EventKind::of_wait(refusal).number());
    assert_eq!(waits, [111, 113]);
}

#[test]
fn what_is_out_under_an_old_policy_is_told_back_under_a_new_one() {
    let at = |millis| Instant::from_duration(Duration::from_millis(millis));
    let mut state = HedgedPolicy::<TokenBudget>::FRESH;
    let mut call = HEDGED.start(Request::ONE, Deadline::NONE, at(0));
    let mut draw = no_entropy;
    let (first, _) = HEDGED.step(&mut call, None, &mut state, &mut draw, at(0));
    let Step::Attempt(first) = first else { panic!("{first:?}") };
    let (hedge, _) = HEDGED.step(&mut call, None, &mut state, &mut draw, at(500));
    let Step::Attempt(hedge) = hedge else { panic!("{hedge:?}") };
    let spent = HEDGED.budget().millitokens(&state.budget);

    // Ten failures in a row instead of one, and the same budget.
    let breaker = CircuitBreakerConfig::builder().failure_threshold(10).build().unwrap();
    let peer = PeerPolicy::new(*PEER.call(), breaker, PEER.limit().clone());
    let new = HedgedPolicy::new(peer, TokenBudget::DEFAULT, *HEDGED.hedge());
    let mut state = new.inherit(&HEDGED, &state, at(600));
    assert_eq!(new.budget().millitokens(&state.budget), spent, "the hedge stays paid for");

    let failed = Ended { ticket: hedge, result: Err(FailureClass::Transient.into()) };
    let (step, _) = new.step(&mut call, Some(failed), &mut state, &mut draw, at(600));
    assert!(matches!(step, Step::Wait { in_flight: 1, .. }), "{step:?}");
    assert_eq!(new.breaker_state(&state, at(600)), Some(State::Closed), "by the new threshold");
    let answered = Ended { ticket: first, result: Ok(()) };
    let (step, _) = new.step(&mut call, Some(answered), &mut state, &mut draw, at(700));
    assert_eq!(step, Step::Done(Verdict::Success));
}

#[test]
fn without_hedging_a_budget_pays_for_retries_and_ends_them_when_it_is_spent() {
    // 14 for a retry after a failure, so for one and no second.
    let budget = TokenBudget::builder().capacity(20).build().unwrap();
    let breaker = CircuitBreakerConfig::builder().failure_threshold(2).build().unwrap();
    let peer = PeerPolicy::new(*PEER.call(), breaker, PEER.limit().clone());
    let mut driver = Driver::new(BudgetedPolicy::new(peer, budget), Deadline::NONE, s(0));
    let first = driver.attempt(s(0));
    assert!(matches!(driver.step(lost(first), s(0)).0, Step::Wait { in_flight: 0, .. }));
    let millitokens = |driver: &Driver<BudgetedPolicy>| budget.millitokens(&driver.state.budget);
    assert_eq!(millitokens(&driver), 6_000, "paid for when it is decided");

    let second = driver.attempt(s(1));
    assert!(!second.is_hedge());
    let (step, transitions) = driver.step(lost(second), s(1));
    assert!(matches!(step, Step::Done(Verdict::Failed(_))), "{step:?}");
    assert_eq!(driver.call.attempts(), 2, "of three");
    assert_eq!(transitions, [(State::Closed, State::Open)]);
    assert_eq!(driver.pipeline.breaker_state(&driver.state, s(1)), Some(State::Open));

    // The open time is over: the next step says so, and the peer's answer earns.
    let open = breaker.timeout();
    let back = s(1).saturating_add(open);
    driver.call = driver.pipeline.start(Request::ONE, Deadline::NONE, back);
    let (step, transitions) = driver.step(None, back);
    let Step::Attempt(probe) = step else { panic!("{step:?}") };
    assert_eq!(transitions, [(State::Open, State::HalfOpen)]);
    let (step, _) = driver.step(Some(Ended { ticket: probe, result: Ok(()) }), back);
    assert_eq!(step, Step::Done(Verdict::Success));
    assert_eq!(millitokens(&driver), 7_000);
}

#[test]
fn a_budget_stays_spent_and_a_breaker_open_under_another_policy() {
    let old = BudgetedPolicy::new(PEER, TokenBudget::DEFAULT);
    let mut driver = Driver::new(&old, Deadline::NONE, s(0));
    let ticket = driver.attempt(s(0));
    assert!(matches!(driver.step(lost(ticket), s(0)).0, Step::Wait { .. }));
    let spent = old.budget().millitokens(&driver.state.budget);
    assert!(spent < old.budget().millitokens(&BudgetedPolicy::<TokenBudget>::FRESH.budget));

    let breaker = CircuitBreakerConfig::builder().failure_threshold(10).build().unwrap();
    let peer = PeerPolicy::new(*PEER.call(), breaker, old.peer().limit().clone());
    let new = BudgetedPolicy::new(peer, TokenBudget::DEFAULT);
    let state = new.inherit(&old, &driver.state, s(0));
    assert_eq!(new.budget().millitokens(&state.budget), spent);
    assert_eq!(new.breaker_state(&state, s(0)), Some(State::Open));
}
