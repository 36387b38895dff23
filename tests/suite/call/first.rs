//! A call that begins with its first attempt alone, beside one that is stepped from the start.

use core::fmt::Debug;
use core::time::Duration;
use proptest::prelude::*;
use resil_core::backoff::Jitter;
use resil_core::call::{
    BudgetedPolicy, CallPolicy, Ended, HedgedPolicy, PeerPolicy, Pipeline, Request, Step, Verdict,
};
use resil_core::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerConfigBuilder, CountWindow, TimeWindow, Window,
};
use resil_core::deadline::Deadline;
use resil_core::hedge::HedgePolicy;
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::rate_limit::{Limit, RateLimit, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::{RatioBudget, TokenBudget};
use resil_core::{Instant, Ratio, valid};
use resil_std::tower::Retries;

const START: u64 = 1_000;

/// One call.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// By how much the clock moves before.
    moves: i64,
    cost: u32,
    /// How long after `moves` whoever calls wants the answer.
    within: Option<u64>,
    /// How long the attempt takes.
    takes: i64,
    ends: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Failure(FailureClass, RetryHint),
    /// Nobody tells, and then the call is abandoned.
    Never,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let class = prop_oneof![
        4 => Just(FailureClass::Transient),
        1 => Just(FailureClass::Fatal),
        1 => Just(FailureClass::Throttled),
    ];
    let hint = prop_oneof![
        4 => Just(RetryHint::None),
        1 => Just(RetryHint::Never),
        1 => (0..60_u64).prop_map(|nanos| RetryHint::After(Duration::from_nanos(nanos))),
    ];
    let ends = prop_oneof![
        6 => Just(End::Success),
        4 => (class, hint).prop_map(|(class, hint)| End::Failure(class, hint)),
        1 => Just(End::Never),
    ];
    let moves = prop_oneof![8 => 0..30_i64, 1 => -200..0_i64, 2 => 0..300_i64];
    let cost = prop_oneof![8 => Just(1_u32), 1 => 0..8_u32];
    let within = proptest::option::weighted(0.3, 0..100_u64);
    let takes = prop_oneof![6 => 0..20_i64, 1 => -50..0_i64, 1 => 0..200_i64];
    let turn = (moves, cost, within, takes, ends)
        .prop_map(|(moves, cost, within, takes, ends)| Turn { moves, cost, within, takes, ends });
    proptest::collection::vec(turn, 1..80)
}

/// Numbers in a row, and so how many were drawn.
fn entropy(drawn: &mut u32) -> impl FnMut() -> u32 {
    move || {
        *drawn += 1;
        drawn.wrapping_mul(0x9E37_79B9)
    }
}

fn text(of: &impl Debug) -> String {
    format!("{of:?}")
}

/// Steps one call from the start and begins another with its first attempt, from the same state by the
/// same clock.
struct Pair<L: Pipeline> {
    pipeline: L,
    stepped: L::State,
    begun: L::State,
    drawn: [u32; 2],
    /// Of the calls that began, and of these at a glance.
    began: [u32; 2],
    /// Whether a success that is told at a glance leaves every bit as it was. A window of calls forgets
    /// which of its successes is the oldest.
    is_exact: bool,
}

impl<L: Pipeline<State: Clone + Debug>> Pair<L> {
    fn new(pipeline: L) -> Self {
        Self {
            pipeline,
            stepped: L::FRESH,
            begun: L::FRESH,
            drawn: [0; 2],
            began: [0; 2],
            is_exact: true,
        }
    }

    fn of_a_window(self) -> Self {
        Self { is_exact: false, ..self }
    }

    /// Of which nobody asks when it ended.
    fn without_end(mut self) -> Self {
        assert!(!self.pipeline.needs_end(&mut self.begun));
        self
    }

    fn are_the_same(&self) {
        assert_eq!(text(&self.stepped), text(&self.begun));
        assert_eq!(self.drawn[0], self.drawn[1], "draws");
    }

    /// What a call does that succeeds.
    fn call(&mut self, turn: Turn, now: Instant, end: Instant) {
        let request = Request { cost: turn.cost, ..Request::ONE };
        let deadline = turn
            .within
            .map_or(Deadline::NONE, |within| Deadline::after(now, Duration::from_nanos(within)));
        let Self { pipeline, stepped, begun, drawn: [draws, others], .. } = &mut *self;
        let mut call = pipeline.start(request, deadline, now);
        let (step, transitions) = pipeline.step(&mut call, None, stepped, &mut entropy(draws), now);

        let before = begun.clone();
        let (first, its) = pipeline.begin(&request, deadline, begun, &mut entropy(others), now);
        assert_eq!(transitions, its);
        self.at_a_glance(before, &request, deadline, now, first.is_ok());
        let Self { pipeline, stepped, begun, drawn: [draws, others], is_exact, .. } = &mut *self;
        let first = match first {
            Ok(first) => first,
            Err(why) => {
                let (its, other) =
                    pipeline.not_admitted(why, request, deadline, begun, &mut entropy(others), now);
                assert_eq!((step, text(&call)), (other, text(&its)));
                self.are_the_same();
                return;
            }
        };
        let Step::Attempt(ticket) = step else { panic!("began where {step:?}") };
        assert_eq!(text(&stepped), text(&begun));
        if let End::Success = turn.ends {
            let ended = Some(Ended { ticket, result: Ok(()) });
            let (step, transitions) =
                pipeline.step(&mut call, ended, stepped, &mut entropy(draws), end);
            let told = if pipeline.needs_end(begun) { end } else { first.started_at() };
            let is_told = L::succeed_at_a_glance(pipeline.glance(begun), &first);
            let untold = begun.clone();
            let its = pipeline.succeed(first, begun, &mut entropy(others), told);
            assert_eq!((step, transitions), (Step::Done(Verdict::Success), its));
            if is_told {
                assert_eq!(its, [None; 3]);
                assert!(!*is_exact || text(&untold) == text(&begun));
            }
        } else {
            let (mut other, its) = pipeline.go_on(first, request, deadline);
            assert_eq!((text(&call), text(&ticket)), (text(&other), text(&its)));
            let tell = |ticket| match turn.ends {
                End::Failure(class, hint) => {
                    Some(Ended { ticket, result: Err(Classification::Failure(class, hint)) })
                }
                _ => None,
            };
            let one = pipeline.step(&mut call, tell(ticket), stepped, &mut entropy(draws), end);
            let two = pipeline.step(&mut other, tell(its), begun, &mut entropy(others), end);
            assert_eq!((one, text(&call)), (two, text(&other)));
            pipeline.abandon(&mut call, stepped, &mut entropy(draws), end);
            pipeline.abandon(&mut other, begun, &mut entropy(others), end);
        }
        self.are_the_same();
    }

    /// What a glance tells is what has happened, and it changes the word alone.
    fn at_a_glance(
        &mut self,
        mut before: L::State,
        request: &Request,
        deadline: Deadline,
        now: Instant,
        has_begun: bool,
    ) {
        self.began[0] += u32::from(has_begun);
        let glance = self.pipeline.glance(&before);
        let Some(word) = L::word(&mut before) else { return assert!(!L::HAS_GLANCE) };
        let begun = self.pipeline.begin_at_a_glance(glance, *word, request, deadline, now);
        if let Some((first, made)) = begun {
            *word = made;
            assert!(has_begun && first.started_at() == now);
            assert_eq!(text(&before), text(&self.begun));
            self.began[1] += 1;
        }
    }

    fn run(mut self, turns: &[Turn]) -> [u32; 2] {
        let mut now = START;
        for turn in turns {
            now = now.saturating_add_signed(turn.moves);
            let end = now.saturating_add_signed(turn.takes);
            self.call(*turn, Instant::from_nanos(now), Instant::from_nanos(end));
            now = end;
        }
        self.began
    }
}

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

const RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .initial_delay(Duration::from_nanos(9))
        .max_delay(Duration::from_nanos(100))
        .deadline(Duration::from_nanos(150))
        .max_refusal_waits(1)
        .build()
);

const CALL: CallPolicy =
    valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_nanos(40)));

const QUOTA: RateLimitConfig =
    valid!(RateLimitConfig::builder().max_requests(1).time_window(nanos(12)).burst_size(5).build());

fn breaker() -> CircuitBreakerConfigBuilder {
    CircuitBreakerConfig::builder().failure_threshold(3).timeout(nanos(60)).success_threshold(2)
}

fn peer<L: Limit, W: Window>(
    breaker: CircuitBreakerConfig<W>,
    limit: L,
) -> PeerPolicy<L, resil_core::outcome::EveryError, W> {
    PeerPolicy::new(CALL, breaker, limit)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_call_that_begins_with_its_first_attempt_is_the_call_that_is_stepped(turns in turns()) {
        let in_a_row = breaker().build().unwrap();
        Pair::new(peer(in_a_row, TokenBucket::new(QUOTA))).run(&turns);
        Pair::new(&peer(in_a_row, RateLimit::new(QUOTA))).run(&turns);
        let escalates = breaker().multiplier(Ratio::new(2, 1)).max_timeout(nanos(400)).jitter(Jitter::Equal);
        Pair::new(peer(escalates.build().unwrap(), TokenBucket::new(QUOTA))).run(&turns);
    }

    #[test]
    fn so_it_is_where_a_window_is_measured_and_calls_are_slow(turns in turns()) {
        let last: CircuitBreakerConfig<CountWindow<1>> =
            breaker().count_window(4).minimum_calls(3).build().unwrap();
        Pair::new(peer(last, TokenBucket::new(QUOTA))).of_a_window().run(&turns);
        let slow: CircuitBreakerConfig<CountWindow<1>> =
            breaker().count_window(4).minimum_calls(3).slow_calls(nanos(15), Ratio::ONE).build().unwrap();
        Pair::new(peer(slow, TokenBucket::new(QUOTA))).of_a_window().run(&turns);
        let over_time: CircuitBreakerConfig<TimeWindow<4>> =
            breaker().time_window(nanos(100)).minimum_calls(3).build().unwrap();
        Pair::new(peer(over_time, TokenBucket::new(QUOTA))).of_a_window().run(&turns);
    }

    #[test]
    fn so_it_is_with_a_budget(turns in turns()) {
        let peer = || peer(breaker().build().unwrap(), TokenBucket::new(QUOTA));
        Pair::new(BudgetedPolicy::new(peer(), TokenBudget::DEFAULT)).run(&turns);
        Pair::new(BudgetedPolicy::new(peer(), RatioBudget::DEFAULT)).run(&turns);
    }

    #[test]
    fn so_it_is_with_a_budget_and_hedging(turns in turns()) {
        let peer = || peer(breaker().build().unwrap(), TokenBucket::new(QUOTA));
        let fixed = HedgePolicy::builder().fixed_delay(nanos(10)).build().unwrap();
        Pair::new(HedgedPolicy::new(peer(), TokenBudget::DEFAULT, fixed)).run(&turns);
        let measured = HedgePolicy::DEFAULT;
        Pair::new(HedgedPolicy::new(peer(), TokenBudget::DEFAULT, measured)).run(&turns);
    }

    #[test]
    fn so_it_is_with_a_budget_that_nobody_asks_the_time_for(turns in turns()) {
        Pair::new(Retries::new(CALL, TokenBudget::DEFAULT)).without_end().run(&turns);
        Pair::new(Retries::new(CALL, RatioBudget::DEFAULT)).without_end().run(&turns);
    }
}

#[test]
fn of_calls_that_go_well_all_begin_at_a_glance() {
    let turn = Turn { moves: 12, cost: 1, within: None, takes: 1, ends: End::Success };
    let failed = Turn { ends: End::Failure(FailureClass::Transient, RetryHint::None), ..turn };
    let peer = || peer(breaker().build().unwrap(), TokenBucket::new(QUOTA));
    assert_eq!(Pair::new(peer()).run(&[turn; 100]), [100, 100]);
    // The third failure opens the breaker: nothing begins, and the probe later does under the lock.
    let later = Turn { moves: 100, ..turn };
    assert_eq!(Pair::new(peer()).run(&[failed, failed, failed, turn, later]), [4, 3]);
}
