//! What a node knows of its peers, over a reset: it comes back as quiet as it was, and forgives nobody.
//!
//! Each machine's snapshot is a frame of its own, with core's checksum within and the frame's around.
//! A frame that does not hold is left out; the others count.

use embassy_time::Timer;
use heapless::Vec;
use mesh_protocol::control::NEIGHBOURS;
use mesh_protocol::message::NodeId;
use mesh_protocol::serial::{Deframer, encode};
use mesh_protocol::settings;
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::rate_limit::RateLimit;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_embassy::watchdog::RECORD;
use resil_firmware::retained::{ROOM, Retained};
use serde::{Deserialize, Serialize};

use crate::journal::now;
use crate::node::Node;

/// The longest snapshot of one machine.
const LONGEST: usize = <RateLimit>::LEN;

/// Bytes around a snapshot: which it is of, its length, checksum, and the frame's two.
const AROUND: usize = 10;

/// The longest frame.
const FRAME: usize = LONGEST + AROUND;

/// There is room for a breaker and a limit of each neighbour, and for all that have none of their own.
const _: () = {
    let peer = <CircuitBreakerConfig as Persist>::LEN + LONGEST + 2 * AROUND;
    assert!(NEIGHBOURS * peer + FRAME + RECORD + AROUND <= ROOM);
};

/// One machine's snapshot.
#[derive(Serialize, Deserialize)]
enum Kept {
    /// The watchdog's record.
    Boot([u8; RECORD]),
    /// The breaker of a peer.
    Breaker(NodeId, Vec<u8, LONGEST>),
    /// The limit of a sender, or of those that have none of their own.
    Limit(Option<NodeId>, Vec<u8, LONGEST>),
}

/// Writes the snapshot of one machine.
pub(crate) type Save<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, SnapshotError>;

/// What was found at the start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What the watchdog's gate left.
    pub(crate) boot: [u8; RECORD],
    /// Snapshots of peers that hold.
    pub(crate) peers: usize,
}

/// Looks through the memory, without taking anything over.
pub(crate) fn look(retained: &Retained) -> Found {
    let mut found = Found::default();
    for kept in frames(retained.read()) {
        match kept {
            Kept::Boot(record) => found.boot = record,
            Kept::Breaker(_, bytes) => {
                found.peers += usize::from(settings::BREAKER.restore(&bytes, now()).is_ok());
            }
            Kept::Limit(_, bytes) => {
                let limit = RateLimit::new(settings::LIMIT);
                found.peers += usize::from(limit.restore(&bytes, now()).is_ok());
            }
        }
    }
    found
}

fn frames(bytes: &[u8]) -> impl Iterator<Item = Kept> {
    let mut deframer = Deframer::<FRAME>::new();
    bytes.iter().filter_map(move |&byte| deframer.push(byte))
}

impl Node {
    /// Takes over what was kept in the life before.
    pub(crate) fn restore(&self) {
        let retained = self.retained.borrow();
        for kept in frames(retained.read()) {
            let restored = match kept {
                Kept::Boot(_) => Ok(()),
                Kept::Breaker(id, bytes) => {
                    self.peer(id).map_or(Ok(()), |peer| peer.guard.restore(&bytes))
                }
                Kept::Limit(id, bytes) => self.server.admission.restore(id, &bytes),
            };
            if let Err(error) = restored {
                defmt::warn!("a snapshot is left out: {}", error);
            }
        }
    }

    /// Keeps everything that a reset would make it forget.
    pub(crate) fn keep(&self) {
        self.retained.borrow_mut().keep(|bytes| {
            let mut frames = Frames { bytes, len: 0 };
            frames.push(&Kept::Boot(self.boot.get()));
            for peer in self.peers {
                peer.guard.save(|save| frames.add(|bytes| Kept::Breaker(peer.id, bytes), save));
            }
            self.server.admission.save(|id, save| frames.add(|bytes| Kept::Limit(id, bytes), save));
            frames.len
        });
    }
}

/// Frames, one after the other.
struct Frames<'a> {
    bytes: &'a mut [u8; ROOM],
    len: usize,
}

impl Frames<'_> {
    /// Adds what `save` writes. What does not fit is not kept.
    fn add(
        &mut self,
        kind: impl FnOnce(Vec<u8, LONGEST>) -> Kept,
        save: impl FnOnce(&mut [u8]) -> Result<usize, SnapshotError>,
    ) {
        let mut bytes = Vec::from_array([0; LONGEST]);
        let Ok(len) = save(&mut bytes) else { return };
        bytes.truncate(len);
        self.push(&kind(bytes));
    }

    fn push(&mut self, kept: &Kept) {
        if let Ok(frame) = encode(kept, &mut self.bytes[self.len..]) {
            self.len += frame.len();
        }
    }
}

/// Keeps what has changed, ten times a second; transitions are kept at once.
#[embassy_executor::task]
pub(crate) async fn keep(node: &'static Node) {
    loop {
        node.keep();
        Timer::after_millis(100).await;
    }
}
