//! Datagrams to and from the line.

use mesh_protocol::message::{Message, NodeId};
use mesh_protocol::serial::{Body, Datagram, Deframer, LONGEST, encode};
use resil_core::error::WireError;
use resil_firmware::board::Line;
use serde::Serialize;

/// What is kept of a peer's refusal: its number, its message, and when to come back. With room for
/// details a datagram would be four times the size.
pub(crate) type Refusal = WireError<0>;

/// The line, and who this node is on it.
pub(crate) struct Link {
    line: Line,
    me: NodeId,
    deframer: Deframer<LONGEST>,
    is_cut: bool,
    /// Datagrams that the line had no room for.
    dropped: u32,
}

impl Link {
    #[inline(never)] // for the stack: what it is made of is gone when this returns
    pub(crate) fn start(line: Line, me: NodeId) -> &'static mut Self {
        let link = Self { line, me, deframer: Deframer::new(), is_cut: false, dropped: 0 };
        cortex_m::singleton!(: Link = link).expect("once")
    }

    /// The next datagram for this node.
    pub(crate) fn hear(&mut self) -> Option<Datagram<Refusal>> {
        while let Some(byte) = self.line.receive() {
            let datagram: Option<Datagram<Refusal>> = self.deframer.push(byte);
            if datagram.as_ref().is_some_and(|datagram| datagram.to == self.me) && !self.is_cut {
                return datagram;
            }
        }
        None
    }

    /// Puts a datagram on the line. One that it has no room for is lost, like one on the way: whoever
    /// waits for an answer tries again.
    pub(crate) fn say(&mut self, to: NodeId, body: Body<Refusal>) {
        self.send(&Datagram { from: self.me, to, body });
    }

    /// The same for a refusal with all its details. While the line is busy none goes out: what a flood is
    /// told leaves room for what the node has to say itself.
    pub(crate) fn refuse(&mut self, to: NodeId, id: u64, refusal: WireError) {
        if self.line.is_busy() {
            self.dropped += 1;
            return;
        }
        let reply = Message::Reply { id, answer: Err(refusal) };
        self.send(&Datagram { from: self.me, to, body: Body::Message(reply) });
    }

    fn send(&mut self, datagram: &impl Serialize) {
        let mut frame = [0; LONGEST];
        let is_sent = match encode(datagram, &mut frame) {
            Ok(_) if self.is_cut => true, // and lost
            Ok(frame) => self.line.send(frame),
            Err(_) => false,
        };
        self.dropped += u32::from(!is_sent);
    }

    /// Cuts the line off, or joins it again. While it is cut, everything on it is lost.
    pub(crate) const fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    pub(crate) const fn line(&self) -> &Line {
        &self.line
    }

    /// Frames that were damaged on the way in, and datagrams that found no room on the way out.
    pub(crate) const fn losses(&self) -> (u32, u32) {
        (self.deframer.damaged(), self.dropped)
    }
}
