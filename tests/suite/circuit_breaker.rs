//! The circuit breaker: its specification, the known pitfalls, its laws.

mod laws;
mod open_time;
mod pitfalls;
mod spec;
mod transitions;

use core::cell::Cell;
use core::time::Duration;
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerConfigBuilder, CircuitBreakerState, Permit,
    Recorded, State, Transition,
};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::{ErrorCode, Instant, Outcome, valid};

const FAILURE: Outcome = Outcome::Failure(FailureClass::Transient);
const TIMEOUT: Outcome = Outcome::Failure(FailureClass::Timeout);

/// Entropy for where none may be drawn.
fn never() -> u32 {
    panic!("drew entropy")
}

fn s(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

fn just_before(instant: Instant) -> Instant {
    instant.saturating_sub(Duration::from_nanos(1))
}

/// Opens after 2 failures, for 10 s.
fn builder() -> CircuitBreakerConfigBuilder {
    CircuitBreakerConfig::builder().failure_threshold(2).timeout(Duration::from_secs(10))
}

fn breaker(builder: CircuitBreakerConfigBuilder) -> CircuitBreaker {
    CircuitBreaker::new(builder.build().unwrap())
}

fn call(breaker: &mut CircuitBreaker, outcome: Outcome, now: Instant) -> Recorded {
    let permit = breaker.try_acquire(never, now).unwrap();
    breaker.record(permit, outcome, never, now)
}

/// A breaker of `builder` that opened at 0 s.
fn opened(builder: CircuitBreakerConfigBuilder) -> CircuitBreaker {
    let mut breaker = breaker(builder);
    for _ in 0..breaker.config().failure_threshold() {
        call(&mut breaker, FAILURE, s(0));
    }
    assert_eq!(breaker.state(s(0)), State::Open);
    breaker
}

/// A breaker of `builder` that is half-open at 10 s, with `probes` out.
fn probing(builder: CircuitBreakerConfigBuilder, probes: usize) -> (CircuitBreaker, Vec<Permit>) {
    let mut breaker = opened(builder);
    let probes = (0..probes).map(|_| breaker.try_acquire(never, s(10)).unwrap()).collect();
    assert_eq!(breaker.state(s(10)), State::HalfOpen);
    (breaker, probes)
}

fn code(answer: Result<Permit, Rejected>) -> ErrorCode {
    answer.unwrap_err().code()
}

const fn changed(from: State, to: State) -> Recorded {
    Recorded::Transition(Transition { from, to })
}
