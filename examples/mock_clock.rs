//! A day with an outage of six hours, replayed by hand: no runtime, no sleep, only `resil-core`.
//!
//! A node sends its peer a message every minute, with a retry around a breaker. Time is a number
//! that this program sets, so the day takes less than a millisecond and goes the same way each time.

use core::ops::Range;
use core::time::Duration;
use resil_core::backoff::Ratio;
use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
use resil_core::outcome::{FailureClass, Outcome};
use resil_core::retry::{Next, Retry, RetryPolicy};
use resil_core::{Clock, Instant, ManualClock, valid};

const MINUTE: Duration = Duration::from_secs(60);
const OUTAGE: Range<Duration> = Duration::from_secs(7 * 3600)..Duration::from_secs(13 * 3600);
const LOST: FailureClass = FailureClass::Timeout;

const RETRY: RetryPolicy = valid!(RetryPolicy::builder().deadline(MINUTE).build());
const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .multiplier(Ratio::new(2, 1))
        .max_timeout(Duration::from_secs(30 * 60))
        .build()
);

fn main() {
    let started = std::time::Instant::now();
    let clock = ManualClock::default();
    let mut breaker = CircuitBreaker::new(&BREAKER);
    let (mut sent, mut wasted) = (0, 0);
    for minute in 0..24 * 60 {
        clock.set(Instant::from_duration(MINUTE * minute));
        let entropy = minute.wrapping_mul(0x9E37_79B9);
        sent += u32::from(send(&clock, &mut breaker, entropy, &mut wasted));
    }
    println!(
        "{sent} of 1440 messages sent; {wasted} attempts wasted, where retries alone waste 1080"
    );
    println!("{:?} for the day", started.elapsed());
}

/// One message, tried again as the policy says and while the breaker lets it: was it sent?
fn send(
    clock: &ManualClock,
    breaker: &mut CircuitBreaker<&CircuitBreakerConfig>,
    entropy: u32,
    wasted: &mut u32,
) -> bool {
    let mut retry = Retry::start(&RETRY, clock.now());
    // A refusal ends it: the peer is known to be down.
    while let Ok(permit) = breaker.try_acquire(entropy, clock.now()) {
        let is_up = !OUTAGE.contains(&clock.now().as_duration());
        if !is_up {
            clock.advance(Duration::from_secs(2)); // until the timeout
            *wasted += 1;
        }
        let outcome = if is_up { Outcome::Success } else { Outcome::Failure(LOST) };
        if let Some(moved) = breaker.record(permit, outcome, entropy, clock.now()).transition() {
            println!("{} s  {} -> {}", clock.now().as_duration().as_secs(), moved.from, moved.to);
        }
        if is_up {
            return true;
        }
        match retry.record(&RETRY, LOST.into(), entropy, clock.now()) {
            Next::Wait(wait) => clock.set(wait.until()),
            Next::Stop(_) => return false,
        }
    }
    false
}
