//! A peer that sends heartbeats.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::Instant;
use resil_core::health::{Beat, HeartbeatConfig, HeartbeatState, HeartbeatStatus};

static POLICY: HeartbeatConfig = HeartbeatConfig::DEFAULT;
static STATE: Owned<HeartbeatState> = Owned::new(HeartbeatState::new());

#[inline(never)]
fn record(now: Instant) -> Beat {
    STATE.with(|state| black_box(&POLICY).record(state, now))
}

#[inline(never)]
fn status(now: Instant) -> HeartbeatStatus {
    STATE.with(|state| black_box(&POLICY).status(state, now))
}

footprint::firmware!(
    || {
        _ = black_box(record(any_now()));
        black_box(status(any_now()));
    },
    |bench| {
        for second in 1..50 {
            _ = record(at(1_000 * second + second % 7));
        }
        let now = at(50_003);
        _ = bench.case("record", || record(now));
        let now = at(51_000);
        bench.case("status", || status(now));
    }
);
