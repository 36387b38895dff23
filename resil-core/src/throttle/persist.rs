//! What a throttle has counted, over a reboot.

use super::config::AdaptiveThrottle;
use super::state::ThrottleState;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 18 bytes: the totals, not the sub-windows. All of it counts as if it had happened at the restart,
/// so it leaves one window later, and [`next_deadline`](AdaptiveThrottle::next_deadline) says so.
impl Persist for AdaptiveThrottle {
    type State = ThrottleState;

    const KIND: u8 = kind::THROTTLE;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 14;

    fn write(&self, state: &ThrottleState, now: Instant, to: &mut Writer<'_>) {
        for total in state.counts.totals_at(self.width, now) {
            to.u32(total);
        }
        to.u16(state.epoch);
    }

    /// Every count can be, under any policy.
    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<ThrottleState, SnapshotError> {
        let totals = [from.u32()?, from.u32()?, from.u32()?];
        let epoch = from.u16()?.wrapping_add(1);
        Ok(self.counted_now(totals, epoch, now))
    }
}
