//! What it is time for, by the built-in schedule.

use resil_core::Instant;
use resil_firmware::alone::{Alone, FLOOD, LINGER, Role, SILENCE};

/// A node's part, and when it began.
pub(crate) struct Schedule {
    part: Alone,
    begun: Instant,
}

/// What it is time for.
#[derive(Clone, Copy)]
pub(crate) struct Doing {
    /// It makes ordinary requests.
    pub(crate) asks: bool,
    /// It floods its peer.
    pub(crate) floods: bool,
    /// Nothing of what it says is heard, and it hears nothing.
    pub(crate) is_cut: bool,
    /// There is nothing left to do but to judge.
    pub(crate) is_over: bool,
}

impl Schedule {
    pub(crate) const fn new(part: Alone, now: Instant) -> Self {
        Self { part, begun: now }
    }

    pub(crate) fn at(&self, now: Instant) -> Doing {
        let is_past = |sixtieths| self.instant(sixtieths).is_reached(now);
        Doing {
            asks: !is_past(60),
            floods: self.part.role == Role::Floods && is_past(FLOOD.start) && !is_past(FLOOD.end),
            is_cut: self.part.role == Role::FallsSilent
                && is_past(SILENCE.start)
                && !is_past(SILENCE.end),
            is_over: self.end().is_reached(now),
        }
    }

    /// When it is time for something else.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let changes = [FLOOD.start, FLOOD.end, SILENCE.start, SILENCE.end, 60];
        let mut instants = changes.map(|sixtieths| self.instant(sixtieths)).into_iter();
        let next = instants.find(|instant| !instant.is_reached(now));
        next.or_else(|| Some(self.end()).filter(|end| !end.is_reached(now)))
    }

    fn instant(&self, sixtieths: u32) -> Instant {
        self.begun.saturating_add(self.part.sixtieths(sixtieths))
    }

    fn end(&self) -> Instant {
        self.instant(60).saturating_add(LINGER)
    }
}
