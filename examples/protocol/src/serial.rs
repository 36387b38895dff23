//! Frames on a UART: postcard, then a CRC-32, then COBS, then a zero byte.
//!
//! Nothing but the end of a frame is zero, so a receiver that was switched on late, or has lost bytes,
//! is in step again with the next frame. A frame that was damaged is counted and dropped: what it
//! carried is lost, like a packet.
//!
//! ```
//! use mesh_protocol::message::Message;
//! use mesh_protocol::serial::{Body, Datagram, Deframer, LONGEST, encode};
//!
//! let sent = Datagram { from: 1, to: 2, body: Body::Message(Message::Request { id: 7 }) };
//! let mut bytes = [0; LONGEST];
//! let frame = encode(&sent, &mut bytes)?;
//!
//! let mut deframer = Deframer::<LONGEST>::new();
//! let received: Vec<Datagram> = frame.iter().filter_map(|&byte| deframer.push(byte)).collect();
//! assert_eq!(received, [sent]);
//! # Ok::<(), mesh_protocol::serial::TooLong>(())
//! ```

use crc::{CRC_32_ISCSI, Crc};
use postcard::ser_flavors::crc::CrcModifier;
use postcard::ser_flavors::{Cobs, Slice};
use resil_core::error::WireError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::message::{Message, NodeId};

/// CRC-32C: finds every burst of up to 32 bits, and is the one that postcard's documentation uses.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The longest frame, its zero included: a reply with a structured error, and COBS's byte in 254.
pub const LONGEST: usize = 384;

/// What goes over the link between nodes: one wire, many nodes behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Datagram<E = WireError> {
    /// Who says it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
    /// What is said.
    pub body: Body<E>,
}

/// What a [`Datagram`] carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Body<E = WireError> {
    /// Asks to be connected, before the first request and after a [`Close`](Self::Close).
    Connect,
    /// The connection is there.
    Accept,
    /// There is no connection, or there is none any more: what is out on it will not be answered.
    Close,
    /// A request or a reply.
    Message(Message<E>),
}

/// The value does not fit into the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value does not fit into a frame of {0} bytes")]
pub struct TooLong(pub usize);

/// Writes `value` as one frame, its zero included.
///
/// # Errors
///
/// [`TooLong`] when it does not fit into `buffer`; what is in there then means nothing.
pub fn encode<'b, T: Serialize>(value: &T, buffer: &'b mut [u8]) -> Result<&'b mut [u8], TooLong> {
    let room = buffer.len();
    let too_long = |_| TooLong(room);
    let cobs = Cobs::try_new(Slice::new(buffer)).map_err(too_long)?;
    let checked = CrcModifier::new(cobs, CHECKSUM.digest());
    postcard::serialize_with_flavor(value, checked).map_err(too_long)
}

/// Finds frames in a stream of bytes, up to `N` bytes long.
#[derive(Clone, Debug)]
pub struct Deframer<const N: usize> {
    frame: heapless::Vec<u8, N>,
    /// Bytes are missing: wait for the next zero.
    skips: bool,
    damaged: u32,
}

impl<const N: usize> Deframer<N> {
    /// Nothing received yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { frame: heapless::Vec::new(), skips: false, damaged: 0 }
    }

    /// Takes a byte; gives what a frame carried when that was its last one.
    pub fn push<T: DeserializeOwned>(&mut self, byte: u8) -> Option<T> {
        if byte != 0 {
            self.skips |= self.frame.push(byte).is_err();
            return None;
        }
        let (was_cut, was_empty) = (core::mem::take(&mut self.skips), self.frame.is_empty());
        let value = if was_cut { None } else { decode(&mut self.frame) };
        self.frame.clear();
        // Zeros between frames are no damage: whoever starts a line may send one.
        if value.is_none() && !was_empty {
            self.damaged = self.damaged.saturating_add(1);
        }
        value
    }

    /// Frames that were dropped: too long, damaged, or not what was expected.
    #[must_use]
    pub const fn damaged(&self) -> u32 {
        self.damaged
    }
}

impl<const N: usize> Default for Deframer<N> {
    fn default() -> Self {
        Self::new()
    }
}

fn decode<T: DeserializeOwned>(frame: &mut [u8]) -> Option<T> {
    let len = cobs::decode_in_place(frame).ok()?;
    postcard::from_bytes_crc32(frame.get(..len)?, CHECKSUM.digest()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resil_core::error::ErrorCode;
    use std::vec::Vec;

    fn reply() -> Datagram {
        let error = WireError::new(ErrorCode::RateLimitExceeded, "short of tokens")
            .with_detail("sender", 7u8);
        Datagram {
            from: 1,
            to: 2,
            body: Body::Message(Message::Reply { id: 0, answer: Err(error) }),
        }
    }

    fn frame() -> Vec<u8> {
        encode(&reply(), &mut [0; LONGEST]).unwrap().to_vec()
    }

    fn received(bytes: &[u8]) -> (Vec<Datagram>, u32) {
        let mut deframer = Deframer::<LONGEST>::new();
        let datagrams = bytes.iter().filter_map(|&byte| deframer.push(byte)).collect();
        (datagrams, deframer.damaged())
    }

    #[test]
    fn a_frame_ends_with_its_only_zero() {
        let frame = frame();
        assert_eq!(frame.iter().position(|&byte| byte == 0), Some(frame.len() - 1));
        assert_eq!(received(&frame), (Vec::from([reply()]), 0));
    }

    #[test]
    fn any_changed_byte_is_found_and_the_next_frame_arrives() {
        let frame = frame();
        for at in 0..frame.len() - 1 {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = frame.clone();
                bytes[at] ^= flip;
                bytes.extend(&frame);
                let (datagrams, damaged) = received(&bytes);
                assert_eq!(datagrams, [reply()], "byte {at} changed by {flip:#x}");
                assert!(damaged > 0, "byte {at} changed by {flip:#x}");
            }
        }
    }

    #[test]
    fn whoever_hears_only_the_end_of_a_frame_hears_the_next() {
        let frame = frame();
        for cut in 1..frame.len() - 1 {
            let bytes = [&frame[cut..], &frame[..]].concat();
            assert_eq!(received(&bytes), (Vec::from([reply()]), 1), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_without_an_end_takes_no_more_room_than_there_is() {
        let mut bytes = std::vec![1; 10 * LONGEST];
        bytes.push(0);
        bytes.extend(frame());
        assert_eq!(received(&bytes), (Vec::from([reply()]), 1));
    }

    #[test]
    fn what_does_not_fit_says_so() {
        assert_eq!(encode(&reply(), &mut [0; 16]), Err(TooLong(16)));
    }

    #[test]
    fn the_longest_reply_fits() {
        let mut error: WireError = WireError::new(
            ErrorCode::RateLimitExceeded,
            [b'm'; 200].map(char::from).iter().collect::<std::string::String>().as_str(),
        );
        for name in [
            "a detail with a name",
            "b detail with a name",
            "c detail with a name",
            "d detail with a name",
        ] {
            error = error
                .with_detail(name, "and a value that is too long for its place, so that it is cut");
        }
        let body = Body::Message(Message::Reply { id: u64::MAX, answer: Err(error) });
        let frame = encode(&Datagram { from: 255, to: 255, body }, &mut [0; LONGEST])
            .map(|frame| frame.len());
        assert!(frame.is_ok(), "{frame:?}");
    }
}
