//! Faults, wrong clocks and partitions, on three clocks.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use resil_core::Instant;
use resil_core::chaos::{Chaos, ChaosPolicy, Fault, Partition, Skew, Stream};
use serde::Deserialize;

/// Rates in millionths, times in milliseconds; what is not given does not happen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    seed: u64,
    errors: u32,
    delays: (u32, u64, u64),
    drops: u32,
    duplicates: u32,
    reorders: (u32, u16),
    clock_steps: (u32, u64),
    bursts: Option<(u32, u32)>,
    enabled: bool,
    /// Milliseconds ahead, or behind.
    offset: i64,
    drift: i32,
    corrected_every: Option<u64>,
    window: u64,
    split: u32,
    groups: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            errors: 0,
            delays: (0, 0, 0),
            drops: 0,
            duplicates: 0,
            reorders: (0, 1),
            clock_steps: (0, 1),
            bursts: None,
            enabled: true,
            offset: 0,
            drift: 0,
            corrected_every: None,
            window: 1_000,
            split: 0,
            groups: 2,
        }
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) struct Disturbed {
    chaos: Chaos,
    stream: Stream,
    skew: Skew,
    partition: Partition,
}

impl Subject for Disturbed {
    type Policy = Settings;

    fn new(given: &Settings, _: Instant) -> Self {
        let mut builder = ChaosPolicy::builder()
            .errors(given.errors)
            .delays(given.delays.0, ms(given.delays.1), ms(given.delays.2))
            .drops(given.drops)
            .duplicates(given.duplicates)
            .reorders(given.reorders.0, given.reorders.1)
            .clock_steps(given.clock_steps.0, ms(given.clock_steps.1))
            .enabled(given.enabled);
        if let Some((begin, end)) = given.bursts {
            builder = builder.bursts(begin, end);
        }
        let offset = ms(given.offset.unsigned_abs());
        let skew =
            if given.offset < 0 { Skew::NONE.behind(offset) } else { Skew::NONE.ahead(offset) };
        let skew = skew.drift(given.drift).unwrap();
        let skew =
            given.corrected_every.map_or(skew, |every| skew.corrected_every(ms(every)).unwrap());
        Self {
            chaos: Chaos::new(builder.build().unwrap(), given.seed),
            stream: Stream::new(given.seed),
            skew,
            partition: Partition::new(given.seed, ms(given.window), given.split, given.groups)
                .unwrap(),
        }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let from_start = Instant::from_nanos(now.as_nanos() - start.as_nanos());
        match *event {
            ["message"] => said(self.chaos.inject()),
            // A run of messages, one letter each.
            ["messages", count] => {
                (0..count.parse().unwrap()).map(|_: u32| letter(self.chaos.inject())).collect()
            }
            ["draw"] => self.stream.next().to_string(),
            ["fork", id] => self.stream.fork(id.parse().unwrap()).next().to_string(),
            ["clock"] => millis(self.skew.show(from_start), Instant::EPOCH),
            ["group", node] => self
                .partition
                .group(node.parse().unwrap(), from_start)
                .map_or("whole".to_owned(), |group| format!("group {group}")),
            ["reach", a, b] => {
                let cut = self.partition.is_cut(a.parse().unwrap(), b.parse().unwrap(), from_start);
                if cut { "cut" } else { "reaches" }.to_owned()
            }
            ["next_deadline"] => self
                .partition
                .next_deadline(from_start)
                .map_or("never".to_owned(), |next| millis(next, Instant::EPOCH)),
            ref unknown => panic!("chaos knows no event {unknown:?}"),
        }
    }
}

fn said(fault: Fault) -> String {
    match fault {
        Fault::None => "none".to_owned(),
        Fault::Error => "error".to_owned(),
        Fault::Delay { nanos } => {
            format!("delay {}", millis(Instant::from_nanos(nanos), Instant::EPOCH))
        }
        Fault::Drop => "drop".to_owned(),
        Fault::Duplicate => "duplicate".to_owned(),
        Fault::Reorder { places } => format!("reorder {places}"),
        Fault::ClockStep { nanos } => {
            let step = millis(Instant::from_nanos(nanos.unsigned_abs()), Instant::EPOCH);
            format!("clock {}{step}", if nanos < 0 { '-' } else { '+' })
        }
        other => panic!("no words for {other:?}"),
    }
}

fn letter(fault: Fault) -> char {
    match fault {
        Fault::None => '.',
        Fault::Error => 'e',
        Fault::Delay { .. } => 'l',
        Fault::Drop => 'd',
        Fault::Duplicate => '2',
        Fault::Reorder { .. } => 'r',
        Fault::ClockStep { .. } => 'c',
        other => panic!("no letter for {other:?}"),
    }
}
