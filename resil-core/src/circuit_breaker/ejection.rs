//! Whose fault is it, when several peers fail: how many breakers may be open at once.
//!
//! One breaker sees one peer. When a node's own uplink dies, every peer seems to die, and every breaker
//! opens; when the uplink is back, nobody is called until the open times are over. This rule looks at
//! all peers of a node. It lets at most a share of them be *ejected*, which is to have an open breaker,
//! and where most of them fail at once it says that [the node itself](Blame::Me) is to blame: then no
//! breaker opens, and the node's health is degraded instead.
//!
//! # When not to use it
//!
//! - For a node with one peer: there is nothing to compare.
//! - Where the peers stand in for each other behind a balancer that can do this itself, as Envoy's
//!   outlier detection does.
//! - For peers of very different use: "most of them" would be most of those that hardly matter.
//!
//! # Laws
//!
//! - No ruling ejects one more peer than [`max_ejected`](EjectionConfigBuilder::max_ejected) of those
//!   that are known, though always one may be; and of two or more it never ejects the last. Who is
//!   ejected stays so until its breaker closes, whoever else leaves meanwhile.
//! - What a peer said last counts for at least half of the window, and not once the window is over.
//! - A peer that is readmitted, or leaves and joins again, is like one that was never heard of.
//! - The state is of one size, and the work of one bound, however many peers fail.
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | `max_ejected` | 1/2, at least one, never the last | Envoy's 10 % is for pools of interchangeable hosts. The load of a lost peer moves to nobody in a mesh, and when it splits in two, half of the peers are gone for real. Of three peers one is ejected, with either |
//! | `panic_threshold` | 3/4 | Envoy panics at one half. Two of three neighbours do go at once, on one switch or in one power cut; three of three seldom do. So three must fail of three, three of four, eight of ten |
//! | `min_peers` | 3 | of two that fail nobody can say whether they or we do. Ejected ones make up the number, and two must have been heard of |
//! | `window` | 60 s | the seed's open time. Longer where calls are rarer: it should see a call to most peers, or the few that fail are all it sees |
//!
//! # A timeline
//!
//! Three peers. One dies, and is ejected; then the uplink goes.
//!
//! ```
//! use core::time::Duration;
//! use resil_core::call::Bound;
//! use resil_core::circuit_breaker::ejection::{Blame, Ejection, EjectionConfig, Ruling, Spared};
//! use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State};
//! use resil_core::health::HealthStatus;
//! use resil_core::outcome::FailureClass;
//! use resil_core::{Instant, Outcome, Rejected, valid};
//!
//! const BREAKER: CircuitBreakerConfig =
//!     valid!(CircuitBreakerConfig::builder().failure_threshold(2).build());
//! const RULE: EjectionConfig = EjectionConfig::DEFAULT;
//! let mut peers = [const { CircuitBreakerState::new() }; 3];
//! let mut rule = Ejection::new(RULE);
//! (0..3).for_each(|peer| rule.join(peer));
//!
//! /// A call to a peer at a second, told to the rule and to the peer's breaker.
//! let mut call = |peer: usize, outcome, second| {
//!     let (breaker, now) = (&mut peers[peer], Instant::from_duration(Duration::from_secs(second)));
//!     let permit = BREAKER.try_acquire(breaker, 0, now)?;
//!     let blame = rule.record(peer, outcome, now);
//!     let recorded = BREAKER.record(breaker, permit, outcome, 0, now);
//!     let ruling = recorded
//!         .transition()
//!         .map(|change| rule.rule(peer, change, Bound::new(&BREAKER, breaker), now));
//!     Ok::<_, Rejected>((blame, ruling, BREAKER.state(breaker, now)))
//! };
//! let timeout = Outcome::Failure(FailureClass::Timeout);
//!
//! // 0 s: all is well.
//! for peer in 0..3 {
//!     assert_eq!(call(peer, Outcome::Success, 0)?, (Blame::Peer, None, State::Closed));
//! }
//! // 1 s: peer 0 dies. One of three: it is ejected, and its breaker is open.
//! call(0, timeout, 1)?;
//! assert_eq!(call(0, timeout, 2)?, (Blame::Peer, Some(Ruling::Stands), State::Open));
//!
//! // 5 s: peer 1 fails as well. Two of three are more than may be ejected, so its breaker is closed
//! // again, and it is still called.
//! call(1, timeout, 5)?;
//! let spared = Some(Ruling::Spared(Spared::TooMany));
//! assert_eq!(call(1, timeout, 6)?, (Blame::Peer, spared, State::Closed));
//!
//! // 7 s: now peer 2 fails, and so all of them do. It must be me.
//! assert_eq!(call(2, timeout, 7)?, (Blame::Me, None, State::Closed));
//! let spared = Some(Ruling::Spared(Spared::OwnFault));
//! assert_eq!(call(2, timeout, 8)?, (Blame::Me, spared, State::Closed));
//! assert_eq!(Blame::Me.health(), HealthStatus::Degraded);
//!
//! // 9 s: the uplink is back. Nobody has to wait for an open time but peer 0, which was alone.
//! assert_eq!(call(1, Outcome::Success, 9)?, (Blame::Peer, None, State::Closed));
//! # Ok::<(), Rejected>(())
//! ```
//!
//! # Cost
//!
//! 40 bytes for 32 peers, and 32 more for every 32 more. A call counts the bits of a few words for
//! every 32 peers, and looks at no peer by itself.

mod config;
mod machine;
mod peers;
mod persist;
mod rule;

pub use config::{EjectionConfig, EjectionConfigBuilder};
pub use machine::Ejection;
pub use peers::EjectionState;
pub use rule::{Blame, Ruling, Spared};
