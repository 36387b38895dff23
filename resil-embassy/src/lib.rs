//! Resilience on embassy: the state machines of [`resil_core`] bound to embassy's time and mutexes.
//!
//! The files, the types and their names are those of `resil-std`, so firmware and server read
//! alike. This crate decides nothing: it reads the clock, locks, asks core, sleeps until the instant
//! that core named, and logs. There is no heap, no `unsafe`, no executor and no chip in it: any
//! executor that drives embassy's timers will do.
//!
//! | module | item | use |
//! |---|---|---|
//! | [`clock`] | [`EmbassyClock`], [`sleep_until`](clock::sleep_until) | embassy's ticks as core's instants, exact at every rate |
//! | [`circuit_breaker`] | [`CircuitBreaker`] | a breaker as a `static`, with guards that cannot be forgotten |
//! | [`bulkhead`] | [`Bulkhead`] | so many calls at once, and the others wait their turn |
//! | [`rate_limit`] | [`RateLimiter`] | a table of peers of fixed size, each with its own limit |
//! | [`retry`] | [`retry_with_policy`] | another attempt, after waits that grow |
//! | [`timeout`](mod@timeout) | [`timeout()`], [`timeout_at`] | an end to waiting |
//! | [`call`] | [`Peer`], [`Peers`] | a call to a peer through every layer at once |
//! | [`health`] | [`HealthChecker`] | how is this node |
//! | [`watchdog`] | [`Watchdog`] | feed the hardware watchdog only while every task is alive |
//!
//! Policies are constants and live in flash; a shared machine is a `static` whose state is a few
//! bytes behind an [`embassy_sync::blocking_mutex::Mutex`], held for one decision, never across an
//! `.await`.
//!
//! # Features
//!
//! `defmt`: every attempt, refusal and transition is logged, and every public type implements
//! `defmt::Format`.
//!
//! A line begins with the number and the name of a core [`EventKind`](resil_core::event::EventKind),
//! and has the level of its severity; the number is the `event` of the same line of `resil-std`:
//!
//! ```text
//! WARN  103 ATTEMPT_FAILED mesh[2]: (attempt 3 of 3, "no answer", Failure(Transient, None))
//! ERROR 303 BREAKER_OPENED mesh[2]: Transition { from: Closed, to: Open }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))] // says there which feature an item takes
#![cfg_attr(not(test), no_std)]
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

pub mod bulkhead;
pub mod call;
pub mod circuit_breaker;
pub mod clock;
pub mod health;
mod log;
#[cfg(test)]
#[path = "../tests/mock_time/mod.rs"]
mod mock_time;
pub mod rate_limit;
pub mod retry;
pub mod timeout;
pub mod watchdog;

pub use bulkhead::Bulkhead;
pub use call::{Peer, Peers};
pub use circuit_breaker::CircuitBreaker;
pub use clock::EmbassyClock;
pub use health::HealthChecker;
pub use rate_limit::RateLimiter;
pub use retry::retry_with_policy;
pub use timeout::{timeout, timeout_at};
pub use watchdog::Watchdog;
