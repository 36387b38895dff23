//! Calls that block a thread, by a mock clock.

use super::{Policy, policy};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use resil_std::core::call::{CallPolicy, HedgedPolicy, PeerPolicy};
use resil_std::core::deadline::Deadline;
use resil_std::core::hedge::HedgePolicy;
use resil_std::core::outcome::{Classification, Classify};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::retry::budget::TokenBudget;
use resil_std::core::{Clock, ErrorCode, Instant};
use resil_std::{MockClock, Peer};
use std::panic::catch_unwind;

/// The same policy by a clock that sleeping moves.
pub(super) fn on_a_thread(policy: Policy) -> (Peer<Policy, MockClock>, MockClock) {
    let clock = MockClock::default();
    (Peer::with("peer", policy, clock.clone()), clock)
}

fn secs(secs: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(secs))
}

#[test]
fn on_a_thread_attempts_start_when_the_policy_says() {
    let (peer, clock) = on_a_thread(policy(10, 3, 2));
    let mut starts = Vec::new();
    let error = peer
        .call_blocking(|| {
            starts.push(clock.now());
            Err::<(), _>("no answer")
        })
        .unwrap_err();
    assert_eq!(starts, [secs(0), secs(1), secs(3)]);
    assert_eq!(error.code(), ErrorCode::RetryExhausted);
    assert_eq!(error.operation_error(), Some(&"no answer"));
}

#[test]
fn on_a_thread_an_attempt_counts_as_it_ends_even_after_its_deadline() {
    let (peer, clock) = on_a_thread(policy(10, 3, 2));
    let answer = peer.handle().call_each_blocking(|ticket, _| {
        assert_eq!(ticket.deadline(), Some(secs(2)));
        clock.advance(Duration::from_secs(25));
        Ok::<_, &str>(ticket.number())
    });
    assert_eq!(answer, Ok(1));
}

#[test]
fn on_a_thread_the_deadline_of_the_caller_ends_what_the_policy_would_go_on_with() {
    let (peer, clock) = on_a_thread(policy(10, 3, 2));
    let hurried = peer.handle().deadline(Deadline::at(secs(2)));
    let mut calls = 0;
    let error = hurried
        .call_blocking(|| {
            calls += 1;
            clock.advance(Duration::from_millis(1_500));
            Err::<(), _>("no answer")
        })
        .unwrap_err();
    assert_eq!((error.code(), calls), (ErrorCode::RetryFailed, 1));
    assert_eq!(clock.now(), Instant::from_duration(Duration::from_millis(1_500)));
}

#[test]
fn on_a_thread_a_hedge_follows_a_failure_and_none_is_made_beside_an_attempt() {
    let clock = MockClock::default();
    let hedge = HedgePolicy::builder().fixed_delay(Duration::from_millis(500)).build().unwrap();
    let policy = HedgedPolicy::new(policy(10, 10, 0), TokenBudget::DEFAULT, hedge);
    let peer = Peer::with("peer", policy, clock.clone());
    let mut hedges = Vec::new();
    let slow = |ticket: &resil_std::core::call::Ticket, _: &_| {
        hedges.push(ticket.is_hedge());
        clock.advance(Duration::from_millis(1_900));
        if hedges.len() == 1 { Err("no answer") } else { Ok(clock.now().as_nanos() / 1_000_000) }
    };
    assert_eq!(peer.handle().call_each_blocking(slow), Ok(3_800));
    assert_eq!(hedges, [false, true]);
}

#[test]
fn on_a_thread_a_panic_is_a_failure_and_holds_nothing() {
    let (peer, clock) = on_a_thread(policy(1, 3, 2));
    let dies = || -> Result<(), &str> { panic!("a fault in the program") };
    assert!(catch_unwind(AssertUnwindSafe(|| peer.call_blocking(dies).is_ok())).is_err());
    let refused = peer.call_blocking(dies).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CircuitBreakerOpen);
    clock.advance(Duration::from_secs(10));
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(7)), Ok(7), "the probe slot is free");
}

#[test]
fn threads_that_share_a_peer_take_no_more_than_it_has() {
    let (peer, _) = on_a_thread(policy(100, 7, 0));
    let answered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let peer = peer.clone();
                let call = move || peer.call_blocking(|| Ok::<_, &str>(())).is_ok();
                scope.spawn(move || (0..5).filter(|_| call()).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(answered, 7);
}

#[test]
fn a_classifier_that_panics_settles_the_permit_pitfall_20() {
    #[derive(Clone, Copy)]
    struct Broken;
    impl Classify<&'static str> for Broken {
        fn classify(&self, _: &&'static str) -> Classification {
            panic!("a fault in the classifier")
        }
    }
    let once = CallPolicy::new(RetryPolicy::DEFAULT.classify(Broken));
    let (breaker, limit) = (*policy(1, 3, 0).breaker(), policy(1, 3, 0).limit().clone());
    let peer = Peer::with("peer", PeerPolicy::new(once, breaker, limit), MockClock::default());
    let call = || peer.call_blocking(|| Err::<(), _>("no answer")).is_ok();
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    let refused = peer.call_blocking(|| Ok::<_, &str>(())).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CircuitBreakerOpen);
}

#[test]
fn a_poisoned_lock_is_still_a_lock_pitfall_112() {
    let (peer, _) = on_a_thread(policy(1, 3, 0));
    let look = || peer.handle().apply(|_, _, _| panic!("whoever looks at the state"));
    assert!(catch_unwind(AssertUnwindSafe(look)).is_err());
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
}
