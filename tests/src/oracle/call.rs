//! The composed call, from its documentation: lists, plain numbers, and the retry's oracle for when and
//! how often. What it shares with others it asks [`Others`].

use super::budget::Extra;
use super::retry::{self, Answer, Failure, Refusal};

/// The settings.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How failures are tried again.
    pub retry: retry::Policy,
    /// How long one attempt may take.
    pub attempt_timeout: Option<i128>,
    /// When the one hedge of a call starts beside the attempt before.
    pub hedge_after: Option<i128>,
    /// Whether a failure starts it at once.
    pub hedges_early: bool,
}

/// The gates and the budget, which know attempts by their numbers.
pub trait Others {
    /// The attempt with this number asks to start; `None`: it may.
    fn ask(&mut self, number: u32, now: i128) -> Option<Refusal>;

    /// Whether an extra attempt is paid for.
    fn pay(&mut self, extra: Extra) -> bool;

    /// One that was paid for is not made.
    fn refund(&mut self, extra: Extra);

    /// An attempt has ended; `extra` is what was paid for it.
    fn told(&mut self, number: u32, extra: Option<Extra>, outcome: Outcome, now: i128);
}

/// How an attempt ended, as the others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// In a way that is worth a retry.
    Failure,
    /// In a way that is not.
    Fatal,
    /// In a way that says nothing.
    Ignored,
    /// Nobody looked.
    Abandoned,
}

impl Outcome {
    fn of(failure: Failure) -> Self {
        match failure {
            Failure::Fatal => Self::Fatal,
            Failure::Ignored => Self::Ignored,
            Failure::Retryable | Failure::After(_) | Failure::Never => Self::Failure,
        }
    }
}

/// Others that say now what they were told to, whoever asks.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// `None`: an attempt may start.
    pub refusal: Option<Refusal>,
    /// Whether an extra attempt is paid for.
    pub pays: bool,
}

impl Others for Answers {
    fn ask(&mut self, _: u32, _: i128) -> Option<Refusal> {
        self.refusal
    }

    fn pay(&mut self, _: Extra) -> bool {
        self.pays
    }

    /// What comes back pays for the next.
    fn refund(&mut self, _: Extra) {
        self.pays = true;
    }

    fn told(&mut self, _: u32, _: Option<Extra>, _: Outcome, _: i128) {}
}

/// What the call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An attempt with this number.
    Attempt(u32),
    /// A wait until then, with so many attempts in flight.
    Wait(Option<i128>, usize),
    /// It is over.
    Done(End),
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Success,
    /// With the operation's own error.
    Own,
    /// With `RETRY_EXHAUSTED`.
    Exhausted,
    /// With `RETRY_FAILED`, or because the deadline came.
    Failed,
    /// With the refusal.
    Refused,
    /// Nobody wants to know.
    Abandoned,
}

#[derive(Clone, Debug)]
struct Attempt {
    number: u32,
    extra: Option<Extra>,
    deadline: Option<i128>,
}

/// What comes when nothing is in flight.
#[derive(Clone, Copy, Debug)]
struct Next {
    at: i128,
    /// How long after the decision, for a clock that steps back.
    delay: i128,
    /// What was paid for it. A hedge that waits here follows a failure at once.
    extra: Option<Extra>,
}

/// What an attempt was told that failed beside another one.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    /// How long to wait, and when that is over.
    Wait {
        long: i128,
        until: i128,
    },
    Never,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    policy: Policy,
    retry: retry::Call,
    attempts: Vec<Attempt>,
    next: Option<Next>,
    started: u32,
    hedges: u32,
    hedge_at: Option<i128>,
    told: Told,
    end: Option<End>,
}

impl Call {
    /// A call that starts `now`.
    #[must_use]
    pub fn start(policy: Policy, now: i128) -> Self {
        Self {
            policy,
            retry: retry::Call::start(policy.retry, now),
            attempts: Vec::new(),
            next: Some(Next { at: now, delay: 0, extra: None }),
            started: 0,
            hedges: 0,
            hedge_at: None,
            told: Told::Nothing,
            end: None,
        }
    }

    /// What to do next.
    pub fn poll(&mut self, others: &mut impl Others, now: i128) -> Step {
        self.pass_time(others, now);
        if let Some(end) = self.end {
            return Step::Done(end);
        }
        if let Some(next) = self.next {
            if now < next.at {
                return Step::Wait(Some(next.at), 0);
            }
            return match others.ask(self.started + 1, now) {
                None => self.begin(next.extra, now),
                Some(_) if next.extra == Some(Extra::Hedge) => self.try_again_instead(others, now),
                Some(refusal) => match self.retry.refused(refusal, now) {
                    Answer::Wait(at) => {
                        self.next = Some(Next { at, delay: at - now, ..next });
                        Step::Wait(Some(at), 0)
                    }
                    Answer::Refused => self.done(End::Refused, others, now),
                    _ => self.done(End::Failed, others, now),
                },
            };
        }
        if self.hedge_at.is_some_and(|at| now >= at) {
            self.hedge_at = None;
            if others.pay(Extra::Hedge) {
                if others.ask(self.started + 1, now).is_none() {
                    return self.begin(Some(Extra::Hedge), now);
                }
                others.refund(Extra::Hedge);
            }
        }
        let deadlines = self.attempts.iter().filter_map(|attempt| attempt.deadline);
        Step::Wait(deadlines.chain(self.hedge_at).min(), self.attempts.len())
    }

    /// An attempt ended; `None` is a success. Whether it counted.
    pub fn finish(
        &mut self,
        number: u32,
        failure: Option<Failure>,
        others: &mut impl Others,
        now: i128,
    ) -> bool {
        self.keep_time(now);
        let Some(place) = self.attempts.iter().position(|attempt| attempt.number == number) else {
            return false;
        };
        let attempt = self.attempts.remove(place);
        let outcome = failure.map_or(Outcome::Success, Outcome::of);
        others.told(number, attempt.extra, outcome, now);
        match failure {
            None => {
                self.done(End::Success, others, now);
            }
            Some(failure) => self.failed(failure, others, now),
        }
        true
    }

    /// The caller goes away.
    pub fn abandon(&mut self, others: &mut impl Others, now: i128) {
        self.keep_time(now);
        if self.end.is_none() {
            self.done(End::Abandoned, others, now);
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Attempts in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.attempts.len()
    }

    fn begin(&mut self, extra: Option<Extra>, now: i128) -> Step {
        self.started += 1;
        let is_hedge = extra == Some(Extra::Hedge);
        self.hedges += u32::from(is_hedge);
        self.next = None;
        let own = self.policy.attempt_timeout.map(|timeout| now + timeout);
        let deadline = own.into_iter().chain(self.retry.deadline).min();
        self.attempts.push(Attempt { number: self.started, extra, deadline });
        self.hedge_at = match self.policy.hedge_after {
            Some(after) if self.hedges == 0 && self.started < self.policy.retry.max_attempts => {
                Some(now + after)
            }
            _ => None,
        };
        Step::Attempt(self.started)
    }

    /// A hedge that was to follow a failure at once was refused: as without hedging.
    fn try_again_instead(&mut self, others: &mut impl Others, now: i128) -> Step {
        others.refund(Extra::Hedge);
        self.next = None;
        self.retry.failed -= 1;
        self.retry_or_end(Failure::Retryable, others, now);
        match (self.next, self.end) {
            (Some(next), _) => Step::Wait(Some(next.at), 0),
            (None, end) => Step::Done(end.expect("it is over")),
        }
    }

    fn failed(&mut self, failure: Failure, others: &mut impl Others, now: i128) {
        let hedge_was_due = self.hedge_at.take().is_some();
        let ends_all = matches!(failure, Failure::Fatal | Failure::Ignored);
        if !self.attempts.is_empty() && !ends_all {
            self.retry.failed += 1;
            self.told = match failure {
                Failure::After(long) => Told::Wait { long, until: now + long },
                Failure::Never => Told::Never,
                _ => Told::Nothing,
            };
            return;
        }
        if hedge_was_due
            && self.policy.hedges_early
            && matches!(failure, Failure::Retryable)
            && self.started < self.policy.retry.max_attempts
            && others.pay(Extra::Hedge)
        {
            self.retry.failed += 1;
            self.next = Some(Next { at: now, delay: 0, extra: Some(Extra::Hedge) });
            return;
        }
        // The stronger of two hints.
        let failure = match (core::mem::replace(&mut self.told, Told::Nothing), failure) {
            (_, Failure::Fatal | Failure::Ignored | Failure::Never) | (Told::Nothing, _) => failure,
            (Told::Never, _) => Failure::Never,
            (Told::Wait { until, .. }, Failure::After(own)) => Failure::After(own.max(until - now)),
            (Told::Wait { until, .. }, Failure::Retryable) => Failure::After((until - now).max(0)),
        };
        self.retry_or_end(failure, others, now);
    }

    fn retry_or_end(&mut self, failure: Failure, others: &mut impl Others, now: i128) {
        match self.retry.record(failure, now) {
            Answer::Wait(at) if others.pay(Extra::Retry) => {
                let extra = Some(Extra::Retry);
                self.next = Some(Next { at, delay: at - now, extra });
            }
            Answer::Own => {
                self.done(End::Own, others, now);
            }
            Answer::Exhausted => {
                self.done(End::Exhausted, others, now);
            }
            Answer::Wait(_) | Answer::Failed | Answer::Refused => {
                self.done(End::Failed, others, now);
            }
        }
    }

    fn pass_time(&mut self, others: &mut impl Others, now: i128) {
        self.keep_time(now);
        let late =
            self.end.is_none() && self.retry.deadline.is_some_and(|deadline| now >= deadline);
        if late {
            for attempt in core::mem::take(&mut self.attempts) {
                others.told(attempt.number, attempt.extra, Outcome::Failure, now);
            }
            self.done(End::Failed, others, now);
            return;
        }
        while let Some(place) =
            self.attempts.iter().position(|attempt| attempt.deadline.is_some_and(|at| now >= at))
        {
            let attempt = self.attempts.remove(place);
            others.told(attempt.number, attempt.extra, Outcome::Failure, now);
            self.failed(Failure::Retryable, others, now);
        }
    }

    /// The clock may have stepped back: nothing is further away than when it began.
    fn keep_time(&mut self, now: i128) {
        self.retry.anchor(now);
        for attempt in &mut self.attempts {
            let own = self.policy.attempt_timeout.map(|timeout| now + timeout);
            attempt.deadline =
                attempt.deadline.into_iter().chain(own).chain(self.retry.deadline).min();
        }
        if let Some(next) = &mut self.next {
            next.at = next.at.min(now + next.delay);
        }
        if let Told::Wait { long, until } = &mut self.told {
            *until = (*until).min(now + *long);
        }
        if let (Some(at), Some(after)) = (&mut self.hedge_at, self.policy.hedge_after) {
            *at = (*at).min(now + after);
        }
    }

    fn done(&mut self, end: End, others: &mut impl Others, now: i128) -> Step {
        for attempt in core::mem::take(&mut self.attempts) {
            others.told(attempt.number, attempt.extra, Outcome::Abandoned, now);
        }
        if let Some(Next { extra: Some(extra), .. }) = self.next.take() {
            others.refund(extra);
        }
        self.hedge_at = None;
        self.end = Some(end);
        Step::Done(end)
    }
}
