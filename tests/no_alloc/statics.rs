//! What waits for a bulkhead, runs checks, feeds a watchdog and drives calls on embassy.

use super::allocations;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::MockDriver;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::Priority::{High, Low, Normal};
use resil_core::call::{CallPolicy, HedgedPolicy, PeerPolicy, Ticket};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::health::{Boot, CheckConfig, HealthCheckResult, HealthStatus, WatchdogConfig};
use resil_core::hedge::HedgePolicy;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::TokenBudget;
use resil_core::valid;
use resil_embassy::watchdog::RECORD;
use resil_embassy::{Bulkhead, HealthChecker, Peer, Watchdog};

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_queue_on_embassy_never_allocates() {
    static POLICY: BulkheadConfig =
        valid!(BulkheadConfig::builder().max_concurrent(4).high_reserve(1).build());
    static UPLINK: Bulkhead<CriticalSectionRawMutex> = Bulkhead::new("uplink", &POLICY);
    let (mut admitted, mut refused, mut cancelled) = (0, 0, 0);
    let count = allocations(|| {
        for _ in 0..100 {
            let all = UPLINK.try_acquire(3, Low).unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let mut first = pin!(UPLINK.acquire(2, Normal));
            let mut second = pin!(UPLINK.acquire(4, High));
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            cancelled += u32::from(poll(UPLINK.acquire(1, Low)).is_pending());
            refused += u32::from(UPLINK.try_acquire(1, Low).is_err());
            drop(all);
            let Poll::Ready(Ok(guard)) = second.poll(&mut context) else { panic!("it is free") };
            drop(guard);
            admitted += u32::from(first.poll(&mut context).is_ready());
        }
    });
    assert_eq!((count, admitted, refused, cancelled), (0, 100, 100, 100));
    assert_eq!((UPLINK.held(), UPLINK.waiting()), (0, 0));
}

#[test]
fn checks_on_embassy_never_allocate() {
    static HEALTH: HealthChecker<CriticalSectionRawMutex, 4> = HealthChecker::new();
    const HOUR: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(3_600)).build());
    let (mut ended, mut hung) = (0, 0);
    let count = allocations(|| {
        let mut radio = HEALTH
            .register_check("radio", HOUR, async || {
                HealthCheckResult::degraded(format_args!("{} of 5", 3)).with_detail("peers", 3_u32)
            })
            .unwrap();
        let mut flash = HEALTH.register_sync("flash", HOUR, || Err::<(), _>("lost")).unwrap();
        let mut stuck = HEALTH.register_check("stuck", HOUR, pending::<bool>).unwrap();
        for _ in 0..100 {
            let health = poll(HEALTH.get_overall_health((&mut radio, &mut flash)));
            ended += u32::from(health == Poll::Ready(HealthStatus::Unhealthy));
            hung += u32::from(poll(stuck.run()).is_pending());
            assert_eq!(HEALTH.report(|report| report.causes().count()), 3);
        }
    });
    assert_eq!((count, ended, hung), (0, 100, 100));
}

#[test]
fn a_watchdog_on_embassy_never_allocates() {
    static POLICY: WatchdogConfig<2> =
        valid!(WatchdogConfig::builder([Duration::from_secs(3_600); 2]).build());
    static TASKS: Watchdog<CriticalSectionRawMutex, 2> = Watchdog::new(&POLICY);
    let (mut fed, mut kept) = (0, [0; RECORD]);
    let count = allocations(|| {
        for _ in 0..100 {
            TASKS.check_in(0).unwrap();
            assert!(poll(TASKS.run(|| fed += 1, |record| kept = *record)).is_pending());
            TASKS.start(&kept, Boot::Watchdog).unwrap();
        }
    });
    assert_eq!((count, fed, TASKS.resets()), (0, 100, 100));
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
