//! resil's calls, and a floor that is written by hand.

use crate::measure::{Contender, Kind};
use crate::{contender, operation, ready};
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use resil_core::Instant;
use resil_core::call::{CallPolicy, PeerPolicy, Pipeline, Request};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::deadline::Deadline;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::valid;
use resil_std::clock::Sleep;
use resil_std::{Peer, retry_with_policy};

const RETRY: RetryPolicy =
    valid!(RetryPolicy::builder().max_attempts(3).deadline(Duration::from_secs(10)).build());

/// A token a nanosecond.
pub(crate) const BUCKET: TokenBucket = TokenBucket::new(valid!(
    RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_nanos(1))
        .burst_size(4_000_000_000)
        .build()
));

/// Everything that a call to a peer has: three attempts of 2 s, 10 s, a breaker, and 1 a nanosecond.
const POLICY: PeerPolicy = PeerPolicy::new(
    valid!(CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2))),
    CircuitBreakerConfig::DEFAULT,
    BUCKET,
);

/// Plain GCRA, and a breaker that reads a word, in atomics: no retry, no deadline, nothing checked.
pub(crate) fn by_atomics() -> Contender {
    let (full_at, failures, now) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU64::new(0));
    contender("by hand, in atomics", Kind::Floor, move || {
        let relaxed = Ordering::Relaxed;
        now.store(now.load(relaxed) + 1_000, relaxed);
        let (now, full_at, failures) = black_box((now.load(relaxed), &full_at, &failures));
        if failures.load(relaxed) >= 5 {
            return false;
        }
        let found = full_at.load(relaxed);
        let from = found.max(now);
        if from - now >= 4_000_000_000
            || full_at.compare_exchange(found, from + 1, relaxed, relaxed).is_err()
        {
            return false;
        }
        let worked = operation().is_ok();
        if worked && failures.load(relaxed) > 0 {
            failures.store(0, relaxed);
        }
        worked
    })
}

/// Core's decisions, for one who owns the state.
pub(crate) fn owned() -> Contender {
    let (mut state, mut now, mut entropy) = (<PeerPolicy as Pipeline>::FRESH, 0, || 4);
    contender("resil-core", Kind::Resil, move || {
        now += 1_000;
        let (now, state) = black_box((Instant::from_nanos(now), &mut state));
        let (begun, _) = POLICY.begin(&Request::ONE, Deadline::NONE, state, &mut entropy, now);
        let Ok(first) = begun else { return false };
        if operation().is_err() {
            return false;
        }
        let is_timeless = !POLICY.needs_end(state);
        POLICY.succeed(first, state, &mut entropy, now);
        is_timeless
    })
}

/// A peer on a thread.
pub(crate) fn blocking<T: Sleep + Clone + 'static>(
    name: &'static str,
    clock: T,
    between: impl Fn(&T) + 'static,
) -> Contender {
    let peer = Peer::with("peer", POLICY, clock.clone());
    contender(name, Kind::Resil, move || {
        between(&clock);
        black_box(&peer).call_blocking(operation).is_ok()
    })
}

/// A peer on a thread, after another policy has taken the place of its first one.
pub(crate) fn reconfigured<T: Sleep + Clone + 'static>(
    clock: T,
    between: impl Fn(&T) + 'static,
) -> Contender {
    let peer = Peer::with("peer", POLICY, clock.clone());
    peer.reconfigure(POLICY);
    contender("under a second policy", Kind::Option, move || {
        between(&clock);
        black_box(&peer).call_blocking(operation).is_ok()
    })
}

/// A peer in a task.
pub(crate) fn future<T: Sleep + 'static>(name: &'static str, clock: T) -> Contender {
    let peer = Peer::with("peer", POLICY, clock);
    contender(name, Kind::Resil, move || {
        ready(black_box(&peer).call(async || operation())).is_some_and(|answer| answer.is_ok())
    })
}

/// As the peers have it: three attempts, for as long as they take.
pub(crate) fn retry() -> Contender {
    const POLICY: RetryPolicy = RetryPolicy::DEFAULT;
    retry_under("resil", Kind::Resil, &POLICY)
}

/// And with an end to all of it, which none of the peers has.
pub(crate) fn retry_in_time() -> Contender {
    retry_under("within a deadline", Kind::Option, &RETRY)
}

fn retry_under(name: &'static str, kind: Kind, policy: &'static RetryPolicy) -> Contender {
    contender(name, kind, move || {
        let call = retry_with_policy(async || operation(), black_box(policy), "call");
        ready(call).is_some_and(|answer| answer.is_ok())
    })
}
