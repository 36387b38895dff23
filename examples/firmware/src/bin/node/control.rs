//! Orders from the supervisor, and notes to it.

use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use heapless::Vec;
use mesh_protocol::control::{NEIGHBOURS, Note, Order};
use mesh_protocol::message::NodeId;
use mesh_protocol::serial::{Deframer, LONGEST, encode};
use resil_core::text::Text;
use resil_firmware::board;

use crate::journal::now;
use crate::node::Node;

/// How often a node says that it is up: what comes before a UART is set up is lost.
const UP_EVERY: embassy_time::Duration = embassy_time::Duration::from_millis(100);

/// Who a node is, and whom it knows.
pub(crate) struct Start {
    pub(crate) node: NodeId,
    pub(crate) neighbours: Vec<NodeId, NEIGHBOURS>,
    pub(crate) seed: u64,
    pub(crate) protected: bool,
}

/// The other end of the control line.
pub(crate) struct Orders(Deframer<LONGEST>);

impl Orders {
    pub(crate) const fn new() -> Self {
        Self(Deframer::new())
    }

    /// Says that the node is up until it is told to start.
    pub(crate) async fn start(&mut self, restored: bool, starved: Option<Text<24>>) -> Start {
        loop {
            let up = Note::Up { at: now().as_nanos(), restored, starved: starved.clone() };
            tell(&up).await;
            match select(self.next(), Timer::after(UP_EVERY)).await {
                Either::First(Order::Start { node, neighbours, seed, protected }) => {
                    return Start { node, neighbours, seed, protected };
                }
                Either::First(Order::Panic) => ordered_panic(),
                Either::First(order) => defmt::warn!("not started yet: {}", order),
                Either::Second(()) => {}
            }
        }
    }

    /// The next order. Dropping the future loses nothing.
    async fn next(&mut self) -> Order {
        let mut byte = [0];
        loop {
            board::CONTROL.read(&mut byte).await;
            if let Some(order) = self.0.push(byte[0]) {
                return order;
            }
        }
    }
}

/// Does as it is told.
#[embassy_executor::task]
pub(crate) async fn obey(node: &'static Node, mut orders: Orders) {
    loop {
        match orders.next().await {
            Order::ServiceTime(time) => node.server.set_service_time(time),
            Order::Stop => {
                node.settle().await;
                node.journal.done().await;
            }
            Order::Panic => ordered_panic(),
            order @ Order::Start { .. } => defmt::warn!("already started: {}", order),
        }
    }
}

fn ordered_panic() -> ! {
    panic!("somebody wants to see what becomes of it");
}

/// Tells the supervisor what the node notes, up to the last note.
#[embassy_executor::task]
pub(crate) async fn report(node: &'static Node) {
    let mut is_done = false;
    loop {
        let note = node.journal.next().await;
        // Who still serves goes on noting; nobody wants to know.
        if !is_done {
            tell(&note).await;
        }
        is_done |= note == Note::Done;
    }
}

async fn tell(note: &Note) {
    let mut frame = [0; LONGEST];
    match encode(note, &mut frame) {
        Ok(frame) => board::CONTROL.write(frame).await,
        Err(error) => defmt::error!("{} is not told: {}", note, defmt::Display2Format(&error)),
    }
}
