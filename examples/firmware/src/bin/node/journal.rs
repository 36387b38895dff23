//! What a node tells: each request exactly once, and what happened around it.
//!
//! Whoever reads the notes sets the pace: a note waits until there is room for it, and none is lost.

use core::cell::{Cell, RefCell};
use mesh_protocol::control::Note;
use mesh_protocol::message::NodeId;
use mesh_protocol::record::{
    Admitted, Attempts, BreakerMoved, BreakerState, Counts, End, Ended, HealthSeen, Kind,
};
use resil_core::health::HealthStatus;
use resil_core::text::Text;
use resil_core::{Clock, Instant};
use resil_embassy::EmbassyClock;

use crate::queue::Queue;

/// Notes that wait to be read.
const WAITING: usize = 32;

/// The present, on the one clock that all notes are taken by.
pub(crate) fn now() -> Instant {
    EmbassyClock.now()
}

/// The notes of a node since its start.
pub(crate) struct Journal {
    notes: Queue<Note, WAITING>,
    counts: RefCell<Counts>,
    issued: Cell<u64>,
    out: Cell<u32>,
}

/// A request that was issued and has not ended. It is told how it ended once, because it is used up.
#[derive(Debug)]
#[must_use = "a request ends in exactly one way"]
pub(crate) struct Ticket {
    id: u64,
    kind: Kind,
    pub(crate) peer: NodeId,
    pub(crate) issued_at: Instant,
}

impl Journal {
    pub(crate) const fn new() -> Self {
        let counts = Counts {
            limited: 0,
            held: 0,
            retries: 0,
            reconnects: 0,
            served: 0,
            late: 0,
            hang_ups: 0,
        };
        Self {
            notes: Queue::new(),
            counts: RefCell::new(counts),
            issued: Cell::new(0),
            out: Cell::new(0),
        }
    }

    /// A request begins.
    pub(crate) async fn issue(&self, kind: Kind, peer: NodeId) -> Ticket {
        let id = self.issued.get();
        self.issued.set(id + 1);
        self.out.set(self.out.get() + 1);
        let issued_at = now();
        self.notes.put(|| Note::Issued(id + 1)).await;
        Ticket { id, kind, peer, issued_at }
    }

    /// A request ended.
    pub(crate) async fn end(&self, ticket: Ticket, end: End, attempts: Attempts) {
        let Ticket { id, kind, peer, issued_at } = ticket;
        let (issued_at, ended_at) = (issued_at.as_nanos(), now().as_nanos());
        let ended = Ended { id, kind, peer, issued_at, ended_at, end, attempts };
        self.notes.put(|| Note::Ended(ended)).await;
        self.out.set(self.out.get() - 1);
    }

    /// How many requests have not ended.
    pub(crate) fn out(&self) -> u32 {
        self.out.get()
    }

    /// A sender's request was let in.
    pub(crate) async fn admitted(&self, sender: NodeId, at: Instant) {
        self.notes.put(|| Note::Admitted(Admitted { sender, at: at.as_nanos() })).await;
    }

    /// A breaker has changed its state.
    pub(crate) async fn breaker(&self, peer: NodeId, to: BreakerState) {
        self.notes.put(|| Note::Breaker(BreakerMoved { peer, to, at: now().as_nanos() })).await;
    }

    /// The node's health has changed.
    pub(crate) async fn health(&self, status: HealthStatus, reason: Text<64>) {
        self.notes.put(|| Note::Health(HealthSeen { status, reason, at: now().as_nanos() })).await;
    }

    /// Counts something that is told with the next report.
    pub(crate) fn count(&self, one: impl FnOnce(&mut Counts)) {
        one(&mut self.counts.borrow_mut());
    }

    /// Tells what has been counted.
    pub(crate) async fn report(&self) {
        let counts = *self.counts.borrow();
        self.notes.put(|| Note::Counts(counts)).await;
    }

    /// The last note.
    pub(crate) async fn done(&self) {
        self.notes.put(|| Note::Done).await;
    }

    /// The next note; there is one reader.
    pub(crate) async fn next(&self) -> Note {
        self.notes.take().await
    }
}
