//! A state under another policy, and how a breaker begins.

use super::config::CircuitBreakerConfig;
use super::state::{CircuitBreakerState, Phase, Transition};
use super::window::{Statistics, Window};
use crate::entropy::Entropy;
use crate::time::Instant;

impl<W: Window> CircuitBreakerConfig<W> {
    /// A breaker that is open as of `now`, for where a node must not call before it has probed: after
    /// a boot into an outage, say. Entropy is drawn where the open time has jitter.
    ///
    /// One that begins [closed](CircuitBreakerState::new) is the usual; one that begins forced open,
    /// disabled or metrics only is set so.
    #[must_use]
    pub fn opened(&self, entropy: impl Entropy, now: Instant) -> CircuitBreakerState<W::Stats> {
        let mut state = CircuitBreakerState::new();
        self.rules.open(&mut state.core, entropy, now);
        state
    }

    /// Takes an opening back, for a peer that is not to blame after all: an open breaker is closed, and
    /// the opening does not make the next one longer. Anything but open stays what it is. Permits that
    /// are out turn stale. [Ejection](super::ejection) does so.
    pub fn spare(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Transition> {
        let core = &mut state.core;
        if !matches!(core.phase, Phase::Open) {
            return None;
        }
        core.openings = core.openings.saturating_sub(1);
        if core.openings > 0 && self.rules.open_time.escalates() {
            let until = now.plus_nanos(self.rules.open_time.longest(core.openings));
            return core.enter(Phase::Settling, until);
        }
        core.openings = 0;
        core.enter(Phase::Closed, Instant::EPOCH)
    }

    /// What `state`, decided about by `old` so far, is under this policy.
    ///
    /// State, failures in a row, openings and permits that are out stay what they are. A deadline
    /// comes as close as this policy allows, and never moves further away. What is in the window stays
    /// where the window is as long as before, and is dropped where not. Successes of probes stay where
    /// the verdict is reached the same way. A threshold that is lower than the failures there are opens
    /// the breaker at the next one, not before.
    #[must_use]
    pub fn inherit(
        &self,
        old: &Self,
        state: &CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> CircuitBreakerState<W::Stats> {
        let mut core = old.rules.at(&state.core, now);
        let verdict = |config: &Self| (config.rules.success_threshold, config.rules.tolerated);
        if matches!(core.phase, Phase::HalfOpen) && verdict(self) != verdict(old) {
            core.count = 0;
        }
        self.rules.keep_time(&mut core, now);
        let stats = match self.window.continues(&old.window) {
            true => state.stats.clone(),
            false => Statistics::EMPTY,
        };
        CircuitBreakerState { core, stats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::{CircuitBreaker, State};
    use crate::outcome::{FailureClass, Outcome};
    use crate::ratio::Ratio;
    use core::time::Duration;

    const FAILED: Outcome = Outcome::Failure(FailureClass::Transient);
    const DOUBLING: CircuitBreakerConfig = crate::valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(3)
            .success_threshold(2)
            .timeout(Duration::from_nanos(100))
            .multiplier(Ratio::new(2, 1))
            .build()
    );

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    type Breaker = CircuitBreaker<CircuitBreakerConfig>;

    fn tell(breaker: &mut Breaker, outcome: Outcome, now: u64) {
        let permit = breaker.try_acquire(0, at(now)).unwrap();
        breaker.record(permit, outcome, 0, at(now));
    }

    fn spare(breaker: &mut Breaker, now: u64) {
        let mut state = breaker.as_state().clone();
        DOUBLING.spare(&mut state, at(now));
        *breaker = CircuitBreaker::from_parts(DOUBLING, state);
    }

    fn opened_once() -> Breaker {
        let mut breaker = CircuitBreaker::new(DOUBLING);
        (0..3).for_each(|_| tell(&mut breaker, FAILED, 0));
        breaker
    }

    #[test]
    fn an_only_opening_that_is_taken_back_leaves_nothing_to_remember() {
        let mut breaker = opened_once();
        spare(&mut breaker, 50);
        assert!(breaker.glance().try_acquire(at(50)).is_some(), "closed, and not settling");
        (0..3).for_each(|_| tell(&mut breaker, FAILED, 50));
        assert_eq!(breaker.next_deadline(at(50)), Some(at(150)));
    }

    #[test]
    fn an_opening_that_is_taken_back_leaves_those_before_it() {
        let mut breaker = opened_once();
        tell(&mut breaker, FAILED, 100);
        assert_eq!(breaker.next_deadline(at(100)), Some(at(300)), "the second lasts twice as long");
        spare(&mut breaker, 150);
        (0..3).for_each(|_| tell(&mut breaker, FAILED, 150));
        assert_eq!(breaker.next_deadline(at(150)), Some(at(350)), "so does the one in its place");
    }

    #[test]
    fn under_a_policy_that_escalates_a_closed_breaker_begins_with_the_first_open_time() {
        let constant = CircuitBreakerConfig::builder()
            .failure_threshold(3)
            .timeout(Duration::from_nanos(100))
            .build()
            .unwrap();
        let mut breaker = CircuitBreaker::new(constant);
        for now in [0, 1_000, 2_000] {
            (0..3).for_each(|_| tell(&mut breaker, FAILED, now));
            tell(&mut breaker, Outcome::Success, now + 100);
        }
        breaker.reconfigure(DOUBLING, at(900_000));
        (0..3).for_each(|_| tell(&mut breaker, FAILED, 900_000));
        assert_eq!(breaker.next_deadline(at(900_000)), Some(at(900_100)));
    }

    #[test]
    fn only_probes_lose_what_they_said_and_only_to_another_verdict() {
        let one = CircuitBreakerConfig::builder().failure_threshold(3).build().unwrap();
        let mut breaker = CircuitBreaker::new(DOUBLING);
        (0..2).for_each(|_| tell(&mut breaker, FAILED, 0));
        let closed = one.inherit(&DOUBLING, breaker.as_state(), at(0));
        assert_eq!(one.failures(&closed), 2);

        let mut breaker = opened_once();
        tell(&mut breaker, Outcome::Success, 100);
        let longer = CircuitBreakerConfig::builder().success_threshold(2).build().unwrap();
        let state = longer.inherit(&DOUBLING, breaker.as_state(), at(100));
        let mut breaker = CircuitBreaker::from_parts(longer, state);
        tell(&mut breaker, Outcome::Success, 100);
        assert_eq!(breaker.state(at(100)), State::Closed, "the first success still counts");

        let three = CircuitBreakerConfig::builder().success_threshold(3).build().unwrap();
        let mut breaker = opened_once();
        tell(&mut breaker, Outcome::Success, 100);
        let state = three.inherit(&DOUBLING, breaker.as_state(), at(100));
        let mut breaker = CircuitBreaker::from_parts(three, state);
        (0..2).for_each(|_| tell(&mut breaker, Outcome::Success, 100));
        assert_eq!(breaker.state(at(100)), State::HalfOpen, "it counts no more");
    }
}
