//! A bulkhead.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::bulkhead::{BulkheadConfig, BulkheadState, Permit, Recorded};
use resil_core::call::Priority;
use resil_core::{Instant, Outcome, Rejected};

static POLICY: BulkheadConfig = BulkheadConfig::DEFAULT;
static STATE: Owned<BulkheadState> = Owned::new(BulkheadState::new());

#[inline(never)]
fn check(now: Instant) -> Result<Permit, Rejected> {
    let (weight, priority) = black_box((1, Priority::Normal));
    STATE.with(|state| black_box(&POLICY).try_acquire(state, weight, priority, now))
}

#[inline(never)]
fn record(permit: Permit, now: Instant) -> Recorded {
    let outcome = black_box(Outcome::Success);
    STATE.with(|state| black_box(&POLICY).record(state, permit, outcome, now))
}

footprint::firmware!(
    || if let Ok(permit) = check(any_now()) {
        black_box(record(permit, any_now()));
    },
    |bench| {
        let now = at(1_000);
        let permit = bench.case("check, allowed", || check(now)).unwrap();
        bench.case("record", || record(permit, now));
        while check(now).is_ok() {}
        assert!(bench.case("check, refused", || check(now)).is_err());
    }
);
