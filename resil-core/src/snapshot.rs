//! What a machine remembers, as a few bytes that outlive a reboot.
//!
//! A node that loses its breakers in a brown-out comes back into the outage that caused it and calls
//! every dead peer at once. One that keeps them in flash or in RTC memory does not.
//!
//! # Laws
//!
//! - Instants do not outlive their clock, so bytes hold the time that *remains*. How long the node was
//!   off is not known: what was due in 5 s when it was saved is due 5 s after it was restored.
//! - `restore(save(state))` at one instant answers every question as `state` does. Permits that were
//!   out are lost, as with any reboot: a machine that lends restores with none out.
//! - Bytes that were cut, flipped, written by another machine or by a version that this one does not
//!   know are a [`SnapshotError`], and nothing is restored.
//!
//! # The form
//!
//! Kind, version, payload (little-endian, of a length that depends on the policy's type alone),
//! CRC-16/IBM-3740 over all of it.
//!
//! ```
//! use core::time::Duration;
//! use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State};
//! use resil_core::snapshot::{Persist, SnapshotError};
//! use resil_core::{Instant, Outcome, outcome::FailureClass};
//!
//! const POLICY: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;
//! let (mut peer, now) = (CircuitBreakerState::new(), Instant::from_nanos(7));
//! for _ in 0..5 {
//!     let permit = POLICY.try_acquire(&mut peer, 0, now)?;
//!     POLICY.record(&mut peer, permit, Outcome::Failure(FailureClass::Transient), 0, now);
//! }
//! let mut flash = [0; 32];
//! let written = POLICY.save(&peer, now, &mut flash)?;
//!
//! // The node restarts, and so does its clock.
//! let restored = POLICY.restore(&flash[..written], Instant::EPOCH)?;
//! assert_eq!(POLICY.state(&restored, Instant::EPOCH), State::Open);
//!
//! flash[3] ^= 1;
//! assert_eq!(POLICY.restore(&flash[..written], Instant::EPOCH), Err(SnapshotError::Damaged));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::time::Instant;

/// Bytes around the payload: kind, version and checksum.
const FRAME: usize = 4;

/// A policy whose states can be kept over a reboot.
///
/// Implement [`write`](Self::write) and [`read`](Self::read); call [`save`](Self::save) and
/// [`restore`](Self::restore).
pub trait Persist {
    /// What is kept.
    type State;

    /// Which machine it is; see [`kind`].
    const KIND: u8;

    /// Which form of the payload; counts up when it changes.
    const VERSION: u8;

    /// Bytes of the payload.
    const PAYLOAD: usize;

    /// Bytes of a snapshot.
    const LEN: usize = Self::PAYLOAD.saturating_add(FRAME);

    /// Writes the payload: exactly [`PAYLOAD`](Self::PAYLOAD) bytes.
    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>);

    /// Reads it back.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Invalid`] for what no state under this policy can be.
    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError>;

    /// Writes a snapshot to the beginning of `to` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] when `to` is shorter than [`LEN`](Self::LEN).
    fn save(
        &self,
        state: &Self::State,
        now: Instant,
        to: &mut [u8],
    ) -> Result<usize, SnapshotError> {
        let frame = to.get_mut(..Self::LEN).ok_or(SnapshotError::Length)?;
        let mut writer = Writer { bytes: frame, at: 0 };
        writer.u8(Self::KIND);
        writer.u8(Self::VERSION);
        self.write(state, now, &mut writer);
        let end = writer.at;
        let sum = checksum(writer.bytes.get(..end).unwrap_or_default());
        writer.u16(sum);
        Ok(writer.at)
    }

    /// The state of a snapshot, as of `now`.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] says what is wrong with the bytes.
    fn restore(&self, bytes: &[u8], now: Instant) -> Result<Self::State, SnapshotError> {
        if bytes.len() != Self::LEN {
            return Err(SnapshotError::Length);
        }
        let (body, sum) = bytes.split_last_chunk::<2>().ok_or(SnapshotError::Length)?;
        if checksum(body) != u16::from_le_bytes(*sum) {
            return Err(SnapshotError::Damaged);
        }
        let mut reader = Reader { bytes: body };
        if reader.u8()? != Self::KIND {
            return Err(SnapshotError::Kind);
        }
        if reader.u8()? != Self::VERSION {
            return Err(SnapshotError::Version);
        }
        self.read(&mut reader, now)
    }
}

/// Why bytes were not restored.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SnapshotError {
    /// Too few bytes, or too many.
    #[error("a snapshot of this machine has another length")]
    Length,
    /// The checksum is not that of the bytes.
    #[error("the snapshot is damaged")]
    Damaged,
    /// They are of another machine.
    #[error("the snapshot is of another machine")]
    Kind,
    /// They were written in a form that this version does not know.
    #[error("the snapshot is of a version that is not known")]
    Version,
    /// No state under this policy is like that.
    #[error("the snapshot holds what cannot be under this policy")]
    Invalid,
}

/// The numbers of the machines; they never change.
pub mod kind {
    /// [`CircuitBreakerConfig`](crate::circuit_breaker::CircuitBreakerConfig).
    pub const CIRCUIT_BREAKER: u8 = 1;
    /// [`TokenBucket`](crate::rate_limit::TokenBucket).
    pub const TOKEN_BUCKET: u8 = 2;
    /// [`StrictBucket`](crate::rate_limit::StrictBucket).
    pub const STRICT_BUCKET: u8 = 3;
    /// [`RateLimit`](crate::rate_limit::RateLimit).
    pub const RATE_LIMIT: u8 = 4;
    /// [`Retry`](crate::retry::Retry).
    pub const RETRY: u8 = 5;
    /// A retry budget of tokens.
    pub const TOKEN_BUDGET: u8 = 6;
    /// A retry budget that is a share of the requests.
    pub const RATIO_BUDGET: u8 = 7;
    /// Adaptive concurrency by additive increase and multiplicative decrease.
    pub const AIMD: u8 = 8;
    /// Adaptive concurrency by the gradient of latency.
    pub const GRADIENT: u8 = 9;
    /// Adaptive throttling.
    pub const THROTTLE: u8 = 10;
    /// The estimator of a hedging delay.
    pub const HEDGE: u8 = 11;
    /// The heartbeat monitor.
    pub const HEARTBEAT: u8 = 12;
    /// The watchdog gate.
    pub const WATCHDOG: u8 = 13;
    /// Rising and falling of a health check.
    pub const HEALTH: u8 = 14;
    /// The rule that says whose fault it is.
    pub const EJECTION: u8 = 15;
    /// [`PeerPolicy`](crate::call::PeerPolicy): a breaker and a limit.
    pub const PEER: u8 = 16;
    /// [`WarmUp`](crate::rate_limit::WarmUp).
    pub const WARM_UP: u8 = 20;
    /// [`Delays`](crate::backoff::Delays) of a [`Backoff`](crate::backoff::Backoff).
    pub const BACKOFF: u8 = 21;
}

/// Takes the fields of a payload, in order. What does not fit is left out, and so does not restore.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    /// Takes bytes as they are.
    pub fn bytes(&mut self, field: &[u8]) {
        let end = self.at.saturating_add(field.len());
        if let Some(room) = self.bytes.get_mut(self.at..end) {
            // Not `copy_from_slice`: the optimiser does not always see that the lengths are the same.
            room.iter_mut().zip(field).for_each(|(room, byte)| *room = *byte);
            self.at = end;
        }
    }

    /// Takes a number of one byte.
    pub fn u8(&mut self, field: u8) {
        self.bytes(&[field]);
    }

    /// Takes a number of two bytes.
    pub fn u16(&mut self, field: u16) {
        self.bytes(&field.to_le_bytes());
    }

    /// Takes a number of four bytes.
    pub fn u32(&mut self, field: u32) {
        self.bytes(&field.to_le_bytes());
    }

    /// Takes a number of eight bytes.
    pub fn u64(&mut self, field: u64) {
        self.bytes(&field.to_le_bytes());
    }

    /// Takes a deadline as the time that remains to it: eight bytes.
    pub fn remaining(&mut self, deadline: Instant, now: Instant) {
        self.u64(deadline.nanos_since(now));
    }
}

/// Gives the fields of a payload, in order.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    /// Gives the next `N` bytes.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] when there are fewer; so for all that follow.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (field, rest) = self.bytes.split_first_chunk::<N>().ok_or(SnapshotError::Length)?;
        self.bytes = rest;
        Ok(*field)
    }

    /// Gives a number of one byte.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.bytes::<1>().map(u8::from_le_bytes)
    }

    /// Gives a number of two bytes.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn u16(&mut self) -> Result<u16, SnapshotError> {
        self.bytes().map(u16::from_le_bytes)
    }

    /// Gives a number of four bytes.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.bytes().map(u32::from_le_bytes)
    }

    /// Gives a number of eight bytes.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// Gives a deadline that [`Writer::remaining`] took, counted from `now`; at most `horizon` ahead.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Invalid`] beyond the horizon; else as [`bytes`](Self::bytes).
    pub fn remaining(&mut self, horizon: u64, now: Instant) -> Result<Instant, SnapshotError> {
        let left = self.u64()?;
        if left > horizon { Err(SnapshotError::Invalid) } else { Ok(now.plus_nanos(left)) }
    }
}

/// CRC-16/IBM-3740 (polynomial 0x1021, from 0xFFFF), bit by bit: snapshots are short and rare.
const fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = u16::MAX;
    let mut left = bytes;
    while let Some((&byte, rest)) = left.split_first() {
        sum ^= (byte as u16) << 8;
        let mut bit = 0_u8;
        while bit < 8 {
            let carry = sum & 0x8000 != 0;
            sum <<= 1;
            if carry {
                sum ^= 0x1021;
            }
            bit = bit.wrapping_add(1);
        }
        left = rest;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fields, of which the first is below 10.
    struct Pair;

    impl Persist for Pair {
        type State = (u8, Instant);

        const KIND: u8 = 250;
        const VERSION: u8 = 1;
        const PAYLOAD: usize = 9;

        fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
            to.u8(state.0);
            to.remaining(state.1, now);
        }

        fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
            let first = from.u8()?;
            if first >= 10 {
                return Err(SnapshotError::Invalid);
            }
            Ok((first, from.remaining(1_000, now)?))
        }
    }

    const NOW: Instant = Instant::from_nanos(500);

    fn saved(first: u8) -> [u8; 13] {
        let mut bytes = [0; 13];
        let state = (first, Instant::from_nanos(507));
        assert_eq!(Pair.save(&state, NOW, &mut bytes), Ok(13));
        bytes
    }

    #[test]
    fn the_checksum_is_the_catalogued_one() {
        assert_eq!(checksum(b"123456789"), 0x29B1);
    }

    #[test]
    fn what_remains_survives_a_clock_that_restarts() {
        assert_eq!(Pair.restore(&saved(3), Instant::EPOCH), Ok((3, Instant::from_nanos(7))));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let bytes = saved(3);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Pair.restore(&flipped, NOW), Err(SnapshotError::Damaged));
        }
        for len in 0..bytes.len() {
            assert_eq!(Pair.restore(&bytes[..len], NOW), Err(SnapshotError::Length));
        }
        assert_eq!(Pair.save(&(0, NOW), NOW, &mut [0; 12]), Err(SnapshotError::Length));
    }

    #[test]
    fn another_machine_another_version_and_what_cannot_be_are_told_apart() {
        let sealed = |change: fn(&mut [u8; 13])| {
            let mut bytes = saved(3);
            change(&mut bytes);
            let sum = checksum(&bytes[..11]).to_le_bytes();
            bytes[11..].copy_from_slice(&sum);
            Pair.restore(&bytes, NOW)
        };
        assert_eq!(sealed(|bytes| bytes[0] = 1), Err(SnapshotError::Kind));
        assert_eq!(sealed(|bytes| bytes[1] = 2), Err(SnapshotError::Version));
        assert_eq!(sealed(|bytes| bytes[2] = 10), Err(SnapshotError::Invalid));
        assert_eq!(sealed(|bytes| bytes[10] = 1), Err(SnapshotError::Invalid));
    }
}
