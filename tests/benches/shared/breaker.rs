//! One breaker that is never asked to open: a permit, and a success.

use crate::measure::{Contender, Kind};
use crate::{Hand, Threads};
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use failsafe::CircuitBreaker as _;
use resil_core::circuit_breaker::{CircuitBreakerConfig, CountWindow, TimeWindow};
use resil_core::outcome::EveryError;
use resil_core::valid;
use resil_std::CircuitBreaker;

const LAST_100: CircuitBreakerConfig<CountWindow<4>> =
    valid!(CircuitBreakerConfig::builder().count_window(100).build());

const LAST_MINUTE: CircuitBreakerConfig<TimeWindow<10>> =
    valid!(CircuitBreakerConfig::builder().time_window(Duration::from_secs(60)).build());

/// Reads a word, and writes it when there is a run to clear.
#[derive(Default)]
struct InARow {
    failures: AtomicU32,
}

impl InARow {
    #[inline(always)]
    fn call(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) >= 5 {
            return false;
        }
        let worked = black_box(true);
        if worked && self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        worked
    }
}

/// Reads a word, and counts a call in it.
#[derive(Default)]
struct Counting {
    calls: AtomicU64,
}

impl Counting {
    #[inline(always)]
    fn call(&self) -> bool {
        if self.calls.load(Ordering::Relaxed) >> 63 > 0 {
            return false;
        }
        let worked = black_box(true);
        self.calls.fetch_add(u64::from(worked), Ordering::Relaxed);
        worked
    }
}

pub(crate) fn in_a_row(threads: Threads) -> Vec<Contender> {
    let floor = InARow::default();
    let clock = Hand::default();
    let breaker = CircuitBreaker::with("peer", CircuitBreakerConfig::DEFAULT, EveryError, clock);
    let failsafe = failsafe::Config::new()
        .failure_policy(failsafe::failure_policy::consecutive_failures(
            5,
            failsafe::backoff::constant(Duration::from_secs(60)),
        ))
        .build();
    vec![
        threads.ask("empty loop", Kind::Loop, || black_box(true)),
        threads.ask("load, store if needed", Kind::Floor, move || black_box(&floor).call()),
        threads.ask("resil", Kind::Resil, move || {
            black_box(&breaker).call_blocking(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
        }),
        threads.ask("failsafe", Kind::Peer, move || {
            black_box(&failsafe).call(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
        }),
        threads.ask("recloser, of the last 100", Kind::Peer, recloser()),
    ]
}

pub(crate) fn of_the_last(threads: Threads) -> Vec<Contender> {
    let floor = Counting::default();
    let clock = Hand::default();
    let breaker = CircuitBreaker::with("peer", LAST_100, EveryError, clock);
    vec![
        threads.ask("empty loop", Kind::Loop, || black_box(true)),
        threads.ask("load, fetch_add", Kind::Floor, move || black_box(&floor).call()),
        threads.ask("resil", Kind::Resil, move || {
            black_box(&breaker).call_blocking(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
        }),
        threads.ask("recloser", Kind::Peer, recloser()),
    ]
}

type OverTime = CircuitBreaker<EveryError, Hand, TimeWindow<10>>;

/// What a breaker over time has been through before it is measured.
#[derive(Clone, Copy)]
pub(crate) enum Past {
    None,
    /// One call in ten has failed.
    Failures,
    /// It was reset: successes are told in another generation.
    Reset,
}

impl Past {
    fn breaker(self) -> OverTime {
        let breaker = CircuitBreaker::with("peer", LAST_MINUTE, EveryError, Hand::default());
        match self {
            Self::None => {}
            Self::Failures => {
                for call in 1..=100 {
                    let result = if call % 10 == 0 { Err(()) } else { Ok(()) };
                    assert_eq!(breaker.call_blocking(|| result).is_ok(), result.is_ok());
                }
            }
            Self::Reset => breaker.reset(),
        }
        breaker
    }
}

/// A success a call, each of which is counted.
pub(crate) fn over_time(threads: Threads, past: Past) -> Vec<Contender> {
    let floor = Counting::default();
    let breaker = past.breaker();
    let failsafe = failsafe::Config::new()
        .failure_policy(failsafe::failure_policy::success_rate_over_time_window(
            0.5,
            10,
            Duration::from_secs(60),
            failsafe::backoff::constant(Duration::from_secs(60)),
        ))
        .build();
    vec![
        threads.ask("empty loop", Kind::Loop, || black_box(true)),
        threads.ask("load, fetch_add", Kind::Floor, move || black_box(&floor).call()),
        threads.ask("resil", Kind::Resil, move || {
            black_box(&breaker).call_blocking(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
        }),
        threads.ask("failsafe, with a clock", Kind::Peer, move || {
            black_box(&failsafe).call(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
        }),
        threads.ask("recloser, of the last 100", Kind::Peer, recloser()),
    ]
}

fn recloser() -> impl Fn() -> bool + Send + Sync + 'static {
    let recloser = recloser::Recloser::custom().error_rate(0.5).closed_len(100).build();
    move || black_box(&recloser).call(|| black_box(Ok::<_, ()>(true))).unwrap_or(false)
}
