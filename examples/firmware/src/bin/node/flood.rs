//! The flood when a node misbehaves: requests to one neighbour, whatever it answers.

use core::cell::{Cell, RefCell};
use embassy_time::{Duration, Instant, Timer};
use mesh_protocol::message::{Message, NodeId};
use mesh_protocol::serial::Body;
use resil_firmware::alone::{FLOOD_IDS, FLOOD_RATE, Tally};

use crate::entropy;
use crate::link::{Answer, Refusal};
use crate::node::Node;

/// The flood of one node.
pub(crate) struct Flood {
    tally: RefCell<Tally>,
    is_on: Cell<bool>,
}

impl Flood {
    pub(crate) const fn new() -> Self {
        let tally = Tally { sent: 0, refused: 0, unclear: 0 };
        Self { tally: RefCell::new(tally), is_on: Cell::new(false) }
    }

    /// Takes the answer to a request that was part of the flood; `false` for any other one.
    pub(crate) fn is_answered(&self, id: u64, answer: Answer) -> bool {
        if id < FLOOD_IDS {
            return false;
        }
        let mut tally = self.tally.borrow_mut();
        match answer {
            Ok(()) => {}
            Err(Refusal { wait: Some(_), .. }) => tally.refused += 1,
            Err(_) => tally.unclear += 1,
        }
        true
    }

    /// Begins or ends it.
    pub(crate) fn switch(&self, is_on: bool) {
        self.is_on.set(is_on);
    }

    /// What has come of it so far.
    pub(crate) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }
}

/// Floods a peer whenever the flood is on.
#[embassy_executor::task]
pub(crate) async fn flood(node: &'static Node, target: NodeId) {
    let mut at = Instant::now();
    let mut id = FLOOD_IDS;
    loop {
        at += Duration::from_micros(entropy::below(2 * 1_000_000 / FLOOD_RATE).into());
        Timer::at(at).await;
        if node.flood.is_on.get() {
            node.link.send(target, || Body::Message(Message::Request { id })).await;
            id += 1;
            node.flood.tally.borrow_mut().sent += 1;
        }
    }
}
