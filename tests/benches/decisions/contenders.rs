//! The same work, done by each.

use crate::measure::{Contender, Kind};
use core::cell::Cell;
use core::convert::Infallible;
use core::hint::black_box;
use core::num::NonZeroU32;
use core::time::Duration;
use governor::clock::Clock as _;
use governor::nanos::Nanos;
use resil_core::backoff::{Backoff, Jitter};
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Recorded};
use resil_core::rate_limit::{Limiter, RateLimitConfig, TokenBucket};
use resil_core::{Instant, Outcome, RetryAt};
use std::rc::Rc;

const STEP: u64 = 1_000;
const BURST: u32 = 1_000;
const HOUR: u64 = 3_600_000_000_000;

fn contender(
    name: &'static str,
    kind: Kind,
    batch: impl FnMut(u64) -> bool + 'static,
) -> Contender {
    Contender { name, kind, batch: Box::new(batch) }
}

/// Asks once per step and counts what passes; `black_box` keeps the clock from being foreseen.
#[inline(always)]
fn admitted(operations: u64, now: &mut u64, step: u64, mut ask: impl FnMut(u64) -> bool) -> u64 {
    let mut admitted = 0;
    for _ in 0..operations {
        *now += step;
        admitted += u64::from(ask(black_box(*now)));
    }
    admitted
}

/// The sum of the waits at instants 1 ns apart, the last of which is `now`.
fn waits(operations: u64, now: u64, until: u64) -> u64 {
    (0..operations).map(|back| until - (now - back)).fold(0, u64::wrapping_add)
}

/// Plain GCRA: one owner, whole nanoseconds, no check that anything fits.
struct Gcra {
    full_at: u64,
    token: u64,
    tolerance: u64,
}

impl Gcra {
    fn new(token: u64, burst: u64) -> Self {
        Self { full_at: 0, token, tolerance: token * (burst - 1) }
    }

    #[inline(always)]
    fn ask(&mut self, now: u64) -> Result<(), u64> {
        let full_at = self.full_at.max(now);
        if full_at - now > self.tolerance {
            return Err(full_at - self.tolerance);
        }
        self.full_at = full_at + self.token;
        Ok(())
    }
}

/// The cheapest clock that governor can be given.
#[derive(Clone)]
struct Hand(Rc<Cell<u64>>);

impl governor::clock::Clock for Hand {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

type Governor = governor::RateLimiter<
    governor::state::NotKeyed,
    governor::state::InMemoryState,
    Hand,
    governor::middleware::NoOpMiddleware<Nanos>,
>;

fn governor(period: Duration, burst: u32) -> (Governor, Rc<Cell<u64>>) {
    let hand = Rc::new(Cell::new(0));
    let burst = NonZeroU32::new(burst).expect("not zero");
    let quota = governor::Quota::with_period(period).expect("not zero").allow_burst(burst);
    (Governor::direct_with_clock(quota, Hand(hand.clone())), hand)
}

fn resil(max: u32, window: Duration, burst: u32) -> Limiter<TokenBucket> {
    let config = RateLimitConfig::builder().max_requests(max).time_window(window).burst_size(burst);
    Limiter::new(TokenBucket::new(config.build().expect("valid")))
}

pub(crate) fn allowed() -> Vec<Contender> {
    let (mut a, mut b, mut c, mut d, mut e) = (0, 0, 0, 0, 0);
    let mut floor = Gcra::new(STEP, BURST.into());
    let (governor, hand) = governor(Duration::from_nanos(STEP), BURST);
    let mut reliakit = reliakit::ratelimit::RateLimiter::new(BURST.into(), 1, STEP);
    let mut bucket = resil(1_000_000, Duration::from_secs(1), BURST);
    vec![
        contender("empty loop", Kind::Loop, move |n| admitted(n, &mut a, STEP, |_| true) == n),
        contender("plain GCRA", Kind::Floor, move |n| {
            admitted(n, &mut b, STEP, |now| black_box(&mut floor).ask(now).is_ok()) == n
        }),
        contender("resil", Kind::Resil, move |n| {
            admitted(n, &mut c, STEP, |now| {
                black_box(&mut bucket).try_acquire(1, Instant::from_nanos(now)).is_ok()
            }) == n
        }),
        contender("governor", Kind::Peer, move |n| {
            admitted(n, &mut d, STEP, |now| {
                hand.set(now);
                black_box(&governor).check().is_ok()
            }) == n
        }),
        contender("reliakit", Kind::Peer, move |n| {
            admitted(n, &mut e, STEP, |now| black_box(&mut reliakit).try_acquire(now, 1)) == n
        }),
    ]
}

pub(crate) fn denied() -> Vec<Contender> {
    let (mut a, mut b, mut c, mut d, mut e) = (0, 0, 0, 0, 0);
    let mut floor = Gcra::new(HOUR, 1);
    let _ = floor.ask(0);
    let (governor, hand) = governor(Duration::from_nanos(HOUR), 1);
    let _ = governor.check();
    let mut reliakit = reliakit::ratelimit::RateLimiter::new(1, 1, HOUR);
    let _ = reliakit.try_acquire(0, 1);
    let mut bucket = resil(1, Duration::from_nanos(HOUR), 1);
    let _ = bucket.try_acquire(1, Instant::EPOCH);
    vec![
        contender("empty loop", Kind::Loop, move |n| admitted(n, &mut a, 1, |_| false) == 0),
        contender("plain GCRA", Kind::Floor, move |n| {
            admitted(n, &mut b, 1, |now| black_box(&mut floor).ask(now).is_ok()) == 0
        }),
        contender("resil", Kind::Resil, move |n| {
            admitted(n, &mut c, 1, |now| {
                black_box(&mut bucket).try_acquire(1, Instant::from_nanos(now)).is_ok()
            }) == 0
        }),
        contender("governor", Kind::Peer, move |n| {
            admitted(n, &mut d, 1, |now| {
                hand.set(now);
                black_box(&governor).check().is_ok()
            }) == 0
        }),
        contender("reliakit", Kind::Peer, move |n| {
            admitted(n, &mut e, 1, |now| black_box(&mut reliakit).try_acquire(now, 1)) == 0
        }),
    ]
}

/// Asks once per nanosecond and sums the waits.
#[inline(always)]
fn summed(operations: u64, now: &mut u64, mut ask: impl FnMut(u64) -> u64) -> bool {
    let mut sum = 0_u64;
    for _ in 0..operations {
        *now += 1;
        sum = sum.wrapping_add(ask(black_box(*now)));
    }
    sum == waits(operations, *now, HOUR)
}

pub(crate) fn denied_with_wait() -> Vec<Contender> {
    let (mut a, mut b, mut c, mut d, mut e) = (0, 0, 0, 0, 0);
    let mut floor = Gcra::new(HOUR, 1);
    let _ = floor.ask(0);
    let (governor, hand) = governor(Duration::from_nanos(HOUR), 1);
    let _ = governor.check();
    let mut reliakit = reliakit::ratelimit::RateLimiter::new(1, 1, HOUR);
    let _ = reliakit.try_acquire(0, 1);
    let mut bucket = resil(1, Duration::from_nanos(HOUR), 1);
    let _ = bucket.try_acquire(1, Instant::EPOCH);
    vec![
        contender("empty loop", Kind::Loop, move |n| summed(n, &mut a, |now| HOUR - now)),
        contender("plain GCRA", Kind::Floor, move |n| {
            summed(n, &mut b, |now| black_box(&mut floor).ask(now).err().map_or(0, |at| at - now))
        }),
        contender("resil", Kind::Resil, move |n| {
            summed(n, &mut c, |now| {
                match black_box(&mut bucket).try_acquire(1, Instant::from_nanos(now)) {
                    Ok(_) => 0,
                    Err(rejected) => match rejected.retry() {
                        RetryAt::At(at) => at.as_nanos() - now,
                        RetryAt::Unknown | RetryAt::Never => 0,
                    },
                }
            })
        }),
        contender("governor", Kind::Peer, move |n| {
            summed(n, &mut d, |now| {
                hand.set(now);
                let refused = black_box(&governor).check().err();
                refused.map_or(0, |not_until| {
                    not_until.wait_time_from(governor.clock().now()).as_nanos() as u64
                })
            })
        }),
        contender("reliakit", Kind::Peer, move |n| {
            summed(n, &mut e, |now| {
                let bucket = black_box(&mut reliakit);
                if bucket.try_acquire(now, 1) { 0 } else { bucket.retry_after(now, 1).unwrap_or(0) }
            })
        }),
    ]
}

/// A breaker that is never asked to open: reads a word, and writes when there is a run to clear.
struct ClosedBreaker {
    open: bool,
    failures: u32,
}

impl ClosedBreaker {
    #[inline(always)]
    fn call(&mut self) -> bool {
        if self.open {
            return false;
        }
        if self.failures > 0 {
            self.failures = 0;
        }
        true
    }
}

pub(crate) fn breaker_closed() -> Vec<Contender> {
    let (mut a, mut b, mut c, mut d) = (0, 0, 0, 0);
    let mut floor = black_box(ClosedBreaker { open: false, failures: 0 });
    let mut breaker = black_box(CircuitBreaker::new(CircuitBreakerConfig::DEFAULT));
    let cooldown = Duration::from_secs(60).as_nanos() as u64;
    let mut reliakit = black_box(reliakit::circuit::CircuitBreaker::new(5, cooldown));
    vec![
        contender("empty loop", Kind::Loop, move |n| admitted(n, &mut a, STEP, |_| true) == n),
        contender("load, store if needed", Kind::Floor, move |n| {
            admitted(n, &mut b, STEP, |_| black_box(&mut floor).call()) == n
        }),
        contender("resil", Kind::Resil, move |n| {
            admitted(n, &mut c, STEP, |now| {
                let now = Instant::from_nanos(now);
                let breaker = black_box(&mut breaker);
                breaker.try_acquire(0, now).is_ok_and(|permit| {
                    breaker.record(permit, Outcome::Success, 0, now) == Recorded::Counted
                })
            }) == n
        }),
        contender("reliakit", Kind::Peer, move |n| {
            admitted(n, &mut d, STEP, |now| {
                let breaker = black_box(&mut reliakit);
                let allowed = breaker.allow(now);
                breaker.on_success();
                allowed
            }) == n
        }),
    ]
}

/// The generator that all delays draw from: wyrand, one multiplication.
#[derive(Clone)]
struct Wyrand(u64);

impl Wyrand {
    #[inline(always)]
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }
}

impl rand_core::TryRng for Wyrand {
    type Error = Infallible;

    #[inline(always)]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.draw() as u32)
    }

    #[inline(always)]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.draw() as u8;
        }
        Ok(())
    }
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Delays of attempts 0 to 7 over and over: none above the curve, and their mean near half of it.
#[inline(always)]
fn spread(operations: u64, mut delay: impl FnMut(u32) -> u64) -> bool {
    let (mut sum, mut within) = (0_u64, true);
    for operation in 0..operations {
        let attempt = black_box(operation as u32 & 7);
        let nanos = delay(attempt);
        within &= nanos <= LONGEST.as_nanos() as u64;
        sum = sum.wrapping_add(nanos);
    }
    let curve = (0..8).map(|n| (FIRST * (1 << n)).min(LONGEST).as_nanos() as u64).sum::<u64>();
    let mean = curve / 16;
    within && (sum / operations).abs_diff(mean) < mean / 20
}

pub(crate) fn jittered_delay() -> Vec<Contender> {
    let generators = [1, 2, 3, 4].map(|seed| Wyrand(black_box(seed)));
    let [mut a, mut b, mut c, mut d] = generators;
    let (first, longest) = (FIRST.as_nanos() as u64, LONGEST.as_nanos() as u64);
    let backoff = Backoff::builder().initial_delay(FIRST).max_delay(LONGEST).jitter(Jitter::Full);
    let backoff = black_box(backoff.build().expect("valid"));
    let reliakit =
        black_box(reliakit::backoff::Backoff::exponential(FIRST, 2).with_max_delay(LONGEST));
    let chrono = black_box(chrono_machines::ExponentialBackoff {
        max_attempts: u8::MAX,
        base_delay_ms: FIRST.as_millis() as u64,
        multiplier: 2.0,
        max_delay_ms: LONGEST.as_millis() as u64,
        jitter_factor: 1.0,
    });
    vec![
        contender("empty loop", Kind::Loop, move |n| {
            let curve = (0..8).map(|attempt| (first << attempt).min(longest)).sum::<u64>();
            spread(n, |_| curve / 16)
        }),
        contender("wyrand, multiply-high", Kind::Floor, move |n| {
            spread(n, |attempt| {
                let delay = (first << attempt).min(longest);
                ((u128::from(delay) * u128::from(a.draw())) >> 64) as u64
            })
        }),
        contender("resil", Kind::Resil, move |n| {
            spread(n, |attempt| {
                backoff.jittered(attempt, None, || b.draw() as u32).as_nanos() as u64
            })
        }),
        contender("chrono-machines", Kind::Peer, move |n| {
            use chrono_machines::BackoffStrategy as _;
            // It counts attempts from 1, and in milliseconds.
            spread(n, |attempt| chrono.delay(attempt as u8 + 1, &mut c).unwrap_or(0) * 1_000_000)
        }),
        contender("reliakit", Kind::Peer, move |n| {
            spread(n, |attempt| {
                let delay = reliakit.delay(attempt).unwrap_or_default();
                reliakit::backoff::full_jitter(delay, d.draw() as u32).as_nanos() as u64
            })
        }),
    ]
}
