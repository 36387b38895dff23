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
