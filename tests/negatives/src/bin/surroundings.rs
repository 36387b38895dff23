//! The rest of core that a firmware runs: policies built from values that come at run time, waits
//! read as a `Duration`, errors and their wire form. It must not panic or use a float; it may divide.
//!
//! Not in it: printing an error as text. The compiler's own formatting of a `Duration`, which may be
//! among the details, holds panics that the optimiser cannot rule out. Firmware has `defmt`.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;
use negatives as _;
use resil_core::backoff::{Backoff, Curve, Jitter, Ratio, exponential_backoff};
use resil_core::chaos::{ChaosPolicy, Fault, Partition, Skew};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::error::{ErrorCode, NetworkError, ResilienceError, TimeoutError};
use resil_core::event::{EventKind, Span};
use resil_core::health::HealthRegistry;
use resil_core::outcome::{FailureClass, RetryAt};
use resil_core::rate_limit::{
    Carry, ExactLog, KeyedHash, Limiter, RateLimit, RateLimitConfig, RateLimiter, StrictBucket,
    TokenBucket, WarmUp,
};
use resil_core::retry::{Next, Retry, RetryPolicy};
use resil_core::text::Text;
use resil_core::time::TickRate;
use resil_core::{ConfigError, Instant, ManualClock, Rejected};

/// Where the firmware starts.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        waits();
        backoff();
        policies();
        errors();
        health();
        chaos();
        ticks_and_events();
    }
}

fn any_now() -> Instant {
    Instant::from_nanos(black_box(0))
}

fn any_duration() -> Duration {
    black_box(Duration::ZERO)
}

fn built<T>(result: Result<T, ConfigError>) {
    if let Err(error) = &result {
        black_box((error.setting(), error.message(), error.code()));
    }
    black_box(result.is_ok());
}

fn waits() {
    black_box(any_now().saturating_since(any_now()));
    black_box(any_now().as_duration());
    let mut retry = Retry::start(&RetryPolicy::DEFAULT, any_now());
    let failure = FailureClass::Transient.into();
    if let Next::Wait(wait) = retry.record(&RetryPolicy::DEFAULT, failure, black_box(0), any_now())
    {
        black_box((wait.delay(), wait.remaining(any_now())));
    }
    black_box(black_box(RetryAt::Unknown).wait_from(any_now()));
    let clock = ManualClock::new(any_now());
    clock.advance(any_duration());
    clock.set(any_now());
    black_box(clock);
}

fn backoff() {
    let ratio = Ratio::new(black_box(3), black_box(2));
    black_box(exponential_backoff(black_box(0), any_duration(), ratio, any_duration()));
    let built = Backoff::builder()
        .initial_delay(any_duration())
        .max_delay(any_duration())
        .curve(black_box(Curve::Fixed))
        .exponential_base(ratio)
        .jitter(black_box(Jitter::Full))
        .build();
    if let Ok(backoff) = built {
        black_box(backoff.delay(black_box(0)));
        black_box(backoff.jittered(black_box(0), black_box(None), black_box(0_u32)));
        for delay in backoff.delays().take(3) {
            black_box(delay);
        }
    }
}

fn policies() {
    built(
        RetryPolicy::builder()
            .max_attempts(black_box(3))
            .initial_delay(any_duration())
            .max_delay(any_duration())
            .exponential_base(Ratio::new(black_box(3), black_box(2)))
            .jitter(black_box(Jitter::Full))
            .deadline(any_duration())
            .max_retry_after(any_duration())
            .max_refusal_waits(black_box(0))
            .build(),
    );
    built(
        CircuitBreakerConfig::builder()
            .failure_threshold(black_box(5))
            .success_threshold(black_box(1))
            .timeout(any_duration())
            .probes(black_box(1))
            .lease(any_duration())
            .attempt_timeout(any_duration())
            .abandon_counts_after(black_box(None))
            .multiplier(Ratio::new(black_box(3), black_box(2)))
            .max_timeout(any_duration())
            .jitter(black_box(Jitter::Full))
            .build(),
    );
    let rate = RateLimitConfig::builder()
        .max_requests(black_box(100))
        .time_window(any_duration())
        .burst_size(black_box(10))
        .build();
    if let Ok(rate) = rate {
        black_box(TokenBucket::new(rate));
        built(StrictBucket::new(rate));
        black_box(RateLimit::new(rate));
        built(RateLimit::<ExactLog<100>>::with_exact_log(rate));
        let hasher = KeyedHash::from_seed(black_box(0));
        let mut table = RateLimiter::<u32>::new(RateLimit::new(rate), hasher);
        black_box(table.set_limit(black_box(7), black_box(rate), any_now()).is_ok());
        black_box(table);
        built(WarmUp::with_cold_factor(rate, any_duration(), black_box(3)));
        let mut limiter = Limiter::new(black_box(RateLimit::new(rate)));
        limiter.reconfigure_with(RateLimit::new(rate), black_box(Carry::Share), any_now());
        black_box(limiter);
    }
    built(rate);
}

fn health() {
    let mut registry: HealthRegistry = black_box(HealthRegistry::new(any_now()));
    let _ = registry.register(black_box("peers"), any_duration(), any_now());
    let report = registry.report(any_now());
    black_box(report.uptime());
    black_box(Text::<64>::display(&report));
    for check in report.checks() {
        black_box((check.name(), check.status(), check.message(), check.details(), check.age()));
    }
}

fn errors() {
    black_box(ErrorCode::from_number(black_box(1001)));
    black_box(ErrorCode::from_name(black_box("NETWORK_TIMEOUT")));
    black_box(Text::<8>::display(black_box("some text")));
    let refused = Rejected::new(black_box(ErrorCode::RateLimitExceeded), black_box(RetryAt::Never));
    for error in [
        ResilienceError::from(refused),
        NetworkError::timeout().into(),
        TimeoutError::attempt().into(),
        ResilienceError::operation(black_box(1_u8)),
    ] {
        let error = black_box(error.with_detail("key", black_box(7_u32)));
        black_box((error.code(), error.message(), error.retry_at(), error.operation_error()));
        black_box(error.retry_after(any_now()));
        black_box(error.details());
        black_box(error.wire(any_now()));
    }
}

fn chaos() {
    let builder = ChaosPolicy::builder()
        .errors(black_box(1))
        .delays(black_box(1), any_duration(), any_duration())
        .drops(black_box(1))
        .duplicates(black_box(1))
        .reorders(black_box(1), black_box(1))
        .clock_steps(black_box(1), any_duration())
        .bursts(black_box(1), black_box(1))
        .enabled(black_box(true));
    built(builder.build());
    built(Skew::NONE.ahead(any_duration()).behind(any_duration()).drift(black_box(1)));
    built(Skew::NONE.corrected_every(any_duration()));
    built(Partition::new(black_box(1), any_duration(), black_box(1), black_box(2)));
    black_box(black_box(Fault::Drop).delay());
}

fn ticks_and_events() {
    built(TickRate::new(black_box(1)));
    black_box(Span::from_units(black_box(1)).as_duration());
    black_box(EventKind::from_name(black_box("BREAKER_OPENED")));
    black_box(black_box(EventKind::CallStarted).name());
    black_box(black_box(EventKind::CallStarted).message());
}
