//! What is measured: names, labels and values are part of the contract.
#![cfg(feature = "metrics")]

use core::time::Duration;
use std::collections::BTreeMap;

use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use resil_std::core::backoff::Jitter;
use resil_std::core::bulkhead::BulkheadConfig;
use resil_std::core::call::{CallPolicy, PeerPolicy, Priority};
use resil_std::core::circuit_breaker::CircuitBreakerConfig;
use resil_std::core::health::HealthCheckResult;
use resil_std::core::outcome::{EveryError, FailureClass};
use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_std::core::retry::RetryPolicy;
use resil_std::core::valid;
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::Retry;
use resil_std::{Bulkhead, CircuitBreaker, HealthChecker, MockClock, Peers};
use tokio::time::timeout;

/// What `run` has measured.
fn measured(run: impl FnOnce()) -> BTreeMap<String, String> {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, run);
    read(&recorder.snapshotter())
}

/// `name{label=value,…}` and the value, of a histogram its values.
fn read(snapshotter: &Snapshotter) -> BTreeMap<String, String> {
    let one = |(key, _, _, value): (CompositeKey, _, _, DebugValue)| {
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{values:?}"),
        };
        (format!("{}{{{labels}}}", key.key().name()), value)
    };
    snapshotter.snapshot().into_vec().into_iter().map(one).collect()
}

fn paused(run: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(run);
}

fn expected(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .jitter(Jitter::None)
        .initial_delay(Duration::from_secs(1))
        .build()
);

#[test]
fn attempts_are_counted_by_operation_and_waits_are_kept_in_seconds() {
    let clock = MockClock::default();
    let mut attempts = 0;
    let found = measured(|| {
        let connect = || {
            attempts += 1;
            if attempts == 3 { Ok(()) } else { Err("lost") }
        };
        Retry::new(&RETRY, "connect").clock(&clock).call_blocking(connect).unwrap();
    });
    assert_eq!(
        found,
        expected(&[
            ("resil_events_total{machine=retry,event=ATTEMPT_FAILED,name=connect}", "2"),
            ("resil_events_total{machine=retry,event=ATTEMPT_SUCCEEDED,name=connect}", "1"),
            ("resil_retry_wait_seconds{name=connect}", "[1.0, 2.0]"),
        ])
    );
}

#[test]
fn a_breaker_counts_refusals_and_transitions_and_shows_its_state() {
    const POLICY: CircuitBreakerConfig =
        valid!(CircuitBreakerConfig::builder().failure_threshold(1).build());
    let breaker = CircuitBreaker::with("peer-7", POLICY, EveryError, MockClock::default());
    let state = "resil_circuit_breaker_state{name=peer-7}";
    let opened = "resil_events_total{machine=circuit_breaker,event=BREAKER_OPENED,name=peer-7}";
    let found = measured(|| {
        breaker.try_acquire().unwrap().success();
        breaker.try_acquire().unwrap().failure(FailureClass::Transient);
        assert!(breaker.try_acquire().is_err() && breaker.try_acquire().is_err());
    });
    let refused = "resil_events_total{machine=circuit_breaker,event=BREAKER_REFUSED,name=peer-7}";
    assert_eq!(found, expected(&[(state, "1"), (opened, "1"), (refused, "2")]));
    let found = measured(|| breaker.reset());
    let closed = "resil_events_total{machine=circuit_breaker,event=BREAKER_CLOSED,name=peer-7}";
    assert_eq!(found, expected(&[(state, "0"), (closed, "1")]));
}

#[test]
fn a_flood_of_ids_that_strangers_choose_makes_one_time_series() {
    const ONE: RateLimitConfig =
        valid!(RateLimitConfig::builder().max_requests(1).burst_size(1).build());
    let limiter = RateLimiter::new(ONE);
    let found = measured(|| {
        for id in 0..100_u64 {
            let _ = limiter.allow(&id, 1);
            assert!(limiter.allow(&id, 1).is_err());
        }
    });
    let refused = "resil_events_total{machine=rate_limit,event=LIMIT_REFUSED,name=}";
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [refused]);
}

#[test]
fn a_bulkhead_shows_what_is_held_and_who_waits() {
    const POLICY: BulkheadConfig = valid!(BulkheadConfig::builder().max_concurrent(4).build());
    let bulkhead = Bulkhead::with_waiters("store", POLICY, 1);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // A reading begins the gauges anew, so each is the change since the last one.
    let changes = || {
        let found = read(&snapshotter);
        ["held_permits", "waiting_calls"].map(|gauge| {
            found[&format!("resil_bulkhead_{gauge}{{name=store}}")].parse::<f64>().unwrap()
        })
    };
    let _local = metrics::set_default_local_recorder(&recorder);
    paused(async {
        let three = bulkhead.acquire(3, Priority::Normal).await.unwrap();
        let full = async {
            assert!(bulkhead.acquire(1, Priority::Normal).await.is_err());
            assert_eq!(changes(), [3.0, 1.0]);
            drop(three);
            assert_eq!(changes(), [-3.0, 0.0], "let in, and not there yet");
        };
        let (two, ()) = tokio::join!(bulkhead.acquire(2, Priority::Normal), full);
        assert_eq!(changes(), [2.0, -1.0]);

        let gives_up = bulkhead.acquire(4, Priority::Normal);
        assert!(timeout(Duration::from_secs(1), gives_up).await.is_err());
        assert_eq!(changes(), [0.0, 0.0]);
        drop(two);
        assert_eq!(changes(), [-2.0, 0.0]);
    });
}

#[test]
fn a_check_that_goes_into_maintenance_shows_it_and_shows_its_status_after() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let shown = || read(&snapshotter).remove("resil_health_status{name=peers}");
    metrics::with_local_recorder(&recorder, || {
        paused(async {
            let checker = HealthChecker::new();
            let sick = async || HealthCheckResult::degraded("3 of 5 connected");
            checker.register_check("peers", sick).unwrap();
            checker.get_overall_health().await;
            assert_eq!(shown().as_deref(), Some("1"));
            checker.begin_maintenance("peers").unwrap();
            checker.get_overall_health().await;
            assert_eq!(shown().as_deref(), Some("3"), "whatever it finds");
            checker.end_maintenance("peers").unwrap();
            assert_eq!(shown().as_deref(), Some("1"), "its result is fresh");
        });
    });
}

#[test]
fn a_check_shows_its_status_and_counts_its_changes() {
    let found = measured(|| {
        paused(async {
            let checker = HealthChecker::new();
            let sick = async || HealthCheckResult::degraded("3 of 5 connected");
            checker.register_check("peers", sick).unwrap();
            for _ in 0..3 {
                checker.get_overall_health().await;
            }
        });
    });
    let changed = "resil_events_total{machine=health,event=HEALTH_DEGRADED,name=peers}";
    assert_eq!(found, expected(&[("resil_health_status{name=peers}", "1"), (changed, "1")]));
}

#[test]
fn calls_are_timed_by_how_they_end_under_the_name_that_all_peers_share() {
    const POLICY: PeerPolicy = PeerPolicy::new(
        CallPolicy::new(RETRY),
        CircuitBreakerConfig::DEFAULT,
        TokenBucket::new(RateLimitConfig::DEFAULT),
    );
    let mesh = Peers::with("mesh", POLICY, 2, MockClock::default());
    let found = measured(|| {
        let (one, other) = (mesh.get(0).unwrap(), mesh.get(1).unwrap());
        assert_eq!(one.call_blocking(|| Ok::<_, ()>(7)), Ok(7));
        assert!(other.call_blocking(|| Err::<(), _>("lost")).is_err());
    });
    let took =
        |event| found[&format!("resil_call_duration_seconds{{event={event},name=mesh}}")].clone();
    assert_eq!((&*took("CALL_SUCCEEDED"), &*took("CALL_FAILED")), ("[0.0]", "[3.0]"));
    let count =
        |event| &*found[&format!("resil_events_total{{machine=call,event={event},name=mesh}}")];
    assert_eq!((count("ATTEMPT_SUCCEEDED"), count("ATTEMPT_FAILED")), ("1", "3"));
    assert_eq!((count("CALL_SUCCEEDED"), count("CALL_FAILED")), ("1", "1"));
    assert_eq!(found["resil_retry_wait_seconds{name=mesh}"], "[1.0, 2.0]");
    assert!(!found.keys().any(|name| name.contains("state")), "of many breakers, none is shown");
}

#[test]
fn every_metric_is_described_and_says_its_unit_in_its_name() {
    use resil_std::metrics as names;
    let counters = [names::EVENTS];
    let histograms = [names::RETRY_WAIT, names::CALL_DURATION];
    let gauges =
        [names::BREAKER_STATE, names::BULKHEAD_HELD, names::BULKHEAD_WAITING, names::HEALTH_STATUS];
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        names::describe();
        counters.iter().for_each(|name| metrics::counter!(*name).increment(1));
        histograms.iter().for_each(|name| metrics::histogram!(*name).record(1.0));
        gauges.iter().for_each(|name| metrics::gauge!(*name).set(1.0));
    });
    let found = recorder.snapshotter().snapshot().into_vec();
    assert_eq!(found.len(), counters.len() + histograms.len() + gauges.len());
    for (key, unit, description, value) in found {
        let name = key.key().name();
        assert!(name.starts_with("resil_") && description.is_some(), "{name}");
        assert_eq!(name.ends_with("_total"), matches!(value, DebugValue::Counter(_)), "{name}");
        assert_eq!(name.ends_with("_seconds"), unit == Some(metrics::Unit::Seconds), "{name}");
    }
}
