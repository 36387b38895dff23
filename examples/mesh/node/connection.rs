//! One TCP connection to a peer, from the side that asks.

use super::journal::Journal;
use crate::wire::{Answer, Frames, Message, NodeId};
use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;
use futures_util::{SinkExt, StreamExt};
use resil_core::error::NetworkError;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, spawn_local};
use tokio_util::codec::{FramedRead, FramedWrite};

/// Frames that wait to be written; beyond them, asking waits.
const OUTGOING: usize = 64;

/// Requests that are out on a connection.
#[derive(Debug, Default)]
struct Pending {
    next: Cell<u64>,
    out: RefCell<HashMap<u64, oneshot::Sender<Answer>>>,
    broken: Cell<bool>,
}

/// An open connection. Many requests share it; answers come in any order.
#[derive(Debug)]
pub(super) struct Connection {
    pending: Rc<Pending>,
    outgoing: mpsc::Sender<Message>,
    tasks: [AbortHandle; 2],
}

impl Connection {
    /// Connects to the peer at `port` and says who is there.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or the handshake cannot be sent.
    pub(super) async fn open(
        port: u16,
        from: NodeId,
        journal: &Rc<Journal>,
    ) -> Result<Self, NetworkError> {
        let failed = |_| NetworkError::connection_failed();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (read, write) = stream.into_split();
        let pending = Rc::new(Pending::default());
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let reading = spawn_local(read_answers(read, pending.clone(), journal.clone()));
        let writing = spawn_local(write_requests(write, queue, pending.clone()));
        let connection =
            Self { pending, outgoing, tasks: [reading.abort_handle(), writing.abort_handle()] };
        connection.send(Message::Hello { from }).await?;
        Ok(connection)
    }

    /// Whether the connection has broken.
    pub(super) fn is_broken(&self) -> bool {
        self.pending.broken.get()
    }

    /// Sends a request and waits for its answer. Dropping the future gives the request up.
    ///
    /// # Errors
    ///
    /// The connection breaks before the answer is there.
    pub(super) async fn ask(&self) -> Result<Answer, NetworkError> {
        let id = self.pending.next.get();
        self.pending.next.set(id + 1);
        let (answer, answered) = oneshot::channel();
        self.pending.out.borrow_mut().insert(id, answer);
        let _given_up = GiveUp { pending: &self.pending, id };
        if self.is_broken() {
            return Err(NetworkError::connection_failed());
        }
        self.send(Message::Request { id }).await?;
        answered.await.map_err(|_| NetworkError::connection_failed())
    }

    async fn send(&self, message: Message) -> Result<(), NetworkError> {
        self.outgoing.send(message).await.map_err(|_| NetworkError::connection_failed())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Forgets a request when whoever waits for it goes away.
struct GiveUp<'a> {
    pending: &'a Pending,
    id: u64,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.pending.out.borrow_mut().remove(&self.id);
    }
}

impl Pending {
    /// Nothing more will come: whoever waits learns it now.
    fn break_off(&self) {
        self.broken.set(true);
        self.out.borrow_mut().clear();
    }
}

async fn read_answers(read: OwnedReadHalf, pending: Rc<Pending>, journal: Rc<Journal>) {
    let mut answers = FramedRead::new(read, Frames::of_peers());
    while let Some(Ok(message)) = answers.next().await {
        let Message::Reply { id, answer } = message else { break };
        let waiting = pending.out.borrow_mut().remove(&id);
        if waiting.is_none_or(|waiting| waiting.send(answer).is_err()) {
            journal.count(|counts| counts.late += 1);
        }
    }
    pending.break_off();
}

async fn write_requests(
    write: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Message>,
    pending: Rc<Pending>,
) {
    let mut requests = FramedWrite::new(write, Frames::of_peers());
    while let Some(message) = queue.recv().await {
        if requests.send(message).await.is_err() {
            break;
        }
    }
    pending.break_off();
}
