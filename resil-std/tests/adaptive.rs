//! The adaptive limit that tasks share.

mod paused_time;

use core::future::pending;
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::time::Duration;
use paused_time::{Woken, poll_once};
use resil_std::adaptive::ConcurrencyLimiter;
use resil_std::core::adaptive::{Aimd, Gradient, Recorded};
use resil_std::core::outcome::{Classification, FailureClass};
use resil_std::core::{ErrorCode, Ratio, ResilienceError};
use std::panic::catch_unwind;
use std::sync::Arc;
use tokio::time::advance;

/// So many at once to begin with; slower than a second is a loss.
fn policy(initial: u16) -> Aimd {
    let policy = Aimd::builder().min_limit(1).initial_limit(initial);
    policy.timeout(Duration::from_secs(1)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_limit_follows_how_calls_end_and_how_long_they_take() {
    let limiter = ConcurrencyLimiter::new("work", policy(1));
    assert_eq!(limiter.call(async || Ok::<_, ()>(7)).await, Ok(7));
    assert_eq!((limiter.limit(), limiter.name()), (2, "work"));
    let failed = limiter.call(async || Err::<(), _>("reset")).await;
    assert_eq!((failed, limiter.limit()), (Err(ResilienceError::operation("reset")), 1));

    let guard = limiter.try_acquire().unwrap();
    advance(Duration::from_secs(2)).await;
    guard.success();
    assert_eq!((limiter.limit(), limiter.in_flight()), (1, 0), "too late to count for more");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_nothing_moves_no_limit() {
    let ignores = |_: &&str| Classification::Ignored;
    let limiter = ConcurrencyLimiter::with_classifier("work", policy(4), ignores);
    limiter.call(async || Err::<(), _>("not found")).await.unwrap_err();
    assert_eq!((limiter.limit(), limiter.in_flight()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_or_panics_gives_its_room_back_and_moves_no_limit_pitfalls_18_111() {
    let limiter = ConcurrencyLimiter::new("work", policy(1));
    {
        let mut call = pin!(limiter.call(async || pending::<Result<(), ()>>().await));
        assert!(poll_once(call.as_mut()).is_pending());
        assert_eq!(limiter.try_acquire().unwrap_err().code(), ErrorCode::LoadShed);
    }
    let mut call = pin!(limiter.call(async || -> Result<(), ()> { panic!("a bug") }));
    catch_unwind(AssertUnwindSafe(|| poll_once(call.as_mut()))).unwrap_err();
    assert_eq!((limiter.limit(), limiter.in_flight()), (1, 0));
    assert_eq!(limiter.call(async || Ok::<_, ()>(7)).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_who_waits() {
    let limiter = ConcurrencyLimiter::new("work", policy(1));
    let held = limiter.try_acquire().unwrap();
    let (mut first, mut second) = (pin!(limiter.acquire()), pin!(limiter.acquire()));
    let task = Arc::new(Woken::default());
    assert!(task.poll(first.as_mut()).is_pending() && poll_once(second.as_mut()).is_pending());
    held.ignore();
    assert_eq!(task.times(), 1);
    assert_eq!(limiter.try_acquire().unwrap_err().code(), ErrorCode::LoadShed, "there is a line");
    let mut newcomer = pin!(limiter.acquire());
    assert!(poll_once(newcomer.as_mut()).is_pending(), "it goes to its end");
    assert!(poll_once(second.as_mut()).is_pending(), "it is not its turn");
    assert!(task.poll(first.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_reset_and_a_larger_policy_let_in_who_waits() {
    let limiter = ConcurrencyLimiter::new("work", policy(1));
    let held = limiter.try_acquire().unwrap();
    let mut first = pin!(limiter.acquire());
    assert!(poll_once(first.as_mut()).is_pending());
    limiter.reset();
    let poll = poll_once(first.as_mut());
    assert!(poll.is_ready() && limiter.in_flight() == 1);
    assert_eq!(held.failure(FailureClass::Timeout), Recorded::Stale);

    let mut second = pin!(limiter.acquire());
    assert!(poll_once(second.as_mut()).is_pending());
    limiter.reconfigure(Aimd::builder().min_limit(3).initial_limit(3).build().unwrap());
    assert!(poll_once(second.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_when_a_probe_ends_that_came_with_another_policy() {
    let minute = Duration::from_secs(60);
    let policy = Gradient::builder().min_limit(2).initial_limit(2).probe_limit(1);
    let limiter = ConcurrencyLimiter::new("peer", policy.probe_interval(None).build().unwrap());
    let held = (limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap());
    let mut waits = pin!(limiter.acquire());
    let task = Arc::new(Woken::default());
    assert!(task.poll(waits.as_mut()).is_pending());

    limiter.reconfigure(policy.probe_interval(Some(minute)).build().unwrap());
    assert!(task.times() == 1 && task.poll(waits.as_mut()).is_pending(), "it looks again");
    held.0.success();
    assert_eq!((limiter.limit(), limiter.in_flight(), task.times()), (1, 1, 1), "it probes");
    advance(minute).await;
    assert_eq!((limiter.limit(), task.times()), (2, 2), "it has given up, the other call hangs");
    assert!(task.poll(waits.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn the_clients_of_a_peer_do_not_all_probe_at_once() {
    let minute = Duration::from_secs(60);
    let policy = Gradient::builder().initial_limit(20).probe_samples(1).probe_limit(3);
    let policy = policy.probe_interval(Some(minute)).probe_jitter(Ratio::ONE).build().unwrap();
    let clients: Vec<_> = (0..64).map(|_| ConcurrencyLimiter::new("peer", policy)).collect();
    let probing = || clients.iter().filter(|client| client.limit() == 3).count();
    advance(2 * minute).await;
    assert_eq!(probing(), 64, "or none could end");
    for client in &clients {
        client.try_acquire().unwrap().success();
    }
    assert_eq!(probing(), 0);
    // Each begins the next one somewhere in the second minute.
    advance(minute + minute / 2).await;
    assert!((1..64).contains(&probing()), "or a chance of one in 2^63");
    advance(minute / 2).await;
    assert_eq!(probing(), 64);
}
