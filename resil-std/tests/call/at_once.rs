//! Calls that succeed at once, and such as nearly did.

use super::policy;
use super::threads::on_a_thread;
use core::cell::Cell;
use core::future::{Future, pending};
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use resil_std::Peer;
use resil_std::clock::{MockClock, Sleep};
use resil_std::core::call::{CallPolicy, HedgedPolicy, Inherit, PeerPolicy, Pipeline};
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::hedge::HedgePolicy;
use resil_std::core::rate_limit::{RateLimit, RateLimitConfig, TokenBucket};
use resil_std::core::retry::budget::TokenBudget;
use resil_std::core::{Clock, ErrorCode, Instant, Ratio};
use std::panic::catch_unwind;
use std::sync::Arc;

/// Counts how often it is read. Nobody who sleeps by it wakes up.
#[derive(Clone, Default)]
struct Counted {
    time: MockClock,
    readings: Arc<AtomicU32>,
}

impl Clock for Counted {
    fn now(&self) -> Instant {
        self.readings.fetch_add(1, Ordering::Relaxed);
        self.time.now()
    }
}

impl Sleep for Counted {
    async fn sleep_until(&self, _: Instant) {
        pending::<()>().await;
    }

    fn block_until(&self, _: Instant) {
        panic!("nobody blocks here")
    }
}

fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// How often a call on a thread and one in a task read the clock; and again under another policy.
fn readings<L: Pipeline + Inherit + Clone>(policy: &L) -> [u32; 4]
where
    L::Classifier: resil_std::core::outcome::Classify<&'static str>,
{
    let clock = Counted::default();
    let peer = Peer::with("peer", policy.clone(), clock.clone());
    let read = || clock.readings.swap(0, Ordering::Relaxed);
    let both = || {
        peer.call_blocking(|| Ok::<_, &str>(())).unwrap();
        let blocking = read();
        assert!(once(peer.call(async || Ok::<_, &str>(()))).is_ready());
        [blocking, read()]
    };
    let [one, two] = both();
    peer.reconfigure(policy.clone());
    read();
    let [three, four] = both();
    [one, two, three, four]
}

#[test]
fn a_call_that_succeeds_at_once_reads_the_clock_once_unless_a_layer_wants_to_know_the_end() {
    // With metrics every call is made by steps, and how long it took is kept.
    let each = |readings| [if cfg!(feature = "metrics") { 3 } else { readings }; 4];
    assert_eq!(readings(&policy(3, 9, 0)), each(1), "in a row, and a bucket");

    let bucket = TokenBucket::new(RateLimitConfig::DEFAULT);
    let (call, in_a_row) = (CallPolicy::default(), CircuitBreakerConfig::DEFAULT);
    let both = RateLimit::new(RateLimitConfig::DEFAULT);
    assert_eq!(readings(&PeerPolicy::new(call, in_a_row, both)), each(1), "under the lock");

    let slow = CircuitBreakerConfig::builder()
        .count_window::<1>(20)
        .slow_calls(Duration::from_secs(1), Ratio::ONE);
    let slow = PeerPolicy::new(call, slow.build().unwrap(), bucket.clone());
    assert_eq!(readings(&slow), each(2), "how long calls take is counted");

    let peer = PeerPolicy::new(call, in_a_row, bucket);
    let hedged = HedgedPolicy::new(peer, TokenBudget::DEFAULT, HedgePolicy::DEFAULT);
    assert_eq!(readings(&hedged), each(2), "how long answers take is measured");
}

#[test]
fn a_call_that_is_refused_reads_the_clock_once() {
    let clock = Counted::default();
    let peer = Peer::with("peer", policy(1, 2, 0), clock.clone());
    let refused = |expected| {
        clock.readings.store(0, Ordering::Relaxed);
        let error = peer.call_blocking(|| Ok::<_, &str>(())).unwrap_err();
        assert_eq!(
            (error.code(), clock.readings.swap(0, Ordering::Relaxed)),
            (expected, once_read())
        );
        let polled = once(peer.call(async || Ok::<_, &str>(())));
        let Poll::Ready(Err(error)) = polled else { panic!("not refused: {polled:?}") };
        assert_eq!((error.code(), clock.readings.load(Ordering::Relaxed)), (expected, once_read()));
    };
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(())), Ok(()));
    peer.call_blocking(|| Err::<(), _>("refused")).unwrap_err();
    refused(ErrorCode::CircuitBreakerOpen);
    clock.time.advance(Duration::from_secs(10));
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(())), Ok(()));
    while peer.call_blocking(|| Ok::<_, &str>(())).is_ok() {}
    refused(ErrorCode::RateLimitExceeded);
}

#[test]
fn a_success_at_once_between_two_failures_begins_the_count_of_failures_anew() {
    let peer = Peer::with("peer", policy(2, 9, 0), MockClock::default());
    let fails = || peer.call_blocking(|| Err::<(), _>("refused")).unwrap_err().code();
    assert_eq!(fails(), ErrorCode::OperationFailed);
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(())), Ok(()));
    assert_eq!(fails(), ErrorCode::OperationFailed);
    assert_eq!(fails(), ErrorCode::OperationFailed, "one is not two in a row");
    assert_eq!(fails(), ErrorCode::CircuitBreakerOpen);
}

/// What a refusal reads: with metrics, how long it took is kept.
const fn once_read() -> u32 {
    if cfg!(feature = "metrics") { 2 } else { 1 }
}

#[test]
fn a_future_that_is_polled_after_its_end_is_pending_and_calls_nobody() {
    let (peer, _) = on_a_thread(policy(3, 9, 0));
    let asked = Cell::new(0);
    for answer in [Ok(7), Err("refused")] {
        asked.set(0);
        let mut call = pin!(peer.call(async || {
            asked.set(asked.get() + 1);
            answer
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_ready());
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(asked.get(), 1);
    }
}

#[test]
fn a_probe_whose_future_is_dropped_after_its_first_poll_gives_its_slot_back() {
    let clock = Counted::default();
    let peer = Peer::with("peer", policy(1, 9, 0), clock.clone());
    peer.call_blocking(|| Err::<(), _>("refused")).unwrap_err();
    clock.time.advance(Duration::from_secs(10));
    let asked = Cell::new(0);
    {
        let mut probe = pin!(peer.call(async || {
            asked.set(asked.get() + 1);
            pending::<Result<(), &str>>().await
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(probe.as_mut().poll(&mut context).is_pending());
        let error = peer.call_blocking(|| Ok::<_, &str>(())).unwrap_err();
        assert_eq!(error.code(), ErrorCode::CircuitBreakerHalfOpen);
    }
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
    assert_eq!(asked.get(), 1);
}

#[test]
fn a_first_attempt_that_panics_is_a_fatal_failure_and_the_panic_goes_on() {
    let (peer, _) = on_a_thread(policy(2, 9, 0));
    let state =
        || peer.handle().apply(|policy, peer, now| policy.breaker().state(&peer.breaker, now));
    let blocking = catch_unwind(AssertUnwindSafe(|| {
        peer.call_blocking(|| -> Result<(), &str> { panic!("a fault") }).map_err(drop)
    }));
    assert!(blocking.is_err());
    assert_eq!(state(), State::Closed);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        once(peer.call(async || -> Result<(), &str> { panic!("a fault") }))
    }));
    assert!(polled.is_err());
    assert_eq!(state(), State::Open);
}

#[test]
fn what_is_spent_at_a_glance_and_under_the_lock_is_the_same_quota() {
    let (peer, _) = on_a_thread(policy(3, 4, 0));
    let call = || peer.call_blocking(|| Ok::<_, &str>(())).map_err(|error| error.code());
    assert_eq!(call(), Ok(()));
    peer.handle().apply(|_, _, _| ());
    assert_eq!(call(), Ok(()));
    peer.reconfigure(policy(3, 4, 0));
    assert_eq!((call(), call()), (Ok(()), Ok(())));
    assert_eq!(call(), Err(ErrorCode::RateLimitExceeded));
    let (other, clock): (_, MockClock) = on_a_thread(policy(3, 4, 0));
    assert_eq!((0..9).filter(|_| other.call_blocking(|| Ok::<_, &str>(())).is_ok()).count(), 4);
    clock.advance(Duration::from_secs(1));
    assert_eq!((0..9).filter(|_| other.call_blocking(|| Ok::<_, &str>(())).is_ok()).count(), 1);
}
