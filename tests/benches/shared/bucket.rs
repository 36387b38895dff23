//! One bucket.

use crate::measure::{Contender, Kind};
use crate::{Hand, Threads, contender, passed};
use core::hint::black_box;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use governor::clock::{MonotonicClock, QuantaClock};
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use ratelimit::{Ratelimiter, TryWaitError};
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::{Clock as _, Instant, RetryAt};
use resil_std::SystemClock;
use resil_std::rate_limit::Limiter;

const MICRO: Duration = Duration::from_micros(1);
const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3600);
const STEP: u64 = 1_000;

/// So many tokens in so long. Who counts in whole nanoseconds is given a token in the next shorter time.
#[derive(Clone, Copy)]
pub(crate) struct Rate(u32, Duration);

impl Rate {
    pub(crate) const MICRO: Self = Self(1, MICRO);
    /// Every 999⅔ ns.
    pub(crate) const MICRO_LESS_A_THIRD: Self = Self(3, Duration::from_nanos(2_999));
    pub(crate) const HOUR: Self = Self(1, HOUR);
    pub(crate) const HOUR_AND_A_THIRD: Self =
        Self(3, Duration::from_nanos(3 * 3_600_000_000_000 + 1));

    fn token(self) -> Duration {
        self.1 / self.0
    }
}
const ENDLESS: u32 = 4_000_000_000;

impl governor::clock::Clock for Hand {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(self.nanos())
    }
}

impl ratelimit::Clock for Hand {
    #[inline]
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

/// Plain GCRA in an atomic: whole nanoseconds, no check that anything fits.
struct Gcra {
    full_at: AtomicU64,
    token: u64,
    tolerance: u64,
}

impl Gcra {
    fn new(token: Duration, burst: u32) -> Self {
        let token = token.as_nanos() as u64;
        Self { full_at: AtomicU64::new(0), token, tolerance: token * (u64::from(burst) - 1) }
    }

    #[inline(always)]
    fn ask(&self, now: u64) -> Result<(), u64> {
        let mut found = self.full_at.load(Ordering::Relaxed);
        loop {
            let full_at = found.max(now);
            if full_at - now > self.tolerance {
                return Err(full_at - self.tolerance);
            }
            let (made, relaxed) = (full_at + self.token, Ordering::Relaxed);
            match self.full_at.compare_exchange_weak(found, made, relaxed, relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => found = other,
            }
        }
    }

    /// Takes first and gives back when it was too much: others may be denied falsely in between.
    #[inline(always)]
    fn take_at_once(&self, now: u64) -> bool {
        let found = self.full_at.fetch_add(self.token, Ordering::Relaxed);
        if found.saturating_sub(now) <= self.tolerance {
            return true;
        }
        self.full_at.fetch_sub(self.token, Ordering::Relaxed);
        false
    }
}

fn resil<T>(rate: Rate, burst: u32, clock: T) -> Limiter<TokenBucket, T> {
    let config = RateLimitConfig::builder().max_requests(rate.0).time_window(rate.1);
    let config = config.burst_size(burst);
    Limiter::with_clock(TokenBucket::new(config.build().expect("valid")), clock)
}

fn quota(token: Duration, burst: u32) -> Quota {
    let burst = NonZeroU32::new(burst).expect("not zero");
    Quota::with_period(token).expect("not zero").allow_burst(burst)
}

fn ratelimiter<C: ratelimit::Clock>(token: Duration, burst: u64, clock: C) -> Ratelimiter<C> {
    let builder = ratelimit::Builder::with_clock(1, clock).period(token);
    builder.max_tokens(burst).initial_available(burst).build().expect("valid")
}

/// Asks once per step, counts what passes.
#[inline(always)]
fn stepping(asks: u64, now: &mut u64, mut ask: impl FnMut(u64) -> bool) -> bool {
    passed(asks, || {
        *now += STEP;
        ask(black_box(*now))
    }) == asks
}

pub(crate) fn allowed(rate: Rate) -> Vec<Contender> {
    const BURST: u32 = 1_000;
    let [mut a, mut b, mut c, mut d, mut e] = [0; 5];
    let floor = Gcra::new(rate.token(), BURST);
    let limiter = resil(rate, BURST, Hand::default());
    let hand = Hand::default();
    let governor = RateLimiter::direct_with_clock(quota(rate.token(), BURST), hand.clone());
    let ticks = Hand::default();
    let ratelimiter = ratelimiter(rate.token(), BURST.into(), ticks.clone());
    vec![
        contender("empty loop", Kind::Loop, move |n| {
            let nothing = true;
            stepping(n, &mut a, |_| *black_box(&nothing))
        }),
        contender("atomic GCRA", Kind::Floor, move |n| {
            stepping(n, &mut b, |now| black_box(&floor).ask(now).is_ok())
        }),
        contender("resil", Kind::Resil, move |n| {
            stepping(n, &mut c, |now| {
                black_box(&limiter).check_at(1, Instant::from_nanos(now)).is_ok()
            })
        }),
        contender("governor", Kind::Peer, move |n| {
            stepping(n, &mut d, |now| {
                hand.set(now);
                black_box(&governor).check().is_ok()
            })
        }),
        contender("ratelimit", Kind::Peer, move |n| {
            stepping(n, &mut e, |now| {
                ticks.set(now);
                black_box(&ratelimiter).try_wait().is_ok()
            })
        }),
    ]
}

/// Asks once per nanosecond and sums the waits, which have to be those to the end of the hour.
#[inline(always)]
fn waiting(asks: u64, now: &mut u64, is_exact: bool, mut ask: impl FnMut(u64) -> u64) -> bool {
    let (mut sum, mut due) = (0_u64, 0_u64);
    for _ in 0..asks {
        *now += 1;
        due = due.wrapping_add(HOUR.as_nanos() as u64 - *now);
        sum = sum.wrapping_add(ask(black_box(*now)));
    }
    if is_exact { sum == due } else { sum.abs_diff(due) / asks < 1_000_000_000 }
}

/// What nobody does to whom an hour's only token has been given.
#[cold]
fn allowed_twice() -> ! {
    panic!("it was to be denied")
}

pub(crate) fn denied(rate: Rate) -> Vec<Contender> {
    let [mut a, mut b, mut c, mut d, mut e] = [0; 5];
    let floor = Gcra::new(HOUR, 1);
    let _ = floor.ask(0);
    let limiter = resil(rate, 1, Hand::default());
    let _ = limiter.check(1);
    let hand = Hand::default();
    let governor = RateLimiter::direct_with_clock(quota(HOUR, 1), hand.clone());
    let _ = governor.check();
    let ticks = Hand::default();
    let ratelimiter = ratelimiter(HOUR, 1, ticks.clone());
    let _ = ratelimiter.try_wait();
    vec![
        contender("empty loop", Kind::Loop, move |n| {
            waiting(n, &mut a, true, |now| HOUR.as_nanos() as u64 - now)
        }),
        contender("atomic GCRA", Kind::Floor, move |n| {
            waiting(n, &mut b, true, |now| {
                let Err(at) = black_box(&floor).ask(now) else { allowed_twice() };
                at - now
            })
        }),
        contender("resil", Kind::Resil, move |n| {
            waiting(n, &mut c, true, |now| {
                let answer = black_box(&limiter).check_at(1, Instant::from_nanos(now));
                let Err(RetryAt::At(at)) = answer.map_err(|refused| refused.retry()) else {
                    allowed_twice()
                };
                at.as_nanos() - now
            })
        }),
        contender("governor", Kind::Peer, move |n| {
            waiting(n, &mut d, true, |now| {
                hand.set(now);
                let Err(until) = black_box(&governor).check() else { allowed_twice() };
                until.wait_time_from(Nanos::new(hand.nanos())).as_nanos() as u64
            })
        }),
        contender("ratelimit", Kind::Peer, move |n| {
            waiting(n, &mut e, false, |now| {
                ticks.set(now);
                let Err(TryWaitError::Insufficient(wait)) = black_box(&ratelimiter).try_wait()
                else {
                    allowed_twice()
                };
                wait.as_nanos() as u64
            })
        }),
    ]
}

pub(crate) fn real_clock() -> Vec<Contender> {
    let floor = Gcra::new(NANO, ENDLESS);
    let epoch = std::time::Instant::now();
    let limiter = resil(Rate(1, NANO), ENDLESS, SystemClock);
    let governor = RateLimiter::direct_with_clock(quota(NANO, ENDLESS), MonotonicClock);
    let quanta = RateLimiter::direct_with_clock(quota(NANO, ENDLESS), QuantaClock::default());
    let ratelimiter = ratelimiter(NANO, ENDLESS.into(), ratelimit::StdClock::new());
    vec![
        contender("the clock alone", Kind::Loop, |n| {
            passed(n, || black_box(SystemClock.now()) > Instant::EPOCH) == n
        }),
        contender("atomic GCRA, Instant", Kind::Floor, move |n| {
            passed(n, || black_box(&floor).ask(epoch.elapsed().as_nanos() as u64).is_ok()) == n
        }),
        contender("resil", Kind::Resil, move |n| {
            passed(n, || black_box(&limiter).check(1).is_ok()) == n
        }),
        contender("governor", Kind::Peer, move |n| {
            passed(n, || black_box(&governor).check().is_ok()) == n
        }),
        contender("governor, quanta", Kind::Peer, move |n| {
            passed(n, || black_box(&quanta).check().is_ok()) == n
        }),
        contender("ratelimit", Kind::Peer, move |n| {
            passed(n, || black_box(&ratelimiter).try_wait().is_ok()) == n
        }),
    ]
}

/// Time stands still: what is measured is the word that both want.
pub(crate) fn stands_still(threads: Threads) -> Vec<Contender> {
    let counter = AtomicU64::new(0);
    let (at_once, floor) = (Gcra::new(NANO, ENDLESS), Gcra::new(NANO, ENDLESS));
    let [limiter, adding] = [(); 2].map(|()| resil(Rate(1, NANO), ENDLESS, Hand::default()));
    let governor = RateLimiter::direct_with_clock(quota(NANO, ENDLESS), Hand::default());
    let ratelimiter = ratelimiter(NANO, ENDLESS.into(), Hand::default());
    vec![
        threads.ask("empty loop", Kind::Loop, || black_box(true)),
        threads.ask("fetch_add", Kind::Floor, move || {
            black_box(&counter).fetch_add(1, Ordering::Relaxed) < u64::MAX
        }),
        threads.ask("GCRA by fetch_add", Kind::Floor, move || {
            black_box(&at_once).take_at_once(black_box(0))
        }),
        threads
            .ask("atomic GCRA", Kind::Floor, move || black_box(&floor).ask(black_box(0)).is_ok()),
        threads.ask("resil", Kind::Resil, move || black_box(&limiter).check(1).is_ok()),
        threads.ask("resil, by adding", Kind::Option, move || {
            black_box(&adding).check_contended(1).is_ok()
        }),
        threads.ask("governor", Kind::Peer, move || black_box(&governor).check().is_ok()),
        threads.ask("ratelimit", Kind::Peer, move || black_box(&ratelimiter).try_wait().is_ok()),
    ]
}
