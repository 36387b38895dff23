//! Bulkheads: how many calls may run at once, so that one slow peer cannot take every task, socket
//! and buffer of the node.
//!
//! A bulkhead lends permits. A call takes as many as it weighs and gives them back when it ends; what
//! does not fit is refused at once. Part of the permits can be kept for calls of high priority, and
//! part kept from those of low priority: when gossip fills the node, heartbeats still pass.
//!
//! ```text
//!  0                     low limit        normal limit      max_concurrent
//!  ├───────────────────────┼──────────────────┼──────────────────┤
//!  │ everybody             │ normal and high  │ high only        │
//!                          └─ low_reserve ────┴── high_reserve ──┘
//! ```
//!
//! # When not to use it
//!
//! - To limit how *often* calls are made: that is [`rate_limit`](crate::rate_limit). A bulkhead of 10
//!   lets a million short calls a second through.
//! - Where nobody knows the right number, or it changes: [`adaptive`](crate::adaptive) finds it out.
//! - To make calls wait their turn: the state alone refuses. [`queue`] says who is next where an adapter
//!   has them wait.
//!
//! # Laws
//!
//! - What is held and what is available to a call of high priority add up to `max_concurrent`, unless
//!   a smaller policy came into force while more was held: then nobody passes until enough is back.
//! - On admission the permits held are at most what the call's priority may fill.
//! - A permit settles once, with the weight it was issued with, whatever policy is in force by then.
//! - A permit of before a [`reset`](BulkheadConfig::reset) is [`Stale`](Recorded::Stale): it gives
//!   nothing back. No order of calls brings the count below zero.
//! - A refusal changes nothing, and neither does time: there is no deadline to wait for.
//!
//! # Defaults
//!
//! 25 permits (resilience4j's `maxConcurrentCalls`), nothing reserved. Reserves are what Netflix's
//! partitioned limiters and Envoy's thresholds per priority are for.
//!
//! # A timeline
//!
//! ```
//! use resil_core::bulkhead::{Bulkhead, BulkheadConfig, Recorded};
//! use resil_core::call::Priority::{High, Low, Normal};
//! use resil_core::outcome::RetryAt;
//! use resil_core::{ErrorCode, Instant, Outcome, valid};
//!
//! const UPLINK: BulkheadConfig = valid!(
//!     BulkheadConfig::builder().max_concurrent(4).high_reserve(1).low_reserve(1).build()
//! );
//! let (mut uplink, now) = (Bulkhead::new(&UPLINK), Instant::EPOCH);
//!
//! // Gossip fills its two permits, a normal call takes the third, and the last is kept.
//! let gossip = uplink.try_acquire(2, Low, now)?;
//! assert_eq!(uplink.try_acquire(1, Low, now).unwrap_err().code(), ErrorCode::BulkheadFull);
//! let query = uplink.try_acquire(1, Normal, now)?;
//! assert_eq!(uplink.try_acquire(1, Normal, now).unwrap_err().retry(), RetryAt::Unknown);
//!
//! // The heartbeat passes.
//! let heartbeat = uplink.try_acquire(1, High, now)?;
//! assert_eq!(uplink.held(), 4);
//!
//! // However a call ends, its permits are back.
//! assert_eq!(uplink.record(gossip, Outcome::Abandoned, now), Recorded::Released);
//! assert_eq!(uplink.available(High), 2);
//! assert_eq!(uplink.available(Low), 0, "two are held, and that is all that low may fill");
//!
//! // Three permits at once are more than a low call can ever have.
//! assert_eq!(uplink.try_acquire(3, Low, now).unwrap_err().retry(), RetryAt::Never);
//!
//! // After a reset nothing is held, and those who come late give nothing back.
//! uplink.reset();
//! assert_eq!(uplink.record(heartbeat, Outcome::Success, now), Recorded::Stale);
//! assert_eq!(uplink.record(query, Outcome::Success, now), Recorded::Stale);
//! assert_eq!(uplink.available(High), 4);
//! # Ok::<(), resil_core::Rejected>(())
//! ```
//!
//! # Cost
//!
//! 4 bytes a bulkhead, 4 bytes a permit. Every call is a few compares. There is nothing to keep over a
//! reboot: no call survives one.

mod config;
mod decide;
mod gate;
mod machine;
pub mod queue;
mod state;

pub use config::{BulkheadConfig, BulkheadConfigBuilder};
pub use machine::Bulkhead;
pub use queue::{Entered, FixedPlaces, Places, Queue, Waiter};
pub use state::{BulkheadState, Permit, Recorded};
