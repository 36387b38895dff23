//! Resilience for tokio and for threads: calls through every layer, retry, rate limits, circuit breakers,
//! bulkheads, health.
//!
//! [`resil_core`] decides; this crate does. It reads the clock, locks, asks core, runs the operation,
//! sleeps until the instant that core named, and logs. There is no threshold and no arithmetic on
//! times in it, so what a test with a mock clock shows of core holds here too, and on a
//! microcontroller, where `resil-embassy` has the same files and the same names.
//!
//! | module | item | use |
//! |---|---|---|
//! | [`retry`] | [`retry_with_policy`], [`retry_sync`] | try again, with waits that grow |
//! | [`rate_limit`] | [`RateLimiter`] | may this peer send now, and if not, when |
//! | | [`Limiter`](rate_limit::Limiter) | the same for one limit that all share; wait in line for it |
//! | [`circuit_breaker`] | [`CircuitBreaker`] | do not call a peer that is known to be down |
//! | [`call`] | [`Peer`], [`Peers`] | call a peer through every layer |
//! | [`timeout`](mod@timeout) | [`timeout()`], [`timeout_at`] | wait so long and no longer |
//! | [`bulkhead`] | [`Bulkhead`] | so many at once, and the others wait their turn |
//! | [`adaptive`] | [`ConcurrencyLimiter`](adaptive::ConcurrencyLimiter) | as many at once as the peer can take, found out while they run |
//! | [`health`] | [`HealthChecker`] | how is this node |
//! | [`clock`] | [`SystemClock`], [`MockClock`] and others | the time, and one that a test moves |
//! | [`core`](mod@core) | | everything of `resil-core`: policies, errors, outcomes |
//!
//! Where all of them are wanted for one peer, take [`call`] and nothing else.
//!
//! # A node's three guards
//!
//! ```
//! use core::time::Duration;
//! use resil_std::circuit_breaker::CircuitBreaker;
//! use resil_std::core::circuit_breaker::CircuitBreakerConfig;
//! use resil_std::core::error::{NetworkError, ResilienceError};
//! use resil_std::core::rate_limit::RateLimitConfig;
//! use resil_std::core::retry::RetryPolicy;
//! use resil_std::core::valid;
//! use resil_std::rate_limit::RateLimiter;
//! use resil_std::retry::Retry;
//!
//! // Policies are checked by the compiler.
//! const CONNECT: RetryPolicy =
//!     valid!(RetryPolicy::builder().max_attempts(3).deadline(Duration::from_secs(20)).build());
//! const PEER: CircuitBreakerConfig =
//!     valid!(CircuitBreakerConfig::builder().failure_threshold(5).build());
//! const SENDER: RateLimitConfig = valid!(
//!     RateLimitConfig::builder().max_requests(100).time_window(Duration::from_secs(60)).build()
//! );
//!
//! struct Node {
//!     senders: RateLimiter<u64>,
//!     peer: CircuitBreaker,
//! }
//!
//! impl Node {
//!     /// A message from `sender`: admitted if it keeps its limit, and passed on to the peer.
//!     async fn route(&self, sender: u64) -> Result<(), ResilienceError<NetworkError>> {
//!         self.senders.allow(&sender, 1)?;
//!         let send = || self.peer.call(send_to_peer);
//!         Retry::new(&CONNECT, "send").call_guarded(send).await
//!     }
//! }
//!
//! async fn send_to_peer() -> Result<(), NetworkError> {
//!     // ...
//!     # Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let node = Node { senders: RateLimiter::new(SENDER), peer: CircuitBreaker::new("peer-7", PEER) };
//! node.route(42).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds everywhere
//!
//! - **Cancel-safe.** Dropping any future of this crate gives back what it held: a permit is told
//!   back as abandoned, a sleep ends, nothing that was not admitted has been taken.
//! - **No lock across an `.await`**, nor while code of yours runs: operations, classifiers, checks
//!   and log subscribers may use the machines they are called from.
//! - **A panic disables nothing.** Locks that were poisoned are taken all the same, because what they
//!   guard is whole.
//! - **Virtual time in tests.** Under tokio's paused time every wait is virtual; [`clock`] says more.
//!
//! # Log events
//!
//! Through [`tracing`]; targets, levels, messages and fields are stable. Codes are the names of
//! [`ErrorCode`](resil_core::ErrorCode). Every event has the field `event`: the number of core's
//! [`EventKind`](resil_core::event::EventKind), which firmware on `resil-embassy` logs for the same.
//!
//! | target | message | level | `event` | fields |
//! |---|---|---|--:|---|
//! | `resil::retry` | `attempt succeeded` | debug | 102 | `operation`, `attempt` (from 1), `max_attempts` |
//! | | `attempt failed` | warn | 103 | these, `error`, and `delay` before the next one or `code` of the end |
//! | | `attempt refused` | warn | 113 | these, `code` of the refusal, `delay` if it is waited for |
//! | | `overslept` | warn | 601 | these, `code`: the wait ended after the deadline |
//! | `resil::circuit_breaker` | `transition` | warn to open, else info | 302 – 306, 308 | `breaker`, `from`, `to` |
//! | | `transition detected, not made` | warn | 303 | the same |
//! | | `refused` | debug | 301 | `breaker`, `code` |
//! | `resil::call` | the kind's own | the kind's own | | `peer`, `index` of one of several, and: |
//! | | an attempt began, succeeded, failed, is stopped, is late | | 101 – 104, 401 – 403, 602 | `attempt` (from 1), `max_attempts`; `deadline`, or `error` and `classification` |
//! | | a wait for the next attempt | | 111, 113 | `delay`, `code` of the refusal |
//! | | the end of a call | | 601, 902 – 905 | `attempts`, `verdict` |
//! | | a transition of the breaker | | 302 – 306, 308 | `from`, `to` |
//! | | another policy | | 911 | |
//! | `resil::bulkhead` | the kind's own | warn, info | 501, 911 | `bulkhead`, `code` |
//! | `resil::adaptive` | the kind's own | the kind's own | 502, 511, 512, 911 | `limit`, and `code`, or `from` and `to` |
//! | `resil::rate_limit` | `refused` | debug | 201 | `id` of a peer, `tokens`, `code`, `retry_after` |
//! | | another limit, for a bucket or for all of a class | info | 911 | `class` |
//! | `resil::health` | `changed` | warn, info to healthy and into maintenance | 701 – 704 | `check`, `from`, `to`, `message` |
//!
//! "The kind's own" are [`message`](resil_core::event::EventKind::message) and
//! [`severity`](resil_core::event::EventKind::severity) of core.
//!
//! Events are logged after the lock is free, so those of two threads may change places; the `from`
//! and `to` of one breaker still form a chain.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `serde` | wire forms of core's errors, and [`OverallHealth`](health::OverallHealth) as the body of a health endpoint |
//! | `axum` | health over HTTP: `health::http`; implies `serde` |
//! | `grpc` | health over gRPC: `health::grpc` |
//! | `metrics` | counters, gauges and histograms: `metrics` |
//! | `http` | what an HTTP answer means to a retry and to a breaker: `http` |
//! | `redis` | a quota that nodes share through Redis: `redis`; a check there that is dropped while it waits may have taken its tokens |
//! | `tower` | the machines as layers of tower: `tower` |
//! | `quanta`, `coarse` | [clocks](clock) that cost less to read |
#![cfg_attr(docsrs, feature(doc_cfg))] // says there which feature an item takes
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub use resil_core as core;

pub mod adaptive;
mod boxed;
pub mod bulkhead;
pub mod call;
pub mod circuit_breaker;
pub mod clock;
pub mod health;
#[cfg(feature = "http")]
pub mod http;
mod line;
mod log;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod rate_limit;
#[cfg(feature = "redis")]
pub mod redis;
pub mod retry;
mod sync;
pub mod timeout;
#[cfg(feature = "tower")]
pub mod tower;

pub use boxed::BoxedError;
pub use bulkhead::Bulkhead;
pub use call::{Peer, Peers};
pub use circuit_breaker::CircuitBreaker;
pub use clock::{MockClock, SystemClock};
pub use health::HealthChecker;
pub use rate_limit::RateLimiter;
pub use retry::{retry_sync, retry_with_policy};
pub use timeout::{timeout, timeout_at};
