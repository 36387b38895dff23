//! The numbers and the policies that hold for every node, whatever it runs on.

use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::rate_limit::RateLimitConfig;
use resil_core::retry::RetryPolicy;
use resil_core::valid;

// ---- the world: the same in both runs ----

/// How long a node works at one request; it works at one at a time, so it serves 250 a second.
pub const SERVICE_TIME: Duration = Duration::from_millis(4);

/// How many requests a node has out at a time, as with a pool of threads or of connections.
pub const SLOTS: usize = 4;

/// How long a request waits for one of those slots.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// How long one attempt may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(150);

/// The longest that a node holds back because a peer asked it to: peers are not trusted with more.
pub const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// The backlog at which a node calls its own service degraded.
pub const BACKLOG_DEGRADED: Duration = Duration::from_millis(100);

/// The backlog at which a node calls its own service unhealthy.
pub const BACKLOG_UNHEALTHY: Duration = Duration::from_secs(2);

/// How long a health check may take.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the result of a health check counts.
pub const HEALTH_TTL: Duration = Duration::from_secs(3);

/// Requests a second that a node sends to neighbours chosen at random: 40, or 6 for each of many.
#[must_use]
pub const fn orderly_rate(neighbours: u32) -> u32 {
    let for_many = neighbours.saturating_mul(6);
    if for_many > 40 { for_many } else { 40 }
}

// ---- resil's policies ----

/// What a node lets one sender do: 50 requests in any second, 20 of them at once.
pub const LIMIT: RateLimitConfig = valid!(
    RateLimitConfig::builder()
        .max_requests(50)
        .time_window(Duration::from_secs(1))
        .burst_size(20)
        .build()
);

/// When a node stops asking a peer, and how soon it looks whether the peer is back.
pub const BREAKER: CircuitBreakerConfig = valid!(
    CircuitBreakerConfig::builder()
        .failure_threshold(5)
        .timeout(Duration::from_millis(500))
        .jitter(Jitter::Quarter)
        .attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
);

/// How a request is tried again; requests are idempotent.
pub const REQUEST_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .initial_delay(Duration::from_millis(20))
        .max_delay(Duration::from_millis(100))
        .deadline(Duration::from_millis(400))
        .build()
);

/// How a connection is tried again, within the time of one attempt at a request.
pub const CONNECT_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .initial_delay(Duration::from_millis(10))
        .max_delay(Duration::from_millis(40))
        .build()
);

/// What is there instead with resil off: the loop that everybody writes first.
pub const NAIVE_RETRY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .max_attempts(3)
        .curve(Curve::Fixed)
        .initial_delay(Duration::ZERO)
        .jitter(Jitter::None)
        .build()
);
