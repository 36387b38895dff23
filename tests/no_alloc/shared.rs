//! What tasks and threads share on resil-std.

use super::{STEPS, Walk, allocations};
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::Priority::{High, Low, Normal};
use resil_core::call::{CallPolicy, HedgedPolicy, PeerPolicy, Ticket};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::TokenBudget;
use resil_core::{outcome, valid};
use resil_std::{Bulkhead, MockClock, Peer, Peers};

const HEDGED: HedgedPolicy = HedgedPolicy::new(
    PeerPolicy::new(
        valid!(CallPolicy::new(RetryPolicy::DEFAULT).with_attempt_timeout(Duration::from_secs(2))),
        CircuitBreakerConfig::DEFAULT,
        TokenBucket::new(RateLimitConfig::DEFAULT),
    ),
    TokenBudget::DEFAULT,
    valid!(HedgePolicy::builder().fixed_delay(Duration::from_secs(1)).build()),
);

#[test]
fn the_driver_on_tokio_never_allocates() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let (peer, mut attempts, mut hedges, mut ends) = (Peer::new("peer", HEDGED), 0, 0, [0_u32; 3]);
    let _ = rand(); // a thread's generator is made when it is first used
    for _ in 0..200 {
        let operation = |ticket: &Ticket, _: &_| {
            attempts += 1;
            hedges += u32::from(ticket.is_hedge());
            let lot = attempts % 5;
            async move {
                match lot {
                    0 => pending().await,
                    1 => Err("lost"),
                    _ => Ok(lot),
                }
            }
        };
        let mut call = pin!(peer.handle().call_each(operation));
        let end = (0..10).find_map(|_| {
            runtime.block_on(tokio::time::advance(Duration::from_millis(150)));
            let _inside = runtime.enter();
            let mut polled = Poll::Pending;
            let count = allocations(|| {
                polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            });
            assert_eq!(count, 0);
            match polled {
                Poll::Ready(result) => Some(usize::from(result.is_err())),
                Poll::Pending => None,
            }
        });
        ends[end.unwrap_or(2)] += 1; // what is not done by now is dropped
    }
    assert!(hedges > 0 && ends.iter().all(|count| *count > 0), "{hedges} {ends:?}");
}

/// What jitter draws from.
fn rand() -> u32 {
    let policy = RetryPolicy::builder().max_attempts(2).build().unwrap();
    let retry = resil_std::retry::Retry::new(&policy, "warm up").clock(MockClock::default());
    u32::from(retry.call_blocking(|| Err::<(), _>("lost")).is_err())
}

#[test]
fn the_driver_on_threads_never_allocates() {
    let clock = MockClock::default();
    let peers = Peers::with("mesh", HEDGED, 4, clock.clone());
    let (mut calls, mut ends) = (0_u32, [0_u32; 2]);
    let _ = rand();
    let count = allocations(|| {
        for index in (0..4).cycle().take(400) {
            let peer = peers.get(index).unwrap();
            let end = peer.call_blocking(|| {
                calls += 1;
                if calls % 5 < 3 { Err("lost") } else { Ok(calls) }
            });
            ends[usize::from(end.is_err())] += 1;
            clock.advance(Duration::from_millis(700));
        }
    });
    assert_eq!(count, 0);
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

#[test]
fn a_call_that_succeeds_at_once_never_allocates() {
    let clock = MockClock::default();
    let plain = Peer::with("plain", HEDGED.peer().clone(), clock.clone());
    let hedged = Peer::with("hedged", HEDGED, clock.clone());
    let mut context = Context::from_waker(Waker::noop());
    let mut succeeded = 0;
    let count = allocations(|| {
        for call in 0..100_u32 {
            succeeded += u32::from(plain.call_blocking(|| Ok::<_, &str>(call)).is_ok());
            succeeded += u32::from(hedged.call_blocking(|| Ok::<_, &str>(call)).is_ok());
            let ready = pin!(plain.call(async || Ok::<_, &str>(call))).poll(&mut context);
            succeeded += u32::from(matches!(ready, Poll::Ready(Ok(_))));
            let ready = pin!(hedged.call(async || Ok::<_, &str>(call))).poll(&mut context);
            succeeded += u32::from(matches!(ready, Poll::Ready(Ok(_))));
            clock.advance(Duration::from_secs(2));
        }
    });
    assert_eq!((count, succeeded), (0, 400));
}

#[test]
fn a_queue_on_tokio_never_allocates() {
    let policy = BulkheadConfig::builder().max_concurrent(4).high_reserve(1).build().unwrap();
    let uplink = Bulkhead::new("uplink", policy);
    let (mut admitted, mut refused, mut cancelled) = (0, 0, 0);
    let count = allocations(|| {
        for _ in 0..100 {
            let all = uplink.try_acquire(3, Low).unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let mut first = pin!(uplink.acquire(2, Normal));
            let mut second = pin!(uplink.acquire(4, High));
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            let gone = pin!(uplink.acquire(1, Low)).poll(&mut context).is_pending();
            cancelled += u32::from(gone);
            refused += u32::from(uplink.try_acquire(1, Low).is_err());
            drop(all);
            let Poll::Ready(Ok(guard)) = second.poll(&mut context) else { panic!("it is free") };
            drop(guard);
            admitted += u32::from(first.poll(&mut context).is_ready());
        }
    });
    assert_eq!((count, admitted, refused, cancelled), (0, 100, 100, 100));
    assert_eq!((uplink.held(), uplink.waiting()), (0, 0));
}

#[test]
fn a_call_under_a_shared_limiter_and_breaker_never_allocates() {
    let config = RateLimitConfig::builder().max_requests(1).time_window(Duration::from_secs(1));
    let bucket = TokenBucket::new(config.burst_size(3).build().unwrap());
    let clock = MockClock::default();
    let limiter = resil_std::rate_limit::Limiter::with_clock(bucket, clock.clone());
    let config = CircuitBreakerConfig::builder().failure_threshold(2).build().unwrap();
    let breaker =
        resil_std::CircuitBreaker::with("peer", config, outcome::EveryError, clock.clone());
    let ([mut admitted, mut refused], mut ends) = ([0; 2], [0; 3]);
    let count = allocations(|| {
        for step in 0..STEPS {
            clock.advance(Duration::from_millis(700));
            match limiter.check(1 + step % 3) {
                Ok(charge) if step % 7 == 0 => limiter.refund(charge),
                Ok(_) => admitted += 1,
                Err(_) => refused += 1,
            }
            // Sleeping moves this clock, so the future is ready when it is polled first.
            let mut ready = pin!(limiter.until_ready(1));
            assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            ends[match breaker.call_blocking(|| if step % 8 < 2 { Err(()) } else { Ok(()) }) {
                Ok(()) => 0,
                Err(error) => 1 + usize::from(error.into_operation_error().is_none()),
            }] += 1;
        }
    });
    assert_eq!(count, 0);
    assert!(admitted > 0 && refused > 0, "{admitted} {refused}");
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

#[test]
fn a_day_of_the_shared_table_takes_no_more_memory_than_its_start() {
    let clock = MockClock::default();
    let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
    let builder = resil_std::rate_limit::RateLimiter::builder(limit).slots(256).pinned(4);
    let limiter = builder.clock(clock.clone()).build().unwrap();
    let mut walk = Walk(5);
    let mut seen = [false; 2];
    let count = allocations(|| {
        // Every second one of 300 known peers comes, and three whom nobody has seen before.
        for second in 0..24 * 60 * 60_u64 {
            let known = walk.next() % 300;
            let strangers = (0..3).map(|n| (second + 1) << 32 | n);
            for id in strangers.chain([known]) {
                match limiter.check(&id, (walk.next() % 12) as u32) {
                    Ok(charge) if walk.next().is_multiple_of(8) => limiter.refund(charge),
                    Ok(_) => seen[0] = true,
                    Err(_) => seen[1] = true,
                }
            }
            if second.is_multiple_of(600) {
                limiter.set_limit(known, RateLimitConfig::DEFAULT).unwrap();
                assert!(limiter.remove_limit(&known));
            }
            clock.advance(Duration::from_secs(1));
        }
    });
    assert_eq!(count, 0);
    assert_eq!(seen, [true; 2]);
    assert!(limiter.len() <= 256);
}
