//! Laws that hold for every machine, tested by the same code for all of them: after any operations,
//! under any clock.
//!
//! - **Looks are pure**: asked twice at one instant, they say the same.
//! - **Waits**: the next deadline is strictly after `now`. Nothing changes before it, at it something
//!   does, and the one after it is later or none. A machine may differ as far as its documentation
//!   does ([`Wait`], [`Subject::settle_clock`]), and no further.
//! - **Liveness**: with everything told back, a call passes within the machine's bound.
//! - **Clocks**: one that steps back delays nothing by more than the machine's horizon, one that jumps
//!   ahead grants no more than the capacity, and the ends of time are instants like any other.

mod breakers;
mod budgets;
mod call;
mod health;
mod limits;
mod load;

use core::time::Duration;
use proptest::prelude::*;
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};

const YEARS_500: u64 = 500 * 365 * 86_400 * 1_000_000_000;

/// What a machine promises of its deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// At each an answer changes.
    Exact,
    /// Something changes that the answers may hide: documented as that.
    MayHide,
}

/// What a machine documents in numbers.
#[derive(Clone, Copy)]
struct Known {
    wait: Wait,
    /// How often one can ask at one instant and not be refused, with everything told back before.
    capacity: Option<u32>,
    /// The most by which a step back delays what was due without it.
    horizon: Duration,
    /// Within this a call passes, whatever was before.
    bound: Duration,
}

/// A machine as every other: it is asked, told, looked at and waited for.
trait Subject {
    type Machine: Clone;
    /// What it lends or sells.
    type Held;

    fn known(&self) -> Known;
    fn fresh(&self, now: Instant) -> Self::Machine;
    fn ask(&self, machine: &mut Self::Machine, entropy: u32, now: Instant) -> Option<Self::Held>;
    fn tell(&self, machine: &mut Self::Machine, held: Self::Held, outcome: Outcome, now: Instant);
    /// Whatever else can be done to it.
    fn other(&self, _machine: &mut Self::Machine, _choice: u64, _now: Instant) {}
    /// What its documentation says makes a step of the clock stay, so that waits are exact again.
    fn settle_clock(&self, _machine: &mut Self::Machine, _now: Instant) {}
    /// Undoes what was somebody's wish, such as a breaker that was forced open.
    fn mend(&self, _machine: &mut Self::Machine, _now: Instant) {}
    /// Everything that changes at deadlines only.
    fn answers(&self, machine: &Self::Machine, now: Instant) -> String;
    /// What changes with every nanosecond, or is not announced.
    fn gradual(&self, _machine: &Self::Machine, _now: Instant) -> String {
        String::new()
    }
    fn next_deadline(&self, machine: &Self::Machine, now: Instant) -> Option<Instant>;
}

/// How the clock moves before an operation; parts are 64ths of the machine's bound.
#[derive(Clone, Copy, Debug)]
enum Move {
    Forward(u64, u64),
    Back(u64, u64),
    Jump,
    Epoch,
    /// Close to the end of time, by so many nanoseconds.
    End(u64),
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    clock: Move,
    operation: u8,
    choice: u64,
}

fn turn(clock: impl Strategy<Value = Move>) -> impl Strategy<Value = Turn> {
    (clock, any::<u8>(), any::<u64>()).prop_map(|(clock, operation, choice)| Turn {
        clock,
        operation,
        choice,
    })
}

fn forward() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => Just(Move::Forward(0, 0)),
        4 => (0_u64..4, 0_u64..3).prop_map(|(parts, odd)| Move::Forward(parts, odd)),
        2 => (0_u64..100, 0_u64..1_000).prop_map(|(parts, odd)| Move::Forward(parts, odd)),
    ]
}

fn back() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => (0_u64..8, 0_u64..3).prop_map(|(parts, odd)| Move::Back(parts, odd)),
        1 => (0_u64..300, 0_u64..1_000).prop_map(|(parts, odd)| Move::Back(parts, odd)),
        1 => Just(Move::Epoch),
    ]
}

/// Forward and back, but away from the end of time.
fn wrong() -> impl Strategy<Value = Move> {
    prop_oneof![3 => forward(), 1 => back()]
}

fn wild() -> impl Strategy<Value = Move> {
    prop_oneof![
        12 => wrong(),
        1 => Just(Move::Jump),
        1 => prop_oneof![Just(0), 0_u64..1 << 35].prop_map(Move::End),
    ]
}

fn turns(clock: impl Strategy<Value = Move>) -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec(turn(clock), 1..40)
}

/// A machine under way.
struct Run<'a, S: Subject> {
    subject: &'a S,
    machine: S::Machine,
    held: Vec<S::Held>,
    now: Instant,
}

impl<'a, S: Subject> Run<'a, S> {
    fn start(subject: &'a S) -> Self {
        let now = Instant::from_nanos(1 << 42);
        Self { subject, machine: subject.fresh(now), held: Vec::new(), now }
    }

    fn of(subject: &'a S, turns: &[Turn]) -> Self {
        let mut run = Self::start(subject);
        turns.iter().for_each(|turn| run.take(*turn));
        run
    }

    fn take(&mut self, turn: Turn) {
        self.move_clock(turn.clock);
        let entropy = turn.choice as u32;
        match turn.operation % 8 {
            0..4 => {
                self.held.extend(self.subject.ask(&mut self.machine, entropy, self.now));
            }
            4..7 if !self.held.is_empty() => {
                let held = self.held.swap_remove(turn.choice as usize % self.held.len());
                let outcome = outcome(turn.choice >> 32);
                self.subject.tell(&mut self.machine, held, outcome, self.now);
            }
            _ => self.subject.other(&mut self.machine, turn.choice, self.now),
        }
    }

    fn move_clock(&mut self, clock: Move) {
        let part = |parts: u64, odd: u64| {
            let bound = self.subject.known().bound.as_nanos() as u64;
            Duration::from_nanos(bound / 64 * parts + odd)
        };
        self.now = match clock {
            Move::Forward(parts, odd) => self.now.saturating_add(part(parts, odd)),
            Move::Back(parts, odd) => self.now.saturating_sub(part(parts, odd)),
            Move::Jump => self.now.saturating_add(Duration::from_nanos(YEARS_500)),
            Move::Epoch => Instant::EPOCH,
            Move::End(before) => Instant::MAX.saturating_sub(Duration::from_nanos(before)),
        };
    }

    /// Everything is told back, and nobody wishes anything.
    fn settle(&mut self, choice: u64) {
        for (held, twist) in self.held.drain(..).zip(0..) {
            let outcome = outcome(choice.rotate_left(twist));
            self.subject.tell(&mut self.machine, held, outcome, self.now);
        }
        self.subject.mend(&mut self.machine, self.now);
    }

    fn looks(&self) -> [String; 3] {
        [
            self.subject.answers(&self.machine, self.now),
            self.subject.gradual(&self.machine, self.now),
            format!("{:?}", self.subject.next_deadline(&self.machine, self.now)),
        ]
    }

    /// How long one waits for a call to pass who asks now; `None`: for more than twice the bound.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let passes = |after: u64| {
            let (subject, mut machine) = (self.subject, self.machine.clone());
            if subject.ask(&mut machine, u32::MAX, now).is_some() {
                return true;
            }
            let then = now.saturating_add(Duration::from_nanos(after));
            subject.ask(&mut machine, u32::MAX, then).is_some()
        };
        let (mut least, mut most) = (0, 2 * self.subject.known().bound.as_nanos() as u64);
        if !passes(most) {
            return None;
        }
        while least < most {
            let middle = least + (most - least) / 2;
            if passes(middle) { most = middle } else { least = middle + 1 }
        }
        Some(Duration::from_nanos(least))
    }
}

fn outcome(choice: u64) -> Outcome {
    match choice % 8 {
        0..3 => Outcome::Success,
        3 => Outcome::Failure(FailureClass::Throttled),
        4 | 5 => Outcome::Failure(FailureClass::Timeout),
        6 => Outcome::Ignored,
        _ => Outcome::Abandoned,
    }
}

/// Looks are pure, and waits are strictly ahead and never for one instant twice. Holds under every
/// clock, without help.
fn looks_and_waits<S: Subject>(subject: &S, turns: &[Turn]) -> Result<(), TestCaseError> {
    let mut run = Run::start(subject);
    for turn in turns {
        run.take(*turn);
        let before = run.looks();
        for other in [Instant::EPOCH, Instant::MAX] {
            let _ = (subject.answers(&run.machine, other), subject.gradual(&run.machine, other));
        }
        prop_assert_eq!(run.looks(), before);
        for from in [run.now, Instant::EPOCH, Instant::MAX] {
            if let Some(next) = subject.next_deadline(&run.machine, from) {
                prop_assert!(next > from, "{next:?} is not after {from:?}");
                let then = subject.next_deadline(&run.machine, next);
                prop_assert!(then.is_none_or(|then| then > next), "{next:?} and again {then:?}");
            }
        }
    }
    Ok(())
}

/// Nothing changes before the deadline, and at it something does.
fn deadlines<S: Subject>(subject: &S, turns: &[Turn]) -> Result<(), TestCaseError> {
    let (mut run, known) = (Run::start(subject), subject.known());
    for turn in turns {
        run.take(*turn);
        let mut machine = run.machine.clone();
        subject.settle_clock(&mut machine, run.now);
        let (mut from, mut before) = (run.now, subject.answers(&machine, run.now));
        for _ in 0..4 {
            let next = subject.next_deadline(&machine, from);
            let quiet = match next {
                Some(next) => next.as_nanos() - 1,
                None => from.saturating_add(10 * known.bound).as_nanos(),
            };
            for at in [from.as_nanos() / 2 + quiet / 2, quiet] {
                let at = Instant::from_nanos(at.max(from.as_nanos()));
                let then = subject.answers(&machine, at);
                prop_assert_eq!(then, &*before, "from {:?} to {:?}, at {:?}", from, next, at);
            }
            let Some(next) = next else { break };
            let after = subject.answers(&machine, next);
            prop_assert!(known.wait == Wait::MayHide || after != before, "{before} at {next:?}");
            (from, before) = (next, after);
        }
    }
    Ok(())
}

/// With everything told back a call passes within the bound.
fn liveness<S: Subject>(subject: &S, turns: &[Turn], choice: u64) -> Result<(), TestCaseError> {
    let mut run = Run::of(subject, turns);
    run.settle(choice);
    let wait = run.wait(run.now);
    prop_assert!(wait.is_some_and(|wait| wait <= subject.known().bound), "waits for {wait:?}");
    Ok(())
}

/// A step back delays what is due by the horizon at most.
fn steps<S: Subject>(
    subject: &S,
    turns: &[Turn],
    choice: u64,
    back: Move,
) -> Result<(), TestCaseError> {
    let mut run = Run::of(subject, turns);
    run.settle(choice);
    let without = run.wait(run.now).expect("liveness is a law");
    run.move_clock(back);
    let with = run.wait(run.now);
    let most = without + subject.known().horizon;
    prop_assert!(with.is_some_and(|with| with <= most), "{without:?}, and {with:?} after the step");
    Ok(())
}

/// Nothing panics anywhere in time, and no jump grants more than the capacity.
fn jumps<S: Subject>(subject: &S, turns: &[Turn], choice: u64) -> Result<(), TestCaseError> {
    let mut run = Run::of(subject, turns);
    for clock in [Move::Forward(0, 0), Move::Jump, Move::End(0), Move::Epoch] {
        run.move_clock(clock);
        run.settle(choice);
        let mut granted = 0_u32;
        let most = subject.known().capacity.unwrap_or(8);
        while granted <= most {
            let Some(held) = subject.ask(&mut run.machine, u32::MAX, run.now) else { break };
            granted += 1;
            run.held.push(held);
        }
        let is_bounded = subject.known().capacity.is_some();
        prop_assert!(!is_bounded || granted <= most, "more than {most} at {:?}", run.now);
        let _ = run.looks();
    }
    Ok(())
}

/// The tests of one machine each.
macro_rules! every_law {
    ($($name:ident: $subject:expr;)*) => {$(
        mod $name {
            use super::*;
            use crate::every_machine as laws;
            use proptest::prelude::*;

            proptest! {
                #![proptest_config(ProptestConfig { failure_persistence: None, ..crate::cases(200) })]

                #[test]
                fn looks_are_pure_and_waits_are_ahead(turns in laws::turns(laws::wild())) {
                    laws::looks_and_waits(&$subject, &turns)?;
                }

                #[test]
                fn something_changes_at_the_deadline_and_nothing_before(
                    turns in laws::turns(laws::wrong()),
                ) {
                    laws::deadlines(&$subject, &turns)?;
                }

                #[test]
                fn a_call_passes_within_the_bound(
                    turns in laws::turns(laws::wrong()), choice in any::<u64>(),
                ) {
                    laws::liveness(&$subject, &turns, choice)?;
                }

                #[test]
                fn a_step_back_delays_by_the_horizon_at_most(
                    turns in laws::turns(laws::forward()), choice in any::<u64>(),
                    back in laws::back(),
                ) {
                    laws::steps(&$subject, &turns, choice, back)?;
                }

                #[test]
                fn no_jump_grants_more_than_the_capacity(
                    turns in laws::turns(laws::wild()), choice in any::<u64>(),
                ) {
                    laws::jumps(&$subject, &turns, choice)?;
                }
            }
        }
    )*};
}
use every_law;
