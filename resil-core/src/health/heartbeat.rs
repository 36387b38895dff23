//! Is a peer still there: suspicion that grows with its silence, by how regular it has been.
//!
//! A fixed timeout is too short for a peer behind a bad radio and too long for one on the same board.
//! The φ accrual failure detector (Hayashibara et al., "The φ Accrual Failure Detector", 2004) learns
//! how the intervals of a peer are spread, and says of a silence how improbable it is.
//!
//! # When not to use it
//!
//! - For requests and answers: a call has a timeout, and a peer that fails calls a
//!   [breaker](crate::circuit_breaker). This is for what is sent without being asked for.
//! - For tasks of this node: those have a known period, which a [`Watchdog`](super::Watchdog) keeps.
//! - To agree on who is a member: every node suspects for itself, and two may differ.
//!
//! # Laws
//!
//! - While a peer is silent φ never falls, and it is at the threshold exactly while the peer is
//!   suspected; that begins exactly at [`next_deadline`](HeartbeatConfig::next_deadline).
//! - One heartbeat makes any peer alive, whatever was before.
//! - The interval of an outage is not learned: a peer that was away for an hour is suspected as
//!   quickly the next time.
//! - After any history a silent peer is suspected within [`max_silence`](HeartbeatConfig::max_silence),
//!   by a clock that does not step back.
//! - φ is Pekko's of the same mean and deviation, up to 16: less than 1/16 + 1/1000 below it and no
//!   more than 1/1000 above, where the deviation is at least 1/10,000 of `max_silence`. The instant of
//!   suspicion differs by less than 1/1000 of the deviation and 3/10^8 of `max_silence`.
//!
//! # Time that misbehaves
//!
//! After a step back a heartbeat that is in the future counts as one from now if it is ahead by no
//! more than one limit; further ahead it proves nothing, and the peer is unknown until its next one,
//! or until [`reanchor`](HeartbeatConfig::reanchor) has it heard now: with that, a step delays a
//! suspicion by one limit at most.
//! When our own clock has jumped forward, as after a suspend, every peer is suspected until its next
//! heartbeat; [`resume`](HeartbeatConfig::resume) gives them time for it.
//!
//! # Numbers, floods and liars
//!
//! Heartbeats that were held up and come all at once make the mean shorter than it is, as they do in
//! Pekko; the pause is for that. Duplicates and late ones are told apart only by a number
//! ([`record_numbered`](HeartbeatConfig::record_numbered)). A peer can only harm what is thought of
//! itself: by a flood, that it is suspected after pause and least deviation; by slowing down, that it
//! is suspected after `max_silence`.
//!
//! # Defaults
//!
//! Pekko's (`reference.conf`): an interval of 1 s, a pause of 3 s, at least 100 ms of deviation and a
//! threshold of 8. Each method of [`HeartbeatConfigBuilder`] gives its reason.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::Instant;
//! use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, HeartbeatStatus};
//!
//! let at = |millis| Instant::from_duration(Duration::from_millis(millis));
//! let mut peer = Heartbeat::new(HeartbeatConfig::DEFAULT);
//! assert_eq!(peer.status(at(0)), HeartbeatStatus::Unknown);
//!
//! // 0 s: the first one. All that is known is the policy: a mean of 1 s, a deviation of 250 ms. It
//! // will be suspected after 1 s + 3 s + 5.226 · 250 ms.
//! assert_eq!(peer.record(at(0)), Beat::First);
//! let suspected = peer.next_deadline(at(0)).unwrap();
//! assert!(at(5_306) < suspected && suspected < at(5_307));
//!
//! // For 100 s it sends every second. It is regular, so the deviation is the least: 100 ms.
//! for second in 1..=100 {
//!     assert_eq!(peer.record(at(second * 1_000)), Beat::Counted);
//! }
//! assert_eq!(peer.next_deadline(at(100_000)).unwrap().saturating_since(at(104_522)).as_millis(), 0);
//!
//! // Then it is silent. φ stays low for the pause, and rises.
//! let phi = [101_000, 104_000, 104_400, 110_000].map(|millis| peer.phi(at(millis)).to_string());
//! assert_eq!(phi, ["0.0000", "0.2500", "4.6875", "16.0000"]);
//! ```
//!
//! # Cost
//!
//! 40 bytes a peer, 40 the policy. A heartbeat is a few multiplications and a square root of 32 steps;
//! a look at the status three multiplications, one at φ eleven. No float, and no division.

mod config;
mod machine;
mod persist;
mod phi;
mod state;

#[cfg(test)]
mod tests;

pub use config::{HeartbeatConfig, HeartbeatConfigBuilder};
pub use machine::Heartbeat;
pub use phi::Phi;
pub use state::{Beat, HeartbeatState, HeartbeatStatus};
