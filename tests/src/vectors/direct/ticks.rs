//! A timer's ticks as instants. The counter is the script's, so the three clocks only stand by.

use crate::vectors::beside::Subject;
use alloc::string::{String, ToString};
use resil_core::Instant;
use resil_core::time::{TickCounter, TickRate};
use serde::Deserialize;

/// Ticks a second, and how many have passed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    hz: u64,
    #[serde(default)]
    ticks: u64,
}

pub(super) struct Timer {
    rate: TickRate,
    counter: TickCounter,
}

impl Subject for Timer {
    type Policy = Settings;

    fn new(given: &Settings, _: Instant) -> Self {
        let rate = TickRate::new(given.hz).unwrap();
        Self { rate, counter: TickCounter::from_ticks(rate, given.ticks) }
    }

    fn apply(&mut self, event: &[&str], _: Instant, _: Instant) -> String {
        let number = match *event {
            ["widen", ticks] => self.counter.widen(ticks.parse().unwrap()).as_nanos(),
            ["instant_at", ticks] => self.rate.instant_at(ticks.parse().unwrap()).as_nanos(),
            ["tick_at", nanos] => self.rate.tick_at(Instant::from_nanos(nanos.parse().unwrap())),
            ["next_deadline"] => self.counter.next_deadline().as_nanos(),
            ref unknown => panic!("the timer knows no event {unknown:?}"),
        };
        number.to_string()
    }
}
