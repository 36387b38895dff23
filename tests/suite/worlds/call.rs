//! Two calls through one breaker, one limit where it is set, one bulkhead and one purse of extra attempts,
//! hedged or not, while somebody else fills the bulkhead at times.

mod gates;
mod laws;

use super::search::{Clock, Law, World, relative};
use core::time::Duration;
pub(super) use gates::Planted;
use gates::{Coin, Hedge, Permits, Purse, Shared};
use resil_core::backoff::Jitter;
use resil_core::call::{Call, CallPolicy, Finished, Layers, Request, Step, Ticket, Verdict};
use resil_core::outcome::{Classification, FailureClass, RetryHint};
use resil_core::retry::RetryPolicy;
use resil_core::{Instant, valid};

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Two attempts 1 ns apart, each of at most 2 ns, 6 ns in all; one refusal is waited for.
pub(super) const TWICE: CallPolicy = valid!(
    CallPolicy::new(valid!(
        RetryPolicy::builder()
            .max_attempts(2)
            .initial_delay(nanos(1))
            .max_delay(nanos(2))
            .jitter(Jitter::None)
            .deadline(nanos(6))
            .max_refusal_waits(1)
            .build()
    ))
    .with_attempt_timeout(nanos(2))
);
/// The same with a third attempt, so that a hedge has a retry to follow it.
pub(super) const THRICE: CallPolicy = valid!(
    CallPolicy::new(valid!(
        RetryPolicy::builder()
            .max_attempts(3)
            .initial_delay(nanos(1))
            .max_delay(nanos(2))
            .jitter(Jitter::None)
            .deadline(nanos(6))
            .build()
    ))
    .with_attempt_timeout(nanos(3))
);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Input {
    Pass,
    /// To the next instant that one of the calls waits for.
    Wait,
    StepBack(u64),
    Begin(usize),
    Poll(usize),
    /// The attempt of this number has ended, and the call is polled.
    Finish(usize, u32, Result<(), Classification>),
    Abandon(usize),
    /// Somebody else fills the bulkhead, or leaves it again.
    Crowd,
}

#[derive(Debug)]
pub(super) struct Answer {
    finished: Option<Finished>,
    step: Option<Said>,
}

/// A step, without the ticket: that is no value that can be copied.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Attempt { number: u32, deadline: Option<Instant>, is_hedge: bool },
    Wait { until: Option<Instant>, in_flight: u8 },
    Done(Verdict),
}

#[derive(Debug)]
struct Driven {
    call: Call<Permits, Coin>,
    /// Attempts that have not been told about, in order.
    tickets: Vec<Ticket>,
    /// What it asked to wait for last.
    until: Option<u64>,
    is_over: bool,
}

/// A call is no value that can be copied: a copy of the world is made by living its life again.
#[derive(Debug)]
pub(super) struct Calls {
    policy: &'static CallPolicy,
    calls: [Option<Driven>; 2],
    shared: Shared,
    purse: Purse,
    hedge: Hedge,
    clock: Clock,
    /// How long the clock had gone forward when each attempt began.
    begun: Vec<u64>,
    life: Vec<Input>,
}

impl Clone for Calls {
    fn clone(&self) -> Self {
        let mut again = Self::new(
            self.policy,
            self.hedge.after,
            self.purse.all,
            self.clock.reach(),
            self.shared.planted,
        );
        if self.shared.limit.is_some() {
            again = again.limited();
        }
        for input in &self.life {
            let _answer = again.apply(*input);
        }
        again
    }
}

/// What ends an attempt: well, badly with and without a hint, for good, and as no failure.
const RESULTS: [Result<(), Classification>; 6] = [
    Ok(()),
    Err(Classification::Failure(FailureClass::Transient, RetryHint::None)),
    Err(Classification::Failure(FailureClass::Throttled, RetryHint::After(nanos(2)))),
    Err(Classification::Failure(FailureClass::Local, RetryHint::Never)),
    Err(Classification::Failure(FailureClass::Fatal, RetryHint::None)),
    Err(Classification::Ignored),
];

impl Calls {
    /// Hedged `after` so many nanoseconds, with `coins` for extra attempts.
    pub(super) fn new(
        policy: &'static CallPolicy,
        after: Option<u64>,
        coins: u8,
        reach: u64,
        planted: Option<Planted>,
    ) -> Self {
        Self {
            policy,
            calls: [None, None],
            shared: Shared::new(false, planted),
            purse: Purse::of(coins),
            hedge: Hedge { after },
            clock: Clock::new(reach),
            begun: Vec::new(),
            life: Vec::new(),
        }
    }

    /// The same under a limit, which is asked between the breaker and the bulkhead.
    pub(super) fn limited(mut self) -> Self {
        self.shared = Shared::new(true, self.shared.planted);
        self
    }

    fn in_flight(&self) -> usize {
        self.driven().map(|(_, driven)| driven.in_flight()).sum()
    }

    fn driven(&self) -> impl Iterator<Item = (usize, &Driven)> {
        self.calls.iter().enumerate().filter_map(|(which, driven)| Some((which, driven.as_ref()?)))
    }

    fn poll(&mut self, which: usize) -> Said {
        let (policy, now) = (self.policy, self.clock.instant());
        let mut gates =
            Layers::new(&mut self.shared).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        let driven = self.calls[which].as_mut().expect("it has begun");
        let step = driven.call.poll(policy, &mut gates, || panic!("drew entropy"), now);
        driven.until = None;
        let said = match step {
            Step::Attempt(ticket) => {
                let (number, is_hedge) = (ticket.number(), ticket.is_hedge());
                let said = Said::Attempt { number, deadline: ticket.deadline(), is_hedge };
                self.begun.push(self.clock.lived());
                driven.tickets.push(ticket);
                said
            }
            Step::Wait { until, in_flight } => {
                driven.until = until.map(Instant::as_nanos);
                Said::Wait { until, in_flight }
            }
            Step::Done(verdict) => {
                driven.is_over = true;
                Said::Done(verdict)
            }
        };
        driven.forget();
        said
    }

    fn finish(
        &mut self,
        which: usize,
        number: u32,
        result: Result<(), Classification>,
    ) -> Finished {
        let (policy, now) = (self.policy, self.clock.instant());
        let mut gates =
            Layers::new(&mut self.shared).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        let driven = self.calls[which].as_mut().expect("it has begun");
        let place = driven.tickets.iter().position(|ticket| ticket.number() == number);
        let ticket = driven.tickets.remove(place.expect("it is out"));
        driven.call.finish(policy, ticket, result, &mut gates, || panic!("drew entropy"), now)
    }

    fn abandon(&mut self, which: usize) {
        let (policy, now) = (self.policy, self.clock.instant());
        let mut gates =
            Layers::new(&mut self.shared).with_budget(&mut self.purse).with_hedge(&mut self.hedge);
        let driven = self.calls[which].as_mut().expect("it has begun");
        driven.call.abandon(policy, &mut gates, || panic!("drew entropy"), now);
        (driven.is_over, driven.until) = (true, None);
        driven.forget();
    }

    fn shape_of(&self, driven: &Driven) -> String {
        let numbers: Vec<_> = driven.tickets.iter().map(Ticket::number).collect();
        if driven.is_over {
            return format!("over {}", numbers.len());
        }
        self.shared.present(&format!("{:?} {numbers:?} {:?}", driven.call, driven.until))
    }
}

impl Driven {
    fn in_flight(&self) -> usize {
        self.tickets.iter().filter(|ticket| self.call.is_in_flight(ticket)).count()
    }

    /// Of the tickets that are not awaited any more one is enough, to be told late.
    fn forget(&mut self) {
        let call = &self.call;
        let mut late = 0;
        self.tickets.retain(|ticket| {
            late += usize::from(!call.is_in_flight(ticket));
            call.is_in_flight(ticket) || late == 1
        });
    }
}

impl World for Calls {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws::ALL;

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass];
        if self.driven().any(|(_, driven)| driven.until.is_some_and(|at| at > self.clock.now)) {
            inputs.push(Input::Wait);
        }
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        if self.shared.crowd.is_some() || self.shared.bulkhead.held() == 0 {
            inputs.push(Input::Crowd);
        }
        // Both are alike: the second begins while the first is under way.
        let begins = |which: usize| self.calls[which].as_ref().is_none_or(|driven| driven.is_over);
        inputs.extend([0, 1].into_iter().filter(|which| begins(*which)).map(Input::Begin));
        for (which, driven) in self.driven() {
            if !driven.is_over {
                inputs.extend([Input::Poll(which), Input::Abandon(which)]);
            }
            for ticket in &driven.tickets {
                let of = |result| Input::Finish(which, ticket.number(), result);
                let late = !driven.call.is_in_flight(ticket);
                inputs.extend(
                    RESULTS[..if late { 2 } else { RESULTS.len() }]
                        .iter()
                        .map(|result| of(*result)),
                );
            }
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        self.life.push(input);
        let (mut finished, mut step) = (None, None);
        match input {
            Input::Pass => self.clock.forward(1),
            Input::Wait => {
                let now = self.clock.now;
                let waits = self.driven().filter_map(|(_, driven)| driven.until);
                let next = waits.filter(|at| *at > now).min().expect("somebody waits");
                self.clock.forward(next - now);
            }
            Input::StepBack(by) => self.clock.back(by),
            Input::Begin(which) => {
                let call = Call::start(self.policy, Request::ONE, self.clock.instant());
                let (tickets, until, is_over) = (Vec::new(), None, false);
                self.calls[which] = Some(Driven { call, tickets, until, is_over });
                step = Some(self.poll(which));
            }
            Input::Poll(which) => step = Some(self.poll(which)),
            Input::Finish(which, number, result) => {
                let was_over = self.calls[which].as_ref().is_some_and(|driven| driven.is_over);
                finished = Some(self.finish(which, number, result));
                step = (!was_over).then(|| self.poll(which));
            }
            Input::Abandon(which) => self.abandon(which),
            Input::Crowd => self.shared.crowd(),
        }
        Answer { finished, step }
    }

    fn shape(&self) -> String {
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .map(|driven| driven.as_ref().map_or("none".to_owned(), |driven| self.shape_of(driven)))
            .collect();
        calls.sort();
        let text =
            format!("{calls:?} {} {:?}", self.shared.shape(self.clock.instant()), self.purse);
        let text = relative(&text, self.clock.now, self.clock.floor(8));
        format!("{text} {}", self.clock.behind())
    }

    fn phase(&self) -> String {
        let of = |driven: &Option<Driven>| match driven {
            Some(driven) if !driven.is_over => match driven.in_flight() {
                0 => "waits",
                1 => "1 attempt",
                _ => "2 attempts",
            },
            _ => "no call",
        };
        of(&self.calls[0]).to_owned()
    }

    fn class(&self, input: Input) -> &'static str {
        let is_other = |which| which == 1;
        match input {
            Input::Pass | Input::Wait | Input::StepBack(_) => "time",
            Input::Begin(which)
            | Input::Poll(which)
            | Input::Finish(which, ..)
            | Input::Abandon(which)
                if is_other(which) =>
            {
                "the other call"
            }
            Input::Begin(_) => "begin",
            Input::Poll(_) => "poll",
            Input::Finish(_, _, Ok(())) => "success",
            Input::Finish(..) => "failure",
            Input::Abandon(_) => "abandon",
            Input::Crowd => "somebody else",
        }
    }
}
