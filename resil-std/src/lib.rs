//! Resilience for tokio and for threads.

pub use resil_core as core;

pub mod circuit_breaker;
pub mod clock;
pub mod rate_limit;
pub mod retry;
