//! What is known of a peer over a reboot.

use super::config::{HeartbeatConfig, MEAN_FRACTION};
use super::state::{HeartbeatState, Phase, root};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 33 bytes: the estimate, and how long the peer has been silent. For how long it has been suspected
/// is lost where the clock has restarted and is not as old as that.
impl Persist for HeartbeatConfig {
    type State = HeartbeatState;

    const KIND: u8 = kind::HEARTBEAT;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 29;

    fn write(&self, state: &HeartbeatState, now: Instant, to: &mut Writer<'_>) {
        to.u8(match state.phase {
            Phase::Unknown => 0,
            Phase::Expected => 1,
            Phase::Heard => 2,
            Phase::Numbered => 3,
        });
        to.u32(state.number);
        to.u64(state.mean);
        to.u64(state.variance);
        to.u64(self.silence(state, now));
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<HeartbeatState, SnapshotError> {
        let mut state = HeartbeatState::new();
        state.phase = match from.u8()? {
            0 => Phase::Unknown,
            1 => Phase::Expected,
            2 => Phase::Heard,
            3 => Phase::Numbered,
            _ => return Err(SnapshotError::Invalid),
        };
        state.number = from.u32()?;
        state.mean = from.u64()?;
        state.variance = from.u64()?;
        let silence = from.u64()?;
        let longest = u64::from(self.longest);
        let square = longest.saturating_mul(longest);
        if state.mean > longest << MEAN_FRACTION || state.variance > square {
            return Err(SnapshotError::Invalid);
        }
        if state.phase == Phase::Unknown {
            return Ok(HeartbeatState::new());
        }
        state.deviation = root(state.variance);
        state.until = self.until_after(&state, silence, now);
        Ok(state)
    }
}
