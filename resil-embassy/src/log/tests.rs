//! One story, told by both adapters, has the same numbers.

use core::cell::RefCell;
use core::fmt::Debug;
use core::future::ready;
use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use resil_core::Clock;
use resil_core::ErrorCode;
use resil_core::backoff::Jitter;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::{CallPolicy, HedgedPolicy, PeerPolicy, Priority};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::event::EventKind;
use resil_core::health::{Boot, CheckConfig, HealthCheckResult, WatchdogConfig};
use resil_core::hedge::HedgePolicy;
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::TokenBudget;
use resil_core::valid;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::mock_time::{advance, at_zero, poll_once, run};

std::thread_local! {
    /// What was logged on this thread.
    pub(super) static KINDS: RefCell<Vec<EventKind>> = const { RefCell::new(Vec::new()) };
}

/// What `story` makes this crate log.
fn kinds_of(story: impl FnOnce()) -> Vec<EventKind> {
    KINDS.take();
    story();
    KINDS.take()
}

/// Keeps the field `event` of what resil-std logs.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Vec<EventKind>>>);

impl Visit for Numbers {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "event" {
            let kind = EventKind::try_from(u16::try_from(value).unwrap()).unwrap();
            self.0.lock().unwrap().push(kind);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Numbers {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resil::")
    }

    fn event(&self, event: &Event<'_>) {
        let before = self.0.lock().unwrap().len();
        event.record(&mut self.clone());
        assert_eq!(self.0.lock().unwrap().len(), before + 1, "no number: {event:?}");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What `story` makes resil-std log.
fn kinds_of_std(story: impl FnOnce()) -> Vec<EventKind> {
    let numbers = Numbers::default();
    tracing::subscriber::with_default(numbers.clone(), story);
    numbers.0.lock().unwrap().clone()
}

const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder().failure_threshold(2).timeout(Duration::from_secs(10)).build()
);
const RETRY: RetryPolicy =
    valid!(RetryPolicy::builder().jitter(Jitter::None).deadline(Duration::from_secs(5)).build());
const TTL: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(10)).build());
const TASKS: WatchdogConfig<1> = valid!(WatchdogConfig::builder([Duration::from_secs(1)]).build());
const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

/// The story of a breaker: it opens, refuses, half-opens, closes, and is set by hand.
macro_rules! breaker_story {
    ($breaker:ident, $advance:expr) => {
        for _ in 0..2 {
            $breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        assert!($breaker.try_acquire().is_err());
        $advance(Duration::from_secs(10));
        $breaker.try_acquire().unwrap().success();
        $breaker.force_open();
        $breaker.disable();
        $breaker.metrics_only();
        for _ in 0..2 {
            $breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        $breaker.reset();
    };
}

#[test]
fn a_breaker_tells_the_same_numbers_on_both() {
    let _turn = at_zero();
    let here = kinds_of(|| {
        let breaker = crate::CircuitBreaker::<NoopRawMutex, _, _>::new("peer", BREAKER, no_entropy);
        breaker_story!(breaker, advance);
    });
    let there = kinds_of_std(|| {
        let clock = resil_std::MockClock::default();
        let every = resil_core::outcome::EveryError;
        let breaker = resil_std::CircuitBreaker::with("peer", BREAKER, every, clock.clone());
        breaker_story!(breaker, |by| clock.advance(by));
    });
    assert_eq!(here, there);
    let numbers: Vec<_> = here.into_iter().map(EventKind::number).collect();
    assert_eq!(numbers, [303, 301, 304, 302, 305, 306, 308, 303, 302]);
}

#[test]
fn a_retry_tells_the_same_numbers_on_both() {
    let _turn = at_zero();
    let third = |tries: &mut u32| {
        *tries += 1;
        if *tries == 3 { Ok(()) } else { Err("no answer") }
    };
    let here = kinds_of(|| {
        let mut tries = 0;
        let works = || ready(third(&mut tries));
        let retry = crate::retry_with_policy(works, &RETRY, "join", no_entropy);
        run(retry, Duration::from_millis(1)).unwrap();
        let fails = || ready(Err::<(), _>("no answer"));
        let mut retry =
            core::pin::pin!(crate::retry_with_policy(fails, &RETRY, "join", no_entropy));
        assert!(poll_once(retry.as_mut()).is_pending());
        advance(Duration::from_secs(60)); // past the deadline
        assert!(poll_once(retry).is_ready());
    });
    let there = kinds_of_std(|| {
        let mut tries = 0;
        let clock = resil_std::MockClock::default();
        let retry = resil_std::retry::Retry::new(&RETRY, "join").clock(clock);
        retry.call_blocking(|| third(&mut tries)).unwrap();
        let oversleeps = resil_std::retry::Retry::new(&RETRY, "join").clock(Oversleeps::default());
        let error = oversleeps.call_blocking(|| Err::<(), _>("no answer")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RetryFailed);
    });
    assert_eq!(here, there);
    let numbers: Vec<_> = here.into_iter().map(EventKind::number).collect();
    assert_eq!(numbers, [103, 103, 102, 103, 601]);
}

/// A clock whose sleeps end a minute late.
#[derive(Clone, Default)]
struct Oversleeps(resil_std::MockClock);

impl Clock for Oversleeps {
    fn now(&self) -> resil_core::Instant {
        self.0.now()
    }
}

impl resil_std::clock::Sleep for Oversleeps {
    async fn sleep_until(&self, _: resil_core::Instant) {
        self.0.advance(Duration::from_secs(60));
    }

    fn block_until(&self, _: resil_core::Instant) {
        self.0.advance(Duration::from_secs(60));
    }
}

#[test]
fn a_limiter_tells_the_same_numbers_on_both() {
    let _turn = at_zero();
    let here = kinds_of(|| {
        let limiter = crate::RateLimiter::<NoopRawMutex, u8, TokenBucket, 8>::new(LIMIT, 7);
        limiter.allow(&1, 10).unwrap();
        limiter.allow(&1, 1).unwrap_err();
        limiter.allow(&1, 11).unwrap_err();
    });
    let there = kinds_of_std(|| {
        let limiter = resil_std::RateLimiter::builder(LIMIT).build().unwrap();
        limiter.allow(&1, 10).unwrap();
        limiter.allow(&1, 1).unwrap_err();
        limiter.allow(&1, 11).unwrap_err();
    });
    assert_eq!(here, there);
    assert_eq!(here, [EventKind::LimitRefused; 2]);
}

/// A peer whose breaker opens at the second failure, hedged after a second.
fn peer() -> crate::Peer<NoopRawMutex, HedgedPolicy> {
    let call = CallPolicy::new(RETRY).with_attempt_timeout(Duration::from_secs(2)).unwrap();
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_secs(1)).build().unwrap();
    let policy =
        HedgedPolicy::new(PeerPolicy::new(call, BREAKER, LIMIT), TokenBudget::DEFAULT, hedge);
    crate::Peer::new("peer", policy, no_entropy)
}

/// What `story` logs, by number.
fn numbers_of(story: impl FnOnce()) -> Vec<u16> {
    kinds_of(story).into_iter().map(EventKind::number).collect()
}

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn a_call_tells_of_attempts_waits_transitions_and_its_end() {
    let _turn = at_zero();
    let peer = peer();
    let mut tries = 0;
    let mut second = || {
        tries += 1;
        ready(if tries == 2 { Ok(()) } else { Err("no answer") })
    };
    // A failure fires the hedge early.
    let numbers = numbers_of(|| run(peer.call(&mut second), MILLI).unwrap());
    assert_eq!(numbers, [101, 103, 401, 402, 902]);

    let fails = || ready(Err::<(), _>("no answer"));
    let numbers = numbers_of(|| drop(run(peer.call(fails), MILLI)));
    assert_eq!(numbers, [101, 103, 401, 103, 303, 111, 904], "open, and so refused");
    let numbers = numbers_of(|| drop(run(peer.call(fails), MILLI)));
    assert_eq!(numbers, [904]);

    advance(Duration::from_secs(10));
    let numbers = numbers_of(|| run(peer.call(|| ready(Ok::<_, &str>(()))), MILLI).unwrap());
    assert_eq!(numbers, [304, 101, 102, 302, 902]);
}

#[test]
fn a_call_tells_of_hedges_timeouts_and_of_whoever_went_away() {
    let _turn = at_zero();
    let slow = |millis| {
        let until = crate::EmbassyClock.now().saturating_add(Duration::from_millis(millis));
        async move {
            crate::clock::sleep_until(until).await;
            Ok::<_, &str>(())
        }
    };
    let peer = peer();
    let numbers = numbers_of(|| run(peer.call(|| slow(1_500)), MILLI).unwrap());
    assert_eq!(numbers, [101, 401, 102, 403, 902], "a hedge that lost");

    let numbers = numbers_of(|| drop(run(peer.call(|| slow(60_000)), MILLI)));
    // Both attempts time out, which opens the breaker, and the deadline leaves no time for a third.
    assert_eq!(numbers, [101, 401, 602, 602, 303, 903]);

    let peer = self::peer();
    let numbers = numbers_of(|| {
        let mut call = core::pin::pin!(peer.call(|| slow(60_000)));
        assert!(poll_once(call.as_mut()).is_pending());
    });
    assert_eq!(numbers, [101, 905]);
}

/// Every public type of this crate can be logged: a matter of the compiler's.
#[cfg(feature = "defmt")]
#[test]
fn every_public_type_is_format() {
    use resil_core::circuit_breaker::CircuitBreakerConfig as Config;
    use resil_core::outcome::EveryError;
    fn is_format<T: defmt::Format>() {}
    is_format::<crate::EmbassyClock>();
    is_format::<crate::CircuitBreaker<NoopRawMutex>>();
    is_format::<crate::circuit_breaker::Guard<'_, NoopRawMutex, EveryError, Config>>();
    is_format::<crate::RateLimiter<NoopRawMutex, u8, TokenBucket, 8>>();
    is_format::<crate::Peer<NoopRawMutex, HedgedPolicy>>();
    is_format::<crate::Peers<NoopRawMutex, 8>>();
    is_format::<crate::call::Handle<'_, NoopRawMutex, HedgedPolicy>>();
    is_format::<crate::Bulkhead<NoopRawMutex>>();
    is_format::<crate::bulkhead::Guard<'_, NoopRawMutex>>();
    is_format::<crate::HealthChecker<NoopRawMutex>>();
    is_format::<crate::health::Check<()>>();
    is_format::<crate::health::RegisteredCheck<'_, NoopRawMutex, (), 8>>();
    is_format::<crate::Watchdog<NoopRawMutex, 1>>();
}

#[test]
fn a_bulkhead_tells_its_refusals() {
    let _turn = at_zero();
    let kinds = kinds_of(|| {
        let uplink = crate::Bulkhead::<NoopRawMutex, _, 0>::new("uplink", BulkheadConfig::DEFAULT);
        let _all = uplink.try_acquire(25, Priority::Normal).unwrap();
        assert!(uplink.try_acquire(1, Priority::High).is_err());
        assert!(run(uplink.acquire(1, Priority::High), Duration::from_millis(1)).is_err());
    });
    assert_eq!(kinds, [EventKind::BulkheadFull; 2]);
}

#[test]
fn a_check_tells_when_its_status_changes_and_only_then() {
    let _turn = at_zero();
    let health = crate::HealthChecker::<NoopRawMutex>::new();
    let radio = health.register(crate::health::Check::told("radio", TTL)).unwrap();
    let kinds = kinds_of(|| {
        for is_healthy in [true, true, false, false] {
            radio.record(is_healthy).unwrap();
        }
        radio.record(HealthCheckResult::degraded("2 of 5 peers")).unwrap();
        advance(Duration::from_secs(10)); // and nobody knows any more
        radio.record(true).unwrap();
    });
    let numbers: Vec<_> = kinds.into_iter().map(EventKind::number).collect();
    assert_eq!(numbers, [701, 703, 702, 701]);
}

#[test]
fn a_watchdog_tells_what_it_began_with_and_what_has_starved() {
    let _turn = at_zero();
    let kinds = kinds_of(|| {
        let tasks = crate::Watchdog::<NoopRawMutex, 1, _>::new(TASKS);
        let mut kept = [0; crate::watchdog::RECORD];
        assert!(tasks.start(&kept, Boot::Other).is_err());
        run(tasks.run(|| (), |record| kept = *record), Duration::from_millis(100));
        tasks.start(&kept, Boot::Watchdog).unwrap();
    });
    let numbers: Vec<_> = kinds.into_iter().map(EventKind::number).collect();
    assert_eq!(numbers, [913, 722, 912]);
}
