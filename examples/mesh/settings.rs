//! Every number of the experiment. Those of the world hold in both runs; only the policies are resil's.

use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::rate_limit::RateLimitConfig;
use resil_core::retry::RetryPolicy;
use resil_core::valid;

// ---- the world: the same in both runs ----

/// How long one run takes unless asked otherwise.
pub(crate) const RUN_SECONDS: u64 = 16;

/// How long a node works at one request; it works at one at a time, so it serves 250 a second.
pub(crate) const SERVICE_TIME: Duration = Duration::from_millis(4);

/// How long a slow node works at one request.
pub(crate) const SLOW_SERVICE_TIME: Duration = Duration::from_millis(300);

/// Requests a second that a node sends to neighbours chosen at random: 40, or 6 for each of many.
pub(crate) fn orderly_rate(neighbours: usize) -> f64 {
    neighbours.saturating_mul(6).max(40) as f64
}

/// Requests a second that the flooding node sends to each of its targets, whatever they answer.
pub(crate) const FLOOD_RATE: f64 = 400.0;

/// How many of its neighbours a flooding node floods: half of them, but no fewer than two.
pub(crate) fn flood_targets(neighbours: usize) -> usize {
    (neighbours / 2).max(2)
}

/// How many requests a node has out at a time, as with a pool of threads or of connections.
pub(crate) const SLOTS: usize = 4;

/// How long a request waits for one of those slots.
pub(crate) const PATIENCE: Duration = Duration::from_millis(400);

/// How long one attempt may take.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(150);

/// A node hangs up on one in so many requests, as networks do.
pub(crate) const HANG_UP_ONE_IN: u32 = 150;

/// Requests that wait in a node; beyond them it reads no more from its connections.
pub(crate) const QUEUE: usize = 4096;

/// The backlog at which a node calls its own service degraded, and unhealthy.
pub(crate) const BACKLOG_DEGRADED: Duration = Duration::from_millis(100);
pub(crate) const BACKLOG_UNHEALTHY: Duration = Duration::from_secs(2);

/// How often a node reports to the supervisor, and how often it asks its health checks.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(100);
pub(crate) const HEALTH_EVERY: Duration = Duration::from_millis(100);

/// How long a node waits at the end for its requests to end, and how often it looks.
pub(crate) const SETTLE_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const SETTLE_CHECK: Duration = Duration::from_millis(20);

/// The longest that a node holds back because a peer asked it to: peers are not trusted with more.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// How long a health check may take, and how long its result counts.
pub(crate) const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const HEALTH_TTL: Duration = Duration::from_secs(3);

// ---- the supervisor ----

/// How long nodes get to start, and to stop.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(20);
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How often progress is shown.
pub(crate) const SHOW_EVERY: Duration = Duration::from_secs(1);

/// The pause between the two runs.
pub(crate) const BETWEEN_RUNS: Duration = Duration::from_millis(300);

// ---- resil's policies ----

/// What a node lets one sender do: 50 requests in any second, 20 of them at once.
pub(crate) const LIMIT: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(50)
        .time_window(Duration::from_secs(1))
        .burst_size(20)
        .build()
);

/// When a node stops asking a peer, and how soon it looks whether the peer is back.
pub(crate) const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(5)
        .timeout(Duration::from_millis(500))
        .jitter(Jitter::Quarter)
        .attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
);

/// How a request is tried again; requests are idempotent.
pub(crate) const REQUEST_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .initial_delay(Duration::from_millis(20))
        .max_delay(Duration::from_millis(100))
        .deadline(Duration::from_millis(400))
        .build()
);

/// How a connection is tried again, within the time of one attempt at a request.
pub(crate) const CONNECT_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .initial_delay(Duration::from_millis(10))
        .max_delay(Duration::from_millis(40))
        .build()
);

/// What is there instead with resil off: the loop that everybody writes first.
pub(crate) const NAIVE_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .curve(Curve::Fixed)
        .initial_delay(Duration::ZERO)
        .jitter(Jitter::None)
        .build()
);

// ---- what the checks ask ----

/// How many requests may go unserved in trouble, in percent of those that do with resil off.
pub(crate) const UNSERVED_PERCENT: u64 = 75;
