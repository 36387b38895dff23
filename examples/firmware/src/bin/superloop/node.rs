//! The node: its parts, and one turn of all of them.

use mesh_protocol::message::Message;
use mesh_protocol::serial::{Body, Datagram};
use resil_core::{Instant, time};
use resil_firmware::alone::Alone;

use crate::Turn;
use crate::asking::Asking;
use crate::link::Refusal;
use crate::load::Load;
use crate::peer::Peer;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::vitals::{Task, Vitals};

/// Neighbours: as many as are at the other end of the line.
const PEERS: usize = 1;

/// Datagrams that are taken in one turn: whoever floods the line does not keep the other parts waiting.
const HEARD_A_TURN: usize = 16;

/// The parts of a node.
pub(crate) struct Node {
    schedule: Schedule,
    peers: [Peer; PEERS],
    load: Load,
    asking: &'static mut Asking,
    server: &'static mut Server,
    vitals: &'static mut Vitals,
    hangs: bool,
}

impl Node {
    pub(crate) fn start(part: Alone, now: Instant) -> Self {
        Self {
            schedule: Schedule::new(part, now),
            peers: [Peer::new(part.peer)],
            load: Load::new(part.peer, now),
            asking: Asking::start(),
            server: Server::start(),
            vitals: Vitals::start(now),
            hangs: false,
        }
    }

    /// It does not serve from now on: somebody wants to see what becomes of it.
    pub(crate) fn hang(&mut self) {
        self.hangs = true;
    }

    /// Whether there is nothing left to do.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.schedule.at(now).is_over && self.asking.is_idle()
    }

    /// One turn of every part; returns when the first of them has more to do.
    pub(crate) fn turn(&mut self, turn: &mut Turn) -> Instant {
        let doing = self.schedule.at(turn.now);
        turn.link.cut(doing.is_cut);
        for _ in 0..HEARD_A_TURN {
            let Some(datagram) = turn.link.hear() else { break };
            self.take(datagram, turn);
        }
        let mut alarm = self.schedule.next_deadline(turn.now);
        alarm = time::earliest(alarm, self.load.poll(doing, self.asking, turn));
        alarm = time::earliest(alarm, self.asking.poll(&mut self.peers, turn));
        for peer in &mut self.peers {
            alarm = time::earliest(alarm, peer.poll(turn));
        }
        self.vitals.check_in(Task::Ask, turn.now);
        if !self.hangs {
            alarm = time::earliest(alarm, self.server.poll(turn));
            self.vitals.check_in(Task::Serve, turn.now);
        }
        let look_at = self.vitals.poll(&self.peers, self.server, turn);
        time::earliest(alarm, Some(look_at)).unwrap_or(look_at)
    }

    /// Does what a datagram asks for.
    fn take(&mut self, datagram: Datagram<Refusal>, turn: &mut Turn) {
        let Datagram { from, body, .. } = datagram;
        let mut peer = self.peers.iter_mut().find(|peer| peer.id == from);
        if let Some(peer) = &mut peer {
            peer.is_heard(turn.now);
        }
        match (body, peer) {
            (Body::Connect, _) => self.server.accept(from, turn),
            (Body::Message(Message::Request { id }), _) => self.server.route(from, id, turn),
            (Body::Accept, Some(peer)) => peer.is_accepted(turn),
            (Body::Close, Some(peer)) => peer.close(),
            (Body::Message(Message::Reply { id, answer }), Some(peer)) => {
                if !Load::is_answered(id, &answer, turn) {
                    self.asking.answered(id, &answer, peer, turn);
                }
            }
            // An answer from somebody who was not asked, or what opens a connection over TCP.
            (Body::Accept | Body::Close | Body::Message(_), _) => {}
        }
    }
}
