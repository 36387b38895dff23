//! The breaker beside its oracle, and its laws, whatever happens in which order.

use crate::oracle::breaker::{self as oracle, Answer, Mode, Policy, Told};
use core::time::Duration;
use resil_core::backoff::{Jitter, Ratio};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Permit, Recorded, State};
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::{ErrorCode, Instant, Outcome};

fn config(policy: &Policy) -> CircuitBreakerConfig {
    CircuitBreakerConfig::builder()
        .failure_threshold(policy.failure_threshold)
        .success_threshold(policy.success_threshold)
        .probes(policy.probes)
        .timeout(Duration::from_nanos(policy.timeout))
        .multiplier(Ratio::new(policy.multiplier.0, policy.multiplier.1))
        .max_timeout(Duration::from_nanos(policy.max_timeout))
        .jitter(if policy.jitter { Jitter::Equal } else { Jitter::None })
        .lease(Duration::from_nanos(policy.lease))
        .abandon_counts_after(policy.abandon_counts_after.map(Duration::from_nanos))
        .build()
        .expect("a valid policy")
}

fn outcome(outcome: oracle::Outcome) -> Outcome {
    match outcome {
        oracle::Outcome::Success => Outcome::Success,
        oracle::Outcome::Failure => Outcome::Failure(FailureClass::Transient),
        oracle::Outcome::Ignored => Outcome::Ignored,
        oracle::Outcome::Abandoned => Outcome::Abandoned,
    }
}

fn state(mode: &Mode) -> State {
    match mode {
        Mode::Closed { .. } => State::Closed,
        Mode::Open { .. } => State::Open,
        Mode::HalfOpen { .. } => State::HalfOpen,
        Mode::ForcedOpen => State::ForcedOpen,
        Mode::Disabled => State::Disabled,
    }
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// Asks for a permit.
    Ask,
    /// Tells back one of the permits that are held, the `usize`-th modulo their number.
    Tell(usize, oracle::Outcome),
    /// Forgets one, as a task that is reset does.
    Forget(usize),
    /// Somebody looks whether something is due.
    Poll,
    /// The clock goes on.
    Forward(u64),
    /// The clock steps back.
    Back(u64),
    /// The clock shows the next deadline.
    ToDeadline,
    /// Somebody forces it open.
    ForceOpen,
    /// Somebody lets everything pass.
    Disable,
    /// Somebody closes it.
    Reset,
}

/// The breaker and the oracle side by side, with the permits that both have given.
struct Pair {
    policy: Policy,
    breaker: CircuitBreaker,
    model: oracle::Breaker,
    held: Vec<(u64, Permit)>,
    now: u64,
}

impl Pair {
    fn new(policy: Policy, now: u64) -> Self {
        Self {
            breaker: CircuitBreaker::new(config(&policy)),
            model: oracle::Breaker::new(policy.clone()),
            policy,
            held: Vec::new(),
            now,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    fn apply(&mut self, op: Op, entropy: u32) {
        let now = self.now();
        match op {
            Op::Ask => {
                // A draw inside of `try_acquire` is one that the model cannot learn.
                while self.policy.jitter && self.model.clone().catch_up(self.now) {
                    self.poll(entropy);
                }
                self.ask(entropy);
            }
            Op::Tell(which, how) if !self.held.is_empty() => {
                let (number, permit) = self.held.swap_remove(which % self.held.len());
                self.tell(number, permit, how, entropy);
            }
            Op::Forget(which) if !self.held.is_empty() => {
                drop(self.held.swap_remove(which % self.held.len()));
            }
            Op::Tell(..) | Op::Forget(_) => {}
            Op::Poll => self.poll(entropy),
            Op::Forward(by) => self.now = self.now.saturating_add(by),
            Op::Back(by) => self.now = self.now.saturating_sub(by),
            Op::ToDeadline => {
                self.now = self.breaker.next_deadline(now).map_or(self.now, Instant::as_nanos);
            }
            Op::ForceOpen => self.force(Mode::ForcedOpen),
            Op::Disable => self.force(Mode::Disabled),
            Op::Reset => self.force(Mode::Closed { failures: 0, forget_at: None }),
        }
    }

    fn poll(&mut self, entropy: u32) {
        let transition = self.breaker.poll(entropy, self.now());
        let before = state(self.model.mode());
        let changed = self.model.catch_up(self.now);
        let after = state(self.model.mode());
        assert_eq!(transition.map(|t| (t.from, t.to)), changed.then_some((before, after)));
        self.learn_draw();
    }

    fn ask(&mut self, entropy: u32) {
        let now = self.now();
        let glance = self.breaker.glance().try_acquire(now);
        let before = self.breaker.as_state().clone();
        let answer = self.breaker.try_acquire(entropy, now);
        if let Some(permit) = glance {
            assert_eq!(answer.as_ref(), Ok(&permit), "as at a glance");
            assert_eq!(*self.breaker.as_state(), before, "which changes nothing");
        }
        let expected = self.model.ask(self.now);
        match (answer, expected) {
            (Ok(permit), Answer::Admitted(number)) => {
                assert_eq!(permit.is_probe(), matches!(self.model.mode(), Mode::HalfOpen { .. }));
                assert_eq!(permit.issued_at(), now);
                self.held.push((number, permit));
            }
            (Err(rejected), Answer::Open(until)) => {
                assert_eq!(rejected.code(), ErrorCode::CircuitBreakerOpen);
                assert_eq!(rejected.retry(), RetryAt::At(Instant::from_nanos(until)));
            }
            (Err(rejected), Answer::Forced) => {
                assert_eq!(rejected.code(), ErrorCode::CircuitBreakerOpen);
                assert_eq!(rejected.retry(), RetryAt::Unknown);
            }
            (Err(rejected), Answer::ProbesOut) => {
                assert_eq!(rejected.code(), ErrorCode::CircuitBreakerHalfOpen);
                assert_eq!(rejected.retry(), RetryAt::Unknown);
            }
            (answer, expected) => panic!("{answer:?}, not {expected:?}"),
        }
    }

    fn tell(&mut self, number: u64, permit: Permit, how: oracle::Outcome, entropy: u32) {
        let now = self.now();
        let before = state(self.model.mode());
        let glance = self.breaker.glance().record(&permit, outcome(how));
        let unchanged = self.breaker.as_state().clone();
        let recorded = self.breaker.record(permit, outcome(how), entropy, now);
        if let Some(at_a_glance) = glance {
            assert_eq!(recorded, at_a_glance);
            assert_eq!(*self.breaker.as_state(), unchanged);
        }
        let told = self.model.tell(number, how, self.now);
        let after = state(self.model.mode());
        match (recorded, told) {
            (Recorded::Counted, Told::Counted)
            | (Recorded::Released, Told::Released)
            | (Recorded::Stale, Told::Stale) => {}
            (Recorded::Transition(t), Told::Changed) => assert_eq!((t.from, t.to), (before, after)),
            (recorded, told) => panic!("{recorded:?}, not {told:?}"),
        }
        self.learn_draw();
    }

    fn force(&mut self, mode: Mode) {
        let (now, to) = (self.now(), state(&mode));
        let from = state(self.model.at(self.now).mode());
        let transition = match to {
            State::ForcedOpen => self.breaker.force_open(now),
            State::Disabled => self.breaker.disable(now),
            _ => self.breaker.reset(now),
        };
        assert_eq!(transition.map(|t| (t.from, t.to)), (from != to).then_some((from, to)));
        self.model.force(mode);
    }

    /// Where the model does not know the end of an open time that was drawn, it takes the breaker's,
    /// if it can be one.
    fn learn_draw(&mut self) {
        let Mode::Open { at_least, until } = *self.model.mode() else { return };
        if at_least < until {
            // Now it may be over already; just before it can end it is not.
            let early = Instant::from_nanos(at_least - 1);
            let end = self.breaker.next_deadline(early).expect("open").as_nanos();
            assert!(self.model.drew(end), "{end} for {:?}", self.model.mode());
        }
    }

    /// Everything that can be seen from outside is what the model says.
    fn check(&self) {
        let (now, before) = (self.now(), self.breaker.as_state().clone());
        let model = self.model.at(self.now);
        assert_eq!(self.breaker.state(now), state(model.mode()));
        let failures = match self.model.mode() {
            Mode::Closed { failures, .. } => *failures,
            _ => 0,
        };
        assert_eq!(u64::from(self.breaker.failures()), failures);
        let (out, lease) = match model.mode() {
            Mode::HalfOpen { out, lease, .. } => (out.len(), *lease),
            _ => (0, 0),
        };
        assert_eq!(usize::from(self.breaker.probes_in_flight(now)), out);
        assert!(out <= self.policy.probes.into(), "at most `probes` probes are out");
        let deadline = match model.mode() {
            Mode::Open { until, .. } => Some(*until),
            Mode::HalfOpen { .. } if out > 0 => Some(lease),
            _ => None,
        };
        assert_eq!(self.breaker.next_deadline(now).map(Instant::as_nanos), deadline);
        let retry = match model.mode() {
            Mode::Open { until, .. } => Some(RetryAt::At(Instant::from_nanos(*until))),
            Mode::ForcedOpen => Some(RetryAt::Unknown),
            Mode::HalfOpen { .. } if out >= self.policy.probes.into() => Some(RetryAt::Unknown),
            _ => None,
        };
        assert_eq!(self.breaker.retry_at(now), retry);
        assert_eq!(self.breaker.peek(now).is_ok(), retry.is_none());
        assert_eq!(*self.breaker.as_state(), before, "looking changes nothing");
    }

    /// At the next deadline something changes, nothing does before, and the one after is later.
    fn check_deadline(&self) {
        let now = self.now();
        let mut breaker = self.breaker.clone();
        // What drives it polls before it sleeps, so that a clock that stepped back is seen.
        let due = (0..3).filter(|_| breaker.poll(u32::MAX, now).is_some()).count();
        assert!(due <= 2, "at most two transitions are due at once");
        let look = |at| (breaker.state(at), breaker.peek(at), breaker.probes_in_flight(at));
        let Some(deadline) = breaker.next_deadline(now) else { return };
        assert!(deadline > now);
        let just_before = Instant::from_nanos(deadline.as_nanos() - 1);
        assert_eq!(look(just_before), look(now));
        assert_ne!(look(deadline), look(now));
        if let Some(next) = breaker.next_deadline(deadline) {
            assert!(next > deadline);
        }
        assert!(breaker.poll(0, deadline).is_some(), "what drives it sees the change");
    }

    /// Even if no permit is ever told back, a call passes after one lease and one open time.
    fn check_liveness(&self) {
        let mut breaker = self.breaker.clone();
        if breaker.state(self.now()) == State::ForcedOpen {
            return;
        }
        breaker.poll(u32::MAX, self.now()); // a clock that stepped back is seen
        let bound = self.policy.lease + self.policy.max_timeout;
        let Some(later) = self.now.checked_add(bound) else { return };
        let answer = breaker.try_acquire(u32::MAX, Instant::from_nanos(later));
        assert!(answer.is_ok(), "{answer:?} after {bound} ns");
    }
}

/// Answers, states, deadlines and transitions are the oracle's, whatever happens in which order. With each
/// operation comes what may be drawn.
///
/// # Panics
///
/// Where they are not.
pub fn is_the_oracles(policy: Policy, start: u64, ops: Vec<(Op, u32)>) {
    let mut pair = Pair::new(policy, start);
    for (op, entropy) in ops {
        pair.apply(op, entropy);
        pair.check();
        pair.check_deadline();
        pair.check_liveness();
    }
}
