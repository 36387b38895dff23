//! A day with an outage of six hours, replayed by hand: no runtime, no sleep, only `resil-core`.
//!
//! A node sends its peer a message every minute. Time is a number that this program sets, so the day
//! takes less than a millisecond and goes the same way each time.

use core::ops::Range;
use core::time::Duration;
use resil_core::call::{Call, CallPolicy, PeerPolicy, PeerState, Request, Step, Verdict};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::outcome::FailureClass;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::{Clock, Instant, ManualClock, Ratio, valid};

const MINUTE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(2);
const OUTAGE: Range<Duration> = Duration::from_secs(7 * 3600)..Duration::from_secs(13 * 3600);

const PEER: PeerPolicy = PeerPolicy::new(
    valid!(
        CallPolicy::new(valid!(RetryPolicy::builder().deadline(MINUTE).build()))
            .with_attempt_timeout(TIMEOUT)
    ),
    valid!(
        CircuitBreakerConfig::builder()
            .multiplier(Ratio::TWO)
            .max_timeout(Duration::from_secs(30 * 60))
            .build()
    ),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

fn main() {
    let (clock, mut peer) = (ManualClock::default(), PeerState::FRESH);
    let (mut sent, mut wasted) = (0, 0);
    for minute in 0..24 * 60 {
        clock.set(Instant::from_duration(MINUTE * minute));
        let (is_sent, attempts) = send(&clock, &mut peer, minute.wrapping_mul(0x9E37_79B9));
        sent += u32::from(is_sent);
        wasted += attempts - u32::from(is_sent);
    }
    println!("{sent} of 1440 messages sent; {wasted} attempts wasted, retries alone waste 1080");
}

/// One message: whether it was sent, and in how many attempts.
fn send(clock: &ManualClock, peer: &mut PeerState, entropy: u32) -> (bool, u32) {
    let mut call = Call::start(PEER.call(), Request::ONE, clock.now());
    let before = PEER.breaker().state(&peer.breaker, clock.now());
    let verdict = loop {
        let mut gates = PEER.gates(peer);
        match call.poll(PEER.call(), &mut gates, || entropy, clock.now()) {
            Step::Attempt(ticket) => {
                let is_up = !OUTAGE.contains(&clock.now().as_duration());
                if !is_up {
                    clock.advance(TIMEOUT);
                }
                let result = if is_up { Ok(()) } else { Err(FailureClass::Timeout.into()) };
                call.finish(PEER.call(), ticket, result, &mut gates, || entropy, clock.now());
            }
            Step::Wait { until, .. } => clock.set(until.expect("attempts have a deadline")),
            Step::Done(verdict) => break verdict,
        }
    };
    let after = PEER.breaker().state(&peer.breaker, clock.now());
    if before != after {
        println!("{:>5} s  {before} -> {after}", clock.now().as_duration().as_secs());
    }
    (verdict == Verdict::Success, call.attempts())
}
