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
//! | what it is for | |
//! |---|---|
//! | results of checks, and what they add up to | [`HealthRegistry`] |
//! | is a peer still there, by its heartbeats | [`heartbeat`] |
//! | are enough peers well | [`Quorum`] |
//! | which task hangs; may the hardware watchdog be fed | [`watchdog`]; over a registry [`LivenessGate`] |
//!
//! # Laws
//!
//! - The answer is the worst of all checks that count for who asks, an optional one counting as
//!   degraded at worst; without a check it is healthy.
//! - A result counts for its time to live. After it the check is *unknown*, never healthy.
//! - A status changes when as many results in a row say so as the check's [rise and fall](Hysteresis)
//!   ask for, and stays as it is before. The first result counts at once, and so does the first after
//!   one that has outlived its time: nothing that is too old holds it back.
//! - What a check depends on explains its failure only if it is at least as bad itself, and does not
//!   change the answer. [Causes](HealthReport::causes) are the checks that nothing explains; where
//!   any check is bad and none is in maintenance, there is one.
//! - An answer takes one pass over the registered checks and awaits nothing.
//! - An id of a check that is gone addresses nothing, whoever has its slot now.
//!
//! # What a check without a known status counts as
//!
//! | [`Probe`] | without a fresh result | in maintenance |
//! |---|---|---|
//! | [`Overall`](Probe::Overall) | degraded | degraded |
//! | [`Startup`](Probe::Startup) | unhealthy | not looked at |
//! | [`Readiness`](Probe::Readiness) | unhealthy: send no work here | unhealthy |
//! | [`Liveness`](Probe::Liveness) | ignored until one time to live after it was registered, then unhealthy | not looked at |
//!
//! A node that is in maintenance as a whole is degraded at best and not ready; startup and liveness
//! answer as they would otherwise.
//!
//! # Who is told
//!
//! A check counts for the [`Groups`] that it is in. Liveness asks whether a *restart* would help, so
//! only what is inside of the node belongs there: tasks that hang, memory that is lost. What depends
//! on others belongs in readiness alone, or one dead peer gets every healthy node restarted at once.
//!
//! # Time that steps back
//!
//! A result that a step back has left in the future counts as recorded just now while it is ahead by
//! no more than one time to live; further ahead it proves nothing. The next record or registration of
//! any check moves every instant from the future back to its own `now`, and so does
//! [`reanchor`](HealthRegistry::reanchor), for a node that is restarted for what is not alive. So a
//! step prolongs no result by more than one time to live, and one that was seen to have outlived its
//! time never counts again.
//!
//! # Defaults
//!
//! 16 checks, which is a name, a status, a message and details for whatever a small node depends on.
//! There is no default time to live: three times the period of the check forgives two lost results.
//! A check is critical and counts for all probes, and every result at once: each method of
//! [`CheckConfigBuilder`] gives its reason.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::health::{
//!     CheckConfig, Criticality, Groups, HealthCheckResult, HealthRegistry, HealthStatus, Probe,
//! };
//! use resil_core::{Instant, valid};
//!
//! const TTL: Duration = Duration::from_secs(30);
//! const BROKER: CheckConfig =
//!     valid!(CheckConfig::builder(TTL).groups(Groups::READINESS).fall(3).build());
//! const CACHE: CheckConfig =
//!     valid!(CheckConfig::builder(TTL).criticality(Criticality::Optional).build());
//! let at = |second| Instant::from_duration(Duration::from_secs(second));
//! let (up, down) = (|| HealthCheckResult::from(true), || HealthCheckResult::from(false));
//!
//! let mut health: HealthRegistry = HealthRegistry::new(at(0));
//! let broker = health.register_with("broker", BROKER, at(0))?;
//! let cache = health.register_with("cache", CACHE, at(0))?;
//! health.depend(cache, broker)?;
//! health.record(broker, up(), at(0))?;
//! health.record(cache, up(), at(0))?;
//! assert_eq!(health.overall(at(0)), HealthStatus::Healthy);
//!
//! // 10 s and 20 s: two lost probes of the broker change nothing.
//! health.record(broker, down(), at(10))?;
//! health.record(broker, down(), at(20))?;
//! assert_eq!(health.status(Probe::Readiness, at(20)), HealthStatus::Healthy);
//!
//! // 25 s: the cache is optional, so the node is degraded at worst.
//! health.record(cache, down(), at(25))?;
//! assert_eq!(health.overall(at(25)), HealthStatus::Degraded);
//!
//! // 30 s: the third in a row. No work is sent here, but nobody restarts the node for it; and the
//! // cache is not one more cause.
//! health.record(broker, down(), at(30))?;
//! assert_eq!(health.status(Probe::Readiness, at(30)), HealthStatus::Unhealthy);
//! assert_eq!(health.status(Probe::Liveness, at(30)), HealthStatus::Degraded);
//! assert_eq!(
//!     health.report(at(30)).to_string(),
//!     "UNHEALTHY (broker=UNHEALTHY, cache=UNHEALTHY (consequence))"
//! );
//!
//! // 40 s: the broker is taken down for an update.
//! health.begin_maintenance(broker)?;
//! assert_eq!(
//!     health.report(at(40)).to_string(),
//!     "DEGRADED (broker=MAINTENANCE, cache=UNHEALTHY (consequence))"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub mod watchdog;

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
pub use result::{HealthCheckResult, IntoCheckResult, MESSAGE};
pub use status::{CheckStatus, HealthStatus, Probe};
pub use watchdog::{
    Boot, BootRecord, ChannelError, Starved, Watchdog, WatchdogConfig, WatchdogConfigBuilder,
    WatchdogState,
};
