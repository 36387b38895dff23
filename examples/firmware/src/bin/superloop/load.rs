//! What the node asks for: ordinary work, and a flood when it is time for one.

use core::time::Duration;
use mesh_protocol::message::{Answer, Message, NodeId};
use mesh_protocol::serial::Body;
use mesh_protocol::settings::orderly_rate;
use rand::Rng;
use resil_core::outcome::RetryHint;
use resil_core::{Instant, time};
use resil_firmware::alone::{FLOOD_IDS, FLOOD_RATE};

use crate::Turn;
use crate::asking::Asking;
use crate::link::Refusal;
use crate::schedule::Doing;

/// When the next requests are due.
pub(crate) struct Load {
    peer: NodeId,
    orderly_at: Instant,
    flood_at: Instant,
    /// The number of the flood's next request.
    flood_id: u64,
}

impl Load {
    pub(crate) const fn new(peer: NodeId, now: Instant) -> Self {
        Self { peer, orderly_at: now, flood_at: now, flood_id: FLOOD_IDS }
    }

    /// Makes the requests that are due; returns when more are.
    pub(crate) fn poll(
        &mut self,
        doing: Doing,
        asking: &mut Asking,
        turn: &mut Turn,
    ) -> Option<Instant> {
        let mut alarm = None;
        if doing.asks {
            if self.orderly_at.is_reached(turn.now) {
                asking.order(self.peer, turn);
                self.orderly_at = turn.now.saturating_add(pause(orderly_rate(1), turn));
            }
            alarm = Some(self.orderly_at);
        }
        if doing.floods {
            if self.flood_at.is_reached(turn.now) {
                self.flood(turn);
                self.flood_at = turn.now.saturating_add(pause(FLOOD_RATE, turn));
            }
            alarm = time::earliest(alarm, Some(self.flood_at));
        }
        alarm
    }

    /// A request that heeds nothing: no breaker, no retry, no waiting as told.
    fn flood(&mut self, turn: &mut Turn) {
        let id = self.flood_id;
        self.flood_id += 1;
        turn.journal.flood.sent += 1;
        turn.link.say(self.peer, Body::Message(Message::Request { id }));
    }

    /// Takes the answer to a request that was part of the flood; `false` for any other one.
    pub(crate) fn is_answered(id: u64, answer: &Answer<Refusal>, turn: &mut Turn) -> bool {
        if id < FLOOD_IDS {
            return false;
        }
        let flood = &mut turn.journal.flood;
        match answer.as_ref().map_err(Refusal::hint) {
            Ok(()) => {}
            Err(RetryHint::After(_)) => flood.refused += 1,
            Err(_) => flood.unclear += 1,
        }
        true
    }
}

/// The pause before the next of requests that come `rate` times a second: up to twice the mean, each
/// as likely.
fn pause(rate: u32, turn: &mut Turn) -> Duration {
    let longest = 2_000_000 / rate; // microseconds
    let random = u64::from(turn.rng.next_u32()) * u64::from(longest);
    Duration::from_micros(random >> 32)
}
