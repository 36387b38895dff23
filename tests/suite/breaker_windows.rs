//! Breakers that measure: windows of calls and of time, slow calls, rates of probes.

mod histories;
mod kept;
mod laws;
mod pitfalls;
mod spec;
mod sub_window;

use core::time::Duration;
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CountWindow, Counts, Recorded, State, TimeWindow,
    Transition, Window,
};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome, Ratio, valid};

const FAILURE: Outcome = Outcome::Failure(FailureClass::Transient);
const OPENS: Recorded = Recorded::Transition(Transition { from: State::Closed, to: State::Open });

/// The last ten calls, half of them, of at least four; in a row, fifty.
const LAST_TEN: CircuitBreakerConfig<CountWindow<1>> = valid!(
    CircuitBreakerConfig::builder().failure_threshold(50).count_window(10).minimum_calls(4).build()
);

/// The last ten seconds, the same.
const TEN_SECONDS: CircuitBreakerConfig<TimeWindow<10>> = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(50)
        .time_window(seconds(10))
        .minimum_calls(4)
        .build()
);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn s(at: u64) -> Instant {
    Instant::from_duration(seconds(at))
}

fn ms(at: u64) -> Instant {
    Instant::from_duration(Duration::from_millis(at))
}

/// Entropy for where none may be drawn.
fn never() -> u32 {
    panic!("drew entropy")
}

/// A call that ends when it begins.
fn call<W: Window>(
    breaker: &mut CircuitBreaker<CircuitBreakerConfig<W>, W>,
    outcome: Outcome,
    now: Instant,
) -> Recorded {
    let permit = breaker.try_acquire(never, now).unwrap();
    breaker.record(permit, outcome, never, now)
}

/// One that takes until `end`.
fn slow_call<W: Window>(
    breaker: &mut CircuitBreaker<CircuitBreakerConfig<W>, W>,
    outcome: Outcome,
    begin: Instant,
    end: Instant,
) -> Recorded {
    let permit = breaker.try_acquire(never, begin).unwrap();
    breaker.record(permit, outcome, never, end)
}

fn counts(calls: u32, failures: u32, slow: u32) -> Counts {
    Counts { calls, failures, slow }
}
