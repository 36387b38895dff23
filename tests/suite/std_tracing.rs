//! What resil-std logs: the fields are part of its contract.

use core::fmt::{Debug, Write};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use resil_std::circuit_breaker::CircuitBreaker;
use resil_std::clock::MockClock;
use resil_std::core::backoff::Jitter;
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::outcome::{EveryError, FailureClass};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::Retry;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the events of resil, one line each, and calls back on each.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    callback: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Log {
    /// What `run` logs.
    fn of(run: impl FnOnce()) -> Vec<String> {
        let log = Self::default();
        tracing::subscriber::with_default(log.clone(), run);
        let mut lines = log.lines.lock().unwrap();
        core::mem::take(&mut *lines)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resil::")
    }

    fn event(&self, event: &Event<'_>) {
        let level: &Level = event.metadata().level();
        let mut line = Line(format!("{level} {}", event.metadata().target()));
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
        if let Some(callback) = &self.callback {
            callback();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn breaker() -> (CircuitBreaker<EveryError, MockClock>, MockClock) {
    let config = CircuitBreakerConfig::builder()
        .failure_threshold(2)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let clock = MockClock::default();
    (CircuitBreaker::with("peer-7", config, EveryError, clock.clone()), clock)
}

#[test]
fn every_attempt_with_its_number_error_and_delay() {
    let policy = RetryPolicy::builder().jitter(Jitter::None).build().unwrap();
    let run = || {
        let retry = Retry::new(&policy, "connect").clock(MockClock::default());
        retry.call_blocking(|| Err::<(), _>("no route")).unwrap_err();
        let mut tries = 0;
        let second = || {
            tries += 1;
            if tries == 2 { Ok(()) } else { Err("no route") }
        };
        retry.call_blocking(second).unwrap();
        let fatal = policy.classify(|_: &&str| false);
        let retry = Retry::new(&fatal, "pay").clock(MockClock::default());
        retry.call_blocking(|| Err::<(), _>("no funds")).unwrap_err();
    };
    let expected = [
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=1 max_attempts=3 error="no route" delay=1s"#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=2 max_attempts=3 error="no route" delay=2s"#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=3 max_attempts=3 error="no route" code="RETRY_EXHAUSTED""#,
        r#"WARN resil::retry attempt failed event=103 operation="connect" attempt=1 max_attempts=3 error="no route" delay=1s"#,
        r#"DEBUG resil::retry attempt succeeded event=102 operation="connect" attempt=2 max_attempts=3"#,
        r#"WARN resil::retry attempt failed event=103 operation="pay" attempt=1 max_attempts=3 error="no funds" code="OPERATION_FAILED""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn every_transition_and_refusal_of_a_breaker() {
    let run = || {
        let (breaker, clock) = breaker();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        assert!(breaker.try_acquire().is_err());
        clock.advance(Duration::from_secs(10));
        breaker.try_acquire().unwrap().success();
        breaker.force_open();
        breaker.disable();
        breaker.reset();
    };
    let expected = [
        r#"WARN resil::circuit_breaker transition event=303 breaker="peer-7" from="CLOSED" to="OPEN""#,
        r#"DEBUG resil::circuit_breaker refused event=301 breaker="peer-7" code="CIRCUIT_BREAKER_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=304 breaker="peer-7" from="OPEN" to="HALF_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=302 breaker="peer-7" from="HALF_OPEN" to="CLOSED""#,
        r#"WARN resil::circuit_breaker transition event=305 breaker="peer-7" from="CLOSED" to="FORCED_OPEN""#,
        r#"INFO resil::circuit_breaker transition event=306 breaker="peer-7" from="FORCED_OPEN" to="DISABLED""#,
        r#"INFO resil::circuit_breaker transition event=302 breaker="peer-7" from="DISABLED" to="CLOSED""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn what_a_breaker_that_only_measures_would_have_done() {
    let run = || {
        let (breaker, _) = breaker();
        breaker.metrics_only();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
    };
    let expected = [
        r#"INFO resil::circuit_breaker transition event=308 breaker="peer-7" from="CLOSED" to="METRICS_ONLY""#,
        r#"WARN resil::circuit_breaker transition detected, not made event=303 breaker="peer-7" from="CLOSED" to="OPEN""#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn a_probe_that_was_lost_shows_both_transitions_in_order_pitfall_109() {
    let run = || {
        let (breaker, clock) = breaker();
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        clock.advance(Duration::from_secs(10));
        core::mem::forget(breaker.try_acquire().unwrap());
        clock.advance(Duration::from_secs(1000)); // past its lease and the next open time
        breaker.try_acquire().unwrap().success();
    };
    let lines = Log::of(run);
    let chain: Vec<_> =
        lines.iter().filter_map(|line| line.split_once("from=").map(|(_, ends)| ends)).collect();
    let expected = [
        r#""CLOSED" to="OPEN""#,
        r#""OPEN" to="HALF_OPEN""#,
        r#""HALF_OPEN" to="OPEN""#,
        r#""OPEN" to="HALF_OPEN""#,
        r#""HALF_OPEN" to="CLOSED""#,
    ];
    assert_eq!(chain, expected);
}

#[test]
fn every_refusal_of_a_limiter() {
    let config = RateLimitConfig::builder()
        .max_requests(1)
        .time_window(Duration::from_secs(60))
        .burst_size(1)
        .build()
        .unwrap();
    let run = || {
        let limiter = RateLimiter::builder(TokenBucket::new(config));
        let limiter = limiter.clock(MockClock::default()).build().unwrap();
        limiter.allow(&"peer-7", 1).unwrap();
        limiter.allow(&"peer-7", 1).unwrap_err();
        limiter.allow(&"peer-7", 2).unwrap_err();
    };
    let expected = [
        r#"DEBUG resil::rate_limit refused event=201 id="peer-7" tokens=1 code="RATE_LIMIT_EXCEEDED" retry_after=Some(60s)"#,
        r#"DEBUG resil::rate_limit refused event=201 id="peer-7" tokens=2 code="RATE_LIMIT_COST_EXCEEDS_BURST" retry_after=None"#,
    ];
    assert_eq!(Log::of(run), expected);
}

#[test]
fn a_subscriber_may_use_what_it_is_told_about_pitfall_108() {
    let (breaker, _) = breaker();
    let limiter: RateLimiter<&str> = RateLimiter::default();
    let (own, table) = (breaker.clone(), limiter.clone());
    let callback = move || {
        let _ = own.state();
        own.reset();
        let _ = table.available(&"peer");
    };
    let log = Log { callback: Some(Arc::new(callback)), ..Log::default() };
    tracing::subscriber::with_default(log.clone(), || {
        for _ in 0..2 {
            breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        }
        limiter.allow(&"peer", 11).unwrap_err();
    });
    // The opening and the refusal; `tracing` drops what a subscriber causes itself, as the reset.
    assert_eq!(log.lines.lock().unwrap().len(), 2);
}
