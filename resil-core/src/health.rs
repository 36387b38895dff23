//! How is this node: results of checks, how long they count, and what they add up to.
//!
//! A [`HealthRegistry`] stores the last result of every registered check and answers from what is
//! stored. It runs nothing: whoever runs the checks (an adapter, your own loop) tells it the results
//! with [`record`](HealthRegistry::record), so a check that hangs can not hang the answer.
//!
//! Do not use it to decide whether to call a peer, that is a
//! [breaker](crate::circuit_breaker)'s work; and report an open breaker as degraded at most, or one
//! dead peer gets healthy nodes restarted.
//!
//! # Laws
//!
//! - The answer is the worst of all checks; without a check it is healthy.
//! - A result counts for its time to live. After it the check is *unknown*, never healthy.
//! - An answer takes one pass over the registered checks and awaits nothing.
//! - An id of a check that is gone addresses nothing, whoever has its slot now.
//!
//! # What an unknown check counts as
//!
//! | [`Probe`] | without a fresh result |
//! |---|---|
//! | [`Overall`](Probe::Overall) | degraded |
//! | [`Startup`](Probe::Startup), [`Readiness`](Probe::Readiness) | unhealthy: send no work here |
//! | [`Liveness`](Probe::Liveness) | ignored until one time to live after it was registered, then unhealthy |
//!
//! # Time that steps back
//!
//! A result that a step back has left in the future counts as recorded just now while it is ahead by
//! no more than one time to live; further ahead it proves nothing. The next record or registration of
//! any check moves every instant from the future back to its own `now`. So a step prolongs no result
//! by more than one time to live, and one that was seen to have outlived its time never counts again.
//!
//! # Defaults
//!
//! 16 checks, which is a name, a status, a message and details for whatever a small node depends on.
//! There is no default time to live: three times the period of the check forgives two lost results.

mod check;
mod config;
mod dependency;
pub mod heartbeat;
mod hysteresis;
mod id;
mod liveness;
mod quorum;
mod registry;
mod report;
mod result;
mod status;

pub use config::{CheckConfig, CheckConfigBuilder, Criticality, Groups};
pub use heartbeat::{
    Beat, Heartbeat, HeartbeatConfig, HeartbeatConfigBuilder, HeartbeatState, HeartbeatStatus, Phi,
};
pub use hysteresis::{Hysteresis, HysteresisState};
pub use id::{CheckId, DependencyError, RegisterError, UnknownCheck};
pub use liveness::{LivenessGate, NotLive};
pub use quorum::{Quorum, Verdict};
pub use registry::HealthRegistry;
pub use report::{CheckReport, HealthReport};
pub use result::{HealthCheckResult, MESSAGE};
pub use status::{CheckStatus, HealthStatus, Probe};
