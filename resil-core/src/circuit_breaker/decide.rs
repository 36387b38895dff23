//! The decisions: pure functions of policy, state, event, entropy and time.

use super::config::CircuitBreakerConfig;
use super::permit::{Permit, Recorded};
use super::state::{CircuitBreakerState, Phase, State, Transition};
use crate::entropy::Entropy;
use crate::error::ErrorCode;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;

impl CircuitBreakerConfig {
    /// Applies one transition that time has made due, and returns it.
    ///
    /// [`try_acquire`](Self::try_acquire) and [`record`](Self::record) do the same by themselves; an
    /// adapter calls this first, twice at most, to see and log what they would apply in silence.
    /// `entropy` is drawn from only when lost probes open the breaker and the open time has jitter.
    #[inline]
    pub fn poll(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Option<Transition> {
        match state.phase {
            Phase::Closed => None,
            _ => self.poll_due(state, |openings| self.open_time.draw(openings, entropy), now),
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
    /// closer after the clock stepped back.
    #[inline]
    pub fn try_acquire(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        match state.phase {
            Phase::Closed => Ok(state.permit(now, false)),
            Phase::Open if self.is_surely_open(state, now) => Err(refused_until(state.until)),
            _ => self.try_acquire_due(state, entropy, now),
        }
    }

    /// Tells a permit back.
    ///
    /// A permit from before the last transition, or of a lease that has ended, is
    /// [`Stale`](Recorded::Stale): it changes nothing and frees nothing. `entropy` is drawn from only
    /// when the breaker opens and the open time has jitter.
    #[inline]
    pub fn record(
        &self,
        state: &mut CircuitBreakerState,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        if permit.epoch != state.epoch {
            return Recorded::Stale;
        }
        match (state.phase, outcome) {
            (Phase::Closed, Outcome::Success) => {
                state.count = 0;
                Recorded::Counted
            }
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
    pub fn state(&self, state: &CircuitBreakerState, now: Instant) -> State {
        match state.phase {
            Phase::Closed => State::Closed,
            _ => self.at(state, now).phase.state(),
        }
    }

    /// What [`try_acquire`](Self::try_acquire) would answer, without taking a probe slot.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn peek(&self, state: &CircuitBreakerState, now: Instant) -> Result<(), Rejected> {
        self.at(state, now).admits(self)
    }

    /// When to come back, where a call would be refused now.
    #[must_use]
    pub fn retry_at(&self, state: &CircuitBreakerState, now: Instant) -> Option<RetryAt> {
        self.peek(state, now).err().map(|rejected| rejected.retry())
    }

    /// The first instant after `now` at which an answer changes by itself: the end of the open time,
    /// or of the lease of the probes that are out. `None` while nothing is due: closed, half-open
    /// with no probe out, forced open, disabled.
    ///
    /// After the clock stepped back it counts from `now`; [`poll`](Self::poll) makes that stay.
    #[must_use]
    pub fn next_deadline(&self, state: &CircuitBreakerState, now: Instant) -> Option<Instant> {
        let state = self.at(state, now);
        let waits = match state.phase {
            Phase::Open => true,
            Phase::HalfOpen => state.in_flight > 0,
            Phase::Closed | Phase::Settling | Phase::ForcedOpen | Phase::Disabled => false,
        };
        if waits && !state.until.is_reached(now) { Some(state.until) } else { None }
    }

    /// Failures in a row while closed; otherwise 0.
    #[must_use]
    pub fn failures(&self, state: &CircuitBreakerState) -> u16 {
        match state.phase {
            Phase::Closed | Phase::Settling => state.count,
            Phase::Open | Phase::HalfOpen | Phase::ForcedOpen | Phase::Disabled => 0,
        }
    }

    /// Probes that have not been told back at `now`.
    #[must_use]
    pub fn probes_in_flight(&self, state: &CircuitBreakerState, now: Instant) -> u8 {
        self.at(state, now).in_flight
    }

    /// Whether the state answers like a new one from `now` on, so that a table may evict it.
    #[must_use]
    pub fn is_fresh(&self, state: &CircuitBreakerState, now: Instant) -> bool {
        let state = self.at(state, now);
        matches!(state.phase, Phase::Closed) && state.count == 0
    }

    /// Refuses every call until [`reset`](Self::reset). Permits that are out turn stale.
    pub fn force_open(&self, state: &mut CircuitBreakerState, now: Instant) -> Option<Transition> {
        self.force(state, Phase::ForcedOpen, now)
    }

    /// Admits every call and counts nothing until [`reset`](Self::reset). Permits that are out turn
    /// stale.
    pub fn disable(&self, state: &mut CircuitBreakerState, now: Instant) -> Option<Transition> {
        self.force(state, Phase::Disabled, now)
    }

    /// Closes the breaker and forgets everything. Permits that are out turn stale.
    pub fn reset(&self, state: &mut CircuitBreakerState, now: Instant) -> Option<Transition> {
        self.force(state, Phase::Closed, now)
    }

    fn force(
        &self,
        state: &mut CircuitBreakerState,
        phase: Phase,
        now: Instant,
    ) -> Option<Transition> {
        *state = self.at(state, now);
        state.openings = 0;
        state.enter(phase, Instant::EPOCH)
    }

    /// Whether `state` is open, on the first look: cheap, and never wrong when it says yes.
    #[inline]
    const fn is_surely_open(&self, state: &CircuitBreakerState, now: Instant) -> bool {
        // 1 to the first open time; a deadline that is reached wraps round to more than that.
        let left = state.until.as_nanos().wrapping_sub(now.as_nanos());
        left.wrapping_sub(1) < self.open_time.first()
    }

    /// `poll` with the open time for the argument: drawn, or the longest that can be drawn.
    #[cold]
    fn poll_due(
        &self,
        state: &mut CircuitBreakerState,
        open_time: impl FnOnce(u8) -> u64,
        now: Instant,
    ) -> Option<Transition> {
        self.keep_time(state, now);
        let is_due = state.until.is_reached(now);
        match state.phase {
            Phase::Open if is_due => state.enter(Phase::HalfOpen, Instant::EPOCH),
            Phase::HalfOpen if is_due && state.in_flight > 0 => {
                let lost_at = state.until;
                state.open(open_time, lost_at)
            }
            _ => None,
        }
    }

    #[cold]
    fn try_acquire_due(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.catch_up(state, |openings| self.open_time.draw(openings, entropy), now);
        state.admits(self)?;
        let is_probe = matches!(state.phase, Phase::HalfOpen);
        if is_probe {
            state.in_flight = state.in_flight.saturating_add(1);
            state.until = now.plus_nanos(self.lease);
        }
        Ok(state.permit(now, is_probe))
    }

    /// `record` for all but the success of a call while closed; the epoch is the present one.
    #[cold]
    fn record_due(
        &self,
        state: &mut CircuitBreakerState,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        self.keep_time(state, now);
        match (state.phase, outcome) {
            // Not one of this breaker's probes.
            (Phase::HalfOpen, _) if state.in_flight == 0 => Recorded::Stale,
            (Phase::HalfOpen, _) if state.until.is_reached(now) => {
                self.open(state, entropy, state.until);
                Recorded::Stale
            }
            (Phase::Closed | Phase::Settling, Outcome::Success) => {
                state.count = 0;
                Recorded::Counted
            }
            (Phase::Closed | Phase::Settling, Outcome::Failure(_)) => {
                self.failed(state, entropy, now)
            }
            (Phase::Closed | Phase::Settling, Outcome::Abandoned)
                if self.counts_as_failure(&permit, now) =>
            {
                self.failed(state, entropy, now)
            }
            (Phase::HalfOpen, Outcome::Success) => self.probe_succeeded(state, now),
            (Phase::HalfOpen, Outcome::Failure(_)) => {
                Recorded::counted(self.open(state, entropy, now))
            }
            (Phase::HalfOpen, Outcome::Abandoned) => self.probe_abandoned(state, entropy, now),
            (Phase::HalfOpen, Outcome::Ignored) => {
                state.in_flight = state.in_flight.saturating_sub(1);
                Recorded::Released
            }
            (Phase::Closed | Phase::Settling, Outcome::Ignored | Outcome::Abandoned)
            | (Phase::Disabled, _) => Recorded::Released,
            // Neither issues permits, so the epoch has wrapped around.
            (Phase::Open | Phase::ForcedOpen, _) => Recorded::Stale,
        }
    }

    fn failed(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        state.count = state.count.saturating_add(1);
        if state.count >= self.failure_threshold {
            return Recorded::counted(self.open(state, entropy, now));
        }
        if matches!(state.phase, Phase::Settling) {
            state.until = now.plus_nanos(self.open_time.longest(state.openings));
        }
        Recorded::Counted
    }

    fn probe_succeeded(&self, state: &mut CircuitBreakerState, now: Instant) -> Recorded {
        state.in_flight = state.in_flight.saturating_sub(1);
        state.count = state.count.saturating_add(1);
        if state.count < self.success_threshold {
            return Recorded::Counted;
        }
        if self.open_time.escalates() {
            let until = now.plus_nanos(self.open_time.longest(state.openings));
            return Recorded::counted(state.enter(Phase::Settling, until));
        }
        Recorded::counted(state.enter(Phase::Closed, Instant::EPOCH))
    }

    fn probe_abandoned(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        state.in_flight = state.in_flight.saturating_sub(1);
        state.abandoned = state.abandoned.saturating_add(1);
        if state.abandoned < self.probes.saturating_mul(3) {
            return Recorded::Released;
        }
        Recorded::counted(self.open(state, entropy, now))
    }

    /// Whether an abandoned call ran for so long that the peer is to blame.
    fn counts_as_failure(&self, permit: &Permit, now: Instant) -> bool {
        match self.abandon_counts_after {
            Some(enough) => now.nanos_since(permit.issued_at) >= enough,
            None => false,
        }
    }

    fn open(
        &self,
        state: &mut CircuitBreakerState,
        entropy: impl Entropy,
        since: Instant,
    ) -> Option<Transition> {
        state.open(|openings| self.open_time.draw(openings, entropy), since)
    }

    /// Applies every transition that is due: two at most, when probes were lost so long ago that the
    /// open time after them is over as well.
    fn catch_up(
        &self,
        state: &mut CircuitBreakerState,
        open_time: impl FnOnce(u8) -> u64,
        now: Instant,
    ) {
        if self.poll_due(state, open_time, now).is_some() {
            self.poll_due(state, |openings| self.open_time.longest(openings), now);
        }
    }

    /// What time does to a state without a transition: a deadline that a backward step of the clock
    /// left too far ahead comes as close as it may be, and past openings are forgotten.
    fn keep_time(&self, state: &mut CircuitBreakerState, now: Instant) {
        state.until = state.until.min(now.plus_nanos(self.horizon(state)));
        if matches!(state.phase, Phase::Settling) && state.until.is_reached(now) {
            state.phase = Phase::Closed;
            state.openings = 0;
        }
    }

    /// How far ahead its deadline can be.
    pub(super) fn horizon(&self, state: &CircuitBreakerState) -> u64 {
        match state.phase {
            Phase::Open | Phase::Settling => self.open_time.longest(state.openings),
            Phase::HalfOpen => self.lease,
            Phase::Closed | Phase::ForcedOpen | Phase::Disabled => 0,
        }
    }

    /// What `state` is at `now`, with every transition that is due applied to a copy.
    fn at(&self, state: &CircuitBreakerState, now: Instant) -> CircuitBreakerState {
        let mut state = state.clone();
        self.catch_up(&mut state, |openings| self.open_time.longest(openings), now);
        state
    }
}

impl CircuitBreakerState {
    #[inline]
    const fn permit(&self, now: Instant, is_probe: bool) -> Permit {
        Permit { issued_at: now, epoch: self.epoch, is_probe }
    }

    /// Whether a call passes, once every transition that is due is applied.
    fn admits(&self, config: &CircuitBreakerConfig) -> Result<(), Rejected> {
        match self.phase {
            Phase::Closed | Phase::Settling | Phase::Disabled => Ok(()),
            Phase::HalfOpen if self.in_flight < config.probes => Ok(()),
            Phase::HalfOpen => {
                Err(Rejected::new(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown))
            }
            Phase::Open => Err(refused_until(self.until)),
            Phase::ForcedOpen => {
                Err(Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown))
            }
        }
    }
}

#[inline]
const fn refused_until(until: Instant) -> Rejected {
    Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(until))
}

impl Recorded {
    const fn counted(transition: Option<Transition>) -> Self {
        match transition {
            Some(transition) => Self::Transition(transition),
            None => Self::Counted,
        }
    }
}
