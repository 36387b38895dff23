//! What nodes say to each other.

use resil_core::error::WireError;
use serde::{Deserialize, Serialize};

/// Who a node is. It is taken at its word; a network of strangers authenticates first.
pub type NodeId = u8;

/// The longest message between nodes, in bytes of postcard.
pub const LONGEST: usize = 1024;

/// What a peer makes of a request: it is served, or why it is not and when to come back.
///
/// Where there is a heap, `E` is `Box<WireError>`; the bytes are the same.
pub type Answer<E = WireError> = Result<(), E>;

/// What nodes say to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Message<E = WireError> {
    /// The first frame of a connection.
    Hello {
        /// Who connects.
        from: NodeId,
    },
    /// Work to do.
    Request {
        /// Told back with the reply; chosen by whoever asks.
        id: u64,
    },
    /// It is done, or why it is not.
    Reply {
        /// Which request.
        id: u64,
        /// How it went.
        answer: Answer<E>,
    },
}
