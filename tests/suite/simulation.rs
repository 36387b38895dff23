//! A whole network on one clock: what an overload of half a minute does to nodes that retry, and to
//! nodes that make composed calls.

mod protection;
mod world;

use core::time::Duration;
use protection::Naive;
use resil_core::Instant;
use world::{Second, World};

/// All hubs together serve a thousand requests a second.
const CAPACITY: u32 = 1_000;
const TRIGGER: core::ops::Range<u64> = 20..50;

fn at(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

/// Four fifths of the capacity, and 1.3 times it while the trigger lasts.
fn load(now: Instant) -> u32 {
    let second = now.as_duration().as_secs();
    if TRIGGER.contains(&second) { CAPACITY * 13 / 10 } else { CAPACITY * 8 / 10 }
}

#[test]
fn look() {
    let mut world = World::<Naive>::new(7, load);
    world.run(at(120));
    for (second, Second { requests, attempts, answered }) in world.seconds.iter().enumerate() {
        println!("{second:>4} {requests:>5} {attempts:>5} {answered:>5}");
    }
    println!("{:x}", world.trace());
}
