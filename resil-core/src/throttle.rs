//! Adaptive throttling: a client that is refused asks less, so that an overloaded peer does not spend
//! what it has left on refusing.
//!
//! The client counts what it wanted of a peer and what the peer accepted, over the last two minutes.
//! While the peer accepts at least 1/K of it, everything passes. Beyond that the client refuses at
//! random by itself, with the chance that leaves the peer K times what it accepts:
//!
//! ```text
//! requests, accepts   what was asked of this client, and what the peer accepted, in the window
//! chance of a refusal = max(0, (requests − K · accepts) / (requests + 1)), at most max_share
//! ```
//!
//! That is the client-side throttling of Google's *Site Reliability Engineering*, chapter 21,
//! "Handling Overload".
//!
//! # When not to use it
//!
//! - Where the peer says when to come back: a [`rate_limit`](crate::rate_limit) or a retry hint is
//!   exact, and this is a guess.
//! - For a peer that is dead and not overloaded: a [`circuit_breaker`](crate::circuit_breaker) costs
//!   no probes but a few. The two go well together; this one has no open and closed, and so no herd
//!   when it opens.
//! - Where calls take longer than the window: what is asked counts at once, what is accepted only when
//!   it ends.
//!
//! # Laws
//!
//! - A refusal is `entropy < reject_share`, and the share is the formula's exact value rounded up to
//!   2^-32: no rounding error accumulates and none is a float's.
//! - Nothing is refused while the window holds fewer than `min_requests`, or while
//!   `requests ≤ K · accepts`. Entropy is drawn only where a refusal is possible.
//! - The share is never above `max_share`, so whatever has happened some calls go through and find out
//!   whether the peer is back.
//! - A peer that accepts again gets everything again: of what is asked the share that passes grows
//!   K-fold in each window, on average.
//! - Requests are counted when they are asked for, refused ones included: that is what makes the peer
//!   see K times what it accepts and not the square root of a larger number.
//! - An ignored, abandoned or local outcome takes its request off the count, as if it had
//!   never been asked.
//! - What is older than the window does not count; a clock that steps back keeps it for at most half a
//!   window more, and one that jumps ahead forgets.
//!
//! # Defaults
//!
//! K = 2 and two minutes: the book's. At most 90 %: failsafe-go's. 10 requests; see
//! [`AdaptiveThrottleBuilder`].
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::outcome::{FailureClass, RetryAt};
//! use resil_core::throttle::{AdaptiveThrottle, Throttler};
//! use resil_core::{Clock, ErrorCode, Instant, ManualClock, Outcome};
//!
//! let clock = ManualClock::new(Instant::EPOCH);
//! let mut peer = Throttler::new(AdaptiveThrottle::DEFAULT);
//! let never = || -> u32 { unreachable!("nothing can be refused") };
//!
//! // 0 s: ten calls succeed, and ten are turned away. Half of all: nothing happens yet.
//! for call in 0..20 {
//!     let permit = peer.try_acquire(never, clock.now())?;
//!     let busy = Outcome::Failure(FailureClass::Throttled);
//!     peer.record(permit, if call < 10 { Outcome::Success } else { busy }, clock.now());
//! }
//! assert_eq!(peer.reject_share(clock.now()), 0);
//!
//! // Ten more are turned away: 30 were wanted and 10 accepted, so 10 in 31 are refused.
//! for _ in 0..10 {
//!     let permit = peer.try_acquire(u32::MAX, clock.now())?;
//!     peer.record(permit, Outcome::Failure(FailureClass::Throttled), clock.now());
//! }
//! let share = f64::from(peer.reject_share(clock.now())) / 2_f64.powi(32);
//! assert!((share - 10.0 / 31.0).abs() < 1e-9);
//!
//! // The dice fall low: refused. Nobody can say when it will pass.
//! let refused = peer.try_acquire(0, clock.now()).unwrap_err();
//! assert_eq!((refused.code(), refused.retry()), (ErrorCode::LoadShed, RetryAt::Unknown));
//!
//! // 120 s: all of it has left the window.
//! clock.advance(Duration::from_secs(120));
//! assert_eq!(peer.reject_share(clock.now()), 0);
//! # Ok::<(), resil_core::Rejected>(())
//! ```
//!
//! # Cost
//!
//! 152 bytes a peer: three counters in each of ten sub-windows. A call clears at most ten of them; the
//! decision is four multiplications. A look at the share copies the state and takes 32 steps of a
//! compare and a shift.

mod config;
mod decide;
mod gate;
mod machine;
mod persist;
mod state;

pub use config::{AdaptiveThrottle, AdaptiveThrottleBuilder};
pub use machine::Throttler;
pub use state::{Permit, Recorded, ThrottleState};
