//! How far a series of delays had come, over a reboot.

use super::{Backoff, Delays};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// 4 + 4 bytes: the number of the next delay. Any number is one, under any policy.
///
/// The wait that was under way is not in it; a [`Retry`](crate::retry::Retry) keeps that as well.
impl Persist for Backoff {
    type State = Delays;

    const KIND: u8 = kind::BACKOFF;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 4;

    fn write(&self, state: &Delays, _: Instant, to: &mut Writer<'_>) {
        to.u32(state.attempt);
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<Delays, SnapshotError> {
        Ok(Delays { backoff: *self, attempt: from.u32()? })
    }
}
