//! What the node notes about itself: for its judge, which would be told the same over a second UART.

use mesh_protocol::control::Note;
use mesh_protocol::record::Counts;
use resil_core::Instant;
use resil_firmware::alone::{Alone, Judge, Tally};

/// The notes, as far as the judge has to remember them.
pub(crate) struct Journal {
    judge: Judge,
    pub(crate) counts: Counts,
    pub(crate) flood: Tally,
    /// How often the peer was missed, by its heartbeat.
    pub(crate) suspected: u32,
    /// How often a connection to it was made.
    pub(crate) connected: u32,
}

impl Journal {
    #[inline(never)] // for the stack: what it is made of is gone when this returns
    pub(crate) fn start(part: &Alone, now: Instant) -> &'static mut Self {
        let (counts, flood) = (Counts::default(), Tally::default());
        let judge = Judge::new(part, now);
        let journal = Self { judge, counts, flood, suspected: 0, connected: 0 };
        cortex_m::singleton!(: Journal = journal).expect("once")
    }

    /// Notes something.
    pub(crate) fn note(&mut self, note: Note) {
        self.judge.take(note);
    }

    /// Whether all went as it should, which it says of everything that is asked.
    pub(crate) fn verdict(&mut self) -> bool {
        let Self { judge, counts, flood, suspected, connected } = self;
        judge.take(Note::Counts(*counts));
        let (suspected, connected) = (u64::from(*suspected), u64::from(*connected));
        judge.check(suspected > 0, "missed by its heartbeat when it was silent", suspected, 1);
        judge.check(connected > 1, "connected, once more when it was back", connected, 2);
        judge.verdict(*flood)
    }
}
