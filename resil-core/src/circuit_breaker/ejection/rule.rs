//! The decisions.

use super::config::EjectionConfig;
use super::peers::EjectionState;
use crate::call::Bound;
use crate::circuit_breaker::{
    CircuitBreakerConfig, CircuitBreakerState, State, Transition, Window,
};
use crate::health::HealthStatus;
use crate::outcome::{FailureClass, Outcome};
use crate::time::Instant;

/// Who is to blame for what fails now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Blame {
    /// Those peers that fail, if any: their breakers may open.
    Peer,
    /// The node itself: so many peers fail at once, or most of what fails is
    /// [local](FailureClass::Local).
    Me,
}

impl Blame {
    /// What the node's health makes of it.
    #[must_use]
    pub const fn health(self) -> HealthStatus {
        match self {
            Self::Peer => HealthStatus::Healthy,
            Self::Me => HealthStatus::Degraded,
        }
    }
}

/// Why a peer is not ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Spared {
    /// The node itself is to blame.
    OwnFault,
    /// As many peers as may be are ejected already, or the peer's index is beyond the table.
    TooMany,
}

/// What becomes of a transition of a peer's breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Ruling {
    /// It stands.
    Stands,
    /// The breaker had opened and is closed again.
    Spared(Spared),
}

impl<const WORDS: usize> EjectionConfig<WORDS> {
    /// A peer is known from now on, as one that was never heard of.
    pub fn join(&self, state: &mut EjectionState<WORDS>, peer: usize) {
        self.leave(state, peer);
        state.known.set(peer, true);
    }

    /// A peer is gone, and with it what was remembered of it.
    pub fn leave(&self, state: &mut EjectionState<WORDS>, peer: usize) {
        self.readmit(state, peer);
        state.known.set(peer, false);
    }

    /// Tells how a call to a peer ended, and says who is to blame, that call included. What was ignored
    /// or abandoned says nothing. A peer that has not joined joins.
    pub fn record(
        &self,
        state: &mut EjectionState<WORDS>,
        peer: usize,
        outcome: Outcome,
        now: Instant,
    ) -> Blame {
        state.advance(self.width, now);
        let failure = match outcome {
            Outcome::Success => None,
            Outcome::Failure(class) => Some(class),
            Outcome::Ignored | Outcome::Abandoned => return self.blame_in(state),
        };
        state.unhear(peer);
        state.known.set(peer, true);
        state.present.at_all.set(peer, true);
        state.present.failing.set(peer, failure.is_some());
        state.present.local.set(peer, failure == Some(FailureClass::Local));
        self.blame_in(state)
    }

    /// Asks to eject a peer: to let its breaker be open. One that is ejected already stays so.
    ///
    /// # Errors
    ///
    /// [`Spared`] says why not; then nothing has changed.
    pub fn try_eject(
        &self,
        state: &mut EjectionState<WORDS>,
        peer: usize,
        now: Instant,
    ) -> Result<(), Spared> {
        state.advance(self.width, now);
        if state.ejected.has(peer) {
            return Ok(());
        }
        if matches!(self.blame_in(state), Blame::Me) {
            return Err(Spared::OwnFault);
        }
        let mut known = state.known;
        known.set(peer, true);
        let after = state.ejected.count().saturating_add(1);
        if !EjectionState::<WORDS>::has_room(peer) || after > self.limit(known.count()) {
            return Err(Spared::TooMany);
        }
        state.known = known;
        state.ejected.set(peer, true);
        Ok(())
    }

    /// A peer's breaker has closed: it is like one that was never heard of.
    pub fn readmit(&self, state: &mut EjectionState<WORDS>, peer: usize) {
        state.ejected.set(peer, false);
        state.unhear(peer);
    }

    /// Applies the rule to a transition of a peer's breaker. An opening asks
    /// [`try_eject`](Self::try_eject), and where the peer is spared, closes the breaker again
    /// ([`CircuitBreakerConfig::spare`]); a closing [readmits](Self::readmit). One that was forced
    /// open counts as ejected, whatever the limit: that was somebody's wish.
    pub fn rule<W: Window>(
        &self,
        state: &mut EjectionState<WORDS>,
        peer: usize,
        transition: Transition,
        breaker: Bound<'_, CircuitBreakerConfig<W>, CircuitBreakerState<W::Stats>>,
        now: Instant,
    ) -> Ruling {
        match transition.to {
            State::Open => match self.try_eject(state, peer, now) {
                Ok(()) => Ruling::Stands,
                Err(spared) => {
                    breaker.policy.spare(breaker.state, now);
                    Ruling::Spared(spared)
                }
            },
            State::HalfOpen => Ruling::Stands,
            State::ForcedOpen => {
                state.known.set(peer, true);
                state.ejected.set(peer, true);
                Ruling::Stands
            }
            State::Closed | State::Disabled | State::MetricsOnly => {
                self.readmit(state, peer);
                Ruling::Stands
            }
        }
    }

    /// Who is to blame at `now`.
    #[must_use]
    pub fn blame(&self, state: &EjectionState<WORDS>, now: Instant) -> Blame {
        let mut state = state.clone();
        state.advance(self.width, now);
        self.blame_in(&state)
    }

    /// Peers that are known.
    #[must_use]
    pub fn peers(&self, state: &EjectionState<WORDS>) -> u32 {
        state.known.count()
    }

    /// Peers that are ejected.
    #[must_use]
    pub fn ejected(&self, state: &EjectionState<WORDS>) -> u32 {
        state.ejected.count()
    }

    /// Whether a peer is ejected.
    #[must_use]
    pub fn is_ejected(&self, state: &EjectionState<WORDS>, peer: usize) -> bool {
        state.ejected.has(peer)
    }

    /// The first instant after `now` at which something that was heard counts no more.
    #[must_use]
    pub fn next_deadline(&self, state: &EjectionState<WORDS>, now: Instant) -> Option<Instant> {
        let mut state = state.clone();
        state.advance(self.width, now);
        let halves = if state.before.at_all.count() > 0 {
            self.width
        } else if state.present.at_all.count() > 0 {
            self.width.saturating_mul(2)
        } else {
            return None;
        };
        let deadline = state.since.plus_nanos(halves);
        if deadline.is_reached(now) { None } else { Some(deadline) }
    }

    /// Who is to blame for what is in the window. An ejected peer that was not heard of in it weighs
    /// nothing, for neither may those have been that answer; it only helps to make the minimum.
    fn blame_in(&self, state: &EjectionState<WORDS>) -> Blame {
        let (present, before) = (&state.present, &state.before);
        let heard = present.at_all.or(&before.at_all);
        let failing = present.failing.or(&before.failing).count();
        let local = present.local.or(&before.local).count();
        let most_fail = heard.count() >= 2
            && heard.or(&state.ejected).count() >= u32::from(self.min_peers)
            && self.panic_threshold.is_reached(failing, heard.count());
        if most_fail || local.saturating_mul(2) > failing { Blame::Me } else { Blame::Peer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_waited_for_and_nothing_else() {
        let rule = EjectionConfig::DEFAULT;
        let (mut state, half) = (EjectionState::new(), rule.window() / 2);
        let at = |halves: u32| Instant::from_duration(half * halves);
        rule.join(&mut state, 0);
        assert_eq!(rule.next_deadline(&state, at(1)), None, "joined, and not heard of");
        rule.record(&mut state, 0, Outcome::Success, at(1));
        assert_eq!(rule.next_deadline(&state, at(1)), Some(at(3)), "in the present half");
        assert_eq!(rule.next_deadline(&state, at(2)), Some(at(3)), "in the one before");
        assert_eq!(rule.next_deadline(&state, at(3)), None, "it counts no more");
        rule.record(&mut state, 1, Outcome::Success, at(2));
        assert_eq!(rule.next_deadline(&state, at(2)), Some(at(3)), "the earlier of two");
    }
}
