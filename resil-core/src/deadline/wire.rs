//! What a peer is told: the time that remains.

use super::{CallContext, Deadline};
use crate::time::Instant;
use core::num::NonZeroU8;
use core::time::Duration;

/// Bytes of a [`WireContext`].
pub const WIRE_CONTEXT: usize = 6;

/// Nanoseconds in a tick: 2^20.
const TICK: u32 = 20;

const HAS_DEADLINE: u8 = 1;
const IS_HEDGE: u8 = 2;

/// A [`CallContext`] on the wire: what remains in ticks of 2^20 ns, the attempt, and a flag.
///
/// Six bytes: flags (bit 0: there is a deadline; bit 1: it is a hedge; the others are zero), the
/// attempt, and the ticks, little-endian. Without a deadline the ticks are zero, so that each context
/// has one form. More than 52 days are told as 52 days.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::deadline::{CallContext, Deadline, WireContext};
///
/// let deadline = Deadline::after(Instant::EPOCH, Duration::from_nanos(3 << 20));
/// let wire = CallContext::new(deadline).wire(Instant::EPOCH);
/// assert_eq!(wire.encode(), [1, 1, 3, 0, 0, 0]);
/// assert_eq!(WireContext::decode(&wire.encode()), Ok(wire));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WireContext {
    /// In ticks.
    remaining: Option<u32>,
    attempt: NonZeroU8,
    hedge: bool,
}

impl WireContext {
    pub(super) const fn of(context: CallContext, now: Instant) -> Self {
        let remaining = match context.deadline.instant() {
            None => None,
            Some(deadline) => {
                let ticks = deadline.nanos_since(now) >> TICK;
                Some(if ticks > u32::MAX as u64 { u32::MAX } else { ticks as u32 })
            }
        };
        Self { remaining, attempt: context.attempt, hedge: context.hedge }
    }

    /// The call as its receiver sees it at `now`, who grants nobody more than `longest`.
    ///
    /// What remains is counted from `now`, as if the message had taken no time. A call without a
    /// deadline gets one in `longest`; [`Duration::MAX`] grants anything.
    #[must_use]
    pub const fn received(self, longest: Duration, now: Instant) -> CallContext {
        let granted = Deadline::after(now, longest);
        let deadline = match self.remaining {
            None => granted,
            Some(ticks) => Deadline::at(now.plus_nanos((ticks as u64) << TICK)).min(granted),
        };
        CallContext { deadline, attempt: self.attempt, hedge: self.hedge }
    }

    /// The bytes.
    #[must_use]
    pub const fn encode(self) -> [u8; WIRE_CONTEXT] {
        let (deadline, ticks) = match self.remaining {
            None => (0, 0),
            Some(ticks) => (HAS_DEADLINE, ticks),
        };
        let flags = deadline | if self.hedge { IS_HEDGE } else { 0 };
        let [a, b, c, d] = ticks.to_le_bytes();
        [flags, self.attempt.get(), a, b, c, d]
    }

    /// Reads it back.
    ///
    /// # Errors
    ///
    /// [`ContextError`] says what is wrong with the bytes.
    pub const fn decode(bytes: &[u8]) -> Result<Self, ContextError> {
        let &[flags, attempt, a, b, c, d] = bytes else { return Err(ContextError::Length) };
        if flags & !(HAS_DEADLINE | IS_HEDGE) != 0 {
            return Err(ContextError::Flags(flags));
        }
        let Some(attempt) = NonZeroU8::new(attempt) else { return Err(ContextError::Attempt) };
        let ticks = u32::from_le_bytes([a, b, c, d]);
        let remaining = match (flags & HAS_DEADLINE != 0, ticks) {
            (true, ticks) => Some(ticks),
            (false, 0) => None,
            (false, _) => return Err(ContextError::Remaining),
        };
        Ok(Self { remaining, attempt, hedge: flags & IS_HEDGE != 0 })
    }
}

/// Why bytes are no [`WireContext`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ContextError {
    /// There are not six.
    #[error("a call context has another length")]
    Length,
    /// A flag that this version does not know.
    #[error("a call context has the unknown flags {0}")]
    Flags(u8),
    /// Attempts count from 1.
    #[error("a call context has no attempt")]
    Attempt,
    /// There is no deadline, and time remains to it.
    #[error("a call context without a deadline has time that remains")]
    Remaining,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(nanos: u64) -> CallContext {
        CallContext::new(Deadline::at(Instant::from_nanos(nanos)))
    }

    #[test]
    fn what_remains_is_rounded_down() {
        for (nanos, ticks) in [(0, 0), ((1 << 20) - 1, 0), (1 << 20, 1), ((5 << 20) + 7, 5)] {
            assert_eq!(after(nanos).wire(Instant::EPOCH).remaining, Some(ticks), "{nanos}");
        }
        assert_eq!(after(7).wire(Instant::MAX).remaining, Some(0), "past");
        assert_eq!(after(u64::MAX - 1).wire(Instant::EPOCH).remaining, Some(u32::MAX));
        let days = |nanos: u64| after(nanos).wire(Instant::EPOCH).remaining;
        assert_eq!(days((u64::from(u32::MAX) << 20) - 1), Some(u32::MAX - 1));
        assert_eq!(days((1 << 52) + (3 << 20)), Some(u32::MAX), "and not what is above 52 days");
        assert_eq!(CallContext::default().wire(Instant::EPOCH).remaining, None);
    }

    #[test]
    fn a_receiver_grants_no_more_than_he_wants() {
        let (now, second) = (Instant::from_nanos(77), Duration::from_secs(1));
        let granted = Deadline::after(now, second);
        assert_eq!(after(u64::MAX - 1).wire(now).received(second, now).deadline(), granted);
        assert_eq!(CallContext::default().wire(now).received(second, now).deadline(), granted);
        let anything = CallContext::default().wire(now).received(Duration::MAX, now);
        assert_eq!(anything, CallContext::default());
        let past = after(5).wire(now).received(second, now);
        assert!(past.deadline().is_past(now));
    }

    #[test]
    fn bytes_that_are_no_context_are_refused() {
        let bytes = after(u64::MAX - 1).child(300, true).wire(Instant::EPOCH).encode();
        assert_eq!(bytes, [3, 255, 255, 255, 255, 255]);
        assert_eq!(WireContext::decode(&bytes[..5]), Err(ContextError::Length));
        assert_eq!(WireContext::decode(&[0; 7]), Err(ContextError::Length));
        assert_eq!(WireContext::decode(&[4, 1, 0, 0, 0, 0]), Err(ContextError::Flags(4)));
        assert_eq!(WireContext::decode(&[1, 0, 0, 0, 0, 0]), Err(ContextError::Attempt));
        assert_eq!(WireContext::decode(&[2, 1, 0, 0, 0, 1]), Err(ContextError::Remaining));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn it_is_as_small_with_postcard_and_refuses_the_attempt_zero() {
        let wire = after(600 << 20).child(2, false).wire(Instant::EPOCH);
        let mut buffer = [0; 16];
        let bytes = postcard::to_slice(&wire, &mut buffer).unwrap();
        assert_eq!(bytes.len(), 5);
        assert_eq!(postcard::from_bytes(bytes), Ok(wire));
        bytes[3] = 0;
        assert!(postcard::from_bytes::<WireContext>(bytes).is_err());
    }
}
