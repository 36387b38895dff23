//! What a breaker should make of what it is told, from its documented laws alone.

use crate::worlds::search::Clock;
use resil_core::circuit_breaker::{
    CircuitBreakerConfig, Consecutive, CountWindow, Counts, State, TimeWindow, Window,
};
use resil_core::outcome::FailureClass;
use resil_core::{Outcome, Ratio};

/// What telling a permit back should be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Stale,
    Released,
    Counted,
    Detected,
    To(State),
}

/// A call that was counted, and when.
#[derive(Clone, Debug)]
pub(in crate::worlds) struct Counted {
    pub(super) at: u64,
    pub(super) failed: bool,
    pub(super) slow: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) state: State,
    /// Begins anew with every transition and with every setting: permits of earlier ones are stale.
    pub(super) period: u32,
    /// Failures in a row, while calls are counted.
    pub(super) row: u16,
    /// Probes that are out.
    pub(super) out: u8,
    /// Of the probes of this half-open period.
    pub(super) successes: u16,
    pub(super) failures: u8,
    pub(super) abandoned: u8,
    /// Calls that were counted and may still be in a window, the oldest first.
    pub(super) history: Vec<Counted>,
    /// Openings since the open time was last at its first value.
    pub(super) openings: u8,
    /// Until when the breaker has to be closed without a failure for these to be forgotten.
    settles_at: u64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed,
            period: 0,
            row: 0,
            out: 0,
            successes: 0,
            failures: 0,
            abandoned: 0,
            history: Vec::new(),
            openings: 0,
            settles_at: 0,
        }
    }

    /// A period of `state` begins.
    pub(super) fn begin(&mut self, state: State) {
        let openings = self.openings + u8::from(state == State::Open);
        let (period, settles_at) = (self.period + 1, self.settles_at);
        *self = Self { state, period, openings, settles_at, ..Self::new() };
    }

    pub(super) fn forget_openings(&mut self) {
        (self.openings, self.settles_at) = (0, 0);
    }

    /// A permit of this period is told back, while the breaker says it has `seen` so many calls.
    pub(super) fn tell<W: Measured>(
        &mut self,
        policy: &CircuitBreakerConfig<W>,
        outcome: Outcome,
        ran_for: u64,
        (seen, clock): (Counts, &Clock),
    ) -> Expected {
        let is_slow = policy.window().slow_nanos().is_some_and(|slow| ran_for >= slow);
        let hung = policy
            .abandon_counts_after()
            .is_some_and(|after| u128::from(ran_for) >= after.as_nanos());
        let says_nothing =
            matches!(outcome, Outcome::Ignored | Outcome::Failure(FailureClass::Local));
        match self.state {
            State::Disabled => Expected::Released,
            State::HalfOpen => {
                self.out -= 1;
                let failed = is_slow || outcome != Outcome::Success;
                match outcome {
                    _ if says_nothing => Expected::Released,
                    Outcome::Abandoned => self.abandoned(policy),
                    _ => self.probed(policy, failed, clock),
                }
            }
            _ if says_nothing || outcome == Outcome::Abandoned && !hung => Expected::Released,
            _ => self.counted(policy, outcome != Outcome::Success, is_slow, (seen, clock)),
        }
    }

    fn abandoned<W>(&mut self, policy: &CircuitBreakerConfig<W>) -> Expected {
        self.abandoned += 1;
        if self.abandoned == 3 * policy.probes() {
            self.begin(State::Open);
            return Expected::To(State::Open);
        }
        Expected::Released
    }

    fn probed<W>(
        &mut self,
        policy: &CircuitBreakerConfig<W>,
        failed: bool,
        clock: &Clock,
    ) -> Expected {
        if failed {
            self.failures += 1;
            if self.failures <= policy.tolerated_failures() {
                return Expected::Counted;
            }
            self.begin(State::Open);
            return Expected::To(State::Open);
        }
        self.successes += 1;
        if self.successes < policy.success_threshold() {
            return Expected::Counted;
        }
        self.begin(State::Closed);
        self.settle(policy, clock);
        Expected::To(State::Closed)
    }

    fn counted<W: Measured>(
        &mut self,
        policy: &CircuitBreakerConfig<W>,
        failed: bool,
        slow: bool,
        (seen, clock): (Counts, &Clock),
    ) -> Expected {
        if self.has_settled(clock) {
            self.forget_openings();
        }
        if failed && self.openings > 0 {
            self.settle(policy, clock);
        }
        self.row = if failed { self.row + 1 } else { 0 };
        self.history.push(Counted { at: clock.lived(), failed, slow });
        policy.window().forget(&mut self.history);
        let by_window = policy.window().opens(policy.window().weighed(&self.history, seen));
        if self.row < policy.failure_threshold() && !by_window {
            return Expected::Counted;
        }
        if self.state == State::MetricsOnly {
            self.begin(State::MetricsOnly);
            return Expected::Detected;
        }
        self.begin(State::Open);
        Expected::To(State::Open)
    }

    /// Where clocks step back the documented bound is wider than what could be told here.
    fn settle<W>(&mut self, policy: &CircuitBreakerConfig<W>, clock: &Clock) {
        if clock.may_ever_go_back() || policy.timeout() == policy.max_timeout() {
            self.openings = 0;
            return;
        }
        self.settles_at = clock.now + open_time(policy, self.openings);
    }

    pub(super) fn has_settled(&self, clock: &Clock) -> bool {
        self.state == State::Closed && clock.now >= self.settles_at
    }

    pub(super) fn shape(&self, window: &impl Measured, clock: &Clock) -> String {
        let now = clock.now;
        let mut history = self.history.clone();
        window.forget(&mut history);
        let ages = history.iter().map(|call| {
            let age = if window.span() == 0 { 0 } else { clock.lived() - call.at };
            (age, call.failed, call.slow)
        });
        let ages: Vec<_> = ages.filter(|(age, ..)| *age <= window.span()).collect();
        let settles = self.settles_at.saturating_sub(now);
        format!(
            "{} {} {} {} {} {} {ages:?} {} {settles}",
            self.state,
            self.row,
            self.out,
            self.successes,
            self.failures,
            self.abandoned,
            self.openings.min(2)
        )
    }
}

/// How long opening number `openings` lasts.
pub(super) fn open_time<W>(policy: &CircuitBreakerConfig<W>, openings: u8) -> u64 {
    let (first, longest) =
        (policy.timeout().as_nanos() as u64, policy.max_timeout().as_nanos() as u64);
    if first == longest || openings < 2 { first } else { longest }
}

/// What a window should hold, and when it should open the breaker.
pub(in crate::worlds) trait Measured: Window {
    /// How far it looks back in time.
    fn span(&self) -> u64 {
        0
    }

    /// Drops what cannot be in the window any more.
    fn forget(&self, history: &mut Vec<Counted>);

    /// The fewest calls of `history` that it may hold, and the most, where that can be said.
    fn bounds(&self, history: &[Counted], clock: &Clock) -> (Counts, Option<Counts>);

    /// The counts that the last call of `history` is weighed with, where the window said it had `seen`
    /// so many before.
    fn weighed(&self, history: &[Counted], seen: Counts) -> Counts;

    /// Whether such counts open the breaker.
    fn opens(&self, counts: Counts) -> bool;

    /// Whether the search asks for another call: a window in time would hold any number of them.
    fn has_room(&self, _: Counts) -> bool {
        true
    }
}

fn sum<'a>(calls: impl Iterator<Item = &'a Counted>) -> Counts {
    calls.fold(Counts::default(), |sum, call| Counts {
        calls: sum.calls + 1,
        failures: sum.failures + u32::from(call.failed),
        slow: sum.slow + u32::from(call.slow),
    })
}

fn is_share(share: Ratio, part: u32, whole: u32) -> bool {
    part * u32::from(share.denominator()) >= whole * u32::from(share.numerator())
}

impl Measured for Consecutive {
    fn forget(&self, history: &mut Vec<Counted>) {
        history.clear();
    }

    fn bounds(&self, _: &[Counted], _: &Clock) -> (Counts, Option<Counts>) {
        (Counts::default(), Some(Counts::default()))
    }

    fn weighed(&self, _: &[Counted], seen: Counts) -> Counts {
        seen
    }

    fn opens(&self, _: Counts) -> bool {
        false
    }
}

impl Measured for CountWindow<1> {
    fn forget(&self, history: &mut Vec<Counted>) {
        let gone = history.len().saturating_sub(self.calls().into());
        history.drain(..gone);
    }

    fn bounds(&self, history: &[Counted], _: &Clock) -> (Counts, Option<Counts>) {
        let counts = sum(history.iter());
        (counts, Some(counts))
    }

    fn weighed(&self, history: &[Counted], _: Counts) -> Counts {
        sum(history.iter())
    }

    fn opens(&self, counts: Counts) -> bool {
        let by_slowness =
            self.slow_calls().is_some_and(|(_, rate)| is_share(rate, counts.slow, counts.calls));
        let by_failures = is_share(self.failure_rate(), counts.failures, counts.calls);
        counts.calls >= self.minimum_calls().into() && (by_failures || by_slowness)
    }
}

/// A call counts until one of two halves of the window is over at least, and not once both are.
impl Measured for TimeWindow<2> {
    fn span(&self) -> u64 {
        self.time_window().as_nanos() as u64
    }

    fn forget(&self, _: &mut Vec<Counted>) {}

    fn bounds(&self, history: &[Counted], clock: &Clock) -> (Counts, Option<Counts>) {
        let younger = |than| sum(history.iter().filter(|call| clock.lived() - call.at < than));
        let most = (!clock.may_ever_go_back()).then(|| younger(self.span()));
        (younger(self.span() / 2), most)
    }

    fn weighed(&self, history: &[Counted], seen: Counts) -> Counts {
        let last = sum(history.last().into_iter());
        Counts { calls: seen.calls + 1, failures: seen.failures + last.failures, ..seen }
    }

    fn opens(&self, counts: Counts) -> bool {
        let is_reached = is_share(self.failure_rate(), counts.failures, counts.calls);
        counts.calls >= self.minimum_calls().into() && is_reached
    }

    fn has_room(&self, counts: Counts) -> bool {
        counts.calls < 3
    }
}
