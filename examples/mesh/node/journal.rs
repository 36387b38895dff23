//! What a node writes down for the supervisor: each request exactly once, and what happened around it.

use crate::wire::{
    Admitted, Attempts, BreakerMoved, Counts, End, Ended, HealthSeen, Kind, NodeId, Report,
};
use core::cell::{Cell, RefCell};
use resil_core::{Clock, Instant};
use resil_std::clock::SystemClock;

/// The present, on the one clock of this process that all notes are taken by.
pub(super) fn now() -> Instant {
    SystemClock.now()
}

/// The notes of one node since its start.
#[derive(Debug, Default)]
pub(super) struct Journal {
    notes: RefCell<Report>,
    out: Cell<u64>,
}

/// A request that was issued and has not ended. It is told how it ended once, because it is used up.
#[derive(Debug)]
#[must_use = "a request ends in exactly one way"]
pub(super) struct Ticket {
    id: u64,
    kind: Kind,
    peer: NodeId,
    issued_at: u64,
}

impl Journal {
    /// A request begins.
    pub(super) fn issue(&self, kind: Kind, peer: NodeId) -> Ticket {
        let notes = &mut *self.notes.borrow_mut();
        let id = notes.issued;
        notes.issued += 1;
        self.out.set(self.out.get() + 1);
        Ticket { id, kind, peer, issued_at: now().as_nanos() }
    }

    /// A request ended.
    pub(super) fn end(&self, ticket: Ticket, end: End, attempts: Attempts) {
        let Ticket { id, kind, peer, issued_at } = ticket;
        let ended_at = now().as_nanos();
        let ended = Ended { id, kind, peer, issued_at, ended_at, end, attempts };
        self.notes.borrow_mut().ended.push(ended);
        self.out.set(self.out.get() - 1);
    }

    /// How many requests have not ended.
    pub(super) fn out(&self) -> u64 {
        self.out.get()
    }

    pub(super) fn admitted(&self, admitted: Admitted) {
        self.notes.borrow_mut().admitted.push(admitted);
    }

    pub(super) fn breaker(&self, moved: BreakerMoved) {
        self.notes.borrow_mut().breakers.push(moved);
    }

    pub(super) fn health(&self, seen: HealthSeen) {
        self.notes.borrow_mut().health.push(seen);
    }

    pub(super) fn count(&self, one: impl FnOnce(&mut Counts)) {
        one(&mut self.notes.borrow_mut().counts);
    }

    /// The report since the last one.
    pub(super) fn take(&self) -> Report {
        let notes = &mut *self.notes.borrow_mut();
        let next = Report { issued: notes.issued, counts: notes.counts, ..Report::default() };
        core::mem::replace(notes, next)
    }
}
