//! A breaker over a reboot.

use super::config::CircuitBreakerConfig;
use super::state::{CircuitBreakerState, Phase};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 18 bytes. Probes that were out are lost: their slots are free again.
impl Persist for CircuitBreakerConfig {
    type State = CircuitBreakerState;

    const KIND: u8 = kind::CIRCUIT_BREAKER;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 14;

    fn write(&self, state: &CircuitBreakerState, now: Instant, to: &mut Writer<'_>) {
        to.u8(state.phase.number());
        to.u8(state.openings);
        to.u16(state.count);
        to.u16(state.epoch);
        to.remaining(state.until.min(now.plus_nanos(self.horizon(state))), now);
    }

    fn read(
        &self,
        from: &mut Reader<'_>,
        now: Instant,
    ) -> Result<CircuitBreakerState, SnapshotError> {
        let mut state = CircuitBreakerState::new();
        state.phase = Phase::from_number(from.u8()?).ok_or(SnapshotError::Invalid)?;
        state.openings = from.u8()?;
        state.count = from.u16()?;
        // Permits from before the reboot, if any came through it, are stale.
        state.epoch = from.u16()?.wrapping_add(1);
        state.until = from.remaining(self.horizon(&state), now)?;
        Ok(state)
    }
}
