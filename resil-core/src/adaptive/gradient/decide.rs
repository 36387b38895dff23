//! The decisions: pure functions of policy, state, event, entropy and time.

use super::config::{Gradient, Probe};
use super::estimate::{self, WARM_UP};
use super::state::{GradientState, Results};
use crate::adaptive::limit::{ConcurrencyLimit, SHED};
use crate::adaptive::permit::{Permit, Recorded, Sign};
use crate::entropy::Entropy;
use crate::fixed;
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;

impl Probe {
    /// No deadline is further ahead.
    pub(super) const fn horizon(&self, is_probing: bool) -> u64 {
        if is_probing { self.patience } else { self.interval.saturating_add(self.jitter) }
    }
}

impl Gradient {
    /// Whether only few calls pass at `now`, to measure the usual latency.
    #[must_use]
    #[inline]
    pub const fn is_probing(&self, state: &GradientState, now: Instant) -> bool {
        self.probe.is_some() && (state.is_probing != state.is_due(now))
    }

    /// The deadline of the probe, no further ahead than it can be.
    pub(super) fn deadline(&self, probe: &Probe, state: &GradientState, now: Instant) -> Instant {
        state.deadline.min(now.plus_nanos(probe.horizon(state.is_probing)))
    }

    /// Begins or gives up the probe, if that is due.
    fn keep_time(&self, state: &mut GradientState, entropy: impl Entropy, now: Instant) {
        let Some(probe) = &self.probe else { return };
        state.deadline = self.deadline(probe, state, now);
        if !state.is_due(now) {
        } else if state.is_probing {
            self.end_probe(probe, state, entropy, now);
        } else {
            self.cut_short(state);
            state.is_probing = true;
            state.round = state.round.wrapping_add(1);
            state.deadline = now.plus_nanos(probe.patience);
            state.results = Results::NONE;
        }
    }

    /// A probe is about to begin over a window that is not full. The losses in it count; else a peer
    /// that loses fewer than `min_samples` calls from one probe to the next would never be spared.
    fn cut_short(&self, state: &mut GradientState) {
        if state.results.drops > 0 {
            self.update(state);
        }
    }

    fn end_probe(
        &self,
        probe: &Probe,
        state: &mut GradientState,
        entropy: impl Entropy,
        now: Instant,
    ) {
        let results = core::mem::replace(&mut state.results, Results::NONE);
        if let Some(mean) = results.mean() {
            state.long = estimate::baseline(mean);
            state.learned = WARM_UP;
        }
        let jitter = if probe.jitter == 0 { 0 } else { fixed::share(probe.jitter, entropy.draw()) };
        state.is_probing = false;
        state.deadline = now.plus_nanos(probe.interval).plus_nanos(jitter);
    }

    /// Adds a result to the window, and closes it if it is full and old enough.
    fn observe(
        &self,
        state: &mut GradientState,
        latency: Option<u32>,
        in_flight: u16,
        now: Instant,
    ) {
        let end = now.plus_nanos(self.window);
        let is_first = state.results.len() == 0;
        state.window_end = if is_first { end } else { state.window_end.min(end) };
        state.results.add(latency, in_flight);
        if state.window_end.is_reached(now) && state.results.len() >= self.min_samples.into() {
            self.update(state);
        }
    }
}

impl ConcurrencyLimit for Gradient {
    type State = GradientState;

    fn start(&self) -> GradientState {
        self.fresh_state()
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut GradientState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.keep_time(state, entropy, now);
        if state.in_flight >= self.limit(state, now) {
            return Err(SHED);
        }
        state.in_flight = state.in_flight.saturating_add(1);
        Ok(Permit {
            issued_at: now,
            in_flight: state.in_flight,
            epoch: state.epoch,
            round: state.round,
        })
    }

    fn record(
        &self,
        state: &mut GradientState,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        if permit.epoch != state.epoch {
            return Recorded::Stale;
        }
        state.in_flight = state.in_flight.saturating_sub(1);
        let latency = match Sign::of(outcome) {
            // The clock stepped back meanwhile: nobody knows how long it took.
            Sign::Served if now < permit.issued_at => return Recorded::Released,
            Sign::Served => Some(estimate::units(now.nanos_since(permit.issued_at))),
            Sign::Dropped => None,
            Sign::Neutral => return Recorded::Released,
        };
        let from = self.limit(state, now);
        match &self.probe {
            Some(probe) if state.is_probing && !state.is_due(now) => {
                if permit.round != state.round {
                    return Recorded::Released;
                }
                state.results.add(latency, permit.in_flight);
                if state.results.len() >= probe.samples.into() {
                    self.end_probe(probe, state, entropy, now);
                }
            }
            _ => {
                self.keep_time(state, entropy, now);
                if state.is_probing {
                    return Recorded::Released;
                }
                self.observe(state, latency, permit.in_flight, now);
            }
        }
        let to = self.limit(state, now);
        if to == from { Recorded::Counted } else { Recorded::Limit { from, to } }
    }

    #[inline]
    fn limit(&self, state: &GradientState, now: Instant) -> u16 {
        let whole = |state: &GradientState| (state.limit >> 16) as u16;
        match &self.probe {
            Some(probe) if state.is_probing && !state.is_due(now) => whole(state).min(probe.limit),
            Some(probe) if !state.is_probing && state.is_due(now) => {
                let mut ahead = state.clone();
                self.cut_short(&mut ahead);
                whole(&ahead).min(probe.limit)
            }
            _ => whole(state),
        }
    }

    #[inline]
    fn in_flight(&self, state: &GradientState) -> u16 {
        state.in_flight
    }

    /// When a probe is due, or is given up. One that is due begins with the next call, so until then
    /// there is nothing to wait for.
    fn next_deadline(&self, state: &GradientState, now: Instant) -> Option<Instant> {
        let deadline = self.deadline(self.probe.as_ref()?, state, now);
        if deadline.is_reached(now) || deadline == Instant::MAX { None } else { Some(deadline) }
    }

    fn is_fresh(&self, state: &GradientState) -> bool {
        GradientState { epoch: 0, round: 0, ..state.clone() } == self.fresh_state()
    }

    fn reset(&self, state: &mut GradientState) {
        *state = GradientState {
            epoch: state.epoch.wrapping_add(1),
            round: state.round.wrapping_add(1),
            ..self.fresh_state()
        };
    }

    fn inherit(&self, old: &Self, state: &GradientState, now: Instant) -> GradientState {
        let mut state = state.clone();
        state.limit = self.clamp(state.limit.into());
        match (&old.probe, &self.probe) {
            (Some(_), Some(probe)) => state.deadline = self.deadline(probe, &state, now),
            // A probe that nobody ends any more, or the first one.
            (Some(_), None) | (None, Some(_)) => {
                if state.is_probing {
                    state.results = Results::NONE;
                }
                state.is_probing = false;
                state.deadline = Instant::EPOCH;
            }
            (None, None) => {}
        }
        state
    }
}
