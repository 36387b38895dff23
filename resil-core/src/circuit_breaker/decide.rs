//! The decisions: pure functions of policy, state, event, entropy and time.

use super::config::CircuitBreakerConfig;
use super::permit::{Permit, Recorded};
use super::rules::{Said, refused_until};
use super::state::{CircuitBreakerState, Phase, State, Transition};
use super::window::{Call, Counts, Statistics, Window};
use crate::entropy::Entropy;
use crate::outcome::{FailureClass, Outcome, Rejected, RetryAt};
use crate::time::Instant;

impl<W: Window> CircuitBreakerConfig<W> {
    /// Applies one transition that time has made due, and returns it.
    ///
    /// [`try_acquire`](Self::try_acquire) and [`record`](Self::record) do the same by themselves; an
    /// adapter calls this first, twice at most, to see and log what they would apply in silence.
    /// `entropy` is drawn from only when lost probes open the breaker and the open time has jitter.
    #[inline]
    pub fn poll(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        entropy: impl Entropy,
        now: Instant,
    ) -> Option<Transition> {
        let (core, open_time) = (&mut state.core, &self.rules.open_time);
        match core.phase {
            Phase::Closed => None,
            _ => self.rules.poll_due(core, |openings| open_time.draw(openings, entropy), now),
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    ///
    /// - `CIRCUIT_BREAKER_OPEN` while open, with the instant at which a probe passes; while forced
    ///   open, with [`RetryAt::Unknown`].
    /// - `CIRCUIT_BREAKER_HALF_OPEN` while every probe slot is taken, with [`RetryAt::Unknown`]: a
    ///   probe may end at any moment and nobody can say which way.
    ///
    /// A refusal changes nothing, unless it applies a transition that was due or moves a deadline
    /// closer after the clock stepped back. `entropy` is drawn from as by [`poll`](Self::poll).
    #[inline]
    pub fn try_acquire(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        let core = &mut state.core;
        match core.phase {
            Phase::Closed => Ok(core.permit(now, false)),
            Phase::Open if self.rules.is_surely_open(core, now) => Err(refused_until(core.until)),
            _ => self.rules.try_acquire_due(core, entropy, now),
        }
    }

    /// Tells a permit back.
    ///
    /// A permit from before the last transition, or of a lease that has ended, is
    /// [`Stale`](Recorded::Stale): it changes nothing and frees nothing, and the end of the lease opens
    /// the breaker whoever tells it. `entropy` is drawn from only when the breaker opens and the open
    /// time has jitter.
    ///
    /// A failure that is [`Local`](crate::outcome::FailureClass::Local) says nothing about the peer
    /// and is taken like an ignored outcome.
    #[inline]
    pub fn record(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        if permit.epoch() != state.core.epoch {
            return Recorded::Stale;
        }
        match (state.core.phase, outcome) {
            (Phase::Closed, Outcome::Success) if !W::MEASURES => {
                state.core.count = 0;
                Recorded::Counted
            }
            (Phase::Closed, Outcome::Success) => self.counted(state, &permit, false, entropy, now),
            _ => self.record_due(state, permit, outcome, entropy, now),
        }
    }

    /// The state at `now`.
    ///
    /// It looks through transitions that are due: an open breaker reads half-open from its deadline
    /// on, whether or not anyone has called since. Where lost probes open the breaker and the open
    /// time has jitter that nobody has drawn yet, it reads open for as long as that may last.
    #[must_use]
    #[inline]
    pub fn state(&self, state: &CircuitBreakerState<W::Stats>, now: Instant) -> State {
        match state.core.phase {
            Phase::Closed => State::Closed,
            _ => self.rules.at(&state.core, now).phase.state(),
        }
    }

    /// What [`try_acquire`](Self::try_acquire) would answer, without taking a probe slot.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn peek(
        &self,
        state: &CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Result<(), Rejected> {
        self.rules.at(&state.core, now).admits(&self.rules)
    }

    /// When to come back, where a call would be refused now.
    #[must_use]
    pub fn retry_at(&self, state: &CircuitBreakerState<W::Stats>, now: Instant) -> Option<RetryAt> {
        self.peek(state, now).err().map(|rejected| rejected.retry())
    }

    /// The first instant after `now` at which an answer changes by itself: the end of the open time,
    /// or of the lease of the probes that are out. `None` while nothing is due: closed, half-open
    /// with no probe out, forced open, disabled, metrics only.
    ///
    /// After the clock stepped back it counts from `now`; [`poll`](Self::poll) makes that stay.
    #[must_use]
    pub fn next_deadline(
        &self,
        state: &CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Instant> {
        let core = self.rules.at(&state.core, now);
        let waits = match core.phase {
            Phase::Open => true,
            Phase::HalfOpen => core.in_flight > 0,
            Phase::Closed | Phase::Settling => false,
            Phase::ForcedOpen | Phase::Disabled | Phase::MetricsOnly => false,
        };
        if waits && !core.until.is_reached(now) { Some(core.until) } else { None }
    }

    /// Failures in a row while calls are counted, which is closed or metrics only; otherwise 0.
    #[must_use]
    pub fn failures(&self, state: &CircuitBreakerState<W::Stats>) -> u16 {
        match state.core.phase {
            Phase::Closed | Phase::Settling | Phase::MetricsOnly => state.core.count,
            Phase::Open | Phase::HalfOpen | Phase::ForcedOpen | Phase::Disabled => 0,
        }
    }

    /// What is in the window at `now`; nothing unless calls are counted.
    #[must_use]
    pub fn counts(&self, state: &CircuitBreakerState<W::Stats>, now: Instant) -> Counts {
        self.window.counts(&state.stats, now)
    }

    /// Probes that have not been told back at `now`.
    #[must_use]
    pub fn probes_in_flight(&self, state: &CircuitBreakerState<W::Stats>, now: Instant) -> u8 {
        self.rules.at(&state.core, now).in_flight
    }

    /// Whether the state answers like a new one from `now` on, so that a table may evict it. With a
    /// window that is when it is empty: a count window after its first call only when it was reset.
    #[must_use]
    pub fn is_fresh(&self, state: &CircuitBreakerState<W::Stats>, now: Instant) -> bool {
        let core = self.rules.at(&state.core, now);
        let is_empty = self.window.counts(&state.stats, now).calls == 0;
        matches!(core.phase, Phase::Closed) && core.count == 0 && is_empty
    }

    /// Refuses every call until [`reset`](Self::reset). Permits that are out turn stale.
    pub fn force_open(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Transition> {
        self.force(state, Phase::ForcedOpen, now)
    }

    /// Admits every call and counts nothing until [`reset`](Self::reset). Permits that are out turn
    /// stale.
    pub fn disable(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Transition> {
        self.force(state, Phase::Disabled, now)
    }

    /// Admits every call and counts it, and only says what would have opened the breaker
    /// ([`Recorded::Detected`]), until [`reset`](Self::reset). Permits that are out turn stale.
    ///
    /// To try a policy on live traffic before it refuses any.
    pub fn metrics_only(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Transition> {
        self.force(state, Phase::MetricsOnly, now)
    }

    /// Closes the breaker and forgets everything. Permits that are out turn stale.
    pub fn reset(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        now: Instant,
    ) -> Option<Transition> {
        self.force(state, Phase::Closed, now)
    }

    fn force(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        phase: Phase,
        now: Instant,
    ) -> Option<Transition> {
        state.core = self.rules.at(&state.core, now);
        state.core.openings = 0;
        state.stats = Statistics::EMPTY;
        state.core.enter(phase, Instant::EPOCH)
    }

    /// `record` for all but the success of a call while closed; the epoch is the present one.
    #[cold]
    fn record_due(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        self.rules.keep_time(&mut state.core, now);
        let said = match outcome {
            Outcome::Success => Said::Success,
            Outcome::Failure(FailureClass::Local) | Outcome::Ignored => Said::Nothing,
            Outcome::Failure(_) => Said::Failure,
            Outcome::Abandoned => Said::Abandoned,
        };
        match state.core.phase {
            Phase::Closed | Phase::Settling | Phase::MetricsOnly => {
                let says_nothing = match said {
                    Said::Success | Said::Failure => false,
                    Said::Nothing => true,
                    Said::Abandoned => !self.rules.counts_as_failure(&permit, now),
                };
                if says_nothing {
                    return Recorded::Released;
                }
                self.counted(state, &permit, said != Said::Success, entropy, now)
            }
            Phase::HalfOpen if said == Said::Success && self.is_slow(&permit, now) => {
                self.rules.probed(&mut state.core, Said::Failure, entropy, now)
            }
            Phase::HalfOpen => self.rules.probed(&mut state.core, said, entropy, now),
            Phase::Disabled => Recorded::Released,
            // Neither issues permits, so the epoch has wrapped around.
            Phase::Open | Phase::ForcedOpen => Recorded::Stale,
        }
    }

    /// A call that counts, while calls are counted. Row and window both see it before either opens the
    /// breaker.
    fn counted(
        &self,
        state: &mut CircuitBreakerState<W::Stats>,
        permit: &Permit,
        failed: bool,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        let call = Call { failed, slow: self.is_slow(permit, now) };
        let by_row = self.rules.count(&mut state.core, failed, now);
        let by_window = self.window.count(&mut state.stats, call, now);
        if !by_row && !by_window {
            return Recorded::Counted;
        }
        state.stats = Statistics::EMPTY;
        if matches!(state.core.phase, Phase::MetricsOnly) {
            state.core.enter(Phase::MetricsOnly, Instant::EPOCH);
            return Recorded::Detected(Transition { from: State::Closed, to: State::Open });
        }
        Recorded::counted(self.rules.open(&mut state.core, entropy, now))
    }

    fn is_slow(&self, permit: &Permit, now: Instant) -> bool {
        self.window.slow_nanos().is_some_and(|slow| now.nanos_since(permit.issued_at) >= slow)
    }
}
