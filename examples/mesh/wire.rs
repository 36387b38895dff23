//! What is said: between nodes over TCP, and between a node and the supervisor over its pipes.
//!
//! Both are postcard in frames that start with their length. A frame above the limit is refused
//! before it is read, so that no peer decides how much memory is taken.

use resil_core::error::WireError;

pub(crate) use mesh_protocol::message::{LONGEST as PEER_FRAME, NodeId};
pub(crate) use mesh_protocol::record::{
    Admitted, Attempts, BreakerMoved, BreakerState, Counts, End, Ended, Kind,
};

use core::marker::PhantomData;
use core::time::Duration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// The longest frame between a node and the supervisor, which trust each other.
pub(crate) const CONTROL_FRAME: usize = 4 << 20;

/// A structured error is large beside a request that was served.
pub(crate) type Message = mesh_protocol::message::Message<Box<WireError>>;

/// What goes over a firmware node's wire.
#[cfg(target_os = "linux")]
pub(crate) type Datagram = mesh_protocol::serial::Datagram<Box<WireError>>;
#[cfg(target_os = "linux")]
pub(crate) type Body = mesh_protocol::serial::Body<Box<WireError>>;

/// What a peer makes of a request.
pub(crate) type Answer = mesh_protocol::message::Answer<Box<WireError>>;

/// The node's overall health.
pub(crate) type HealthSeen = mesh_protocol::record::HealthSeen<String>;

/// What the supervisor says to a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Begin: these are your neighbours and their ports.
    Start { neighbours: Vec<(NodeId, u16)>, seed: u64, protected: bool },
    /// A neighbour was started again, with another port.
    Moved { node: NodeId, port: u16 },
    /// Flood these neighbours with so many requests a second each, until told to stop.
    Flood { targets: Vec<(NodeId, u32)> },
    /// Stop flooding.
    Calm,
    /// Take this long for each request from now on.
    ServiceTime(Duration),
    /// A firmware node's wire has this much noise from now on.
    Noise(Noise),
    /// A firmware node's wire is cut, or is whole again.
    Cut(bool),
    /// A firmware node's machine is reset.
    Reset,
    /// Send nothing new, let what is out end, report and exit.
    Stop,
}

/// What a node says to the supervisor. All times are nanoseconds since the node's start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The node is up and can be reached at this port; a firmware node runs in this process besides.
    Listening { port: u16, at: u64, emulator: Option<u32> },
    /// What happened since the last report.
    Report(Report),
    /// The machine was reset and is up again: what follows is a new life of the node.
    Reset {
        at: u64,
        /// Whether it is this program that wanted it.
        was_told: bool,
        /// Whether the node still knows what it knew of its peers.
        restored: bool,
        /// The task that its watchdog waited for in vain, where that is known.
        starved: Option<String>,
    },
    /// The last word: nothing is out any more.
    Done,
}

/// What happened at a node since its last report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// How many requests were issued since the start: their ids are the numbers below.
    pub(crate) issued: u64,
    pub(crate) ended: Vec<Ended>,
    pub(crate) admitted: Vec<Admitted>,
    pub(crate) breakers: Vec<BreakerMoved>,
    pub(crate) health: Vec<HealthSeen>,
    pub(crate) counts: Counts,
    /// What happened on a firmware node's wire since its start.
    pub(crate) line: LineCounts,
}

/// How noisy a wire is: frames in a million, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// They do not arrive.
    pub(crate) lost: u32,
    /// One byte of theirs is another one.
    pub(crate) corrupted: u32,
    /// They arrive later, by up to `longest`.
    pub(crate) delayed: u32,
    pub(crate) longest: Duration,
}

/// What became of the frames on a wire, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LineCounts {
    /// All of them.
    pub(crate) frames: u64,
    /// Lost to noise.
    pub(crate) lost: u64,
    pub(crate) corrupted: u64,
    pub(crate) delayed: u64,
    /// Lost because the wire was cut.
    pub(crate) cut: u64,
}

impl core::ops::AddAssign for LineCounts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.lost += other.lost;
        self.corrupted += other.corrupted;
        self.delayed += other.delayed;
        self.cut += other.cut;
    }
}

/// A frame that does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection broke, or a frame is too long.
    #[error("the frame could not be carried: {0}")]
    Io(#[from] std::io::Error),
    /// The content is not what was expected.
    #[error("the frame does not decode: {0}")]
    Content(#[from] postcard::Error),
}

/// Frames that carry `In` one way and `Out` the other.
#[derive(Debug)]
pub(crate) struct Frames<In, Out> {
    frames: LengthDelimitedCodec,
    carries: PhantomData<fn(Out) -> In>,
}

impl Frames<Message, Message> {
    /// Between nodes.
    pub(crate) fn of_peers() -> Self {
        Self::up_to(PEER_FRAME)
    }
}

impl<In, Out> Frames<In, Out> {
    /// Between a node and the supervisor.
    pub(crate) fn of_control() -> Self {
        Self::up_to(CONTROL_FRAME)
    }

    fn up_to(longest: usize) -> Self {
        let frames = LengthDelimitedCodec::builder().max_frame_length(longest).new_codec();
        Self { frames, carries: PhantomData }
    }
}

impl<In: DeserializeOwned, Out> Decoder for Frames<In, Out> {
    type Item = In;
    type Error = FrameError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<In>, FrameError> {
        let Some(frame) = self.frames.decode(bytes)? else { return Ok(None) };
        Ok(Some(postcard::from_bytes(&frame)?))
    }
}

impl<In, Out: Serialize> Encoder<Out> for Frames<In, Out> {
    type Error = FrameError;

    fn encode(&mut self, value: Out, bytes: &mut BytesMut) -> Result<(), FrameError> {
        let frame = postcard::to_allocvec(&value)?;
        Ok(self.frames.encode(Bytes::from(frame), bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: Message) -> BytesMut {
        let mut bytes = BytesMut::new();
        Frames::of_peers().encode(message, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_frame_arrives_whole_however_it_is_cut() {
        let message = Message::Request { id: 300 };
        let whole = encoded(message.clone());
        for cut in 0..whole.len() {
            let mut frames = Frames::of_peers();
            let mut bytes = BytesMut::from(&whole[..cut]);
            assert!(frames.decode(&mut bytes).unwrap().is_none());
            bytes.extend_from_slice(&whole[cut..]);
            assert_eq!(frames.decode(&mut bytes).unwrap(), Some(message.clone()));
        }
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_by_its_length_alone() {
        let mut bytes = BytesMut::from(&(PEER_FRAME as u32 + 1).to_be_bytes()[..]);
        assert!(matches!(Frames::of_peers().decode(&mut bytes), Err(FrameError::Io(_))));
        let mut bytes = BytesMut::from(&(PEER_FRAME as u32).to_be_bytes()[..]);
        assert!(Frames::of_peers().decode(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn rubbish_is_an_error_not_a_panic() {
        let mut bytes = BytesMut::from(&[0, 0, 0, 3, 0xff, 0xff, 0xff][..]);
        assert!(matches!(Frames::of_peers().decode(&mut bytes), Err(FrameError::Content(_))));
    }
}
