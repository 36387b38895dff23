//! The call against its model, over random sequences of operations.

use super::spies::{After, Coin, Log, Purse, Spy};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::backoff::Jitter;
use resil_core::call::{Call, CallPolicy, Finished, Layers, Request, Step, Ticket, Verdict};
use resil_core::outcome::{Classification, FailureClass, Rejected, RetryAt, RetryHint};
use resil_core::retry::{RetryPolicy, Stop};
use resil_core::{ErrorCode, Instant};
use resil_tests::oracle::call::{self as oracle, Answers, End};
use resil_tests::oracle::retry::{self, Failure, Refusal};

const START: i128 = 1_000;

/// The settings of one run; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Settings {
    max_attempts: u32,
    initial: u64,
    deadline: Option<u64>,
    refusal_waits: u32,
    attempt_timeout: Option<u64>,
    hedge_after: Option<u64>,
    early: bool,
}

fn settings() -> impl Strategy<Value = Settings> {
    let time = |up_to| proptest::option::of(1..up_to);
    (1..5_u32, 1..20_u64, time(200_u64), 0..3_u32, time(40), time(20), any::<bool>()).prop_map(
        |(max_attempts, initial, deadline, refusal_waits, attempt_timeout, hedge_after, early)| {
            let refusal_waits = if deadline.is_some() { refusal_waits } else { 0 };
            Settings {
                max_attempts,
                initial,
                deadline,
                refusal_waits,
                attempt_timeout,
                hedge_after,
                early,
            }
        },
    )
}

impl Settings {
    fn policy(&self) -> CallPolicy {
        let mut retry = RetryPolicy::builder()
            .max_attempts(self.max_attempts)
            .initial_delay(Duration::from_nanos(self.initial))
            .max_delay(Duration::from_nanos(100))
            .max_refusal_waits(self.refusal_waits)
            .jitter(Jitter::None);
        if let Some(deadline) = self.deadline {
            retry = retry.deadline(Duration::from_nanos(deadline));
        }
        let policy = CallPolicy::new(retry.build().unwrap());
        match self.attempt_timeout {
            Some(timeout) => policy.with_attempt_timeout(Duration::from_nanos(timeout)).unwrap(),
            None => policy,
        }
    }

    fn oracle(&self) -> oracle::Policy {
        oracle::Policy {
            retry: retry::Policy {
                max_attempts: self.max_attempts,
                initial: self.initial.into(),
                max: 100,
                deadline: self.deadline.map(i128::from),
                max_retry_after: 100,
                max_refusal_waits: self.refusal_waits,
            },
            attempt_timeout: self.attempt_timeout.map(i128::from),
            hedge_after: self.hedge_after.map(i128::from),
            hedges_early: self.early,
        }
    }
}

/// What happens, and what the gate and the budget say meanwhile.
#[derive(Clone, Copy, Debug)]
struct Turn {
    event: Event,
    /// By how much the clock moves before.
    moves: i64,
    refusal: Option<Refusal>,
    pays: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Poll,
    /// One of the tickets, and how its attempt ended.
    Finish(usize, Option<Failure>),
    Abandon,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let failure = prop_oneof![
        5 => Just(Failure::Retryable),
        2 => (0..60_i128).prop_map(Failure::After),
        1 => Just(Failure::Fatal),
        1 => Just(Failure::Ignored),
        1 => Just(Failure::Never),
    ];
    let event = prop_oneof![
        12 => Just(Event::Poll),
        8 => (0..3_usize, failure).prop_map(|(which, failure)| Event::Finish(which, Some(failure))),
        1 => (0..3_usize).prop_map(|which| Event::Finish(which, None)),
        1 => Just(Event::Abandon),
    ];
    let refusal = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Refusal::Final)),
        1 => (0..60_i128).prop_map(|in_| Some(Refusal::Until(in_))),
        1 => Just(Some(Refusal::Unknown)),
    ];
    let moves = prop_oneof![8 => 0..30_i64, 1 => -500..0_i64, 1 => 0..1_000_i64];
    let turn = (event, moves, refusal, proptest::bool::weighted(0.8))
        .prop_map(|(event, moves, refusal, pays)| Turn { event, moves, refusal, pays });
    proptest::collection::vec(turn, 1..60)
}

fn instant(nanos: i128) -> Instant {
    Instant::from_nanos(nanos.try_into().unwrap())
}

fn rejected(refusal: Refusal) -> Rejected {
    match refusal {
        Refusal::Final => Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown),
        Refusal::Until(at) => Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(instant(at))),
        Refusal::Unknown => Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown),
    }
}

fn classification(failure: Failure) -> Classification {
    let transient = |hint| Classification::Failure(FailureClass::Transient, hint);
    match failure {
        Failure::Fatal => FailureClass::Fatal.into(),
        Failure::Ignored => Classification::Ignored,
        Failure::Retryable => transient(RetryHint::None),
        Failure::After(nanos) => {
            transient(RetryHint::After(Duration::from_nanos(nanos.try_into().unwrap())))
        }
        Failure::Never => transient(RetryHint::Never),
    }
}

pub(super) fn end(verdict: Verdict) -> End {
    match verdict {
        Verdict::Success => End::Success,
        Verdict::Failed(Stop::Fatal | Stop::Ignored) => End::Own,
        Verdict::Failed(Stop::Exhausted) => End::Exhausted,
        Verdict::Refused(refused) if !refused.after_waiting() => End::Refused,
        Verdict::Failed(_) | Verdict::Refused(_) | Verdict::Deadline { .. } => End::Failed,
        Verdict::Abandoned => End::Abandoned,
        _ => panic!("{verdict:?}"),
    }
}

/// The call and what it is driven with.
struct Run {
    policy: CallPolicy,
    call: Call<u32, Coin>,
    gate: Spy,
    purse: Purse,
    hedge: After,
    tickets: Vec<Option<Ticket>>,
}

impl Run {
    fn step(&mut self, now: Instant) -> oracle::Step {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        match self.call.poll(&self.policy, &mut gates, || panic!("drew entropy"), now) {
            Step::Attempt(ticket) => {
                let number = ticket.number();
                self.tickets.push(Some(ticket));
                oracle::Step::Attempt(number)
            }
            Step::Wait { until, in_flight } => {
                let until = until.map(|at| i128::from(at.as_nanos()));
                oracle::Step::Wait(until, in_flight.into())
            }
            Step::Done(verdict) => oracle::Step::Done(end(verdict)),
        }
    }

    fn finish(&mut self, ticket: Ticket, failure: Option<Failure>, now: Instant) -> bool {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        let result = failure.map_or(Ok(()), |failure| Err(classification(failure)));
        let entropy = || panic!("drew entropy");
        let finished = self.call.finish(&self.policy, ticket, result, &mut gates, entropy, now);
        finished == Finished::Counted
    }

    fn abandon(&mut self, now: Instant) {
        let mut gates =
            Layers::new(&mut self.gate).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        self.call.abandon(&self.policy, &mut gates, || panic!("drew entropy"), now);
    }
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn the_call_decides_as_its_model(settings in settings(), turns in turns()) {
        let log = Log::default();
        let mut now = START;
        let mut model = oracle::Call::start(settings.oracle(), now);
        let mut run = Run {
            policy: settings.policy(),
            call: Call::start(&settings.policy(), Request::ONE, instant(now)),
            gate: Spy::new("gate", &log),
            purse: Purse::of(0),
            hedge: After::new(settings.hedge_after.map(Duration::from_nanos), settings.early),
            tickets: Vec::new(),
        };
        for turn in turns {
            now = (now + i128::from(turn.moves)).max(0);
            let refusal = match turn.refusal {
                Some(Refusal::Until(ahead)) => Some(Refusal::Until(now + ahead)),
                other => other,
            };
            run.gate.refuses = refusal.map(rejected);
            run.purse.left = if turn.pays { u32::MAX / 2 } else { 0 };
            let mut answers = Answers { refusal, pays: turn.pays };
            match turn.event {
                Event::Poll => prop_assert_eq!(run.step(instant(now)), model.poll(&mut answers, now)),
                Event::Finish(which, failure) => {
                    let Some(ticket) = run.tickets.get_mut(which).and_then(Option::take) else {
                        continue;
                    };
                    let number = ticket.number();
                    let counted = run.finish(ticket, failure, instant(now));
                    prop_assert_eq!(counted, model.finish(number, failure, &mut answers, now));
                }
                Event::Abandon => {
                    run.abandon(instant(now));
                    model.abandon(&mut answers, now);
                }
            }
            prop_assert_eq!(run.gate.out.len(), model.in_flight(), "every permit settles once");
            prop_assert!(run.purse.begun <= 1);
            if run.call.is_over() {
                prop_assert_eq!((run.gate.out.len(), run.purse.out), (0, 0), "nothing stays out");
            }
        }
    }
}
