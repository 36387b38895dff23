//! What the firmware tells piece by piece, gathered into the reports that the supervisor reads.

use crate::wire::{HealthSeen, Report};
use mesh_protocol::control::Note;

/// The notes of one life of the firmware since the last report, on the bridge's clock.
#[derive(Debug, Default)]
pub(super) struct Notebook {
    /// How far the bridge's clock is ahead of the firmware's, which starts at its boot.
    ahead: u64,
    notes: Report,
    is_empty: bool,
}

impl Notebook {
    /// The book of a firmware that booted: its clock shows `shown` when the bridge's shows `now`.
    pub(super) fn new(shown: u64, now: u64) -> Self {
        Self { ahead: now.saturating_sub(shown), notes: Report::default(), is_empty: true }
    }

    /// Whether nothing has been written down since the boot.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Writes a note down, with its instants on the bridge's clock.
    pub(super) fn add(&mut self, note: Note) {
        self.is_empty = false;
        let ahead = self.ahead;
        let ours = |at: u64| at.saturating_add(ahead);
        match note {
            Note::Issued(next) => self.notes.issued = next,
            Note::Ended(mut ended) => {
                ended.issued_at = ours(ended.issued_at);
                ended.ended_at = ours(ended.ended_at);
                self.notes.ended.push(ended);
            }
            Note::Admitted(mut admitted) => {
                admitted.at = ours(admitted.at);
                self.notes.admitted.push(admitted);
            }
            Note::Breaker(mut moved) => {
                moved.at = ours(moved.at);
                self.notes.breakers.push(moved);
            }
            Note::Health(seen) => self.notes.health.push(HealthSeen {
                status: seen.status,
                reason: seen.reason.as_str().to_owned(),
                at: ours(seen.at),
            }),
            Note::Counts(counts) => self.notes.counts = counts,
            // What these say is about the life, not in it.
            Note::Up { .. } | Note::Done => {}
        }
    }

    /// The report since the last one.
    pub(super) fn take(&mut self) -> Report {
        let Report { issued, counts, .. } = self.notes;
        let next = Report { issued, counts, ..Report::default() };
        core::mem::replace(&mut self.notes, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Admitted, Attempts, BreakerMoved, BreakerState, Counts, End, Ended, Kind};

    #[test]
    fn instants_of_the_firmware_become_the_bridges_and_keep_their_distances() {
        let mut book = Notebook::new(100, 5_000);
        let (end, attempts) = (End::Ok, Attempts { made: 1, wasted: 0 });
        book.add(Note::Ended(Ended {
            id: 0,
            kind: Kind::Orderly,
            peer: 1,
            issued_at: 100,
            ended_at: 107,
            end,
            attempts,
        }));
        book.add(Note::Admitted(Admitted { sender: 1, at: 110 }));
        book.add(Note::Breaker(BreakerMoved { peer: 1, to: BreakerState::Open, at: 120 }));
        let report = book.take();
        assert_eq!((report.ended[0].issued_at, report.ended[0].ended_at), (5_000, 5_007));
        assert_eq!((report.admitted[0].at, report.breakers[0].at), (5_010, 5_020));
    }

    #[test]
    fn a_report_repeats_no_event_and_forgets_no_count() {
        let mut book = Notebook::new(0, 0);
        assert!(book.is_empty());
        book.add(Note::Issued(3));
        book.add(Note::Admitted(Admitted { sender: 1, at: 1 }));
        book.add(Note::Counts(Counts { served: 9, ..Counts::default() }));
        assert!(!book.is_empty());
        assert_eq!(book.take().admitted.len(), 1);
        let again = book.take();
        assert_eq!((again.issued, again.admitted.len(), again.counts.served), (3, 0, 9));
        assert!(!book.is_empty());
    }
}
