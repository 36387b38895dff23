//! The line to other nodes: frames in and out, and who waits for which answer.

use core::cell::Cell;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use mesh_protocol::message::{Message, NodeId};
use mesh_protocol::serial::{Body, Datagram, Deframer, LONGEST, encode};
use mesh_protocol::settings::SLOTS;
use resil_core::error::{NetworkError, WireError};
use resil_firmware::board;

use crate::node::Node;
use crate::queue::Queue;
use crate::watchdog::{self, Task};

/// Frames that wait to be sent; beyond them, sending waits.
const OUTGOING: usize = 12;

/// How a peer answered: it served, or it refused.
pub(crate) type Answer = Result<(), Refusal>;

/// What a node remembers of a peer's structured error, which takes ten times the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// The number of its code.
    pub(crate) number: u16,
    /// When to come back, where it says so.
    pub(crate) wait: Option<Duration>,
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self { number: error.number(), wait: error.retry_after() }
    }
}

/// The line, shared by all tasks.
pub(crate) struct Link {
    from: Cell<NodeId>,
    outgoing: Queue<Datagram, OUTGOING>,
    waiting: [Waiting; SLOTS],
    next: Cell<u64>,
    is_cut: Cell<bool>,
}

/// A request that is out.
struct Waiting {
    request: Cell<Option<(NodeId, u64)>>,
    answer: Signal<NoopRawMutex, Result<Answer, NetworkError>>,
}

impl Link {
    pub(crate) const fn new() -> Self {
        Self {
            from: Cell::new(0),
            outgoing: Queue::new(),
            waiting: [const { Waiting { request: Cell::new(None), answer: Signal::new() } }; SLOTS],
            next: Cell::new(0),
            is_cut: Cell::new(false),
        }
    }

    /// Who sends on it.
    pub(crate) fn is_of(&self, node: NodeId) {
        self.from.set(node);
    }

    /// Sends to a peer what `body` makes.
    pub(crate) async fn send(&self, to: NodeId, body: impl FnOnce() -> Body) {
        self.outgoing.put(|| Datagram { from: self.from.get(), to, body: body() }).await;
    }

    /// Sends a refusal, unless there is so much to send that what this node has to say for itself would
    /// wait behind it: a flood is not to be answered by another one.
    pub(crate) fn refuse(&self, to: NodeId, body: impl FnOnce() -> Body) {
        self.outgoing.offer(|| Datagram { from: self.from.get(), to, body: body() });
    }

    /// Sends a request and waits for its answer. Dropping the future gives the request up.
    ///
    /// # Errors
    ///
    /// The connection breaks before the answer is there.
    pub(crate) async fn ask(&self, peer: NodeId) -> Result<Answer, NetworkError> {
        let id = self.next.replace(self.next.get() + 1);
        let free = self.waiting.iter().find(|waiting| waiting.request.get().is_none());
        let waiting = free.expect("there is one for each request that may be out");
        waiting.answer.reset();
        waiting.request.set(Some((peer, id)));
        let _given_up = GiveUp(waiting);
        self.send(peer, || Body::Message(Message::Request { id })).await;
        waiting.answer.wait().await
    }

    /// A peer has answered; `false` when nobody waits for that any more.
    fn answered(&self, peer: NodeId, id: u64, answer: Answer) -> bool {
        let waiting = self.waiting.iter().find(|waiting| waiting.request.get() == Some((peer, id)));
        if let Some(waiting) = waiting {
            waiting.request.set(None);
            waiting.answer.signal(Ok(answer));
        }
        waiting.is_some()
    }

    /// Nothing more will come from this peer for what is out.
    fn broken(&self, peer: NodeId) {
        for waiting in &self.waiting {
            if waiting.request.get().is_some_and(|(asked, _)| asked == peer) {
                waiting.answer.signal(Err(NetworkError::connection_failed()));
            }
        }
    }

    /// Cuts the line off, or joins it again. While it is cut, everything on it is lost.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.set(is_cut);
    }
}

/// Forgets a request when whoever waits for it goes away, answered or not.
struct GiveUp<'a>(&'a Waiting);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.0.request.set(None);
    }
}

/// Sends what waits to be sent.
#[embassy_executor::task]
pub(crate) async fn transmit(node: &'static Node) {
    let mut frame = [0; LONGEST];
    loop {
        let datagram = node.link.outgoing.take().await;
        if node.link.is_cut.get() {
            continue;
        }
        match encode(&datagram, &mut frame) {
            Ok(frame) => board::LINK.write(frame).await,
            Err(error) => {
                defmt::error!("{} is not sent: {}", datagram, defmt::Display2Format(&error));
            }
        }
    }
}

/// Reads what comes, and hands it to whom it concerns.
#[embassy_executor::task]
pub(crate) async fn receive(node: &'static Node) {
    let mut bytes = [0; 64];
    let mut deframer = Deframer::<LONGEST>::new();
    let mut damaged = 0;
    loop {
        let alive = watchdog::alive_while(Task::Receive, board::LINK.read(&mut bytes));
        let len = alive.await;
        for &byte in &bytes[..len] {
            let datagram: Option<Datagram> = deframer.push(byte);
            match datagram {
                Some(datagram) if datagram.to == node.id && !node.link.is_cut.get() => {
                    node.take(datagram.from, datagram.body).await;
                }
                _ => {}
            }
        }
        if deframer.damaged() != damaged {
            damaged = deframer.damaged();
            defmt::warn!("{=u32} frames were damaged so far", damaged);
        }
    }
}

impl Node {
    /// Something has come from a peer.
    async fn take(&self, from: NodeId, body: Body) {
        if let Some(peer) = self.peer(from) {
            peer.heard();
        }
        match body {
            Body::Connect => self.server.connected(from),
            Body::Accept => self.peer(from).into_iter().for_each(|peer| peer.accepted()),
            Body::Close => {
                self.peer(from).into_iter().for_each(|peer| peer.closed());
                self.link.broken(from);
            }
            Body::Message(Message::Request { id }) => return self.route(from, id).await,
            Body::Message(Message::Reply { id, answer }) => {
                if let Err(refusal) = &answer {
                    defmt::debug!("node {=u8} refuses: {}", from, refusal);
                }
                let answer = answer.map_err(Refusal::from);
                if !self.flood.is_answered(id, answer) && !self.link.answered(from, id, answer) {
                    self.journal.count(|counts| counts.late += 1);
                }
                return;
            }
            // The first frame of a TCP connection; here it is `Connect`.
            Body::Message(Message::Hello { .. }) => return,
        }
        if body == Body::Connect {
            self.link.send(from, || Body::Accept).await;
        }
    }
}
