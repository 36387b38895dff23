//! The composed call: beginning at a glance against whoever has the lock.

use core::time::Duration;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;
use resil_std::Peer;
use resil_std::core::Instant;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_std::core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};

use crate::{Hand, model};

/// Nanoseconds in which a token comes.
const TOKEN: u64 = 10;

fn policy(burst: u32) -> PeerPolicy {
    let quota = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_nanos(TOKEN))
        .burst_size(burst);
    let limit = TokenBucket::new(quota.build().unwrap());
    PeerPolicy::new(CallPolicy::default(), CircuitBreakerConfig::DEFAULT, limit)
}

fn peer(burst: u32) -> Peer<PeerPolicy, Hand> {
    Peer::with("peer", policy(burst), Hand::new(100 * TOKEN))
}

fn call(peer: &Peer<PeerPolicy, Hand>) -> bool {
    peer.call_blocking(|| Ok::<_, ()>(())).is_ok()
}

fn left(peer: &Peer<PeerPolicy, Hand>) -> u32 {
    peer.handle().apply(|policy, state, now| policy.limit().available(&state.limit, now))
}

#[test]
fn as_many_calls_begin_as_there_are_tokens() {
    model(|| {
        let peer = peer(2);
        let others = [(); 2].map(|()| {
            let peer = peer.clone();
            thread::spawn(move || call(&peer))
        });
        let here = u32::from(call(&peer));
        let there: u32 = others.map(|other| u32::from(other.join().unwrap())).iter().sum();
        assert_eq!((here + there, left(&peer)), (2, 0));
    });
}

#[test]
fn what_begins_beside_one_who_has_the_lock_is_not_forgotten() {
    model(|| {
        let peer = peer(3);
        let others = peer.clone();
        let calls = thread::spawn(move || call(&others));
        // Takes one too, and puts the state in its place.
        let taken = peer.handle().apply(|policy, state, now| {
            policy.limit().try_acquire(&mut state.limit, 1, now).is_ok()
        });
        let called = calls.join().unwrap();
        assert_eq!((taken, called, left(&peer)), (true, true, 1));
    });
}

#[test]
#[should_panic = "left: 2"]
fn a_word_that_is_not_taken_away_would_be_spent_twice() {
    model(|| {
        let (limit, now) = (policy(3).limit().clone(), Instant::from_nanos(100 * TOKEN));
        let (word, lock) = (Arc::new(AtomicU64::new(0)), Mutex::new(()));
        let (shared, bucket) = (Arc::clone(&word), limit.clone());
        let begins = thread::spawn(move || {
            let mut found = shared.load(Ordering::Acquire);
            loop {
                let (_, made) = bucket.take(found, 1, now).unwrap();
                let (release, acquire) = (Ordering::AcqRel, Ordering::Acquire);
                match shared.compare_exchange_weak(found, made, release, acquire) {
                    Ok(_) => return,
                    Err(other) => found = other,
                }
            }
        });
        let locked = lock.lock().unwrap();
        let mut state = BucketState::from_raw(word.load(Ordering::Acquire));
        let _taken = limit.try_acquire(&mut state, 1, now).unwrap();
        word.store(state.into_raw(), Ordering::Release);
        drop(locked);
        begins.join().unwrap();
        let state = BucketState::from_raw(word.load(Ordering::Acquire));
        assert_eq!(limit.available(&state, now), 1);
    });
}

#[test]
fn nothing_begins_once_the_breaker_is_known_to_be_open() {
    model(|| {
        let peer = peer(3);
        let is_open = Arc::new(AtomicBool::new(false));
        let (others, opened) = (peer.clone(), Arc::clone(&is_open));
        let opens = thread::spawn(move || {
            others.handle().apply(|policy, state, now| {
                policy.breaker().force_open(&mut state.breaker, now);
            });
            opened.store(true, Ordering::Release);
        });
        let was_open = is_open.load(Ordering::Acquire);
        assert!(!(call(&peer) && was_open));
        opens.join().unwrap();
        assert!(!call(&peer));
    });
}

#[test]
fn a_policy_that_takes_the_place_of_another_forgets_no_call() {
    model(|| {
        let peer = peer(3);
        let others = peer.clone();
        let calls = thread::spawn(move || call(&others));
        peer.reconfigure(policy(5));
        assert!(calls.join().unwrap());
        assert_eq!(left(&peer), 4, "one of five");
        assert!(call(&peer));
        assert_eq!(left(&peer), 3);
        let state =
            peer.handle().apply(|policy, state, now| policy.breaker().state(&state.breaker, now));
        assert_eq!(state, State::Closed);
    });
}

#[test]
fn what_begins_under_one_policy_is_not_exchanged_under_the_next() {
    // Twice as many tokens in the same time: the same number says something else.
    let faster = || {
        let quota = RateLimitConfig::builder()
            .max_requests(2)
            .time_window(Duration::from_nanos(TOKEN))
            .burst_size(4);
        let limit = TokenBucket::new(quota.build().unwrap());
        PeerPolicy::new(CallPolicy::default(), CircuitBreakerConfig::DEFAULT, limit)
    };
    model(move || {
        let peer = peer(4);
        peer.reconfigure(policy(4));
        let others = peer.clone();
        let calls = thread::spawn(move || call(&others));
        peer.reconfigure(faster());
        assert!(calls.join().unwrap());
        assert_eq!(left(&peer), 3, "one is spent");
        assert!(call(&peer));
        assert_eq!(left(&peer), 2);
    });
}
