//! A throttle for what a peer would not accept.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Owned, any_now, at};
use resil_core::throttle::{AdaptiveThrottle, Permit, Recorded, ThrottleState};
use resil_core::{Instant, Outcome, Rejected};

static POLICY: AdaptiveThrottle = AdaptiveThrottle::DEFAULT;
static STATE: Owned<ThrottleState> = Owned::new(ThrottleState::new());

#[inline(never)]
fn check(entropy: u32, now: Instant) -> Result<Permit, Rejected> {
    STATE.with(|state| black_box(&POLICY).try_acquire(state, entropy, now))
}

#[inline(never)]
fn record(permit: Permit, now: Instant) -> Recorded {
    let outcome = black_box(Outcome::Success);
    STATE.with(|state| black_box(&POLICY).record(state, permit, outcome, now))
}

footprint::firmware!(
    || if let Ok(permit) = check(black_box(7), any_now()) {
        black_box(record(permit, any_now()));
    },
    |bench| {
        let (now, never, always) = (at(1_000), black_box(u32::MAX), black_box(0));
        let permit = bench.case("check, allowed", || check(never, now)).unwrap();
        bench.case("record", || record(permit, now));
        while check(always, now).is_ok() {}
        assert!(bench.case("check, refused", || check(always, now)).is_err());
    }
);
