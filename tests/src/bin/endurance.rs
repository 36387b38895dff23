//! Lets worlds of nodes run under every fault there is, one for each seed; fails if a law is broken.
//!
//! ```text
//! cargo run --release -p resil-tests --bin endurance -- --seeds 0..200 --nodes 1000
//! ```

use resil_tests::endurance::{Class, Fallen, GUARDED, Plant, Survived, survive};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut seeds, mut nodes) = (0..20_u64, 1_000_usize);
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--nodes" => nodes = value.parse().unwrap(),
            [name, value] if name == "--seeds" => {
                let (from, to) = value.split_once("..").unwrap();
                seeds = from.parse().unwrap()..to.parse().unwrap();
            }
            _ => panic!(),
        }
    }
    let start = Instant::now();
    let mut hits = [0; Class::ALL.len()];
    for seed in seeds {
        match survive(seed, nodes, &GUARDED, Plant::Nothing) {
            Ok(s) => {
                println!("{seed}: {} requests {} ok {} refused {} failed {} died, {} attempts, recovery {:?} {} events trace {:x}", s.requests, s.ok, s.refused, s.failed, s.died, s.attempts, s.recovery, s.events, s.trace);
                for (a, b) in hits.iter_mut().zip(s.hits) { *a += b }
            }
            Err(fallen) => println!("{fallen}"),
        }
    }
    for class in Class::ALL { println!("{:>10} {}", hits[class as usize], class.hits()); }
    println!("{:?}", start.elapsed());
    ExitCode::SUCCESS
}
