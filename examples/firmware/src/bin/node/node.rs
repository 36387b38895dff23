//! A node that has been told to start.

use core::cell::{Cell, RefCell};
use embassy_executor::Spawner;
use embassy_time::Timer;
use heapless::Vec;
use mesh_protocol::control::NEIGHBOURS;
use mesh_protocol::message::NodeId;
use mesh_protocol::settings::SLOTS;
use resil_core::text::Text;
use resil_embassy::watchdog::RECORD;
use resil_firmware::retained::Retained;
use static_cell::{ConstStaticCell, StaticCell};

use crate::admission::Admission;
use crate::control::Start;
use crate::flood::Flood;
use crate::journal::Journal;
use crate::link::Link;
use crate::load::Load;
use crate::peer::{self, Peer};
use crate::protection::Guard;
use crate::server::Server;
use crate::{entropy, health, link, load, server, snapshot, watchdog};

/// What its tasks share. They run on one thread, by turns.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) peers: &'static Vec<Peer, NEIGHBOURS>,
    pub(crate) link: &'static Link,
    pub(crate) server: Server,
    pub(crate) load: &'static Load,
    pub(crate) flood: Flood,
    pub(crate) journal: &'static Journal,
    /// What the watchdog's gate wants to be kept.
    pub(crate) boot: Cell<[u8; RECORD]>,
    pub(crate) retained: RefCell<Retained>,
    is_protected: bool,
}

impl Node {
    /// The node, with what it knew before a reset.
    pub(crate) fn new(start: &Start, retained: Retained, boot: [u8; RECORD]) -> &'static Self {
        // What is large is made where it lies: the stack has no room for it.
        static NAMES: ConstStaticCell<Vec<Text<8>, NEIGHBOURS>> = ConstStaticCell::new(Vec::new());
        static PEERS: ConstStaticCell<Vec<Peer, NEIGHBOURS>> = ConstStaticCell::new(Vec::new());
        static LINK: ConstStaticCell<Link> = ConstStaticCell::new(Link::new());
        static LOAD: ConstStaticCell<Load> = ConstStaticCell::new(Load::new());
        static JOURNAL: ConstStaticCell<Journal> = ConstStaticCell::new(Journal::new());
        static NODE: StaticCell<Node> = StaticCell::new();
        entropy::seed(start.seed);
        let (names, peers, link) = (NAMES.take(), PEERS.take(), LINK.take());
        names.extend(start.neighbours.iter().map(|&id| peer::name(id)));
        let peer = |(&id, name): (&NodeId, &'static Text<8>)| {
            Peer::new(id, Guard::new(start.protected, id, name))
        };
        peers.extend(start.neighbours.iter().zip(names.iter()).map(peer));
        link.is_of(start.node);
        let node = NODE.init_with(|| Self {
            id: start.node,
            peers,
            link,
            server: Server::new(Admission::new(start.protected)),
            load: LOAD.take(),
            flood: Flood::new(),
            journal: JOURNAL.take(),
            boot: Cell::new(boot),
            retained: RefCell::new(retained),
            is_protected: start.protected,
        });
        node.restore();
        node
    }

    /// A neighbour.
    pub(crate) fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// Listens and serves from now on.
    pub(crate) fn serve(&'static self, spawner: Spawner) {
        spawner.spawn(link::receive(self).expect("once"));
        spawner.spawn(link::transmit(self).expect("once"));
        spawner.spawn(server::serve(self).expect("once"));
        spawner.spawn(load::report(self).expect("once"));
        spawner.spawn(snapshot::keep(self).expect("once"));
        spawner.spawn(watchdog::feed(self).expect("once"));
    }

    /// Asks from now on.
    pub(crate) fn ask(&'static self, spawner: Spawner) {
        spawner.spawn(load::issue(self).expect("once"));
        spawner.spawn(load::expire(self).expect("once"));
        for _ in 0..SLOTS {
            spawner.spawn(load::ask(self).expect("there is one for each slot"));
        }
        if self.is_protected {
            spawner.spawn(health::watch(self).expect("once"));
        }
    }

    /// Issues nothing more, waits until every request has ended, which each does by itself, and tells
    /// the last counts.
    pub(crate) async fn settle(&self) {
        self.load.stop();
        while self.journal.out() > 0 {
            Timer::after_millis(20).await;
        }
        self.journal.report().await;
    }
}
