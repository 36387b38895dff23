//! Interleaved rounds, and the table they end in.

use core::fmt::Write as _;
use std::time::Instant;

const ROUNDS: usize = 41;
const OPERATIONS: u64 = 1_000_000;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but the loop.
    Loop,
    /// The least that can be done, written by hand.
    Floor,
    Peer,
    Resil,
}

/// A named batch: so many operations, and whether all came out as they should.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) batch: Box<dyn FnMut(u64) -> bool>,
}

/// What resil's row is to reach.
#[allow(dead_code, reason = "each bench has targets of its own")]
pub(crate) enum Target {
    /// At most so many times the floor.
    Floor(f64),
    /// At most so many times the fastest peer.
    FastestPeer(f64),
    /// At most so many times this peer.
    Peer(&'static str, f64),
    /// At most so many nanoseconds above this row.
    Above(&'static str, f64),
    /// At most so many nanoseconds, on a machine whose floors take about 0.9.
    Nanos(f64),
}

/// Contenders for the same work.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) targets: &'static [Target],
}

struct Figures {
    name: &'static str,
    kind: Kind,
    median: f64,
    least: f64,
}

impl Row {
    pub(crate) fn run(mut self) {
        let figures = self.measure();
        let fastest = |kind| {
            let medians = figures.iter().filter(|one| one.kind == kind).map(|one| one.median);
            medians.min_by(f64::total_cmp).unwrap_or(f64::NAN)
        };
        let (floor, peer) = (fastest(Kind::Floor), fastest(Kind::Peer));
        println!("{}", self.title);
        println!("{:24}{:>8}{:>8}{:>9}{:>9}", "", "median", "min", "÷ floor", "÷ peer");
        for one in &figures {
            let (to_floor, to_peer) = (one.median / floor, one.median / peer);
            let Figures { name, median, least, .. } = one;
            println!("  {name:22}{median:8.2}{least:8.2}{to_floor:9.2}{to_peer:9.2}");
        }
        let resil = fastest(Kind::Resil);
        for target in self.targets {
            println!("  {}", target.verdict(resil, floor, peer, &figures));
        }
        println!();
    }

    fn measure(&mut self) -> Vec<Figures> {
        let mut times = vec![Vec::with_capacity(ROUNDS); self.contenders.len()];
        for round in 0..=ROUNDS {
            for turn in 0..self.contenders.len() {
                let index = (round + turn) % self.contenders.len();
                let contender = &mut self.contenders[index];
                let start = Instant::now();
                let right = (contender.batch)(OPERATIONS);
                let nanos = start.elapsed().as_nanos() as f64 / OPERATIONS as f64;
                assert!(right, "{}: {} decided otherwise", self.title, contender.name);
                if round > 0 {
                    times[index].push(nanos); // round 0 warms up
                }
            }
        }
        let figures = |(contender, mut times): (&Contender, Vec<f64>)| {
            times.sort_by(f64::total_cmp);
            let (name, kind) = (contender.name, contender.kind);
            Figures { name, kind, median: times[ROUNDS / 2], least: times[0] }
        };
        self.contenders.iter().zip(times).map(figures).collect()
    }
}

impl Target {
    fn verdict(&self, resil: f64, floor: f64, peer: f64, figures: &[Figures]) -> String {
        let mut line = String::new();
        let median =
            |name| figures.iter().find(|one| one.name == name).map_or(f64::NAN, |one| one.median);
        let (value, most, unit) = match *self {
            Self::Floor(most) => (resil / floor, most, "× the floor"),
            Self::FastestPeer(most) => (resil / peer, most, "× the fastest peer"),
            Self::Peer(name, most) => (resil / median(name), most, name),
            Self::Above(name, most) => (resil - median(name), most, "ns above it"),
            Self::Nanos(most) => (resil, most, "ns"),
        };
        let verdict = if value <= most { "reached" } else { "MISSED" };
        let _ = write!(line, "{verdict}: {value:.2} of at most {most} {unit}");
        line
    }
}
