//! Adaptive concurrency: its laws over random sequences of operations, both algorithms against their
//! floating-point originals, and both in front of a server with a queue.

mod laws;
mod original;
mod server;
mod snapshots;

use resil_core::Instant;
use resil_core::adaptive::{ConcurrencyLimit, ConcurrencyLimiter, Permit};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// As many permits as there are.
fn saturate<L: ConcurrencyLimit>(limiter: &mut ConcurrencyLimiter<L>, now: Instant) -> Vec<Permit> {
    core::iter::from_fn(|| limiter.try_acquire(0, now).ok()).collect()
}
