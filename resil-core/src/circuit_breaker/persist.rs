//! A breaker over a reboot.

use super::config::CircuitBreakerConfig;
use super::state::{CircuitBreakerState, Phase};
use super::window::{Statistics, Window};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 18 bytes, and what is in the window. Probes that were out are lost: their slots are free again.
impl<W: Window> Persist for CircuitBreakerConfig<W> {
    type State = CircuitBreakerState<W::Stats>;

    const KIND: u8 = kind::CIRCUIT_BREAKER;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = W::PAYLOAD.saturating_add(14);

    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
        // With what time has made due: whoever was open again for a lost probe is not half-open then.
        let core = self.rules.at(&state.core, now);
        to.u8(core.phase.number());
        to.u8(core.openings);
        to.u16(core.count);
        to.u16(core.epoch);
        to.remaining(core.until, now);
        self.window.write(&state.stats, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
        let mut state = CircuitBreakerState::new();
        let core = &mut state.core;
        core.phase = Phase::from_number(from.u8()?).ok_or(SnapshotError::Invalid)?;
        core.openings = from.u8()?;
        core.count = from.u16()?;
        // Permits from before the reboot, if any came through it, are stale.
        core.epoch = from.u16()?.wrapping_add(1);
        core.until = from.remaining(self.rules.horizon(core), now)?;
        state.stats = self.window.read(from, now)?;
        let is_possible = state.stats.is_empty() || state.core.phase.counts_calls();
        if is_possible { Ok(state) } else { Err(SnapshotError::Invalid) }
    }
}
