//! What is known of a peer over a reboot.

use super::config::{HeartbeatConfig, MEAN_FRACTION};
use super::state::{HeartbeatState, Phase, root};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 33 bytes: the estimate, and how long the peer has been silent. For how long it has been suspected
/// is lost where the clock has restarted and is not as old as that. Who was heard in the future, by a
/// clock that has stepped back, is restored as heard now, as [`reanchor`](HeartbeatConfig::reanchor) has it.
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1 << 40);

    fn restored(
        config: &HeartbeatConfig,
        state: &HeartbeatState,
    ) -> Result<HeartbeatState, SnapshotError> {
        let mut bytes = [0; 33];
        let written = config.save(state, NOW, &mut bytes).unwrap();
        config.restore(&bytes[..written], NOW)
    }

    #[test]
    fn every_phase_comes_back_as_it_was() {
        let config = HeartbeatConfig::builder().build().unwrap();
        let mut phases = std::vec::Vec::from([HeartbeatState::new()]);
        let mut state = HeartbeatState::new();
        config.expect(&mut state, NOW);
        phases.push(state.clone());
        let _ = config.record(&mut state, NOW);
        phases.push(state.clone());
        let _ = config.record_numbered(&mut state, 7, NOW);
        phases.push(state);
        for state in phases {
            let back = restored(&config, &state).unwrap();
            assert_eq!(
                (back.phase, config.status(&back, NOW)),
                (state.phase, config.status(&state, NOW))
            );
        }
    }

    #[test]
    fn no_mean_and_no_deviation_is_longer_than_the_longest_silence() {
        let config = HeartbeatConfig::builder().build().unwrap();
        let mut heard = HeartbeatState::new();
        let _ = config.record(&mut heard, NOW);
        let longest = u64::from(config.longest);
        let (mean, variance) = (longest << MEAN_FRACTION, longest * longest);
        for (mean, variance, can_be) in [
            (mean, variance, true),
            (mean + 1, 0, false),
            (0, variance + 1, false),
            (0, variance + 2, false),
        ] {
            let state = HeartbeatState { mean, variance, ..heard.clone() };
            assert_eq!(restored(&config, &state).is_ok(), can_be, "{mean}, {variance}");
        }
    }
}
