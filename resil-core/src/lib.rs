//! Resilience as state machines: retry, hedging, rate limits, circuit breakers, load control, health, and
//! the call through all of them.
//!
//! Every decision is a function of (policy, state, now, event, entropy). Policies are constants,
//! states are a few bytes, and time and randomness are numbers that you pass in. The crate is
//! `no_std` and has no allocation, no floating point, no `unsafe`, no atomics, no clock and no panic,
//! so a Cortex-M0, a server and a test that moves time by hand all decide alike.
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
//! - What **lends** (a breaker, a bulkhead) returns a permit that must be told back. What **spends** (a
//!   limiter, a budget) returns a charge: dropped it is spent, `refund` gives it back.
//! - Transitions are return values. There are no callbacks, so nothing runs under anyone's lock.
//! - Machines are `Clone` for snapshots, and never `Copy`: an accidental copy would fork the state.
//! - Each call does a bounded amount of work, whatever time has passed and whoever is calling.
//! - A bad setting is a [`ConfigError`] from `build()`, or with [`valid!`] a failure to compile.
//!
//! # The machines
//!
//! Bytes on a 64-bit machine, no more on a smaller one; a test compares them with the code. The work is
//! for the dearest decision; none loops over elapsed time or over history.
//!
//! | module | answers | policy | state | work a call |
//! |---|---|---|---|---|
//! | [`call`] | the next step of a call through all the others | [`PeerPolicy`](call::PeerPolicy), 320 B | [`PeerState`](call::PeerState), 24 B | what its layers do |
//! | | with a budget | [`BudgetedPolicy`](call::BudgetedPolicy), 352 B | [`BudgetedState`](call::BudgetedState), 32 B | |
//! | | with a budget and hedging | [`HedgedPolicy`](call::HedgedPolicy), 408 B | [`HedgedState`](call::HedgedState), 160 B | |
//! | | | [`CallPolicy`](call::CallPolicy), 144 B | [`Call`](call::Call), 256 B | two attempts |
//! | [`backoff`] | how long to wait before attempt n | [`Backoff`](backoff::Backoff), 56 B | – | a shift, or 24 multiplications |
//! | [`retry`] | another attempt, and when | [`RetryPolicy`](retry::RetryPolicy), 136 B | [`Retry`](retry::Retry), 24 B | a backoff |
//! | [`retry::budget`] | who pays for an extra attempt | [`TokenBudget`](retry::budget::TokenBudget), 28 B | [`TokenBudgetState`](retry::budget::TokenBudgetState), 4 B | compares |
//! | | | [`RatioBudget`](retry::budget::RatioBudget), 16 B | [`RatioBudgetState`](retry::budget::RatioBudgetState), 104 B | 10 sub-windows |
//! | [`hedge`] | when to start a second attempt | [`HedgePolicy`](hedge::HedgePolicy), 56 B | [`HedgeState`](hedge::HedgeState), 131 B | 128 buckets |
//! | [`deadline`] | how much time is left, here and there | – | [`Deadline`](deadline::Deadline), 8 B | a compare |
//! | [`circuit_breaker`] | is it worth calling this peer | [`CircuitBreakerConfig`](circuit_breaker::CircuitBreakerConfig), 96 B | [`CircuitBreakerState`](circuit_breaker::CircuitBreakerState), 16 B | compares; opening, a backoff |
//! | | of its last 64 calls | with [`CountWindow<2>`](circuit_breaker::CountWindow), 136 B | 40 B | the same |
//! | | of its last minute | with [`TimeWindow<10>`](circuit_breaker::TimeWindow), 136 B | 160 B | 10 sub-windows |
//! | [`ejection`](circuit_breaker::ejection) | is it they, or is it me | [`EjectionConfig<1>`](circuit_breaker::ejection::EjectionConfig), 24 B | [`EjectionState<1>`](circuit_breaker::ejection::EjectionState), 40 B for 32 peers | a bit count a word |
//! | [`rate_limit`] | may this peer send now | [`TokenBucket`](rate_limit::TokenBucket), 80 B | [`BucketState`](rate_limit::BucketState), 8 B | 2 wide multiplications, seldom 3 |
//! | | no window above the maximum | [`StrictBucket`](rate_limit::StrictBucket), 96 B | 8 B | the same |
//! | | and bursts | [`RateLimit`](rate_limit::RateLimit), 96 B | 64 B with 10 sub-windows | 11 sub-windows |
//! | | less after a pause | [`WarmUp`](rate_limit::WarmUp), 152 B | 16 B | 16 compares |
//! | | for many peers | [`RateLimiter`](rate_limit::RateLimiter) | [`Slot`](rate_limit::Slot), 32 B a peer | a hash, 16 slots |
//! | [`bulkhead`] | is there room for one more | [`BulkheadConfig`](bulkhead::BulkheadConfig), 6 B | [`BulkheadState`](bulkhead::BulkheadState), 4 B | compares |
//! | [`adaptive`] | how much room there is | [`Aimd`](adaptive::Aimd), 24 B | [`AimdState`](adaptive::AimdState), 10 B | a 32-bit division |
//! | | | [`Gradient`](adaptive::Gradient), 72 B | [`GradientState`](adaptive::GradientState), 48 B | two of them, 12 multiplications |
//! | [`throttle`] | would the peer take it | [`AdaptiveThrottle`](throttle::AdaptiveThrottle), 24 B | [`ThrottleState`](throttle::ThrottleState), 152 B | 10 sub-windows |
//! | [`health`] | how is this node | [`CheckConfig`](health::CheckConfig) | [`HealthRegistry`](health::HealthRegistry), 360 B a check | a pass over the checks |
//! | | is this peer alive | [`HeartbeatConfig`](health::HeartbeatConfig), 40 B | [`HeartbeatState`](health::HeartbeatState), 40 B | a 32-step root |
//! | | are enough of them | [`Quorum`](health::Quorum), 4 B | – | a pass over the peers |
//! | | may the watchdog be fed | [`WatchdogConfig<4>`](health::WatchdogConfig), 104 B | [`WatchdogState<4>`](health::WatchdogState), 72 B | a pass over the tasks |
//! | [`event`] | what has happened | – | [`Event`](event::Event), 24 B each | a copy |
//! | [`chaos`] | what is to go wrong | [`ChaosPolicy`](chaos::ChaosPolicy), 96 B | [`ChaosState`](chaos::ChaosState), 16 B | two draws |
//! | [`snapshot`] | what outlives a reboot | all of these | a few bytes each | a pass over the bytes |
//!
//! A retry in flight, a breaker and a bucket are 48 bytes a peer.
#![cfg_attr(docsrs, feature(doc_cfg))] // says there which feature an item takes
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
