//! A retry.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{any_now, at};
use resil_core::Instant;
use resil_core::outcome::{Classification, FailureClass};
use resil_core::retry::{Next, Retry, RetryPolicy};

static POLICY: RetryPolicy = RetryPolicy::DEFAULT;

#[inline(never)]
fn start(now: Instant) -> Retry {
    Retry::start(black_box(&POLICY), now)
}

#[inline(never)]
fn record(retry: &mut Retry, failure: Classification, now: Instant) -> Next {
    retry.record(black_box(&POLICY), failure, black_box(7_u32), now)
}

footprint::firmware!(
    || {
        let mut retry = start(any_now());
        _ = black_box(record(&mut retry, black_box(Classification::Ignored), any_now()));
    },
    |bench| {
        let failure = black_box(FailureClass::Transient.into());
        let now = at(1_000);
        let mut retry = bench.case("start", || start(now));
        let next = bench.case("record, and wait", || record(&mut retry, failure, now));
        assert!(matches!(next, Next::Wait(_)));
        while matches!(record(&mut retry, failure, now), Next::Wait(_)) {}
        let next = bench.case("record, and stop", || record(&mut retry, failure, now));
        assert!(matches!(next, Next::Stop(_)));
    }
);
