//! What a closed breaker answers without being asked.

use super::config::CircuitBreakerConfig;
use super::permit::{Permit, Recorded};
use super::state::{CircuitBreakerState, Phase};
use super::window::Window;
use crate::outcome::Outcome;
use crate::time::Instant;

/// The answers of a closed breaker that change nothing, in one word: for whoever keeps the state
/// behind a lock, and a glance in an atomic beside it.
///
/// After whatever may have changed the state, and before the lock is free, the glance is
/// [taken](CircuitBreakerConfig::glance) again and stored. Who asks loads it first: what it answers
/// is what the state would have answered at that moment, and would not have changed the state. Where
/// it answers `None`, the state has to be asked.
///
/// # Law
///
/// A success that is told by a glance is one that is told before whatever the lock does next: so
/// none counts after the breaker has opened, and no permit is issued then.
///
/// ```
/// use core::sync::atomic::{AtomicU32, Ordering};
/// use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, Glance, Recorded};
/// use resil_core::{Instant, Outcome};
///
/// let (policy, state) = (CircuitBreakerConfig::DEFAULT, CircuitBreakerState::new());
/// let glance = AtomicU32::new(policy.glance(&state).into_raw());
///
/// let load = || Glance::from_raw(glance.load(Ordering::Acquire));
/// let permit = load().try_acquire(Instant::EPOCH).expect("closed");
/// assert_eq!(load().record(&permit, Outcome::Success), Some(Recorded::Counted));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Glance(u32);

/// Every call passes and is no probe. Below is the epoch.
const ADMITS: u32 = 1 << 16;

/// And a success of this epoch has nothing to clear and nothing to weigh.
const CLEAN: u32 = 1 << 17;

/// And a success of this epoch that is told in the [`SubWindow`](super::SubWindow) adds up.
const ADDS_UP: u32 = 1 << 18;

impl Glance {
    /// Answers nothing.
    pub const NONE: Self = Self(0);

    /// The word, for an atomic. It means something to its own breaker only.
    #[must_use]
    #[inline]
    pub const fn into_raw(self) -> u32 {
        self.0
    }

    /// The glance from a word that was one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Asks to make a call: the permit, while the breaker is closed.
    #[must_use]
    #[inline]
    pub const fn try_acquire(self, now: Instant) -> Option<Permit> {
        if self.0 & ADMITS == 0 {
            return None;
        }
        Some(Permit::new(now, self.0 as u16, false))
    }

    /// Tells how a call ended: counted, where it is a success that changes nothing. Then the permit
    /// is told back, and is to be dropped.
    #[must_use]
    #[inline]
    pub const fn record(self, permit: &Permit, outcome: Outcome) -> Option<Recorded> {
        if self.0 == Self::closed(CLEAN, permit).0 && matches!(outcome, Outcome::Success) {
            return Some(Recorded::Counted);
        }
        None
    }

    /// The only glance at which how the call ended can be told by adding one to what is counted beside the
    /// state, where the [`SubWindow`](super::SubWindow) has it too; if it can at all.
    #[must_use]
    #[inline]
    pub const fn adding(permit: &Permit, outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Success => Some(Self::closed(ADDS_UP, permit)),
            _ => None,
        }
    }

    /// Whether there was a transition since `earlier`, be it from a state to the same one.
    #[must_use]
    #[inline]
    pub const fn has_moved_since(self, earlier: Self) -> bool {
        self.0 as u16 != earlier.0 as u16
    }

    /// Closed, of this kind, and of the epoch of the permit.
    #[inline]
    const fn closed(kind: u32, permit: &Permit) -> Self {
        Self(ADMITS | kind | permit.epoch() as u32)
    }
}

impl<W: Window> CircuitBreakerConfig<W> {
    /// What can be answered at a [`Glance`], until the state changes.
    #[must_use]
    #[inline]
    pub fn glance(&self, state: &CircuitBreakerState<W::Stats>) -> Glance {
        let core = &state.core;
        let epoch = u32::from(core.epoch);
        Glance(match core.phase {
            Phase::Closed if core.count == 0 && self.window.is_settled(&state.stats) => {
                epoch | ADMITS | CLEAN
            }
            Phase::Closed if self.window.adds_up(&state.stats).is_some() => {
                epoch | ADMITS | ADDS_UP
            }
            Phase::Closed => epoch | ADMITS,
            _ => epoch,
        })
    }

    /// Whether it matters when a call ended that has succeeded.
    #[inline]
    pub(super) fn needs_end(&self, state: &CircuitBreakerState<W::Stats>) -> bool {
        let is_closed = matches!(state.core.phase, Phase::Closed);
        !is_closed || (W::MEASURES && !self.window.is_settled(&state.stats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Bound, Gate};
    use crate::circuit_breaker::{CircuitBreaker, CountWindow};
    use crate::outcome::FailureClass;
    use core::time::Duration;

    const LAST_FOUR: CircuitBreakerConfig<CountWindow<1>> =
        crate::valid!(CircuitBreakerConfig::builder().count_window(4).build());
    const AND_SLOW: CircuitBreakerConfig<CountWindow<1>> = crate::valid!(
        CircuitBreakerConfig::builder()
            .count_window(4)
            .slow_calls(Duration::from_secs(1), crate::Ratio::ONE)
            .build()
    );

    /// Whether it matters when the next success ends, after calls that succeeded (s) or failed (x).
    fn needs_end<W: Window>(policy: &CircuitBreakerConfig<W>, calls: &str) -> bool {
        let (mut breaker, now) = (CircuitBreaker::new(policy), Instant::EPOCH);
        for call in calls.chars() {
            let permit = breaker.try_acquire(0, now).unwrap();
            let failed = Outcome::Failure(FailureClass::Transient);
            breaker.record(permit, if call == 'x' { failed } else { Outcome::Success }, 0, now);
        }
        let mut state = breaker.as_state().clone();
        let answers = [
            policy.needs_end(breaker.as_state()),
            Gate::needs_end(&breaker),
            Bound::new(policy, &mut state).needs_end(),
        ];
        assert!(answers == [answers[0]; 3], "{answers:?}");
        answers[0]
    }

    #[test]
    fn when_a_success_ends_matters_to_what_may_change_by_it() {
        let consecutive = CircuitBreakerConfig::DEFAULT;
        assert!(!needs_end(&consecutive, "") && !needs_end(&consecutive, "sx"));
        assert!(needs_end(&consecutive, "xxxxx"), "the next one is a probe");
        assert!(needs_end(&LAST_FOUR, "sss") && needs_end(&LAST_FOUR, "xsss"));
        assert!(!needs_end(&LAST_FOUR, "ssss"), "there is nothing to forget");
        assert!(needs_end(&AND_SLOW, "ssss"), "it may be slow");
        let slow = [LAST_FOUR, AND_SLOW].map(|policy| policy.window().slow_calls());
        assert_eq!(slow, [None, Some((Duration::from_secs(1), crate::Ratio::ONE))]);
    }

    #[test]
    fn a_success_is_told_at_a_glance_while_there_is_no_failure_to_forget() {
        let calls = "sssssssxssssss";
        for (policy, expected) in [(&LAST_FOUR, "....++++....++"), (&AND_SLOW, "..............")] {
            let (mut breaker, now) = (CircuitBreaker::new(policy), Instant::EPOCH);
            for (call, answered) in calls.chars().zip(expected.chars()) {
                let permit = breaker.try_acquire(0, now).unwrap();
                let told = breaker.glance().record(&permit, Outcome::Success);
                assert_eq!(told.is_some(), answered == '+', "{:?}", breaker.as_state());
                let failed = Outcome::Failure(FailureClass::Transient);
                breaker.record(permit, if call == 'x' { failed } else { Outcome::Success }, 0, now);
            }
        }
    }

    #[test]
    fn a_success_adds_up_at_no_glance_of_a_window_of_calls() {
        for calls in ["", "sss", "ssss", "x"] {
            let (mut breaker, now) = (CircuitBreaker::new(LAST_FOUR), Instant::EPOCH);
            for call in calls.chars() {
                let permit = breaker.try_acquire(0, now).unwrap();
                let failed = Outcome::Failure(FailureClass::Transient);
                breaker.record(permit, if call == 'x' { failed } else { Outcome::Success }, 0, now);
            }
            let permit = breaker.glance().try_acquire(now).unwrap();
            assert_ne!(
                Glance::adding(&permit, Outcome::Success),
                Some(breaker.glance()),
                "{calls}"
            );
        }
    }

    #[test]
    fn a_glance_has_moved_where_there_was_a_transition() {
        let (mut breaker, now) = (CircuitBreaker::new(LAST_FOUR), Instant::EPOCH);
        let earlier = breaker.glance();
        let mut failed = || {
            let permit = breaker.try_acquire(0, now).unwrap();
            breaker.record(permit, Outcome::Failure(FailureClass::Transient), 0, now);
            (breaker.glance(), breaker.state(now))
        };
        let mut moved = [false; 4];
        for moved in &mut moved {
            let (glance, state) = failed();
            *moved = glance.has_moved_since(earlier);
            assert_eq!(*moved, state != crate::circuit_breaker::State::Closed);
        }
        assert_eq!(moved, [false, false, false, true]);
    }
}
