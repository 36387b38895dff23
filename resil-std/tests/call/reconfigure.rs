//! Other policies, put in force while calls are under way.

use super::paused_time::{at_zero, ms, now_millis};
use super::threads::on_a_thread;
use super::{ByText, plain, policy, tokens};
use core::cell::RefCell;
use core::time::Duration;
use resil_std::clock::Sleep;
use resil_std::core::ErrorCode;
use resil_std::core::call::{CallPolicy, PeerPolicy};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::rate_limit::{Limit, RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::{MockClock, Peer, Peers, SystemClock};
use std::sync::Arc;

#[test]
fn another_policy_keeps_what_is_known() {
    let (peer, clock) = on_a_thread(policy(2, 4, 0));
    let left =
        || peer.handle().apply(|policy, state, now| policy.limit().available(&state.limit, now));
    peer.call_blocking(|| Ok::<_, &str>(())).unwrap();
    peer.call_blocking(|| Ok::<_, &str>(())).unwrap();
    assert_eq!(left(), 2);
    peer.reconfigure(policy(2, 8, 0));
    assert_eq!(left(), 6, "two are spent");
    assert_eq!(peer.handle().policy().limit().config().burst_size(), 8);

    let fails = || Err::<(), _>("no answer");
    assert_eq!(peer.call_blocking(fails).unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
    peer.reconfigure(policy(100, 8, 0));
    assert_eq!(peer.call_blocking(fails).unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
    clock.advance(Duration::from_secs(10));
    assert_eq!(peer.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_under_way_goes_on_under_another_policy() {
    at_zero();
    let (peer, starts) = (plain(), RefCell::new(Vec::new()));
    let fails = async || {
        starts.borrow_mut().push(now_millis());
        Err::<(), _>("no answer")
    };
    let reconfigure = async {
        SystemClock.sleep_until(ms(500)).await;
        let once = RetryPolicy::builder().max_attempts(1).build().unwrap().classify(ByText);
        let (breaker, limit) = (*policy(10, 3, 2).breaker(), policy(10, 3, 2).limit().clone());
        peer.reconfigure(PeerPolicy::new(CallPolicy::new(once), breaker, limit));
    };
    let (error, ()) = tokio::join!(peer.call(fails), reconfigure);
    assert_eq!(error.unwrap_err().code(), ErrorCode::RetryExhausted);
    // The second attempt was decided before; there is no third.
    assert_eq!(*starts.borrow(), [0, 1_000]);
    assert_eq!(tokens(&peer), 2, "one has come back, and the attempts took theirs");
}

#[test]
fn peers_get_another_policy_all_of_them() {
    let peers = Peers::with("mesh", policy(1, 3, 0), 2, MockClock::default());
    peers.reconfigure(policy(1, 5, 0));
    for index in 0..peers.len() {
        assert_eq!(peers.get(index).unwrap().policy().limit().config().burst_size(), 5);
    }
}

#[test]
fn a_policy_that_has_had_its_time_is_dropped() {
    let policy = |name: &Arc<str>| {
        let name = Arc::clone(name);
        let retry = RetryPolicy::DEFAULT.classify(move |_: &&str| name.is_empty());
        let limit = TokenBucket::new(RateLimitConfig::DEFAULT);
        PeerPolicy::new(CallPolicy::new(retry), CircuitBreakerConfig::DEFAULT, limit)
    };
    let names: [Arc<str>; 3] = ["first", "second", "third"].map(Arc::from);
    let peer = Peer::with("peer", policy(&names[0]), MockClock::default());
    for name in &names[1..] {
        peer.reconfigure(policy(name));
        assert_eq!(peer.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
    }
    assert_eq!(Arc::strong_count(&names[1]), 1);
    assert_eq!(Arc::strong_count(&names[2]), 2, "in force");
}
