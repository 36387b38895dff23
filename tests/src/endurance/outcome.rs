//! What became of a world.

use super::calls::UnderWay;
use super::faults::{CLASSES, Class, FAULTS};
use super::laws::{self, Breach};
use core::fmt;
use core::time::Duration;
use resil_core::Instant;
use resil_core::call::Verdict;

/// Requests of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// All that were made.
    pub requests: u32,
    /// Those of them that succeeded.
    pub ok: u32,
}

/// What was seen of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survived {
    /// What it is drawn from.
    pub seed: u64,
    /// How many nodes it has.
    pub nodes: usize,
    /// Requests that were made.
    pub requests: u64,
    /// Those that succeeded.
    pub ok: u64,
    /// Those that own machines refused.
    pub refused: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that ended with their node.
    pub died: u64,
    /// Attempts for all of them.
    pub attempts: u64,
    /// Requests that reached nodes that were down.
    pub to_the_dead: u64,
    /// How often a fault of each class has hit.
    pub hits: [u64; CLASSES],
    /// What was seen in each second.
    pub seconds: Vec<Second>,
    /// How long after the last fault less than 95 % of the requests of a second succeeded.
    pub recovery: Duration,
    /// Whether a breaker was not closed yet when all of them are in most worlds.
    pub is_late: bool,
    /// Everything that has happened, in order, as one number.
    pub trace: u64,
    /// How many things have happened.
    pub events: u64,
}

impl Survived {
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            requests: 0,
            ok: 0,
            refused: 0,
            failed: 0,
            died: 0,
            attempts: 0,
            to_the_dead: 0,
            hits: [0; CLASSES],
            seconds: vec![Second::default(); 96],
            recovery: Duration::ZERO,
            is_late: false,
            trace: 0,
            events: 0,
        }
    }

    /// All that have ended.
    #[must_use]
    pub const fn ends(&self) -> u64 {
        self.ok + self.refused + self.failed + self.died
    }

    /// How often a fault of a class has hit.
    #[must_use]
    pub const fn hits(&self, class: Class) -> u64 {
        self.hits[class as usize]
    }

    /// The seconds in which faults are under way.
    pub fn rough(&self) -> impl Iterator<Item = &Second> {
        let [from, to] = FAULTS.map(|at| at.as_secs() as usize);
        self.seconds.iter().take(to).skip(from)
    }

    pub(super) fn note(&mut self, words: &[u64]) {
        self.events += 1;
        for word in words {
            // The multiplier of FxHash: fast, and no adversary chooses what happens here.
            self.trace = (self.trace.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
        }
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.requests += 1;
        self.seconds[now.as_duration().as_secs() as usize].requests += 1;
    }

    pub(super) fn ended(&mut self, call: &UnderWay, verdict: Verdict) {
        let count = match verdict {
            Verdict::Success => {
                self.seconds[call.began.as_duration().as_secs() as usize].ok += 1;
                &mut self.ok
            }
            Verdict::Refused(_) => &mut self.refused,
            _ => &mut self.failed,
        };
        *count += 1;
        let attempts = u64::from(call.call.attempts());
        self.note(&[u64::from(verdict == Verdict::Success), attempts]);
    }

    /// Finds the last bad second between the last fault and the end.
    pub(super) fn look_back(&mut self, last: usize, end: usize) {
        let after = self.seconds.iter().enumerate().take(end).skip(last);
        let mut bad = after.filter(|(_, seen)| !laws::is_good(seen.ok, seen.requests));
        self.recovery = match bad.next_back() {
            Some((second, _)) => Duration::from_secs((second + 1 - last) as u64),
            None => Duration::ZERO,
        };
    }

    pub(super) fn fallen(&self, at: Instant, breach: Breach) -> Fallen {
        Fallen { seed: self.seed, nodes: self.nodes, at: at.as_duration(), breach }
    }
}

/// A law was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallen {
    /// What the world is drawn from.
    pub seed: u64,
    /// How many nodes it has.
    pub nodes: usize,
    /// When.
    pub at: Duration,
    /// What.
    pub breach: Breach,
}

impl fmt::Display for Fallen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, nodes, at, breach: Breach { law, seen } } = self;
        writeln!(f, "seed {seed}, {nodes} nodes: {law} does not hold at {at:?}: {seen}")?;
        write!(
            f,
            "again: cargo run --release -p resil-tests --bin endurance -- --seeds {seed}..{} --nodes {nodes}",
            seed + 1
        )
    }
}
