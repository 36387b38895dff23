//! Interleaved rounds, and the table they end in.
//!
//! `--lines` prints a line for each contender instead, for `tests/benches/report`, and `--count` runs
//! each once, for valgrind: see `tests/benches/count`.

use core::fmt::Write as _;
use std::time::Instant;

const ROUNDS: usize = 41;
const OPERATIONS: u64 = 1_000_000;
/// Of those that valgrind counts: what a batch does besides is then one in thousands.
const COUNTED: u64 = 10_000;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but the loop.
    Loop,
    /// The least that can be done, written by hand.
    Floor,
    Peer,
    Resil,
    /// Resil in another form, which is asked for.
    #[allow(dead_code, reason = "not in every bench")]
    Option,
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
    /// Resil's other form at most so many times this peer.
    OptionToPeer(&'static str, f64),
    /// At most so many nanoseconds above this row.
    Above(&'static str, f64),
    /// At most so many nanoseconds, on a machine whose floors take about 0.9.
    Nanos(f64),
}

/// Contenders for the same work.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    /// How many ask at once. Instructions are counted where it is one.
    pub(crate) threads: usize,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) targets: &'static [Target],
}

struct Figures {
    name: &'static str,
    kind: Kind,
    median: f64,
    least: f64,
}

/// What the command line asks for: whole tables, or of one kind of line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Table,
    Lines,
    Count,
}

/// Runs the rows whose titles have the word that the command line names, all where it names none.
pub(crate) fn run(rows: impl IntoIterator<Item = Row>) {
    let mut arguments = std::env::args().skip(1);
    let word = arguments.find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let is_asked = |option| std::env::args().any(|argument| argument == option);
    let output = match (is_asked("--count"), is_asked("--lines")) {
        (true, _) => Output::Count,
        (false, true) => Output::Lines,
        (false, false) => Output::Table,
    };
    if output == Output::Table {
        println!("ns per operation; the loop around it is part of every figure\n");
    }
    for row in rows.into_iter().filter(|row| row.title.contains(&word)) {
        match output {
            Output::Count if row.threads == 1 => row.count(),
            Output::Count => {}
            Output::Lines => row.run_for_lines(),
            Output::Table => row.run(),
        }
    }
}

/// A batch, apart from all others: valgrind counts from where this is entered to where it is left.
#[inline(never)]
fn counted_batch(batch: &mut dyn FnMut(u64) -> bool) -> bool {
    batch(COUNTED)
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Floor => "floor",
            Self::Peer => "peer",
            Self::Resil => "resil",
            Self::Option => "option",
        }
    }
}

impl Row {
    /// Runs each contender once to warm up and once to be counted, and says in which order.
    fn count(mut self) {
        for contender in &mut self.contenders {
            let Contender { name, kind, batch } = contender;
            assert!(
                batch(COUNTED) && counted_batch(batch),
                "{}: {name} decided otherwise",
                self.title
            );
            println!("{}\t{}\t{name}\t{COUNTED}", self.title, kind.name());
        }
    }

    fn run_for_lines(mut self) {
        for Figures { name, kind, median, least } in self.measure() {
            println!("{}\t{}\t{name}\t{median:.2}\t{least:.2}", self.title, kind.name());
        }
    }

    fn run(mut self) {
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
        let (resil, option) = (fastest(Kind::Resil), fastest(Kind::Option));
        for target in self.targets {
            println!("  {}", target.verdict(resil, option, floor, peer, &figures));
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
    fn verdict(
        &self,
        resil: f64,
        option: f64,
        floor: f64,
        peer: f64,
        figures: &[Figures],
    ) -> String {
        let mut line = String::new();
        let median =
            |name| figures.iter().find(|one| one.name == name).map_or(f64::NAN, |one| one.median);
        let (value, most, unit) = match *self {
            Self::Floor(most) => (resil / floor, most, "× the floor"),
            Self::FastestPeer(most) => (resil / peer, most, "× the fastest peer"),
            Self::Peer(name, most) => (resil / median(name), most, name),
            Self::OptionToPeer(name, most) => (option / median(name), most, name),
            Self::Above(name, most) => (resil - median(name), most, "ns above it"),
            Self::Nanos(most) => (resil, most, "ns"),
        };
        let verdict = if value <= most { "reached" } else { "MISSED" };
        let _ = write!(line, "{verdict}: {value:.2} of at most {most} {unit}");
        line
    }
}
