//! Two nodes without a supervisor: what they do when, and whether it went as it should.
//!
//! Both work all along. One of them floods the other for a while, and later the other falls silent for
//! a while: it hears nothing, and nothing of what it says is heard. Each has the times by its own clock,
//! from when it was first connected.
//!
//! Nothing here knows a board or an executor.

mod judge;

pub use judge::{Judge, Tally};

use core::ops::Range;
use core::str::FromStr;
use core::time::Duration;
use mesh_protocol::message::NodeId;

/// The flood, in sixtieths of the schedule's time.
pub const FLOOD: Range<u32> = 12..24;

/// The silence, in sixtieths of the schedule's time.
pub const SILENCE: Range<u32> = 30..40;

/// How long a node still serves when it has stopped asking: the other may be a little behind.
pub const LINGER: Duration = Duration::from_secs(2);

/// Requests a second of a flood: five times what is let in. Answers come as often, and on a busy host
/// QEMU's UARTs carry no more than a few hundred frames a second.
pub const FLOOD_RATE: u32 = 250;

/// Ids of requests that are part of a flood begin here; a node asks less than that otherwise.
pub const FLOOD_IDS: u64 = 1 << 32;

/// A node's part in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct Alone {
    /// Who it is.
    pub id: NodeId,
    /// Who is at the other end of the line.
    pub peer: NodeId,
    /// What it does to the other.
    pub role: Role,
    /// How long the schedule takes.
    pub seconds: u32,
    /// Whether resil is on.
    pub protected: bool,
}

/// What a node does to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Role {
    /// `floods`.
    Floods,
    /// `falls-silent`.
    FallsSilent,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "floods" => Ok(Self::Floods),
            "falls-silent" => Ok(Self::FallsSilent),
            _ => Err(()),
        }
    }
}

impl Alone {
    /// So many sixtieths of the schedule's time.
    #[must_use]
    pub fn sixtieths(&self, of_time: u32) -> Duration {
        Duration::from_secs(self.seconds.into()) * of_time / 60
    }
}
