//! Worlds so small that every reachable state of them is looked at.
//!
//! A world is a machine, those who use it, and a clock. From the first state on every input is tried in
//! every state that can be reached: time that passes, jumps to a deadline or beyond, or steps back; two or
//! three permits at once, told back with every outcome, lost, or told back too late; settings. After each
//! the laws are checked. The search is breadth first, so a law that is broken is shown with a shortest way
//! to it.
//!
//! Time is what it is apart from `now`, or there would be no end of states: all instants of a state are
//! taken relative to `now`, and what is so long ago that nothing can look back to it is one and the same
//! past. A clock is never further behind than a bound that is wider than what the machine waits for.
//!
//! `WORLDS.md` has what was seen. After a change that is meant, write it anew with `RESIL_WRITE=1`. With
//! `RESIL_WORLDS=large` the worlds of the campaign are searched instead.

mod aimd;
mod breaker;
mod bucket;
mod bulkhead;
mod call;
mod ejection;
mod gradient;
mod health;
mod heartbeat;
mod lending;
mod limit;
mod planted;
mod queue;
mod report;
mod retry;
mod search;
mod throttle;

use report::{Entry, applied, diagram, laws, table};
use resil_core::Outcome;
use resil_core::outcome::FailureClass;
use search::{World, explore};
use std::sync::{Mutex, OnceLock};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/WORLDS.md");
const CAMPAIGN: &str = "## The campaign\n";

/// Every way in which a call can end.
const OUTCOMES: [Outcome; 8] = [
    Outcome::Success,
    Outcome::Failure(FailureClass::Transient),
    Outcome::Failure(FailureClass::Throttled),
    Outcome::Failure(FailureClass::Timeout),
    Outcome::Failure(FailureClass::Local),
    Outcome::Failure(FailureClass::Fatal),
    Outcome::Ignored,
    Outcome::Abandoned,
];

/// Deeper than any of the worlds that are searched to their end.
const TO_THE_END: usize = 999;

type Search = Box<dyn FnOnce() -> Entry + Send>;

fn search<W: World>(
    machine: &'static str,
    world: &'static str,
    depth: usize,
    first: impl FnOnce() -> W + Send + 'static,
) -> Search {
    Box::new(move || Entry { machine, world, outcome: explore(&first(), depth) })
}

/// What every run looks at.
fn small() -> Vec<Search> {
    use breaker::{BY_COUNT, BY_TIME, Breaker, ESCALATING, IN_A_ROW, TOLERANT};
    use bucket::{Bucket, STRICT, THIRDS, THREE};
    use call::{Calls, THRICE, TWICE};
    vec![
        search("breaker", "2 in a row, 3 permits", TO_THE_END, || Breaker::new(&IN_A_ROW, 3, 0)),
        search("breaker", "2 in a row, 2 permits, steps back", TO_THE_END, || {
            Breaker::new(&IN_A_ROW, 2, 4)
        }),
        search("breaker", "2 probes, open time doubles, 3 permits", TO_THE_END, || {
            Breaker::new(&ESCALATING, 3, 0)
        }),
        search("breaker", "half of 2 probes, 3 permits", TO_THE_END, || {
            Breaker::new(&TOLERANT, 3, 0)
        }),
        search("breaker", "of the last 3 calls, 2 permits", TO_THE_END, || {
            Breaker::new(&BY_COUNT, 2, 0)
        }),
        search("breaker", "of the last 4 ns, 1 permit", 14, || Breaker::new(&BY_TIME, 1, 0)),
        search("breaker", "of the last 4 ns, 2 permits, steps back", 6, || {
            Breaker::new(&BY_TIME, 2, 3)
        }),
        search("ejection", "3 peers", 5, || ejection::Peers::new(0, None)),
        search("ejection", "3 peers, steps back", 4, || ejection::Peers::new(3, None)),
        search("bulkhead", "3 permits of 3 priorities, 2 policies", TO_THE_END, || {
            bulkhead::Bulkhead::new(None)
        }),
        search("bulkhead queue", "2 permits or 1, 2 places", 6, || queue::Queue::new(None)),
        search("AIMD", "1 to 3 calls", TO_THE_END, || aimd::Adaptive::new(0, None)),
        search("AIMD", "1 to 3 calls, steps back", TO_THE_END, || aimd::Adaptive::new(2, None)),
        search("gradient", "1 to 3 calls", 8, || gradient::Adaptive::new(0, None)),
        search("gradient", "1 to 3 calls, steps back", 6, || gradient::Adaptive::new(3_072, None)),
        search("throttle", "3 calls in 10 ns", 8, || throttle::Throttle::new(3, 0, None)),
        search("throttle", "3 calls in 10 ns, steps back", 6, || {
            throttle::Throttle::new(3, 4, None)
        }),
        search("health", "2 checks", 6, || health::Health::new(0, None)),
        search("health", "2 checks, steps back", 5, || health::Health::new(2, None)),
        search("heartbeat", "every 4 ns", 14, || heartbeat::Peer::new(0, None)),
        search("heartbeat", "every 4 ns, steps back", 9, || heartbeat::Peer::new(20, None)),
        search("retry", "3 attempts", TO_THE_END, || retry::Retry::new(0, None)),
        search("retry", "3 attempts, steps back", TO_THE_END, || retry::Retry::new(5, None)),
        search("bucket", "a token every 3 ns", TO_THE_END, || {
            Bucket::new(&THREE, (1, 3), false, 0, None)
        }),
        search("bucket", "a token every 3⅓ ns", 18, || {
            Bucket::new(&THIRDS, (3, 10), false, 0, None)
        }),
        search("bucket", "a token every 3 ns, steps back", 10, || {
            Bucket::new(&THREE, (1, 3), false, 7, None)
        }),
        search("bucket", "a token every 3 ns, refunds", 8, || {
            Bucket::new(&THREE, (1, 3), true, 0, None)
        }),
        search("bucket", "strict, 3 in 8 ns", TO_THE_END, || {
            Bucket::new(&STRICT, (1, 8), false, 0, None)
        }),
        search("call", "2 calls of 2 attempts", 8, || Calls::new(&TWICE, None, 2, 0, None)),
        search("call", "2 calls of 3 attempts, hedged", 7, || {
            Calls::new(&THRICE, Some(1), 2, 0, None)
        }),
        search("call", "2 calls of 2 attempts, steps back", 6, || {
            Calls::new(&TWICE, None, 2, 7, None)
        }),
        search("call", "2 calls of 2 attempts, an attempt every 2 ns", 7, || {
            Calls::new(&TWICE, None, 2, 0, None).limited()
        }),
    ]
}

/// What a campaign looks at besides: larger worlds, and deeper into the others.
fn large() -> Vec<Search> {
    use breaker::{BY_COUNT, BY_TIME, Breaker, ESCALATING, IN_A_ROW, TOLERANT};
    use bucket::{Bucket, STRICT, THIRDS, THREE};
    use call::{Calls, THRICE, TWICE};
    vec![
        search("breaker", "2 in a row, 3 permits, steps back", TO_THE_END, || {
            Breaker::new(&IN_A_ROW, 3, 4)
        }),
        search("breaker", "2 probes, open time doubles, 2 permits, steps back", TO_THE_END, || {
            Breaker::new(&ESCALATING, 2, 3)
        }),
        search("breaker", "half of 2 probes, 2 permits, steps back", TO_THE_END, || {
            Breaker::new(&TOLERANT, 2, 3)
        }),
        search("breaker", "of the last 3 calls, 3 permits", TO_THE_END, || {
            Breaker::new(&BY_COUNT, 3, 0)
        }),
        search("breaker", "of the last 3 calls, 2 permits, steps back", TO_THE_END, || {
            Breaker::new(&BY_COUNT, 2, 3)
        }),
        search("breaker", "of the last 4 ns, 2 permits", TO_THE_END, || {
            Breaker::new(&BY_TIME, 2, 0)
        }),
        search("breaker", "of the last 4 ns, 1 permit, steps back", 14, || {
            Breaker::new(&BY_TIME, 1, 3)
        }),
        search("ejection", "3 peers", TO_THE_END, || ejection::Peers::new(0, None)),
        search("ejection", "3 peers, steps back", 7, || ejection::Peers::new(3, None)),
        search("bulkhead queue", "2 permits or 1, 2 places", 9, || queue::Queue::new(None)),
        search("AIMD", "1 to 3 calls, steps far back", TO_THE_END, || aimd::Adaptive::new(4, None)),
        search("gradient", "1 to 3 calls", 12, || gradient::Adaptive::new(0, None)),
        search("gradient", "1 to 3 calls, steps back", 9, || gradient::Adaptive::new(3_072, None)),
        search("throttle", "3 calls in 10 ns", 13, || throttle::Throttle::new(3, 0, None)),
        search("throttle", "4 calls in 10 ns", 11, || throttle::Throttle::new(4, 0, None)),
        search("throttle", "3 calls in 10 ns, steps back", 10, || {
            throttle::Throttle::new(3, 4, None)
        }),
        search("health", "2 checks", 8, || health::Health::new(0, None)),
        search("health", "2 checks, steps back", 7, || health::Health::new(2, None)),
        search("heartbeat", "every 4 ns", 24, || heartbeat::Peer::new(0, None)),
        search("heartbeat", "every 4 ns, steps back", 16, || heartbeat::Peer::new(20, None)),
        search("retry", "3 attempts, steps far back", TO_THE_END, || retry::Retry::new(12, None)),
        // Not with steps back: there 1 ns decides whether it is anchored anew, and rounding about 1 ns.
        search("bucket", "a token every 3⅓ ns", TO_THE_END, || {
            Bucket::new(&THIRDS, (3, 10), false, 0, None)
        }),
        search("bucket", "a token every 3 ns, steps far back", TO_THE_END, || {
            Bucket::new(&THREE, (1, 3), false, 14, None)
        }),
        search("bucket", "a token every 3 ns, refunds", 14, || {
            Bucket::new(&THREE, (1, 3), true, 0, None)
        }),
        search("bucket", "a token every 3⅓ ns, refunds", 12, || {
            Bucket::new(&THIRDS, (3, 10), true, 0, None)
        }),
        search("bucket", "strict, 3 in 8 ns, steps back", TO_THE_END, || {
            Bucket::new(&STRICT, (1, 8), false, 17, None)
        }),
        search("call", "2 calls of 2 attempts", 11, || Calls::new(&TWICE, None, 2, 0, None)),
        search("call", "2 calls of 3 attempts, hedged", 9, || {
            Calls::new(&THRICE, Some(1), 2, 0, None)
        }),
        search("call", "2 calls of 2 attempts, steps back", 9, || {
            Calls::new(&TWICE, None, 2, 7, None)
        }),
        search("call", "2 calls of 3 attempts, hedged at once, steps back", 8, || {
            Calls::new(&THRICE, Some(0), 1, 7, None)
        }),
        search("call", "2 calls of 2 attempts, an attempt every 2 ns", 10, || {
            Calls::new(&TWICE, None, 2, 0, None).limited()
        }),
    ]
}

/// Runs them on all processors, the entries in their order.
fn run(searches: Vec<Search>) -> Vec<Entry> {
    let count = searches.len();
    let waiting = Mutex::new(searches.into_iter().enumerate().rev().collect::<Vec<_>>());
    let done = Mutex::new(Vec::with_capacity(count));
    let work = || {
        loop {
            let Some((at, search)) = waiting.lock().unwrap().pop() else { return };
            let entry = search();
            if is_large() {
                let Entry { machine, world, outcome } = &entry;
                let states = outcome.as_ref().map(|explored| explored.states);
                eprintln!("{machine}, {world}: {states:?}");
            }
            done.lock().unwrap().push((at, entry));
        }
    };
    std::thread::scope(|scope| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (0..processors).for_each(|_| drop(scope.spawn(work)));
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, entry)| entry).collect()
}

fn is_large() -> bool {
    std::env::var_os("RESIL_WORLDS").is_some_and(|worlds| worlds == "large")
}

fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| run(if is_large() { large() } else { small() }))
}

/// What `WORLDS.md` says of the worlds of every run.
fn page(entries: &[Entry]) -> String {
    let drawn = [
        "2 in a row, 3 permits",
        "3 peers",
        "3 permits of 3 priorities, 2 policies",
        "2 permits or 1, 2 places",
        "1 to 3 calls",
        "3 calls in 10 ns",
        "2 checks",
        "every 4 ns",
        "3 attempts",
        "a token every 3 ns",
        "2 calls of 3 attempts, hedged",
    ];
    let drawn = entries.iter().filter(|entry| drawn.contains(&entry.world));
    let diagrams: Vec<_> = drawn.map(diagram).collect();
    format!(
        "{INTRODUCTION}{}\n## The laws\n\nHow often each had something to say; none was broken.\n\n{}\n## What leads from one phase to another\n\n{DIAGRAMS}\n{}\n",
        table(entries),
        laws(entries),
        diagrams.join("\n")
    )
}

const INTRODUCTION: &str = "# Every reachable state of small worlds\n
Generated by `cargo test -p resil-tests --test suite worlds` (with `RESIL_WRITE=1` it is written anew), which
searches all of it again and fails where it differs. `suite/worlds.rs` says how.\n
A world is a machine with small numbers, those who use it, and a clock that passes, jumps and steps back.
*Complete* means that there are no other states of it; else that there may be deeper ones, and that all up to
this depth were looked at.\n\n";

const DIAGRAMS: &str = "From the graphs that were searched: states are collapsed to their phase, edges are labelled with what was put
in. *time* is time alone.\n";

/// What it says of the campaign.
fn campaign(entries: &[Entry]) -> String {
    format!(
        "{CAMPAIGN}\n`RESIL_WORLDS=large cargo test --release -p resil-tests --test suite worlds`, in some minutes.\n\n{}",
        table(entries)
    )
}

#[test]
fn every_law_holds_in_every_reachable_state_and_has_something_to_say() {
    let silent: Vec<_> = applied(entries()).into_iter().filter(|(_, times)| *times == 0).collect();
    assert!(silent.is_empty(), "these have not been put to the test: {silent:?}");
}

#[test]
fn the_committed_figures_and_diagrams_are_those_of_the_search() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let (page_then, campaign_then) = committed.split_once(CAMPAIGN).unwrap_or((&committed, ""));
    let campaign_then =
        if campaign_then.is_empty() { String::new() } else { format!("{CAMPAIGN}{campaign_then}") };
    let (page, campaign) = if is_large() {
        (page_then.to_owned(), campaign(entries()))
    } else {
        (page(entries()), campaign_then)
    };
    let now = page + &campaign;
    if std::env::var_os("RESIL_WRITE").is_some() {
        std::fs::write(COMMITTED, &now).unwrap();
        return;
    }
    for (line, expected) in now.lines().zip(committed.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(now.lines().count(), committed.lines().count());
}
