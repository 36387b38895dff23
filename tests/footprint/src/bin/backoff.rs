//! The delays of a backoff.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;
use resil_core::backoff::Backoff;

static POLICY: Backoff = Backoff::DEFAULT;

#[inline(never)]
fn delay(attempt: u32) -> Duration {
    black_box(&POLICY).jittered(attempt, None, black_box(7_u32))
}

footprint::firmware!(
    || {
        black_box(delay(black_box(0)));
    },
    |bench| {
        bench.case("a delay with full jitter", || delay(black_box(3)));
    }
);
