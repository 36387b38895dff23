//! Laws that hold for every machine, tested by the same code for all of them: after any operations,
//! under any clock.
//!
//! Each is a function that panics where the law is broken. The suite hands it sequences that proptest
//! makes, the fuzzer such as it makes of bytes.
//!
//! - **Looks are pure**: asked twice at one instant, they say the same.
//! - **Waits**: the next deadline is strictly after `now`. Nothing changes before it, at it something
//!   does, and the one after it is later or none. A machine may differ as far as its documentation
//!   does ([`Wait`], [`Subject::settle_clock`]), and no further.
//! - **Liveness**: with everything told back, a call passes within the machine's bound.
//! - **Clocks**: one that steps back delays nothing by more than the machine's horizon, one that jumps
//!   ahead grants no more than the capacity, and the ends of time are instants like any other.

pub mod admission;
pub mod breaker_model;
pub mod breaker_windows;
pub mod breakers;
pub mod budget_models;
pub mod budgets;
pub mod call;
pub mod call_model;
pub mod deadline;
pub mod health;
pub mod kept;
pub mod limits;
pub mod load;
pub mod peers;
pub mod reservations;
pub mod retry;

use core::fmt::Debug;
use core::time::Duration;
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome};

/// As far ahead as a clock jumps.
pub const YEARS_500: u64 = 500 * 365 * 86_400 * 1_000_000_000;

/// When a run starts: an hour after the clock did.
pub const START: Instant = Instant::from_nanos(1 << 42);

/// What a machine promises of its deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// At each an answer changes.
    Exact,
    /// Something changes that the answers may hide: documented as that.
    MayHide,
}

/// What a machine documents in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What its deadlines are worth.
    pub wait: Wait,
    /// How often one can ask at one instant and not be refused, with everything told back before.
    pub capacity: Option<u32>,
    /// The most by which a step back delays what was due without it.
    pub horizon: Duration,
    /// Within this a call passes, whatever was before.
    pub bound: Duration,
}

/// What a look says.
pub trait Look: PartialEq + Debug {}

impl<T: PartialEq + Debug> Look for T {}

/// A machine as every other: it is asked, told, looked at and waited for.
pub trait Subject {
    /// It, with its policy.
    type Machine: Clone;
    /// What it lends or sells.
    type Held;

    /// What it documents.
    fn known(&self) -> Known;
    /// One that has seen nothing.
    fn fresh(&self, now: Instant) -> Self::Machine;
    /// Asks; [`u32::MAX`] asks for the least there is.
    fn ask(&self, machine: &mut Self::Machine, entropy: u32, now: Instant) -> Option<Self::Held>;
    /// Tells back what was held.
    fn tell(&self, machine: &mut Self::Machine, held: Self::Held, outcome: Outcome, now: Instant);
    /// Whatever else can be done to it.
    fn other(&self, _machine: &mut Self::Machine, _choice: u64, _now: Instant) {}
    /// What its documentation says makes a step of the clock stay, so that waits are exact again.
    fn settle_clock(&self, _machine: &mut Self::Machine, _now: Instant) {}
    /// Undoes what was somebody's wish, such as a breaker that was forced open.
    fn mend(&self, _machine: &mut Self::Machine, _now: Instant) {}
    /// Everything that changes at deadlines only.
    fn answers(&self, machine: &Self::Machine, now: Instant) -> impl Look + use<Self>;
    /// What changes with every nanosecond, or is not announced.
    fn gradual(&self, _machine: &Self::Machine, _now: Instant) -> impl Look + use<Self> {}
    /// When an answer changes by itself.
    fn next_deadline(&self, machine: &Self::Machine, now: Instant) -> Option<Instant>;
}

/// How the clock moves before an operation; parts are 64ths of the machine's bound.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// Ahead, by so many parts and nanoseconds.
    Forward(u64, u64),
    /// Back, by as much.
    Back(u64, u64),
    /// Ahead by [`YEARS_500`].
    Jump,
    /// Back to where clocks begin.
    Epoch,
    /// Close to the end of time, by so many nanoseconds.
    End(u64),
}

/// An operation, the same for every machine: the clock moves, then it is asked, told, or something else.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// How the clock moves before.
    pub clock: Move,
    /// Which operation.
    pub operation: u8,
    /// Of what, with what outcome and entropy.
    pub choice: u64,
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
        Self { subject, machine: subject.fresh(START), held: Vec::new(), now: START }
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

    fn looks(&self) -> impl Look + use<S> {
        (
            self.subject.answers(&self.machine, self.now),
            self.subject.gradual(&self.machine, self.now),
            self.subject.next_deadline(&self.machine, self.now),
        )
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
///
/// # Panics
///
/// Where it does not hold.
pub fn looks_and_waits<S: Subject>(subject: &S, turns: &[Turn]) {
    let mut run = Run::start(subject);
    for turn in turns {
        run.take(*turn);
        let before = run.looks();
        for other in [Instant::EPOCH, Instant::MAX] {
            let _ = (subject.answers(&run.machine, other), subject.gradual(&run.machine, other));
        }
        assert_eq!(run.looks(), before);
        for from in [run.now, Instant::EPOCH, Instant::MAX] {
            if let Some(next) = subject.next_deadline(&run.machine, from) {
                assert!(next > from, "{next:?} is not after {from:?}");
                let then = subject.next_deadline(&run.machine, next);
                assert!(then.is_none_or(|then| then > next), "{next:?} and again {then:?}");
            }
        }
    }
}

/// Nothing changes before the deadline, and at it something does.
///
/// # Panics
///
/// Where it does not hold.
pub fn deadlines<S: Subject>(subject: &S, turns: &[Turn]) {
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
                assert_eq!(then, before, "from {:?} to {:?}, at {:?}", from, next, at);
            }
            let Some(next) = next else { break };
            let after = subject.answers(&machine, next);
            assert!(known.wait == Wait::MayHide || after != before, "{before:?} at {next:?}");
            (from, before) = (next, after);
        }
    }
}

/// With everything told back a call passes within the bound.
///
/// # Panics
///
/// Where it does not hold.
pub fn liveness<S: Subject>(subject: &S, turns: &[Turn], choice: u64) {
    let mut run = Run::of(subject, turns);
    run.settle(choice);
    let wait = run.wait(run.now);
    assert!(wait.is_some_and(|wait| wait <= subject.known().bound), "waits for {wait:?}");
}

/// A step back delays what is due by the horizon at most.
///
/// # Panics
///
/// Where it does not hold.
pub fn steps<S: Subject>(subject: &S, turns: &[Turn], choice: u64, back: Move) {
    let mut run = Run::of(subject, turns);
    run.settle(choice);
    let without = run.wait(run.now).expect("liveness is a law");
    run.move_clock(back);
    let with = run.wait(run.now);
    let most = without + subject.known().horizon;
    assert!(with.is_some_and(|with| with <= most), "{without:?}, and {with:?} after the step");
}

/// Nothing panics anywhere in time, and no jump grants more than the capacity.
///
/// # Panics
///
/// Where it does not hold.
pub fn jumps<S: Subject>(subject: &S, turns: &[Turn], choice: u64) {
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
        assert!(!is_bounded || granted <= most, "more than {most} at {:?}", run.now);
        let _ = run.looks();
    }
}
