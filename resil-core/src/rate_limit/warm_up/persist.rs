//! Warmth over a reboot: a peer that was warm is so still.

use super::{WarmUp, WarmUpState};
use crate::rate_limit::Limit;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 20 bytes: what is missing and how warm it is, in units of the bucket.
impl Persist for WarmUp {
    type State = WarmUpState;

    const KIND: u8 = kind::WARM_UP;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 16;

    fn write(&self, state: &WarmUpState, now: Instant, to: &mut Writer<'_>) {
        to.u64(self.bucket.owed(&state.bucket, now));
        to.u64(self.as_of(state, self.bucket.last(now)).2);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<WarmUpState, SnapshotError> {
        let (owed, heat) = (from.u64()?, from.u64()?);
        if owed > self.bucket.full().wrapping_mul(2) || heat > self.warm() {
            return Err(SnapshotError::Invalid);
        }
        if owed == 0 && heat == 0 {
            return Ok(Self::FRESH);
        }
        let unit = self.bucket.unit(self.bucket.last(now).as_nanos());
        Ok(self.warmed(unit, unit.saturating_add(owed), heat))
    }
}
