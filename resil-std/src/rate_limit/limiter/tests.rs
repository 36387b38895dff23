use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Mutex as StdMutex;

use resil_core::error::ErrorCode;
use resil_core::outcome::RetryAt;
use resil_core::rate_limit::{RateLimitConfig, StrictBucket};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use super::*;
use crate::clock::MockClock;

/// One token per 10 ms, so many at once.
fn bucket(burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder()
        .max_requests(100)
        .time_window(Duration::from_secs(1))
        .burst_size(burst);
    TokenBucket::new(config.build().unwrap())
}

fn mocked(burst: u32) -> (Limiter<TokenBucket, MockClock>, MockClock) {
    let clock = MockClock::new(Instant::from_nanos(5));
    (Limiter::with_clock(bucket(burst), clock.clone()), clock)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn threads_on_a_frozen_clock_are_admitted_the_burst_exactly() {
    const BURST: u32 = 10_000;
    let (limiter, _) = mocked(BURST);
    let admitted: u32 = std::thread::scope(|scope| {
        let ask = || (0..BURST).map(|_| u32::from(limiter.check(1).is_ok())).sum::<u32>();
        let threads = [(); 4].map(|()| scope.spawn(ask));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(admitted, BURST);
    assert_eq!(limiter.available(), 0);
}

#[test]
fn what_threads_take_and_give_back_is_whole_again_pitfalls_55_57() {
    let (limiter, _) = mocked(100);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for tokens in (1..=25).cycle().take(10_000) {
                    // Four times 25 fit, so nobody is ever refused.
                    limiter.refund(limiter.check(tokens).unwrap());
                }
            });
        }
    });
    assert_eq!(limiter.available(), 100);
}

#[test]
fn threads_under_a_moving_clock_keep_to_burst_and_rate() {
    let (limiter, clock) = mocked(10);
    let admitted: u64 = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut admitted = 0;
                for _ in 0..20_000 {
                    admitted += u64::from(limiter.check(1).is_ok());
                    clock.advance(Duration::from_micros(1));
                }
                admitted
            })
        });
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    // The last of 80,000 asks is at 79.999 ms: 7 tokens, and thousands of asks for each.
    assert_eq!(admitted, 17);
}

#[test]
fn a_reading_that_is_a_refill_old_moves_nothing_back() {
    let (limiter, clock) = mocked(1);
    let early = clock.now();
    clock.advance(ms(1000));
    limiter.check(1).unwrap();
    let refused = limiter.check_at(1, early).unwrap_err();
    let due = RetryAt::At(clock.now().saturating_add(ms(10)));
    assert_eq!(refused.retry(), due, "decided on a reading of now");
    assert_eq!(limiter.available(), 0, "the late thread has minted nothing");
}

#[test]
fn a_clock_that_steps_back_empties_the_bucket_and_no_more() {
    let (limiter, clock) = mocked(2);
    clock.advance(ms(10_000));
    limiter.check(2).unwrap();
    clock.set(Instant::from_nanos(5));
    let refused = limiter.check(1).unwrap_err();
    assert_eq!(refused.retry().wait_from(clock.now()), Some(ms(10)));
    clock.advance(ms(10));
    assert!(limiter.check(1).is_ok());
}

#[test]
fn a_bucket_in_debt_for_centuries_follows_a_clock_that_steps_back() {
    let years = |years: u64| Duration::from_secs(years * 365 * 24 * 60 * 60);
    let config = RateLimitConfig::builder().max_requests(1).burst_size(1);
    let config = config.time_window(years(146)).build().unwrap();
    let clock = MockClock::new(Instant::from_duration(years(200)));
    let limiter = Limiter::with_clock(TokenBucket::new(config), clock.clone());
    limiter.check(1).unwrap();
    assert_eq!(limiter.charge(1).excess(), 0);
    assert!(limiter.0.bucket.load().is_gone(), "or so it looks");
    clock.set(Instant::from_nanos(5));
    let refused = limiter.check(1).unwrap_err();
    assert_eq!(refused.retry().wait_from(clock.now()), Some(years(146)));
}

#[test]
fn a_charge_from_before_a_reset_gives_nothing_back() {
    let (limiter, _) = mocked(10);
    let early = limiter.check(7).unwrap();
    limiter.reset();
    let late = limiter.check(10).unwrap();
    limiter.refund(early);
    assert_eq!(limiter.available(), 0);
    limiter.refund(late);
    assert_eq!(limiter.available(), 10);
}

#[test]
fn a_strict_bucket_keeps_its_window() {
    let clock = MockClock::default();
    let limit = StrictBucket::new(RateLimitConfig::DEFAULT).unwrap();
    let limiter = Limiter::with_clock(&limit, clock.clone());
    let admitted = (0..60_000)
        .filter(|_| {
            let admitted = limiter.allow(1).is_ok();
            clock.advance(ms(1));
            admitted
        })
        .count();
    assert_eq!(admitted, 99);
    assert_eq!(limiter.config(), RateLimitConfig::DEFAULT);
}

#[test]
fn a_request_for_nothing_passes_by_adding_as_it_does_else() {
    let (limiter, _) = mocked(8);
    limiter.check(1).unwrap();
    assert!(limiter.check_contended(0).is_ok(), "there is plenty");
    limiter.check(7).unwrap();
    assert!(limiter.check_contended(0).is_ok(), "there is nothing");
}

#[test]
fn debts_and_reservations_are_those_of_core() {
    let (limiter, clock) = mocked(2);
    let start = clock.now();
    assert_eq!(limiter.charge(3).excess(), 0);
    assert_eq!(limiter.charge(9).excess(), 8, "it owes two at most");
    let refused = limiter.reserve(1, Instant::MAX).unwrap_err();
    assert_eq!(refused.retry(), RetryAt::At(start.saturating_add(ms(30))));
    clock.advance(ms(30));
    let now = limiter.reserve(1, clock.now()).unwrap();
    assert_eq!(now.at(), clock.now());
    assert!(limiter.reserve(1, clock.now()).is_err(), "who cannot wait is told so");
    limiter.cancel(now);
    assert_eq!(limiter.available(), 1);
}

/// Waits with a task, and notes its name when it is let through.
fn waits(
    limiter: &Limiter,
    tokens: u32,
    name: char,
    passed: &Arc<StdMutex<String>>,
) -> JoinHandle<()> {
    let (limiter, passed) = (limiter.clone(), Arc::clone(passed));
    tokio::spawn(async move {
        limiter.until_ready(tokens).await.unwrap();
        passed.lock().unwrap().push(name);
    })
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_order_and_nobody_overtakes_pitfall_58() {
    let limiter = Limiter::new(bucket(5));
    limiter.check(5).unwrap();
    let passed = Arc::default();
    let large = waits(&limiter, 5, 'L', &passed);
    yield_now().await;
    let small = waits(&limiter, 1, 's', &passed);
    yield_now().await;
    for _ in 0..49 {
        tokio::time::advance(ms(1)).await;
        yield_now().await;
        assert!(limiter.check(1).is_err(), "tokens are there, for those who wait");
        assert!(limiter.peek(1).is_err());
        assert!(limiter.reserve(1, Instant::MAX).is_err());
        assert_eq!(limiter.available(), 0);
    }
    assert_eq!(*passed.lock().unwrap(), "");
    large.await.unwrap();
    assert_eq!(limiter.check(1).unwrap_err().code(), ErrorCode::RateLimitExceeded);
    small.await.unwrap();
    assert_eq!(*passed.lock().unwrap(), "Ls");
    tokio::time::advance(ms(10)).await;
    assert!(limiter.check(1).is_ok(), "the line is empty");
}

#[tokio::test(start_paused = true)]
async fn the_next_is_first_at_once_when_the_first_goes_away_pitfall_16() {
    let limiter = Limiter::new(bucket(5));
    limiter.check(5).unwrap();
    let start = SystemClock.now();
    let passed = Arc::default();
    let large = waits(&limiter, 5, 'L', &passed);
    yield_now().await;
    let small = waits(&limiter, 1, 's', &passed);
    tokio::time::advance(ms(10)).await;
    large.abort();
    small.await.unwrap();
    assert_eq!(SystemClock.now().saturating_since(start), ms(10), "no later than its token");
    assert_eq!(limiter.available(), 0, "and the one that went away has taken nothing");
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_from_anywhere_in_the_line_has_taken_nothing_pitfall_19() {
    let limiter = Limiter::new(bucket(3));
    limiter.check(3).unwrap();
    let passed = Arc::default();
    let tasks: Vec<_> = ('a'..='f').map(|name| waits(&limiter, 1, name, &passed)).collect();
    yield_now().await;
    for index in [3, 0, 5] {
        tasks[index].abort();
        yield_now().await;
    }
    let start = SystemClock.now();
    for task in tasks {
        let _ = task.await;
    }
    assert_eq!(*passed.lock().unwrap(), "bce");
    let waited = SystemClock.now().saturating_since(start);
    assert!(waited >= ms(30) && waited <= ms(32), "{waited:?}: three tokens, and a timer's grain");
    tokio::time::advance(ms(100)).await;
    assert_eq!(limiter.available(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_pass_is_refused_at_once_pitfall_60() {
    let limiter = Limiter::new(bucket(3));
    let now = SystemClock.now();
    let never = limiter.until_ready(4).await.unwrap_err();
    assert_eq!(never.retry(), RetryAt::Never);
    limiter.check(3).unwrap();
    assert!(limiter.until_ready(4).await.is_err());
    assert!(limiter.until_ready_blocking(4).is_err());
    let waits = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.until_ready(3).await.map(drop) }
    });
    yield_now().await;
    let never = limiter.until_ready(4).await.unwrap_err();
    assert_eq!(never.retry(), RetryAt::Never, "nor does it get in line");
    assert!(limiter.check(0).is_ok(), "and nothing always passes");
    assert_eq!(SystemClock.now(), now);
    waits.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn tokens_that_come_back_wake_whoever_is_first() {
    let limiter = Limiter::new(bucket(3));
    let charge = limiter.check(3).unwrap();
    let now = SystemClock.now();
    let passed = Arc::default();
    let waiter = waits(&limiter, 3, 'w', &passed);
    yield_now().await;
    limiter.refund(charge);
    waiter.await.unwrap();
    let waiter = waits(&limiter, 3, 'w', &passed);
    yield_now().await;
    limiter.reset();
    waiter.await.unwrap();
    assert_eq!(SystemClock.now(), now, "neither has slept");
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_be_given_up_and_is_again_a_wait_pitfall_63() {
    let limiter = Limiter::new(bucket(1));
    limiter.check(1).unwrap();
    // Spent while it waits by who has worked already: it wakes, is told to wait on, and does.
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.until_ready(1).await.map(drop) }
    });
    yield_now().await;
    let start = SystemClock.now();
    assert_eq!(limiter.charge(1).excess(), 0);
    assert!(timeout(ms(5), limiter.until_ready(1)).await.is_err());
    waiter.await.unwrap().unwrap();
    let waited = SystemClock.now().saturating_since(start);
    assert!(waited >= ms(20), "{waited:?}");
    tokio::time::advance(ms(10)).await;
    assert_eq!(limiter.available(), 1, "who gave up has left the line");
}

#[test]
fn threads_wait_in_line_as_tasks_do() {
    let (limiter, clock) = mocked(1);
    let start = clock.now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| _ = limiter.until_ready_blocking(1).unwrap()));
        }
    });
    // The first token was there, and 19 had to come; a sleep sets this clock to its end.
    assert_eq!(clock.now().saturating_since(start), ms(190));
    assert_eq!(limiter.available(), 0);
}

#[test]
fn waiting_can_be_done_on_any_thread() {
    fn is_send<F: Future + Send>(_: F) {}
    let limiter = Limiter::new(bucket(1));
    is_send(limiter.until_ready(1));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_a_token_does_lets_pass_who_waits_for_it() {
    let poll = |wait: Pin<&mut _>| Future::poll(wait, &mut Context::from_waker(Waker::noop()));
    let limiter = Limiter::new(bucket(1));
    limiter.allow(1).unwrap();
    let wait = async |tokens| limiter.until_ready(tokens).await.map(drop);
    let [mut first, mut newcomer, mut never] = [1, 1, 2].map(|tokens| Box::pin(wait(tokens)));
    assert!(poll(first.as_mut()).is_pending());
    let Poll::Ready(Err(never)) = poll(never.as_mut()) else { panic!("in line for nothing") };
    assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
    tokio::time::advance(ms(10)).await;
    assert!(poll(newcomer.as_mut()).is_pending(), "it goes to the end of the line");
    assert!(poll(first.as_mut()).is_ready());
}
