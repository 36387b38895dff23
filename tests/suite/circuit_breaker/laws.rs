//! The breaker against its oracle, and its laws, over random sequences of operations.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::backoff::{Jitter, Ratio};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Permit, Recorded, State};
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::{ErrorCode, Instant, Outcome};
use resil_tests::oracle::breaker::{self as oracle, Answer, Mode, Policy, Told};

const MILLISECOND: u64 = 1_000_000;

/// The open time of every policy here: 3/2 can be taken of it eleven times without a remainder.
const TIMEOUT: u64 = 2_048 * MILLISECOND;

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

#[derive(Clone, Debug)]
enum Op {
    Ask,
    /// Tells back one of the permits that are held, the `usize`-th modulo their number.
    Tell(usize, oracle::Outcome),
    /// Forgets one, as a task that is reset does.
    Forget(usize),
    Poll,
    Forward(u64),
    Back(u64),
    ToDeadline,
    ForceOpen,
    Disable,
    Reset,
}

fn time_step() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..3 * TIMEOUT,
        2 => Just(TIMEOUT),
        1 => Just(1),
        1 => Just(500 * 365 * 86_400 * 1_000 * MILLISECOND),
        1 => any::<u64>(),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        4 => Just(oracle::Outcome::Failure),
        3 => Just(oracle::Outcome::Success),
        1 => Just(oracle::Outcome::Ignored),
        2 => Just(oracle::Outcome::Abandoned),
    ];
    prop_oneof![
        12 => Just(Op::Ask),
        12 => (any::<usize>(), outcome).prop_map(|(which, how)| Op::Tell(which, how)),
        1 => any::<usize>().prop_map(Op::Forget),
        2 => Just(Op::Poll),
        4 => time_step().prop_map(Op::Forward),
        1 => time_step().prop_map(Op::Back),
        5 => Just(Op::ToDeadline),
        1 => prop_oneof![1 => Just(Op::ForceOpen), 1 => Just(Op::Disable), 4 => Just(Op::Reset)],
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let lease = prop_oneof![Just(TIMEOUT), Just(TIMEOUT / 3), Just(5 * TIMEOUT)];
    let abandon = prop_oneof![Just(None), Just(Some(0)), Just(Some(TIMEOUT / 2))];
    let growth = prop_oneof![
        Just(((1, 1), TIMEOUT)),
        Just(((2, 1), 10 * TIMEOUT)),
        Just(((3, 2), 40 * TIMEOUT)),
        Just(((64, 1), 65 * TIMEOUT)),
    ];
    (1_u16..4, 1_u16..4, 1_u8..4, lease, abandon, growth, any::<bool>()).prop_map(
        |(
            failure_threshold,
            success_threshold,
            probes,
            lease,
            abandon_counts_after,
            (multiplier, max_timeout),
            jitter,
        )| Policy {
            failure_threshold,
            success_threshold,
            probes,
            timeout: TIMEOUT,
            multiplier,
            max_timeout,
            jitter,
            lease,
            abandon_counts_after,
        },
    )
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

proptest! {
    #![proptest_config(crate::cases(2_000))]

    /// Answers, states, deadlines and transitions are the oracle's, whatever happens in which order.
    #[test]
    fn any_history_is_the_oracles(
        policy in policy(),
        start in prop_oneof![Just(0), Just(TIMEOUT * 100), any::<u64>()],
        ops in prop::collection::vec((op(), any::<u32>()), 1..80),
    ) {
        let mut pair = Pair::new(policy, start);
        for (op, entropy) in ops {
            pair.apply(op, entropy);
            pair.check();
            pair.check_deadline();
            pair.check_liveness();
        }
    }
}
