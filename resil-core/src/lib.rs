//! Resilience as state machines: retry and backoff, rate limits, circuit breakers, health.
//!
//! Every decision is a function of (policy, state, now, event, entropy). Policies are constants,
//! states are a few bytes, and time and randomness are numbers that you pass in. The crate is
//! `no_std` and has no allocation, no floating point, no `unsafe`, no atomics, no clock and no panic,
//! so the same decision falls on a Cortex-M0, on a server and in a test that moves time by hand.
//!
//! Use `resil-std` on tokio or threads and `resil-embassy` on embassy: they read the clock, lock,
//! ask here, sleep and log. Use this crate directly in a superloop, a simulation or a test.
//!
//! Defaults called "the seed's" are those of the design that resil implements, a resilience layer for a
//! P2P agent network, whose names and defaults it keeps.
//!
//! # The four verbs
//!
//! | verb | shape | meaning |
//! |---|---|---|
//! | ask | `try_acquire(&mut self, …, now) -> Result<Permit, Rejected>` | may refuse; a refusal says who, why and when to come back |
//! | tell | `record(&mut self, permit, outcome, now) -> Recorded` | takes the permit back; returns what it changed, or that it came too late |
//! | look | `state(&self, now)`, `available(&self, now)` | pure: takes nothing, changes nothing, is never out of date |
//! | wait | `next_deadline(&self, now) -> Option<Instant>` | the first instant after `now` at which an answer changes by itself |
//!
//! - What **lends** (a breaker) returns a permit that must be told back. What **spends** (a limiter)
//!   returns a charge: dropped it is spent, `refund` gives it back.
//! - Transitions are return values. There are no callbacks, so nothing runs under anyone's lock.
//! - Machines are `Clone` for snapshots, and never `Copy`: an accidental copy would fork the state.
//! - Each call does a bounded amount of work, whatever time has passed and whoever is calling.
//! - A bad setting is a [`ConfigError`] from `build()`, or with [`valid!`] a failure to compile.
//!
//! # The machines
//!
//! | module | answers | policy | state |
//! |---|---|---|---|
//! | [`backoff`] | how long to wait before attempt n | [`Backoff`](backoff::Backoff) | – |
//! | [`retry`] | another attempt, and when | [`RetryPolicy`](retry::RetryPolicy) | [`Retry`](retry::Retry), 24 B |
//! | [`rate_limit`] | may this peer send now | [`RateLimitConfig`](rate_limit::RateLimitConfig) | 8 B a peer and up |
//! | [`circuit_breaker`] | is it worth calling this peer | [`CircuitBreakerConfig`](circuit_breaker::CircuitBreakerConfig) | 16 B |
//! | [`health`] | how is this node | the checks' time to live | per check |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod adaptive;
pub mod backoff;
pub mod bulkhead;
pub mod call;
pub mod chaos;
pub mod circuit_breaker;
pub mod config;
pub mod deadline;
pub mod entropy;
pub mod error;
pub mod event;
pub mod fallback;
mod fixed;
pub mod health;
pub mod hedge;
pub mod outcome;
pub mod rate_limit;
pub mod ratio;
pub mod retry;
pub mod snapshot;
mod tally;
pub mod text;
pub mod throttle;
pub mod time;

pub use config::ConfigError;
pub use entropy::Entropy;
pub use error::{ErrorCode, ResilienceError};
pub use outcome::{Outcome, Rejected, RetryAt};
pub use ratio::Ratio;
pub use time::{Clock, Instant, ManualClock};
