//! A retry of three attempts with hints, refusals of our own, jitter and a deadline.

use super::search::{Clock, Law, SILENT, Turn, Verdict, World, claim, laws, relative};
use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::outcome::{Classification, FailureClass, Rejected, RetryAt, RetryHint};
use resil_core::retry::{Next, Refused, Retry as Machine, RetryPolicy, Stop, Wait};
use resil_core::{ErrorCode, Instant, valid};

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// 2 ns, 4 ns and no more, or 3 ns where throttled, all of it jitter; 9 ns in all, and one refusal.
const POLICY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .initial_delay(nanos(2))
        .throttled_delay(nanos(3))
        .max_delay(nanos(4))
        .max_retry_after(nanos(3))
        .deadline(nanos(9))
        .max_refusal_waits(1)
        .build()
);

#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Pass,
    StepBack(u64),
    /// The attempt failed; what entropy is drawn is 0, or all ones.
    Fail(Classification, u32),
    /// A gate of our own refused to let it start.
    Refuse(ErrorCode, RetryAt, u32),
    /// The wait is over.
    GoOn,
}

#[derive(Debug)]
pub(super) enum Answer {
    Failed(Next),
    Refused(Next<Refused>),
    /// Whether the attempt may start.
    WentOn(bool),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A refusal of our own is an attempt.
    RefusalBurnsAnAttempt,
    /// What a peer asks for is waited for, however long.
    HintIsTrusted,
    /// A sleep may outlive the deadline.
    SleepsPastTheDeadline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Attempting,
    Waiting(Wait),
    Over,
}

#[derive(Clone, Debug)]
pub(super) struct Retry {
    retry: Machine,
    phase: Phase,
    /// Attempts that have failed, and refusals that were waited for, as this world has seen them.
    failed: u32,
    waited: u32,
    clock: Clock,
    planted: Option<Planted>,
}

impl Retry {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        let clock = Clock::new(reach);
        let retry = Machine::start(&POLICY, clock.instant());
        Self { retry, phase: Phase::Attempting, failed: 0, waited: 0, clock, planted }
    }

    fn fail(&mut self, classification: Classification, entropy: u32) -> Next {
        let now = self.clock.instant();
        self.failed += 1;
        let mut next = self.retry.record(&POLICY, classification, entropy, now);
        match (self.planted, classification) {
            (Some(Planted::HintIsTrusted), Classification::Failure(_, RetryHint::After(hint)))
                if matches!(next, Next::Wait(wait) if wait.delay() < hint) =>
            {
                next = wait(hint, now);
            }
            (Some(Planted::SleepsPastTheDeadline), _) if next == Next::Stop(Stop::Deadline) => {
                next = wait(nanos(5), now);
            }
            _ => {}
        }
        self.phase = match next {
            Next::Wait(wait) => Phase::Waiting(wait),
            Next::Stop(_) => Phase::Over,
        };
        next
    }

    fn refuse(&mut self, rejected: Rejected, entropy: u32) -> Next<Refused> {
        let now = self.clock.instant();
        if self.planted == Some(Planted::RefusalBurnsAnAttempt) {
            let _next = self.retry.record(&POLICY, FailureClass::Local.into(), entropy, now);
        }
        let next = self.retry.refused(&POLICY, rejected, entropy, now);
        self.phase = match next {
            Next::Wait(wait) => Phase::Waiting(wait),
            Next::Stop(_) => Phase::Over,
        };
        self.waited += u32::from(matches!(next, Next::Wait(_)));
        next
    }
}

/// A wait as this policy would not have it, for what is planted.
fn wait(delay: Duration, now: Instant) -> Next {
    let long = RetryPolicy::builder().initial_delay(delay).max_delay(delay);
    let long = long.curve(Curve::Fixed).jitter(Jitter::None).build().expect("a fixed delay");
    Machine::start(&long, now).record(&long, FailureClass::Transient.into(), 0, now)
}

impl World for Retry {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws![
        at_most_max_attempts,
        own_refusals_burn_no_attempt,
        at_most_max_refusal_waits,
        every_end_has_its_documented_reason,
        no_wait_outlives_the_deadline,
        a_wait_is_backoff_or_a_hint_that_is_clamped,
        a_wait_for_a_refusal_moves,
        only_what_can_be_waited_for_is_waited_for,
        no_attempt_starts_at_or_after_the_deadline,
        the_deadline_comes_no_later_than_set,
        a_step_back_makes_no_wait_longer,
    ];

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass];
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        match self.phase {
            Phase::Attempting => {
                for entropy in [0, u32::MAX] {
                    inputs.extend(classifications().map(|failed| Input::Fail(failed, entropy)));
                    inputs
                        .extend(self.refusals().map(|(code, at)| Input::Refuse(code, at, entropy)));
                }
            }
            Phase::Waiting(wait) if wait.remaining(self.clock.instant()).is_zero() => {
                inputs.push(Input::GoOn);
            }
            Phase::Waiting(_) | Phase::Over => {}
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Pass => self.clock.forward(1),
            Input::StepBack(by) => self.clock.back(by),
            Input::Fail(failed, entropy) => return Answer::Failed(self.fail(failed, entropy)),
            Input::Refuse(code, at, entropy) => {
                return Answer::Refused(self.refuse(Rejected::new(code, at), entropy));
            }
            Input::GoOn => {
                let may = !self.retry.is_past_deadline(self.clock.instant());
                self.phase = if may { Phase::Attempting } else { Phase::Over };
                return Answer::WentOn(may);
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        if self.phase == Phase::Over {
            return "over".to_owned();
        }
        let text = format!("{:?} {:?}", self.retry, self.phase);
        let text = relative(&text, self.clock.now, self.clock.floor(0));
        format!("{text} {} {} {}", self.failed, self.waited, self.clock.behind())
    }

    fn phase(&self) -> String {
        match self.phase {
            Phase::Attempting => format!("attempt {}", self.retry.attempt()),
            Phase::Waiting(wait) => format!("wait for attempt {}", wait.attempt()),
            Phase::Over => "over".to_owned(),
        }
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::StepBack(_) => "time",
            Input::Fail(..) => "failure",
            Input::Refuse(..) => "refusal",
            Input::GoOn => "time to go on",
        }
    }
}

/// Every class with every kind of hint, and what is no failure.
fn classifications() -> impl Iterator<Item = Classification> {
    use FailureClass::{Fatal, Local, Throttled, Timeout, Transient};
    let hints =
        [RetryHint::None, RetryHint::After(nanos(1)), RetryHint::After(nanos(5)), RetryHint::Never];
    let of = move |class| hints.map(|hint| Classification::Failure(class, hint));
    let classes = [Transient, Throttled, Timeout, Local, Fatal].into_iter();
    classes.flat_map(of).chain([Classification::Ignored])
}

impl Retry {
    fn refusals(&self) -> impl Iterator<Item = (ErrorCode, RetryAt)> + use<> {
        use ErrorCode::{BulkheadFull, CircuitBreakerOpen, LoadShed, RateLimitExceeded};
        let at = |ahead| RetryAt::At(self.clock.instant().saturating_add(nanos(ahead)));
        [
            (RateLimitExceeded, at(0)),
            (RateLimitExceeded, at(2)),
            (RateLimitExceeded, at(20)),
            (ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never),
            (BulkheadFull, RetryAt::Unknown),
            (CircuitBreakerOpen, at(2)),
            (LoadShed, RetryAt::Unknown),
        ]
        .into_iter()
    }
}

fn begun(turn: &Turn<'_, Retry>) -> Option<Wait> {
    match (turn.before.phase, turn.after.phase) {
        (Phase::Attempting, Phase::Waiting(wait)) => Some(wait),
        _ => None,
    }
}

fn at_most_max_attempts(turn: &Turn<'_, Retry>) -> Verdict {
    let (failed, waits) = (turn.after.failed, begun(turn).is_some());
    let holds = failed <= 3 && (failed < 3 || !waits);
    claim(holds, || format!("{failed} have failed, another one: {waits}"))
}

fn own_refusals_burn_no_attempt(turn: &Turn<'_, Retry>) -> Verdict {
    let (seen, failed) = (turn.after.failed, turn.after.retry.failed());
    claim(seen == failed, || format!("{failed} have failed, not {seen}"))
}

fn at_most_max_refusal_waits(turn: &Turn<'_, Retry>) -> Verdict {
    claim(turn.after.waited <= POLICY.max_refusal_waits(), || turn.after.waited.to_string())
}

fn every_end_has_its_documented_reason(turn: &Turn<'_, Retry>) -> Verdict {
    let (Input::Fail(failed, _), Answer::Failed(next)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let left = turn
        .after
        .retry
        .deadline()
        .map_or(0, |at| at.as_nanos().saturating_sub(turn.after.clock.now));
    let expected = match failed {
        Classification::Ignored => Some(Stop::Ignored),
        Classification::Failure(FailureClass::Fatal, _) => Some(Stop::Fatal),
        _ if turn.after.failed == 3 => Some(Stop::Exhausted),
        Classification::Failure(_, RetryHint::Never) => Some(Stop::Never),
        Classification::Failure(_, RetryHint::After(hint)) if hint >= nanos(left) => {
            Some(Stop::Deadline)
        }
        Classification::Failure(..) => None,
    };
    let holds = match (next, expected) {
        (Next::Stop(stop), Some(expected)) => *stop == expected,
        // A backoff that does not fit any more.
        (Next::Stop(Stop::Deadline), None) => left <= 4,
        (next, expected) => expected.is_none() && matches!(next, Next::Wait(_)),
    };
    claim(holds, || format!("{next:?}, not {expected:?}, with {left} ns left"))
}

fn no_wait_outlives_the_deadline(turn: &Turn<'_, Retry>) -> Verdict {
    let Some(wait) = begun(turn) else { return SILENT };
    let deadline = turn.after.retry.deadline();
    claim(deadline.is_some_and(|at| wait.until() < at), || format!("{wait:?} and {deadline:?}"))
}

fn a_wait_is_backoff_or_a_hint_that_is_clamped(turn: &Turn<'_, Retry>) -> Verdict {
    let (
        Input::Fail(Classification::Failure(class, hint), entropy),
        Answer::Failed(Next::Wait(wait)),
    ) = (turn.input, turn.answer)
    else {
        return SILENT;
    };
    let first = if class == FailureClass::Throttled { 3 } else { 2 };
    let backoff = (first << (turn.after.failed - 1)).min(4);
    let backoff = if entropy == 0 { 0 } else { backoff };
    let hint = match hint {
        RetryHint::After(hint) => hint.min(POLICY.max_retry_after()),
        RetryHint::None | RetryHint::Never => Duration::ZERO,
    };
    let (delay, expected) = (wait.delay(), hint.max(nanos(backoff)));
    claim(delay == expected, || format!("{delay:?}, not {expected:?}"))
}

fn a_wait_for_a_refusal_moves(turn: &Turn<'_, Retry>) -> Verdict {
    let Answer::Refused(Next::Wait(wait)) = turn.answer else { return SILENT };
    claim(wait.until() > turn.after.clock.instant(), || format!("{wait:?}"))
}

fn only_what_can_be_waited_for_is_waited_for(turn: &Turn<'_, Retry>) -> Verdict {
    let (Input::Refuse(code, at, _), Answer::Refused(next)) = (turn.input, turn.answer) else {
        return SILENT;
    };
    let can = matches!(code, ErrorCode::RateLimitExceeded | ErrorCode::BulkheadFull)
        && at != RetryAt::Never;
    let holds = match next {
        Next::Wait(_) => can && turn.before.waited == 0,
        Next::Stop(refused) => refused.after_waiting() == can,
    };
    claim(holds, || format!("{next:?} after {} waits", turn.before.waited))
}

fn no_attempt_starts_at_or_after_the_deadline(turn: &Turn<'_, Retry>) -> Verdict {
    let Answer::WentOn(may) = turn.answer else { return SILENT };
    let is_due = turn.after.retry.deadline().is_some_and(|at| at <= turn.after.clock.instant());
    claim(*may != is_due, || format!("may start: {may}"))
}

fn the_deadline_comes_no_later_than_set(turn: &Turn<'_, Retry>) -> Verdict {
    if !matches!(turn.input, Input::Fail(..) | Input::Refuse(..)) {
        return SILENT;
    }
    let left =
        turn.after.retry.deadline().map(|at| at.saturating_since(turn.after.clock.instant()));
    claim(left.is_some_and(|left| left <= nanos(9)), || format!("{left:?}"))
}

fn a_step_back_makes_no_wait_longer(turn: &Turn<'_, Retry>) -> Verdict {
    let Phase::Waiting(wait) = turn.after.phase else { return SILENT };
    let left = wait.remaining(turn.after.clock.instant());
    claim(left <= wait.delay(), || format!("{left:?} of {wait:?}"))
}
