//! Circuit breakers: in a row, by count and by time, with up to three permits out.

mod laws;
mod model;
mod planted;

use super::OUTCOMES;
use super::search::{Clock, Law, World, number_after, relative};
use core::time::Duration;
use model::Measured;
use model::{Expected, Model};
pub(super) use planted::Planted;
use resil_core::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerState, CountWindow, Permit, Recorded, State, TimeWindow,
    Transition, Window,
};
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::{Instant, Outcome, Ratio, valid};

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// One probe, one success: the seed's, with small numbers.
pub(super) const IN_A_ROW: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(nanos(2))
        .max_timeout(nanos(2))
        .lease(nanos(3))
        .build()
);
/// Two probes, two successes, and each opening longer than the one before.
pub(super) const ESCALATING: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .success_threshold(2)
        .probes(2)
        .timeout(nanos(1))
        .multiplier(Ratio::TWO)
        .max_timeout(nanos(2))
        .lease(nanos(2))
        .abandon_counts_after(None)
        .build()
);
/// Half of two probes: one failure of a probe is tolerated.
pub(super) const TOLERANT: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(1)
        .success_rate(Ratio::percent(50), 2)
        .probes(2)
        .timeout(nanos(1))
        .max_timeout(nanos(1))
        .lease(nanos(2))
        .abandon_counts_after(None)
        .build()
);
/// Two of the last three fail, or all of them are slow.
pub(super) const BY_COUNT: CircuitBreakerConfig<CountWindow<1>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(3)
        .count_window(3)
        .minimum_calls(2)
        .failure_rate(Ratio::new(2, 3))
        .slow_calls(nanos(2), Ratio::ONE)
        .timeout(nanos(1))
        .max_timeout(nanos(1))
        .lease(nanos(4))
        .build()
);
/// Half of the calls of the last 4 ns fail, of 2 or more.
pub(super) const BY_TIME: CircuitBreakerConfig<TimeWindow<2>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(3)
        .time_window(nanos(4))
        .minimum_calls(2)
        .failure_rate(Ratio::new(2, 3))
        .timeout(nanos(1))
        .max_timeout(nanos(1))
        .lease(nanos(2))
        .abandon_counts_after(None)
        .build()
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Time goes on by so much.
    Pass(u64),
    /// To the next deadline, or past it by so much.
    Deadline(u64),
    StepBack(u64),
    Poll,
    Ask,
    /// The permit at this place is told back.
    Tell(usize, Outcome),
    /// It is lost.
    Lose(usize),
    Set(State),
}

/// What an input was answered, and which transitions were due before it.
#[derive(Debug)]
pub(super) struct Answer {
    due: Vec<Transition>,
    said: Said,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Polled(Vec<Transition>),
    Asked(Result<(), Rejected>),
    Told { recorded: Recorded, expected: Expected },
    Set(Option<Transition>),
}

/// A permit that is out. It is no value that can be copied: a copy is issued by the same state again.
#[derive(Debug)]
struct Lent<W: Window + 'static> {
    policy: &'static CircuitBreakerConfig<W>,
    before: CircuitBreakerState<W::Stats>,
    at: Instant,
    permit: Permit,
    /// The period of the model that it belongs to.
    period: u32,
}

impl<W: Window> Lent<W> {
    fn issue(
        policy: &'static CircuitBreakerConfig<W>,
        state: &mut CircuitBreakerState<W::Stats>,
        at: Instant,
        period: u32,
    ) -> Result<Self, Rejected> {
        let before = state.clone();
        let permit = policy.try_acquire(state, 0, at)?;
        Ok(Self { policy, before, at, permit, period })
    }
}

impl<W: Window> Clone for Lent<W> {
    fn clone(&self) -> Self {
        let again = Self::issue(self.policy, &mut self.before.clone(), self.at, self.period);
        let again = again.expect("the same state answers the same");
        assert_eq!(again.permit, self.permit);
        again
    }
}

#[derive(Clone, Debug)]
pub(super) struct Breaker<W: Window + 'static> {
    policy: &'static CircuitBreakerConfig<W>,
    state: CircuitBreakerState<W::Stats>,
    lent: Vec<Lent<W>>,
    clock: Clock,
    model: Model,
    /// How many permits may be out.
    concurrent: usize,
    /// Which defect is planted in what passes between the machine and the world.
    planted: Option<Planted>,
}

impl<W: Measured + 'static> Breaker<W> {
    pub(super) fn new(
        policy: &'static CircuitBreakerConfig<W>,
        concurrent: usize,
        reach: u64,
    ) -> Self {
        Self {
            policy,
            state: CircuitBreakerState::new(),
            lent: Vec::new(),
            clock: Clock::new(reach),
            model: Model::new(),
            concurrent,
            planted: None,
        }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    fn state(&self) -> State {
        self.policy.state(&self.state, self.now())
    }

    /// What it would be after every transition that is due, and these.
    fn caught_up(&self) -> (CircuitBreakerState<W::Stats>, Vec<Transition>) {
        let mut state = self.state.clone();
        let due = core::iter::from_fn(|| self.policy.poll(&mut state, 0, self.now())).collect();
        (state, due)
    }

    /// Every transition that is due begins a period of the model; so do the first ones alone.
    fn catch_up(&mut self, first: usize) -> Vec<Transition> {
        let (_, mut due) = self.caught_up();
        due.truncate(first);
        due.iter().for_each(|transition| self.model.begin(transition.to));
        due
    }

    fn ask(&mut self) -> Result<(), Rejected> {
        let period = self.model.period;
        let lent = self.issue(period)?;
        self.lent.push(lent);
        if self.model.state == State::HalfOpen {
            self.model.out += 1;
        }
        Ok(())
    }

    fn tell(&mut self, place: usize, outcome: Outcome) -> Answer {
        let lent = self.lent.remove(place);
        let is_present = |world: &Self| lent.period == world.model.period;
        // A permit of before is turned away before anything that is due is looked at; one whose lease has
        // ended opens the breaker, and what follows from that in time is left to whoever comes next.
        let due = if is_present(self) { self.catch_up(1) } else { Vec::new() };
        let expected = if is_present(self) {
            let ran_for = self.clock.now.saturating_sub(lent.at.as_nanos());
            let seen = self.policy.counts(&self.state, self.now());
            self.model.tell(self.policy, outcome, ran_for, (seen, &self.clock))
        } else {
            Expected::Stale
        };
        let recorded = self.record(lent, outcome);
        Answer { due, said: Said::Told { recorded, expected } }
    }

    fn set(&mut self, to: State) -> Option<Transition> {
        let (policy, now) = (self.policy, self.now());
        self.model.begin(to);
        self.model.forget_openings();
        match to {
            State::Closed => policy.reset(&mut self.state, now),
            State::ForcedOpen => policy.force_open(&mut self.state, now),
            State::Disabled => policy.disable(&mut self.state, now),
            _ => policy.metrics_only(&mut self.state, now),
        }
    }

    /// How far back anything here looks.
    fn memory(&self) -> u64 {
        let slow = self.policy.window().slow_nanos().unwrap_or(0);
        let abandoned =
            self.policy.abandon_counts_after().map_or(0, |after| after.as_nanos() as u64);
        slow.max(abandoned).max(self.policy.window().span())
    }

    fn relative(&self, text: &str) -> String {
        relative(text, self.clock.now, self.clock.floor(self.memory()))
    }

    /// A permit as those see it who tell it back: of the present, or of before and like all of these.
    fn shape_of(&self, lent: &Lent<W>) -> String {
        let epoch = |text: &str| number_after(text, "epoch: ").map(str::to_owned);
        let permit = format!("{:?}", lent.permit);
        let is_live = epoch(&permit) == epoch(&format!("{:?}", self.state));
        match (is_live, lent.period == self.model.period) {
            (false, false) => "of before".to_owned(),
            (is_live, is_present) => {
                let at = format!("{}", lent.permit.issued_at().as_nanos());
                let at = self.relative(&at);
                format!("{at} {} {is_live} {is_present}", lent.permit.is_probe())
            }
        }
    }
}

const ALL: usize = usize::MAX;

const SETTABLE: [State; 4] =
    [State::Closed, State::ForcedOpen, State::Disabled, State::MetricsOnly];

impl<W: Measured + 'static> World for Breaker<W> {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws::Laws::<W>::ALL;

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass(1), Input::Poll];
        if self.policy.next_deadline(&self.state, self.now()).is_some() {
            inputs.extend([Input::Deadline(0), Input::Deadline(1)]);
        }
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        let has_room = self.policy.window().has_room(self.policy.counts(&self.state, self.now()));
        if self.lent.len() < self.concurrent && has_room {
            inputs.push(Input::Ask);
        }
        let shapes: Vec<_> = self.lent.iter().map(|lent| self.shape_of(lent)).collect();
        for place in 0..shapes.len() {
            if !shapes[..place].contains(&shapes[place]) {
                inputs.extend(OUTCOMES.map(|outcome| Input::Tell(place, outcome)));
                inputs.push(Input::Lose(place));
            }
        }
        inputs.extend(SETTABLE.map(Input::Set));
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        let nothing = Answer { due: Vec::new(), said: Said::Nothing };
        match input {
            Input::Pass(by) => self.clock.forward(by),
            Input::Deadline(past) => {
                let deadline = self.policy.next_deadline(&self.state, self.now());
                let deadline = deadline.expect("there is one").as_nanos();
                self.clock.forward(deadline - self.clock.now + past);
            }
            Input::StepBack(by) => self.clock.back(by),
            Input::Poll => {
                let (due, now) = (self.catch_up(ALL), self.now());
                let (policy, state) = (self.policy, &mut self.state);
                let polled = core::iter::from_fn(|| policy.poll(state, 0, now)).collect();
                return Answer { due, said: Said::Polled(polled) };
            }
            Input::Ask => {
                let due = self.catch_up(ALL);
                return Answer { due, said: Said::Asked(self.ask()) };
            }
            Input::Tell(place, outcome) => return self.tell(place, outcome),
            Input::Lose(place) => drop(self.lent.remove(place)),
            Input::Set(to) => {
                let due = self.catch_up(ALL);
                return Answer { due, said: Said::Set(self.set(to)) };
            }
        }
        nothing
    }

    fn shape(&self) -> String {
        let mut lent: Vec<_> = self.lent.iter().map(|lent| self.shape_of(lent)).collect();
        lent.sort();
        let text = format!("{:?}", self.state);
        let epoch = number_after(&text, "epoch: ").unwrap_or_default();
        let openings = number_after(&text, "openings: ").unwrap_or_default();
        // Openings make no difference once they last longest.
        let longest = openings.parse::<u8>().map_or(0, |openings| openings.min(2));
        let text = text
            .replace(&format!("epoch: {epoch}"), "")
            .replace(&format!("openings: {openings}"), &format!("openings: {longest}"));
        let model = self.model.shape(self.policy.window(), &self.clock);
        format!("{}|{}|{lent:?}|{model}", self.relative(&text), self.clock.behind())
    }

    fn phase(&self) -> String {
        self.state().to_string()
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass(_) | Input::Deadline(_) => "time",
            Input::StepBack(_) => "the clock steps back",
            Input::Poll => "poll",
            Input::Ask => "ask",
            Input::Tell(_, Outcome::Success) => "success",
            Input::Tell(_, Outcome::Failure(FailureClass::Local)) => "local failure",
            Input::Tell(_, Outcome::Failure(_)) => "failure",
            Input::Tell(_, Outcome::Ignored) => "ignored",
            Input::Tell(_, Outcome::Abandoned) => "abandoned",
            Input::Lose(_) => "lost",
            Input::Set(State::Closed) => "reset",
            Input::Set(State::ForcedOpen) => "force_open",
            Input::Set(State::Disabled) => "disable",
            Input::Set(_) => "metrics_only",
        }
    }
}
