//! Hedging.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::Instant;
use resil_core::hedge::{HedgePolicy, HedgeState};

static POLICY: HedgePolicy = HedgePolicy::DEFAULT;
static STATE: Owned<HedgeState> = Owned::new(HedgeState::FRESH);

#[inline(never)]
fn due(since: Instant) -> Option<Instant> {
    STATE.with(|state| black_box(&POLICY).due(state, black_box(0), since))
}

#[inline(never)]
fn record(since: Instant, now: Instant) {
    STATE.with(|state| black_box(&POLICY).record_latency(state, since, now));
}

footprint::firmware!(
    || {
        record(any_now(), any_now());
        black_box(due(any_now()));
    },
    |bench| {
        let (since, now) = (at(1_000), at(1_020));
        bench.case("record a latency", || record(since, now));
        (0..1_000).for_each(|_| record(since, now));
        bench.case("record, halving the counts", || record(since, now));
        assert!(bench.case("due", || due(since)).is_some());
    }
);
