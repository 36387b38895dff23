//! Lets worlds of nodes live through every fault there is, one for each seed. Exit code 1 where a law is
//! broken.
//!
//! ```text
//! cargo run --release -p resil-tests --bin endurance -- --seeds 0..200 --nodes 1000
//! ```

use clap::Parser;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use resil_tests::endurance::{
    CLASSES, Class, Fallen, GUARDED, Plant, Policies, Survived, UNGUARDED, survive,
};
use std::process::ExitCode;
use std::sync::Mutex;

/// Lets worlds of nodes live through every fault there is.
///
/// Each seed is another world. A law that is broken is printed, with the command that plays that world
/// again. Exit code: 0 when all laws hold, 1 when one does not, 2 for a wrong option.
#[derive(Debug, Parser)]
#[command(name = "endurance")]
struct Arguments {
    /// Which worlds
    #[arg(long, value_name = "FROM..TO", default_value = "0..200", value_parser = range)]
    seeds: Range<u64>,

    /// Nodes in each of them
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(16..1 << 20))]
    nodes: u32,

    /// Worlds at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    threads: u8,

    /// Nothing but retries: what the same faults do without resil
    #[arg(long)]
    unguarded: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("a range is FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("a range is from below to above".to_owned()) } else { Ok(range) }
}

/// What was seen in all worlds.
#[derive(Debug, Default)]
struct Totals {
    worlds: u64,
    fallen: u64,
    events: u64,
    requests: u64,
    ok: u64,
    refused: u64,
    failed: u64,
    died: u64,
    attempts: u64,
    /// While faults last: requests, and those that succeeded.
    rough: [u64; 2],
    hits: [u64; CLASSES],
    /// Worlds that a class has hit.
    hit_worlds: [u64; CLASSES],
    recovery: Duration,
    slowest: u64,
    /// Worlds in which a breaker closed later than in most.
    late: u64,
    trace: u64,
}

impl Totals {
    fn add(&mut self, world: &Survived) {
        self.worlds += 1;
        self.events += world.events;
        self.requests += world.requests;
        self.ok += world.ok;
        self.refused += world.refused;
        self.failed += world.failed;
        self.died += world.died;
        self.attempts += world.attempts;
        for second in world.rough() {
            self.rough[0] += u64::from(second.requests);
            self.rough[1] += u64::from(second.ok);
        }
        for (class, hits) in world.hits.into_iter().enumerate() {
            self.hits[class] += hits;
            self.hit_worlds[class] += u64::from(hits > 0);
        }
        if world.recovery > self.recovery {
            (self.recovery, self.slowest) = (world.recovery, world.seed);
        }
        self.late += u64::from(world.is_late);
        // A sum, so that it is the same in whatever order worlds end.
        self.trace = self.trace.wrapping_add(world.trace);
    }

    fn print(&self, nodes: u32) {
        let Self { worlds, fallen, events, requests, ok, refused, failed, died, .. } = self;
        println!("{worlds} worlds of {nodes} nodes survived, {fallen} did not; {events} events");
        println!("{requests} requests: {ok} ok, {refused} refused, {failed} failed, {died} died");
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let [asked, answered] = self.rough;
        println!("{:.3} attempts a request", share(self.attempts, *requests));
        println!("{:.1} % ok while faults last", 100.0 * share(answered, asked));
        println!("worst recovery {:?} (seed {})", self.recovery, self.slowest);
        println!("{} worlds with a breaker that was late to close", self.late);
        println!("trace {:016x}", self.trace);
        println!("{:>14}  {:>6}", "hits", "worlds");
        for class in Class::ALL {
            let index = class as usize;
            println!("{:>14}  {:>6}  {}", self.hits[index], self.hit_worlds[index], class.hits());
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let policies: &'static Policies = if arguments.unguarded { &UNGUARDED } else { &GUARDED };
    let (totals, next) = (Mutex::new(Totals::default()), AtomicU64::new(arguments.seeds.start));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= arguments.seeds.end {
                        return;
                    }
                    let world = survive(seed, arguments.nodes as usize, policies, Plant::Nothing);
                    note(&totals, &world);
                }
            });
        }
    });
    let totals = totals.into_inner().expect("no world panicked");
    totals.print(arguments.nodes);
    if totals.fallen == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn note(totals: &Mutex<Totals>, world: &Result<Survived, Fallen>) {
    let mut totals = totals.lock().expect("no world panicked");
    match world {
        Ok(survived) => totals.add(survived),
        Err(fallen) => {
            totals.fallen += 1;
            println!("{fallen}");
        }
    }
}
