//! No decision touches the heap, nor does making, printing or dropping what it answers, nor the drivers on
//! embassy, tokio and threads.
//!
//! The allocator of this binary counts what a thread allocates while it is being watched. The crate
//! cannot name `alloc`, so this guards against a dependency that does.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

#[path = "no_alloc/bytes.rs"]
mod bytes;
#[path = "no_alloc/shared.rs"]
mod shared;
#[path = "no_alloc/statics.rs"]
mod statics;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::fmt::Write;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::MockDriver;
use resil_core::adaptive::{Aimd, ConcurrencyLimiter, Gradient};
use resil_core::backoff::{Backoff, Jitter};
use resil_core::bulkhead::{Bulkhead, BulkheadConfig};
use resil_core::call::{
    Call, CallPolicy, HedgedPolicy, Layers, PeerPolicy, Priority, Request, Step, Ticket, Verdict,
};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::health::{
    Boot, BootRecord, CheckConfig, HealthCheckResult, HealthRegistry, Heartbeat, HeartbeatConfig,
    LivenessGate, Probe, Quorum, Watchdog, WatchdogConfig,
};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{self, Classification, FailureClass, RetryHint};
use resil_core::rate_limit::{
    ExactLog, KeyedHash, Limit, Limiter, RateLimit, RateLimitConfig, RateLimiter, StrictBucket,
    TokenBucket,
};
use resil_core::retry::budget::{RetryBudget, TokenBudget};
use resil_core::retry::{Next, Retry, RetryPolicy};
use resil_core::text::Text;
use resil_core::throttle::{AdaptiveThrottle, Throttler};
use resil_core::{ErrorCode, Instant, Outcome, Rejected, ResilienceError, RetryAt, valid};
use resil_embassy::Peer;
use std::alloc::System;

/// Counts, and leaves the work to the system's.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// Safety: every call goes to `System` unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.get() {
            COUNT.set(COUNT.get().wrapping_add(1));
        }
        // Safety: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Safety: as above; what is freed came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often `work` allocated.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    COUNT.get()
}

/// Times and numbers that go everywhere, the same in every run.
struct Walk(u64);

impl Walk {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    /// Mostly forward by up to 4 s, and back now and then.
    fn step(&mut self, now: Instant) -> Instant {
        let by = Duration::from_nanos(self.next() & 0xFFFF_FFFF);
        if self.next().is_multiple_of(16) { now.saturating_sub(by) } else { now.saturating_add(by) }
    }
}

const STEPS: u32 = 10_000;

#[test]
fn an_allocation_is_seen() {
    assert_eq!(allocations(|| drop(core::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn the_breaker_never_allocates() {
    let outcomes = [
        Outcome::Success,
        Outcome::Failure(FailureClass::Transient),
        Outcome::Failure(FailureClass::Timeout),
        Outcome::Ignored,
        Outcome::Abandoned,
    ];
    let mut seen = [false; 3];
    let count = allocations(|| {
        let config = CircuitBreakerConfig::builder().failure_threshold(2).jitter(Jitter::Equal);
        let config = config.timeout(Duration::from_secs(20)).build().unwrap();
        let (mut breaker, mut walk, mut now) =
            (CircuitBreaker::new(config), Walk(1), Instant::EPOCH);
        for _ in 0..STEPS {
            now = walk.step(now);
            let entropy = walk.next() as u32;
            match breaker.try_acquire(entropy, now) {
                Ok(permit) => {
                    seen[usize::from(permit.is_probe())] = true;
                    let outcome = outcomes[walk.next() as usize % outcomes.len()];
                    breaker.record(permit, outcome, entropy, now);
                }
                Err(rejected) => {
                    seen[2] = true;
                    let _ = Text::<64>::display(&rejected);
                }
            }
            let _ = (breaker.state(now), breaker.next_deadline(now), breaker.retry_at(now));
        }
    });
    assert_eq!(count, 0);
    assert_eq!(seen, [true; 3], "calls, probes and refusals have all been there");
}

/// Both admissions and refusals have to be among the steps.
fn drive<L: Limit>(limit: L) -> usize {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut limiter, mut walk, mut now) = (Limiter::new(limit), Walk(2), Instant::EPOCH);
        for _ in 0..STEPS {
            now = walk.step(now);
            let cost = (walk.next() % 12) as u32;
            let answer = limiter.try_acquire(cost, now);
            seen[usize::from(answer.is_ok())] = true;
            if let (Ok(charge), 0) = (answer, walk.next() % 4) {
                limiter.refund(charge, now);
            }
            let _ =
                (limiter.available(now), limiter.next_deadline(now), limiter.peek(1, now).is_ok());
        }
        limiter.reset();
    });
    assert_eq!(seen, [true; 2]);
    count
}

#[test]
fn no_limit_allocates() {
    let config = RateLimitConfig::DEFAULT;
    assert_eq!(drive(TokenBucket::new(config)), 0);
    assert_eq!(drive(StrictBucket::new(config).unwrap()), 0);
    assert_eq!(drive(RateLimit::new(config)), 0);
    assert_eq!(drive(RateLimit::<ExactLog<100>>::with_exact_log(config).unwrap()), 0);
}

#[test]
fn the_table_of_peers_never_allocates() {
    let mut refused = 0;
    let count = allocations(|| {
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        let mut table = RateLimiter::<u64, TokenBucket>::new(limit, KeyedHash::from_seed(7));
        let (mut walk, mut now) = (Walk(3), Instant::EPOCH);
        for _ in 0..STEPS {
            now = now.saturating_add(Duration::from_millis(walk.next() % 8));
            let id = walk.next() % 200;
            match table.check(&id, 1, now) {
                Ok(charge) if walk.next().is_multiple_of(8) => table.refund(charge, now),
                Ok(_) => {}
                Err(_) => refused += 1,
            }
            if walk.next().is_multiple_of(64) {
                let _ = table.set_limit(id, RateLimitConfig::DEFAULT, now);
                let _ = table.remove_limit(&(id + 1), now);
                table.reset(&id);
            }
            let _ = (table.peek(&id, 1, now).is_ok(), table.available(&id, now));
        }
        let _ = (table.len(), table.next_deadline(now));
        table.reset_all();
    });
    assert_eq!(count, 0);
    assert!(refused > 0);
}

#[test]
fn retries_and_their_errors_never_allocate() {
    let mut printed = Text::<200>::new();
    let count = allocations(|| {
        let builder = RetryPolicy::builder().max_attempts(5).max_refusal_waits(2);
        let builder = builder.deadline(Duration::from_secs(90)).jitter(Jitter::Decorrelated);
        let policy = builder.build().unwrap();
        let (mut walk, mut now) = (Walk(4), Instant::EPOCH);
        for _ in 0..STEPS / 10 {
            let mut retry = Retry::start(&policy, now);
            loop {
                let entropy = walk.next() as u32;
                let hint = RetryHint::After(Duration::from_secs(walk.next() % 8));
                let failure = Classification::Failure(FailureClass::Throttled, hint);
                let refusal = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(now));
                if let Next::Stop(refused) = retry.refused(&policy, refusal, entropy, now) {
                    let error: ResilienceError<u8> = retry.refusal_error(refused, Some(1));
                    let _ = error.wire(now);
                }
                match retry.record(&policy, failure, entropy, now) {
                    Next::Wait(wait) => now = wait.until(),
                    Next::Stop(stop) => {
                        let error = retry.error(stop, 1_u8).with_detail("peer", "node-3");
                        printed = Text::new();
                        let _ = write!(printed, "{error}");
                        let _ = error.wire(now);
                        break;
                    }
                }
            }
        }
    });
    assert_eq!(count, 0);
    assert!(printed.as_str().contains("peer=node-3"), "{printed}");
}

#[test]
fn health_never_allocates() {
    let mut statuses = [false; 3];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(5), Instant::EPOCH);
        let mut registry: HealthRegistry = HealthRegistry::new(now);
        let ids = ["flash", "peers", "uplink"]
            .map(|name| registry.register(name, Duration::from_secs(9), now).unwrap());
        for _ in 0..STEPS {
            now = walk.step(now);
            let result = match walk.next() % 16 {
                0 => HealthCheckResult::unhealthy("no answer"),
                1 => HealthCheckResult::degraded(walk.next()).with_detail("peer", "node-3"),
                _ => HealthCheckResult::healthy("fine"),
            };
            let _ = registry.record(ids[walk.next() as usize % ids.len()], result, now);
            statuses[registry.overall(now) as usize] = true;
            let _ = (registry.status(Probe::Liveness, now), registry.next_deadline(now));
            let _ = Text::<64>::display(&registry.report(now));
        }
        let _ = ids.map(|id| registry.unregister(id).is_ok());
    });
    assert_eq!(count, 0);
    assert_eq!(statuses, [true; 3]);
}

#[test]
fn checks_with_settings_of_their_own_never_allocate() {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(6), Instant::from_nanos(1 << 40));
        let config = CheckConfig::builder(Duration::from_secs(9)).rise(2).fall(2).build().unwrap();
        let mut registry: HealthRegistry = HealthRegistry::new(now);
        let ids = ["flash", "peers", "uplink"]
            .map(|name| registry.register_with(name, config, now).unwrap());
        registry.depend(ids[1], ids[2]).unwrap();
        for _ in 0..STEPS {
            now = walk.step(now);
            let id = ids[walk.next() as usize % ids.len()];
            let result = HealthCheckResult::from(!walk.next().is_multiple_of(4));
            let _ = registry.record(id, result, now);
            if walk.next().is_multiple_of(8) {
                let _ = (registry.begin_maintenance(id), registry.end_maintenance(id, now));
            }
            let report = registry.report(now);
            let _ = (Text::<64>::display(&report), report.causes().count());
            seen[usize::from(LivenessGate::new().may_feed(&registry, now).is_ok())] = true;
        }
    });
    assert_eq!(count, 0);
    assert_eq!(seen, [true; 2]);
}

#[test]
fn heartbeats_and_watchdogs_never_allocate() {
    let (mut statuses, mut fed) = ([false; 3], [false; 2]);
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(7), Instant::from_nanos(1 << 40));
        let mut peers = [const { Heartbeat::new(HeartbeatConfig::DEFAULT) }; 3];
        let quorum = Quorum::new(2, 1).unwrap();
        let tasks = WatchdogConfig::builder([Duration::from_secs(9); 2]).build().unwrap();
        let mut tasks = Watchdog::start(tasks, BootRecord::NONE, Boot::Other, now);
        for _ in 0..STEPS {
            now = walk.step(now);
            let peer = walk.next() as usize % 8;
            if let Some(peer) = peers.get_mut(peer) {
                let _ = peer.record(now);
            }
            let verdict = quorum.judge(peers.iter().map(|peer| peer.status(now).into()));
            statuses[verdict.status() as usize] = true;
            let _ = (verdict.to_result(), peers[0].phi(now), peers[0].next_deadline(now));
            let _ = tasks.check_in(walk.next() as u8 % 3, now);
            fed[usize::from(tasks.may_feed(now).is_ok())] = true;
            if walk.next().is_multiple_of(64) {
                tasks.reset(now);
            }
        }
    });
    assert_eq!(count, 0);
    assert_eq!((statuses, fed), ([true; 3], [true; 2]));
}

#[test]
fn backoff_never_allocates() {
    let count = allocations(|| {
        let backoff = Backoff::builder().build().unwrap();
        for (attempt, delay) in (0..STEPS).zip(backoff.delays()) {
            let _ = (delay, backoff.jittered(attempt, None, attempt));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn what_bounds_load_never_allocates() {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(8), Instant::from_nanos(1 << 40));
        let mut bulkhead = Bulkhead::new(BulkheadConfig::DEFAULT);
        let mut aimd = ConcurrencyLimiter::new(Aimd::DEFAULT);
        let mut gradient = ConcurrencyLimiter::new(Gradient::DEFAULT);
        let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
        for _ in 0..STEPS {
            now = walk.step(now);
            let entropy = walk.next() as u32;
            let is_lost = walk.next().is_multiple_of(2);
            let lost = Outcome::Failure(FailureClass::Throttled);
            let outcome = if is_lost { lost } else { Outcome::Success };
            if let Ok(permit) = bulkhead.try_acquire(1, Priority::Low, now) {
                bulkhead.record(permit, outcome, now);
            }
            if let Ok(permit) = aimd.try_acquire(entropy, now) {
                aimd.record(permit, outcome, entropy, now);
            }
            if let Ok(permit) = gradient.try_acquire(entropy, now) {
                gradient.record(permit, outcome, entropy, now);
            }
            let permit = throttle.try_acquire(entropy, now);
            seen[usize::from(permit.is_ok())] = true;
            if let Ok(permit) = permit {
                throttle.record(permit, outcome, now);
            }
            let _ = (gradient.next_deadline(now), throttle.reject_share(now), aimd.limit(now));
        }
    });
    assert_eq!((count, seen), (0, [true; 2]));
}

#[test]
fn the_composed_call_never_allocates() {
    let mut ends = [0_u32; 3];
    let count = allocations(|| {
        let retry = RetryPolicy::builder().deadline(Duration::from_secs(60)).build().unwrap();
        let policy = CallPolicy::new(retry).with_attempt_timeout(Duration::from_secs(9)).unwrap();
        let hedging =
            HedgePolicy::builder().fallback_delay(Duration::from_secs(1)).build().unwrap();
        let mut breaker = CircuitBreaker::new(CircuitBreakerConfig::DEFAULT);
        let mut limit = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let mut tokens = RetryBudget::new(TokenBudget::AWS);
        let mut hedge = Hedge::new(hedging);
        let (mut walk, mut now) = (Walk(9), Instant::from_nanos(1 << 40));
        for _ in 0..STEPS / 10 {
            let mut call = Call::start(&policy, Request::ONE, now);
            for _ in 0..64 {
                let entropy = walk.next() as u32;
                let draw = || entropy;
                let mut gates = Layers::new((&mut breaker, &mut limit))
                    .with_budget(&mut tokens)
                    .with_hedge(&mut hedge);
                match call.poll(&policy, &mut gates, draw, now) {
                    Step::Attempt(ticket) => match walk.next() % 4 {
                        0 => call.abandon(&policy, &mut gates, draw, now),
                        1 => drop(ticket),
                        lot => {
                            let lost =
                                Classification::Failure(FailureClass::Timeout, RetryHint::None);
                            let result = if lot == 2 { Ok(()) } else { Err(lost) };
                            now = now.saturating_add(Duration::from_millis(walk.next() % 256));
                            let _ = call.finish(&policy, ticket, result, &mut gates, draw, now);
                        }
                    },
                    Step::Wait { until, .. } => now = until.unwrap_or(now),
                    Step::Done(verdict) => {
                        ends[match verdict {
                            Verdict::Success => 0,
                            Verdict::Abandoned => 1,
                            _ => 2,
                        }] += 1;
                        let _ = call.error::<u8>(verdict, Some(1));
                        break;
                    }
                }
            }
            now = now.saturating_add(Duration::from_secs(2));
        }
    });
    assert_eq!(count, 0);
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

#[test]
fn the_driver_on_embassy_never_allocates() {
    static CALL: CallPolicy =
        valid!(CallPolicy::new(RetryPolicy::DEFAULT).with_attempt_timeout(Duration::from_secs(2)));
    static HEDGED: HedgedPolicy = HedgedPolicy::new(
        PeerPolicy::new(
            CALL,
            CircuitBreakerConfig::DEFAULT,
            TokenBucket::new(RateLimitConfig::DEFAULT),
        ),
        TokenBudget::DEFAULT,
        valid!(HedgePolicy::builder().fixed_delay(Duration::from_secs(1)).build()),
    );
    static PEER: Peer<CriticalSectionRawMutex, &HedgedPolicy> = Peer::new("peer", &HEDGED, || 7);
    let (mut attempts, mut hedges, mut ends) = (0, 0, [0_u32; 3]);
    let count = allocations(|| {
        for _ in 0..200 {
            let handle = PEER.handle();
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
            let mut call = pin!(handle.call_each(operation));
            let mut context = Context::from_waker(Waker::noop());
            let end = (0..10).find_map(|_| {
                MockDriver::get().advance(embassy_time::Duration::from_millis(150));
                match call.as_mut().poll(&mut context) {
                    Poll::Ready(result) => Some(usize::from(result.is_err())),
                    Poll::Pending => None,
                }
            });
            ends[end.unwrap_or(2)] += 1; // what is not done by now is dropped
        }
    });
    assert_eq!(count, 0);
    assert!(hedges > 0 && ends.iter().all(|count| *count > 0), "{hedges} {ends:?}");
}

#[test]
fn a_call_under_a_shared_limiter_and_breaker_never_allocates() {
    let config = RateLimitConfig::builder().max_requests(1).time_window(Duration::from_secs(1));
    let bucket = TokenBucket::new(config.burst_size(3).build().unwrap());
    let clock = resil_std::MockClock::default();
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
    let clock = resil_std::clock::MockClock::default();
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
