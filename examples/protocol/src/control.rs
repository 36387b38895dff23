//! What the supervisor and a firmware node say, over a UART of its own that nobody disturbs.
//!
//! A node on Linux says the same over its pipes, in batches. A microcontroller has no room for a batch:
//! it tells each thing when it happens.

use core::time::Duration;

use heapless::Vec;
use resil_core::text::Text;
use serde::{Deserialize, Serialize};

use crate::message::NodeId;
use crate::record::{Admitted, BreakerMoved, Counts, Ended, HealthSeen};

/// The most neighbours that a firmware node can have.
pub const NEIGHBOURS: usize = 32;

/// What a firmware node is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Order {
    /// Begin: this is who you are, and these are your neighbours.
    Start {
        /// Its own id.
        node: NodeId,
        /// Who it may ask.
        neighbours: Vec<NodeId, NEIGHBOURS>,
        /// Of its load and its jitter.
        seed: u64,
        /// Whether resil is on.
        protected: bool,
    },
    /// Take this long for each request from now on.
    ServiceTime(Duration),
    /// Send nothing new, let what is out end, say so.
    Stop,
    /// Panic: somebody wants to see what becomes of it.
    Panic,
}

/// What a firmware node tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Note {
    /// It has started, and waits for [`Order::Start`].
    Up {
        /// What its clock shows.
        at: u64,
        /// Whether what it knew of its peers before a reset has been restored.
        restored: bool,
        /// Why it was reset: the task that the watchdog waited for in vain, where that is known.
        starved: Option<Text<24>>,
    },
    /// A request of its own began: the number of the next one.
    Issued(u64),
    /// A request of its own ended.
    Ended(Ended),
    /// It let somebody's request in.
    Admitted(Admitted),
    /// A breaker changed its state.
    Breaker(BreakerMoved),
    /// Its health changed.
    Health(HealthSeen<Text<64>>),
    /// What it has counted so far.
    Counts(Counts),
    /// Nothing is out any more: the last note.
    Done,
}
