//! The firmware's connections: TCP on one side, datagrams on its one wire on the other.
//!
//! | the firmware says | what happens |
//! |---|---|
//! | `Connect` | TCP to that peer, and `Hello`; then `Accept`, or `Close` if nobody listens there |
//! | `Request` | goes out on that connection; `Close` if there is none |
//! | `Reply` | goes back on the connection that the request came from, if it is still there |
//! | `Close` | the connections that this peer made end |
//!
//! A peer that connects is told to the firmware as `Connect`, each request of its as `Request`. Either
//! side hears `Close` of a connection that it asks on, and says it of one that it serves. Peers count their requests for each connection;
//! on the wire a request has a number of its own, so that a late reply answers no other request.

use crate::settings;
use crate::wire::{Body, Datagram, Frames, Message, NodeId};
use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;
use futures_util::{SinkExt, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;
use tokio_util::codec::{FramedRead, FramedWrite};

/// Messages that wait to be written on one connection; a peer that does not read loses the rest.
const OUTGOING: usize = 1024;

/// Requests of peers of which the firmware's reply is remembered; older ones are never answered.
const ASKED: usize = 8192;

/// All connections of one firmware node.
#[derive(Debug)]
pub(super) struct Links {
    node: NodeId,
    ports: RefCell<HashMap<NodeId, u16>>,
    /// Those that the firmware asked for.
    ours: RefCell<HashMap<NodeId, Connection>>,
    /// Those that peers made, by number.
    theirs: RefCell<HashMap<u64, Connection>>,
    asked: RefCell<BTreeMap<u64, Asked>>,
    next: Cell<u64>,
    wire: mpsc::Sender<Datagram>,
}

/// A connection, which ends when this is dropped.
#[derive(Debug)]
struct Connection {
    number: u64,
    peer: NodeId,
    outgoing: mpsc::Sender<Message>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A peer's request that is out on the wire.
#[derive(Clone, Copy, Debug)]
struct Asked {
    connection: u64,
    id: u64,
}

impl Links {
    /// No connections; `wire` leads to the firmware.
    pub(super) fn new(node: NodeId, wire: mpsc::Sender<Datagram>) -> Rc<Self> {
        Rc::new(Self {
            node,
            ports: RefCell::default(),
            ours: RefCell::default(),
            theirs: RefCell::default(),
            asked: RefCell::default(),
            next: Cell::new(0),
            wire,
        })
    }

    /// Where a peer listens, from now on.
    pub(super) fn moved(&self, peer: NodeId, port: u16) {
        self.ports.borrow_mut().insert(peer, port);
    }

    /// Ends every connection, as a machine does that is reset.
    pub(super) fn clear(&self) {
        self.ours.borrow_mut().clear();
        self.theirs.borrow_mut().clear();
        self.asked.borrow_mut().clear();
    }

    /// Serves whoever connects.
    pub(super) async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(self.clone().serve(stream))),
                // Out of file handles, for instance: wait for some to be given back.
                Err(_) => sleep(settings::REPORT_EVERY).await,
            }
        }
    }

    /// Does what the firmware says.
    pub(super) fn hear(self: &Rc<Self>, Datagram { from, to, body }: Datagram) {
        if from != self.node {
            return;
        }
        match body {
            Body::Connect => {
                self.ours.borrow_mut().remove(&to);
                spawn_local(self.clone().connect(to));
            }
            // TCP has accepted already.
            Body::Accept => {}
            Body::Close => {
                self.theirs.borrow_mut().retain(|_, connection| connection.peer != to);
            }
            Body::Message(Message::Reply { id, answer }) => {
                let Some(asked) = self.asked.borrow_mut().remove(&id) else { return };
                if let Some(connection) = self.theirs.borrow().get(&asked.connection) {
                    let reply = Message::Reply { id: asked.id, answer };
                    let _ = connection.outgoing.try_send(reply);
                }
            }
            Body::Message(request) => {
                let sent = self.ours.borrow().get(&to).map(|ours| ours.outgoing.try_send(request));
                if !matches!(sent, Some(Ok(()))) {
                    self.ours.borrow_mut().remove(&to);
                    spawn_local(self.clone().tell(to, Body::Close));
                }
            }
        }
    }

    /// Says something to the firmware for a peer.
    async fn tell(self: Rc<Self>, from: NodeId, body: Body) {
        // The wire's end lasts as long as the bridge.
        let _ = self.wire.send(Datagram { from, to: self.node, body }).await;
    }

    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    /// Connects to a peer because the firmware asked for it.
    async fn connect(self: Rc<Self>, peer: NodeId) {
        let body = match self.open(peer).await {
            Ok(()) => Body::Accept,
            Err(_) => Body::Close,
        };
        self.tell(peer, body).await;
    }

    async fn open(self: &Rc<Self>, peer: NodeId) -> std::io::Result<()> {
        let port = self.ports.borrow().get(&peer).copied();
        let port = port.ok_or(std::io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let _ = outgoing.try_send(Message::Hello { from: self.node });
        let number = self.number();
        let reading = spawn_local(read_replies(Rc::downgrade(self), peer, number, read));
        let tasks =
            vec![reading.abort_handle(), spawn_local(write_all(write, queue)).abort_handle()];
        let connection = Connection { number, peer, outgoing, tasks };
        self.ours.borrow_mut().insert(peer, connection);
        Ok(())
    }

    /// One connection that a peer made, until either side ends it.
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let mut requests = FramedRead::new(read, Frames::of_peers());
        let Some(Ok(Message::Hello { from })) = requests.next().await else { return };
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let number = self.number();
        let reading = spawn_local(read_requests(self.clone(), from, number, requests));
        let tasks =
            vec![reading.abort_handle(), spawn_local(write_all(write, queue)).abort_handle()];
        let connection = Connection { number, peer: from, outgoing, tasks };
        self.theirs.borrow_mut().insert(number, connection);
        self.tell(from, Body::Connect).await;
    }

    /// Gives a request a number of its own, by which its reply finds back.
    fn ask(&self, asked: Asked) -> u64 {
        let number = self.number();
        let mut out = self.asked.borrow_mut();
        if out.len() >= ASKED {
            out.pop_first();
        }
        out.insert(number, asked);
        number
    }

    /// One of the firmware's own connections broke: unless it has another one by now, it hears of it.
    async fn broke(self: Rc<Self>, peer: NodeId, number: u64) {
        let is_this = self.ours.borrow().get(&peer).is_some_and(|ours| ours.number == number);
        if is_this {
            self.ours.borrow_mut().remove(&peer);
            self.tell(peer, Body::Close).await;
        }
    }
}

/// Carries a peer's requests to the firmware.
async fn read_requests(
    links: Rc<Links>,
    from: NodeId,
    connection: u64,
    mut requests: FramedRead<OwnedReadHalf, Frames<Message, Message>>,
) {
    while let Some(Ok(Message::Request { id })) = requests.next().await {
        let id = links.ask(Asked { connection, id });
        // Waits while the wire is busy: a peer that asks too much is held back by TCP.
        links.clone().tell(from, Body::Message(Message::Request { id })).await;
    }
    links.theirs.borrow_mut().remove(&connection);
}

/// Carries a peer's replies to the firmware.
async fn read_replies(links: Weak<Links>, peer: NodeId, number: u64, read: OwnedReadHalf) {
    let mut replies = FramedRead::new(read, Frames::of_peers());
    while let Some(Ok(reply @ Message::Reply { .. })) = replies.next().await {
        let Some(links) = links.upgrade() else { return };
        links.tell(peer, Body::Message(reply)).await;
    }
    // In a task of its own, because the connection's end ends this one.
    if let Some(links) = links.upgrade() {
        spawn_local(links.broke(peer, number));
    }
}

async fn write_all(write: OwnedWriteHalf, mut queue: mpsc::Receiver<Message>) {
    let mut frames = FramedWrite::new(write, Frames::of_peers());
    while let Some(message) = queue.recv().await {
        if frames.send(message).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
