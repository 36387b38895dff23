//! What a node writes down for the supervisor. All instants are nanoseconds of the node's own clock.

use resil_core::health::HealthStatus;
use serde::{Deserialize, Serialize};

use crate::message::NodeId;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ended {
    /// The node's own number for it, counted from 0 without a gap.
    pub id: u64,
    /// What it was for.
    pub kind: Kind,
    /// Who was asked.
    pub peer: NodeId,
    /// When it began.
    pub issued_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// In which way.
    pub end: End,
    /// What was tried.
    pub attempts: Attempts,
}

/// Whether a request is a node's ordinary work or part of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// Ordinary work.
    Orderly,
    /// Part of a flood.
    Flood,
}

/// The three ways in which a request ends, with the number of the error's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// It was served.
    Ok,
    /// A limiter or a breaker said no, without anything being lost.
    Refused(u16),
    /// It went wrong.
    Failed(u16),
}

/// What was tried for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attempts {
    /// Attempts that went out to the peer.
    pub made: u32,
    /// Those that brought neither a result nor an answer.
    pub wasted: u32,
}

/// The receiver's own note that it let a sender's request in, with the instant its limiter saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Admitted {
    /// Whose request it was.
    pub sender: NodeId,
    /// When.
    pub at: u64,
}

/// A breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BreakerMoved {
    /// Whose breaker.
    pub peer: NodeId,
    /// What it is since.
    pub to: BreakerState,
    /// When that was seen.
    pub at: u64,
}

/// The states of a breaker that the mesh can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakerState {
    /// It lets calls pass.
    Closed,
    /// It refuses them.
    Open,
    /// It lets probes pass.
    HalfOpen,
}

/// The node's overall health, and why it is not better. `R` is the text's type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HealthSeen<R> {
    /// How it is.
    pub status: HealthStatus,
    /// What the checks say that make it so.
    pub reason: R,
    /// When that was seen.
    pub at: u64,
}

/// What a node counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// Requests that its limiter refused.
    pub limited: u64,
    /// Requests that it did not send because the peer had named a time to come back.
    pub held: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Connections that were tried again.
    pub reconnects: u64,
    /// Requests that it served.
    pub served: u64,
    /// Answers to requests that it had given up on.
    pub late: u64,
    /// Connections that it closed in the middle of a request.
    pub hang_ups: u64,
}
