//! The peers, each put together as its documentation has it.

use crate::measure::{Contender, Kind};
use crate::{contender, operation, ready};
use backon::{BlockingRetryable, ExponentialBuilder, Retryable};
use core::hint::black_box;
use core::num::NonZeroU32;
use core::time::Duration;
use failsafe::CircuitBreaker;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use reliakit::circuit::CircuitBreaker as ReliakitBreaker;
use reliakit::ratelimit::RateLimiter as Reliakit;
use tokio_retry2::strategy::ExponentialBackoff;
use tokio_retry2::{Retry, RetryError};

pub(crate) const BURST: u32 = 4_000_000_000;
const OPEN: Duration = Duration::from_secs(60);

/// No std, one owner, time as a number. Its retry is a loop of the caller's.
pub(crate) fn reliakit() -> Contender {
    let mut limiter = Reliakit::new(BURST.into(), 1, 1);
    let mut breaker = ReliakitBreaker::new(5, OPEN.as_nanos() as u64);
    let mut now = 0;
    contender("reliakit", Kind::Peer, move || {
        now += 1_000;
        let (now, limiter, breaker) = black_box((now, &mut limiter, &mut breaker));
        for _attempt in 0..3 {
            if !breaker.allow(now) || !limiter.try_acquire(now, 1) {
                return false;
            }
            if operation().is_ok() {
                breaker.on_success();
                return true;
            }
            breaker.on_failure(now);
        }
        false
    })
}

fn limiter<C: Clock>(
    clock: C,
) -> RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>> {
    let burst = NonZeroU32::new(BURST).expect("not zero");
    let quota = Quota::with_period(Duration::from_nanos(1)).expect("not zero").allow_burst(burst);
    RateLimiter::direct_with_clock(quota, clock)
}

fn breaker() -> impl CircuitBreaker {
    let policy =
        failsafe::failure_policy::consecutive_failures(5, failsafe::backoff::constant(OPEN));
    failsafe::Config::new().failure_policy(policy).build()
}

fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default().with_jitter().with_max_times(2)
}

/// Three crates, glued by hand: retry, around a breaker, around a limit.
pub(crate) fn glued<C: Clock + Clone + 'static>(
    name: &'static str,
    clock: C,
    between: impl Fn(&C) + 'static,
) -> Contender {
    let (limiter, breaker, backoff) = (limiter(clock.clone()), breaker(), backoff());
    contender(name, Kind::Peer, move || {
        between(&clock);
        let (limiter, breaker) = black_box((&limiter, &breaker));
        let attempt = || {
            let guarded = || limiter.check().map_err(|_| 0).and_then(|()| operation());
            breaker.call(guarded).map_err(|_| 1)
        };
        attempt.retry(backoff).call().is_ok()
    })
}

/// The same in a future that is ready at once, so that failsafe needs no future of its own.
pub(crate) fn glued_future() -> Contender {
    let (limiter, breaker, backoff) =
        (limiter(governor::clock::MonotonicClock), breaker(), backoff());
    contender("backon, failsafe, governor", Kind::Peer, move || {
        let (limiter, breaker) = black_box((&limiter, &breaker));
        let attempt = async || {
            let guarded = || limiter.check().map_err(|_| 0).and_then(|()| operation());
            breaker.call(guarded).map_err(|_| 1)
        };
        ready(attempt.retry(backoff)).is_some_and(|answer| answer.is_ok())
    })
}

pub(crate) fn backon_alone() -> Contender {
    let backoff = backoff();
    contender("backon", Kind::Peer, move || {
        let attempt = async || operation();
        ready(attempt.retry(black_box(backoff))).is_some_and(|answer| answer.is_ok())
    })
}

pub(crate) fn tokio_retry2() -> Contender {
    contender("tokio-retry2", Kind::Peer, || {
        let delays = ExponentialBackoff::from_millis(black_box(100)).take(2);
        let attempt = async || operation().map_err(RetryError::transient);
        ready(Retry::spawn(delays, attempt)).is_some_and(|answer| answer.is_ok())
    })
}
