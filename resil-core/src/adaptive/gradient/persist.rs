//! What the gradient has learned, over a reboot.

use super::config::Gradient;
use super::estimate::{LONGEST, WARM_UP, baseline};
use super::state::{GradientState, Results};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 50 bytes. Calls that were in flight are lost, and their permits stale.
impl Persist for Gradient {
    type State = GradientState;

    const KIND: u8 = kind::GRADIENT;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 46;

    fn write(&self, state: &GradientState, now: Instant, to: &mut Writer<'_>) {
        to.u64(state.long);
        to.u32(state.limit);
        to.u32(state.results.sum);
        to.u32(state.results.samples);
        to.u16(state.results.drops);
        to.u16(state.results.in_flight);
        to.u16(state.epoch);
        to.u16(state.round);
        to.u8(state.learned);
        to.u8(state.is_probing.into());
        to.remaining(state.window_end.min(now.plus_nanos(self.window)), now);
        let deadline = match &self.probe {
            Some(probe) => self.deadline(probe, state, now),
            None => now,
        };
        to.remaining(deadline, now);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<GradientState, SnapshotError> {
        let mut state = self.fresh_state();
        state.long = from.u64()?;
        state.limit = from.u32()?;
        state.results = Results {
            sum: from.u32()?,
            samples: from.u32()?,
            drops: from.u16()?,
            in_flight: from.u16()?,
        };
        state.epoch = from.u16()?.wrapping_add(1);
        state.round = from.u16()?.wrapping_add(1);
        state.learned = from.u8()?;
        state.is_probing = match from.u8()? {
            0 => false,
            1 if self.probe.is_some() => true,
            _ => return Err(SnapshotError::Invalid),
        };
        state.window_end = from.remaining(self.window, now)?;
        let horizon = self.probe.as_ref().map_or(0, |probe| probe.horizon(state.is_probing));
        state.deadline = from.remaining(horizon, now)?;
        let can_be = self.clamp(state.limit.into()) == state.limit
            && state.learned <= WARM_UP
            && state.long <= baseline(LONGEST)
            && (state.learned == 0) == (state.long == 0)
            && state.results.can_be();
        if can_be { Ok(state) } else { Err(SnapshotError::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_restored_only_where_there_are_probes() {
        let probing: Gradient = Gradient::builder().build().unwrap();
        let unprobed = Gradient::builder().probe_interval(None).build().unwrap();
        let now = Instant::from_nanos(1_000);
        let mut state = probing.fresh_state();
        (state.is_probing, state.window_end, state.deadline) = (true, now, now);
        let mut bytes = [0; Gradient::LEN];
        probing.save(&state, now, &mut bytes).unwrap();
        assert!(probing.restore(&bytes, now).is_ok_and(|restored| restored.is_probing));
        assert_eq!(unprobed.restore(&bytes, now), Err(SnapshotError::Invalid));
    }
}
