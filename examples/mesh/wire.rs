//! What is said: between nodes over TCP, and between a node and the supervisor over its pipes.
//!
//! Both are postcard in frames that start with their length. A frame above the limit is refused
//! before it is read, so that no peer decides how much memory is taken.

use resil_core::error::WireError;
use resil_core::health::HealthStatus;

use core::marker::PhantomData;
use core::time::Duration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Who a node is. It is taken at its word; a network of strangers authenticates first.
pub(crate) type NodeId = u8;

/// The longest frame between nodes.
pub(crate) const PEER_FRAME: usize = 1024;

/// The longest frame between a node and the supervisor, which trust each other.
pub(crate) const CONTROL_FRAME: usize = 4 << 20;

/// What a peer makes of a request: it is served, or why it is not and when to come back.
pub(crate) type Answer = Result<(), Box<WireError>>;

/// What nodes say to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The first frame of a connection.
    Hello { from: NodeId },
    /// Work to do.
    Request { id: u64 },
    /// It is done, or why it is not.
    Reply { id: u64, answer: Answer },
}

/// What the supervisor says to a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Begin: these are your neighbours and their ports.
    Start { neighbours: Vec<(NodeId, u16)>, seed: u64, protected: bool },
    /// A neighbour was started again, with another port.
    Moved { node: NodeId, port: u16 },
    /// Flood these neighbours, until told to stop.
    Flood { targets: Vec<NodeId> },
    /// Stop flooding.
    Calm,
    /// Take this long for each request from now on.
    ServiceTime(Duration),
    /// Send nothing new, let what is out end, report and exit.
    Stop,
}

/// What a node says to the supervisor. All times are nanoseconds since the node's start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The node is up and can be reached at this port.
    Listening { port: u16, at: u64 },
    /// What happened since the last report.
    Report(Report),
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
}

/// How a request ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) peer: NodeId,
    pub(crate) issued_at: u64,
    pub(crate) ended_at: u64,
    pub(crate) end: End,
    pub(crate) attempts: Attempts,
}

/// Whether a request is a node's ordinary work or part of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Orderly,
    Flood,
}

/// The three ways in which a request ends, with the code of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// It was served.
    Ok,
    /// A limiter or a breaker said no, without anything being lost.
    Refused(u16),
    /// It went wrong.
    Failed(u16),
}

/// What was tried for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// Attempts that went out to the peer.
    pub(crate) made: u32,
    /// Those that brought neither a result nor an answer.
    pub(crate) wasted: u32,
}

/// The receiver's own note that it let a sender's request in, with the instant its limiter saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Admitted {
    pub(crate) sender: NodeId,
    pub(crate) at: u64,
}

/// A breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BreakerMoved {
    pub(crate) peer: NodeId,
    pub(crate) to: BreakerState,
    pub(crate) at: u64,
}

/// The states of a breaker that the mesh can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

/// The node's overall health, and why it is not better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthSeen {
    pub(crate) status: HealthStatus,
    pub(crate) reason: String,
    pub(crate) at: u64,
}

/// What a node counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests that its limiter refused.
    pub(crate) limited: u64,
    /// Requests that it did not send because the peer had named a time to come back.
    pub(crate) held: u64,
    /// Attempts after the first.
    pub(crate) retries: u64,
    /// Connections that were tried again.
    pub(crate) reconnects: u64,
    /// Requests that it served.
    pub(crate) served: u64,
    /// Answers to requests that it had given up on.
    pub(crate) late: u64,
    /// Connections that it closed in the middle of a request.
    pub(crate) hang_ups: u64,
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
