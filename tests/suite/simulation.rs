//! A whole network on one clock: what an overload of half a minute does to nodes that retry, and to
//! nodes that make composed calls.

mod protection;
mod world;

use core::ops::Range;
use core::time::Duration;
use protection::{Composed, Naive, Protection};
use resil_core::Instant;
use world::{Second, World};

/// All hubs together serve a thousand requests a second.
const CAPACITY: u32 = 1_000;

/// When there are 1.3 times as many; before and after, four fifths.
const TRIGGER: Range<usize> = 20..50;

/// How long after the trigger the composed calls may take until the network is as before.
const RECOVERED: usize = TRIGGER.end + 20;

const END: usize = 120;

const SEEDS: [u64; 3] = [1, 2, 3];

fn load(now: Instant) -> u32 {
    let second = now.as_duration().as_secs() as usize;
    if TRIGGER.contains(&second) { CAPACITY * 13 / 10 } else { CAPACITY * 8 / 10 }
}

fn simulate<P: Protection>(seed: u64) -> (Vec<Second>, u64) {
    let mut world = World::<P>::new(seed, load);
    world.run(Instant::from_duration(Duration::from_secs(END as u64)));
    let trace = world.trace();
    (world.seconds, trace)
}

fn sum(seconds: &[Second]) -> Second {
    seconds.iter().fold(Second::default(), |sum, second| Second {
        requests: sum.requests + second.requests,
        attempts: sum.attempts + second.attempts,
        answered: sum.answered + second.answered,
    })
}

#[test]
fn naive_retries_keep_an_overload_going_when_its_cause_is_gone_pitfall_90() {
    for seed in SEEDS {
        let (seconds, _) = simulate::<Naive>(seed);
        let before = sum(&seconds[..TRIGGER.start]);
        assert!(before.answered * 100 >= before.requests * 99, "all was well: {before:?}");
        let after = sum(&seconds[TRIGGER.end..END - 1]);
        assert!(after.answered * 100 < after.requests, "seed {seed}: {after:?}");
        assert!(after.attempts >= after.requests * 3, "what keeps it going: {after:?}");
    }
}

#[test]
fn composed_calls_recover_within_twenty_seconds_pitfall_90() {
    for seed in SEEDS {
        let (seconds, _) = simulate::<Composed>(seed);
        // The requests of the last second are still on their way.
        for (number, second) in seconds[..END - 1].iter().enumerate().skip(RECOVERED) {
            let is_well = second.answered * 100 >= second.requests * 95;
            assert!(is_well, "seed {seed}, {number} s: {second:?}");
        }
    }
}

#[test]
fn composed_calls_send_at_most_a_fifth_more_than_they_are_asked_for_pitfall_90() {
    for seed in SEEDS {
        let (seconds, _) = simulate::<Composed>(seed);
        let overload = sum(&seconds[TRIGGER]);
        assert!(overload.attempts * 5 <= overload.requests * 6, "seed {seed}: {overload:?}");
        let (naive, _) = simulate::<Naive>(seed);
        let naive = sum(&naive[TRIGGER]);
        assert!(overload.answered > 2 * naive.answered, "{overload:?}, naive: {naive:?}");
    }
}

/// Everything that happens, to the nanosecond and the bit, in every build and on every machine. When
/// these numbers change, a decision of the core has changed.
#[test]
fn the_same_seed_gives_the_same_trace() {
    let traces = SEEDS.map(|seed| simulate::<Composed>(seed).1);
    assert_eq!(
        traces,
        [13_943_434_954_077_680_477, 12_174_122_604_539_426_375, 8_067_873_135_285_905_709]
    );
}
