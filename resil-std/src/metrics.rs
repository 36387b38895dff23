//! What is measured, through the facade `metrics`: any exporter that it has, Prometheus among them.
//!
//! | metric | kind | unit | labels | says |
//! |---|---|---|---|---|
//! | [`resil_events_total`](EVENTS) | counter | | `machine`, `event`, `name` | what is logged, counted where it is logged |
//! | [`resil_retry_wait_seconds`](RETRY_WAIT) | histogram | s | `name` | how long a retry, alone or in a composed call, waits before its next attempt |
//! | [`resil_call_duration_seconds`](CALL_DURATION) | histogram | s | `event`, `name` | how long a composed call took, by how it ended |
//! | [`resil_circuit_breaker_state`](BREAKER_STATE) | gauge | | `name` | 0 closed, 1 open, 2 half-open, 3 forced open, 4 disabled, 5 metrics only |
//! | [`resil_bulkhead_held_permits`](BULKHEAD_HELD) | gauge | | `name` | permits of guards that are out |
//! | [`resil_bulkhead_waiting_calls`](BULKHEAD_WAITING) | gauge | | `name` | calls in the queue |
//! | [`resil_health_status`](HEALTH_STATUS) | gauge | | `name` | of a check: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown or in maintenance |
//!
//! Install a recorder and call [`describe`] once. Without a recorder nothing is kept.
//!
//! # Labels
//!
//! - `machine`: `retry`, `circuit_breaker`, `rate_limit`, `bulkhead`, `adaptive`, `call`, `health`, `redis`:
//!   the target of the log without `resil::`.
//! - `event`: the name of an [`EventKind`]; the log has its number.
//! - `name`: of the operation, breaker, bulkhead, check or peer. It is what you named it, so their
//!   number is yours: do not put an id into a name.
//!
//! There are no more time series than names times the events of their machines. A peer of
//! [`Peers`](crate::Peers) is counted under the name that all of them share, and a limiter, whose ids
//! strangers choose, under no name. Who it was says the log.
//!
//! # What to ask
//!
//! | question | PromQL |
//! |---|---|
//! | attempts | `resil_events_total{event=~"ATTEMPT_SUCCEEDED\|ATTEMPT_FAILED"}` |
//! | attempts that wait for a retry | `resil_retry_wait_seconds_count` |
//! | refusals by a breaker, a limiter, a bulkhead | `resil_events_total{event=~"BREAKER_REFUSED\|LIMIT_REFUSED\|BULKHEAD_FULL"}` |
//! | transitions of breakers | `resil_events_total{event=~"BREAKER_(OPENED\|HALF_OPENED\|CLOSED)"}` |
//! | calls by outcome | `resil_call_duration_seconds_count` |
//!
//! With `metrics-exporter-prometheus` a histogram is a summary, with quantiles of one process, unless the
//! exporter is given its buckets (`set_buckets_for_metric`); `histogram_quantile` needs those. `_sum` and
//! `_count` are there either way.
//!
//! # Laws
//!
//! - A counter counts whether or not anybody listens to the log at that level.
//! - A gauge of a state is set when that changes; a breaker that never left its first state and a check
//!   that never changed have none.
//! - No lock of resil is held while a recorder runs.
//!
//! # When not to use it
//!
//! On the hottest path: an event costs a lookup in the recorder and an allocation for the name. A
//! breaker that lets pass and a limiter that allows are no events and cost nothing more.
//!
//! # Example
//!
//! ```
//! use metrics_util::debugging::{DebugValue, DebuggingRecorder};
//! use resil_std::core::retry::RetryPolicy;
//! use resil_std::retry_sync;
//!
//! let recorder = DebuggingRecorder::new(); // or an exporter
//! let snapshotter = recorder.snapshotter();
//! metrics::with_local_recorder(&recorder, || {
//!     resil_std::metrics::describe();
//!     retry_sync(|| Ok::<_, ()>("connected"), &RetryPolicy::DEFAULT, "connect")
//! })?;
//!
//! let counted = snapshotter.snapshot().into_vec();
//! let (key, _, _, value) = &counted[0];
//! assert_eq!(key.key().name(), "resil_events_total");
//! assert_eq!(*value, DebugValue::Counter(1));
//! # Ok::<(), resil_std::core::ResilienceError<()>>(())
//! ```

use core::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use resil_core::Instant;
use resil_core::circuit_breaker::Transition;
use resil_core::event::{Event, EventKind};
use resil_core::health::HealthStatus;

/// The counter of all events.
pub const EVENTS: &str = "resil_events_total";
/// The histogram of waits before another attempt.
pub const RETRY_WAIT: &str = "resil_retry_wait_seconds";
/// The histogram of composed calls.
pub const CALL_DURATION: &str = "resil_call_duration_seconds";
/// The gauge of a breaker's state.
pub const BREAKER_STATE: &str = "resil_circuit_breaker_state";
/// The gauge of a bulkhead's permits that are out.
pub const BULKHEAD_HELD: &str = "resil_bulkhead_held_permits";
/// The gauge of the calls that wait for a bulkhead.
pub const BULKHEAD_WAITING: &str = "resil_bulkhead_waiting_calls";
/// The gauge of a check's status.
pub const HEALTH_STATUS: &str = "resil_health_status";

/// Tells the recorder the units and what each metric is for; once, after it is installed.
pub fn describe() {
    describe_counter!(EVENTS, "What resil logs, by machine, kind of event, and name.");
    describe_histogram!(
        RETRY_WAIT,
        Unit::Seconds,
        "How long a retry waits before its next attempt."
    );
    describe_histogram!(CALL_DURATION, Unit::Seconds, "How long a composed call took.");
    describe_gauge!(
        BREAKER_STATE,
        "0 closed, 1 open, 2 half-open, 3 forced open, 4 disabled, 5 metrics only."
    );
    describe_gauge!(BULKHEAD_HELD, Unit::Count, "Permits of a bulkhead that are out.");
    describe_gauge!(BULKHEAD_WAITING, Unit::Count, "Calls that wait for a bulkhead.");
    describe_gauge!(
        HEALTH_STATUS,
        "0 healthy, 1 degraded, 2 unhealthy, 3 unknown or in maintenance."
    );
}

/// Something was logged under `target`.
pub(crate) fn happened(target: &'static str, kind: EventKind, name: &str) {
    let machine = target.strip_prefix("resil::").unwrap_or(target);
    counter!(EVENTS, "machine" => machine, "event" => kind.name(), "name" => name.to_owned())
        .increment(1);
}

/// A retry waits.
pub(crate) fn retry_waits(operation: &str, delay: Duration) {
    histogram!(RETRY_WAIT, "name" => operation.to_owned()).record(delay);
}

/// A composed call is over.
pub(crate) fn call_ended(peer: &str, kind: EventKind, took: Duration) {
    histogram!(CALL_DURATION, "event" => kind.name(), "name" => peer.to_owned()).record(took);
}

/// A breaker has changed.
pub(crate) fn breaker_moved(name: &str, transition: Transition) {
    let state = Event::of_transition(transition, 0, Instant::EPOCH).b();
    gauge!(BREAKER_STATE, "name" => name.to_owned()).set(state);
}

/// The status of a check has changed.
pub(crate) fn check_changed(name: &str, to: Option<HealthStatus>) {
    let status = Event::of_health(None, to, 0, Instant::EPOCH).b();
    gauge!(HEALTH_STATUS, "name" => name.to_owned()).set(status);
}

/// Permits of a bulkhead were lent.
pub(crate) fn bulkhead_lent(name: &str, weight: u16) {
    gauge!(BULKHEAD_HELD, "name" => name.to_owned()).increment(weight);
}

/// Permits of a bulkhead are back.
pub(crate) fn bulkhead_returned(name: &str, weight: u16) {
    gauge!(BULKHEAD_HELD, "name" => name.to_owned()).decrement(weight);
}

/// A call has got in line.
pub(crate) fn bulkhead_joined(name: &str) {
    gauge!(BULKHEAD_WAITING, "name" => name.to_owned()).increment(1_u8);
}

/// A call is no longer in line.
pub(crate) fn bulkhead_left(name: &str) {
    gauge!(BULKHEAD_WAITING, "name" => name.to_owned()).decrement(1_u8);
}
