//! Adaptive concurrency: how many calls may run at once, found out while they run.
//!
//! A [`bulkhead`](crate::bulkhead) needs a number. The right one changes with the peer, the path to it
//! and the work; too high it queues, too low it idles. Here the limit moves by itself, as a TCP window
//! does: up while calls go well and the limit is in use, down when they fail or slow down.
//!
//! | algorithm | looks at | for | state |
//! |---|---|---|---|
//! | [`Aimd`] | losses, and calls slower than a fixed latency | microcontrollers; peers that refuse when full | 10 B |
//! | [`Gradient`] | latency against the usual latency | servers; peers that queue when full | 48 B |
//!
//! Both have one shape, [`ConcurrencyLimit`], and one machine, [`ConcurrencyLimiter`].
//!
//! # When not to use it
//!
//! - Where the right number is known: a bulkhead cannot be fooled.
//! - With [`Gradient`] where latency says nothing about load: calls of very different sizes through
//!   one limit, or a peer that answers from a cache half of the time.
//! - For a peer that is dead. The limit never falls below its minimum; not to call at all is for a
//!   [`circuit_breaker`](crate::circuit_breaker).
//!
//! # Laws
//!
//! - At admission the calls in flight are at most the limit, which is between the policy's lowest and
//!   highest (during a [`Gradient`]'s probe, at most [`probe_limit`](GradientBuilder::probe_limit)).
//! - A permit settles once, and never after a reset: no order of calls brings the count below zero.
//! - Who asks for little never makes the limit grow: a success counts only while the limit is in use.
//!   What an idle hour has let grow, the first busy second would pay for.
//! - Every loss that counts makes the limit shrink, down to the lowest. From there a healthy peer and
//!   steady demand bring it to L within min + (min + 1) + … + (L − 1) successes that count ([`Aimd`]), or within
//!   ⌈(L − min) / (smoothing · queue)⌉ + 1 windows ([`Gradient`]).
//! - What is usual is never learned once and for all: a [`Gradient`] measures it anew, at times that
//!   differ from client to client.
//! - A clock that steps back makes no sample and delays a window or a probe by at most its own length.
//!   One that jumps ahead is one latency, of at most 68 s, and one probe.
//! - Entropy is drawn only when a probe ends and the next is set.
//!
//! # Defaults
//!
//! Netflix's `concurrency-limits`, and for the probe Envoy's adaptive concurrency filter. Each method
//! of [`AimdBuilder`] and [`GradientBuilder`] gives its own.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::adaptive::{Aimd, ConcurrencyLimiter, Recorded};
//! use resil_core::outcome::{FailureClass, RetryAt};
//! use resil_core::{Clock, ErrorCode, Instant, ManualClock, Outcome, valid};
//!
//! const PEER: Aimd = valid!(
//!     Aimd::builder().initial_limit(2).timeout(Duration::from_millis(500)).build()
//! );
//! let clock = ManualClock::new(Instant::EPOCH);
//! let mut peer = ConcurrencyLimiter::new(&PEER);
//!
//! // 0 ms: two calls fill the limit, a third is refused.
//! let (first, second) = (peer.try_acquire(0, clock.now())?, peer.try_acquire(0, clock.now())?);
//! let refused = peer.try_acquire(0, clock.now()).unwrap_err();
//! assert_eq!((refused.code(), refused.retry()), (ErrorCode::LoadShed, RetryAt::Unknown));
//!
//! // 100 ms: both succeed. The first started alone, with half of the limit in use: it says little.
//! clock.advance(Duration::from_millis(100));
//! assert_eq!(peer.record(first, Outcome::Success, 0, clock.now()), Recorded::Released);
//! assert_eq!(peer.record(second, Outcome::Success, 0, clock.now()), Recorded::Counted);
//!
//! // Another round, and as many successes as the limit is high have counted: one more.
//! let (first, second) = (peer.try_acquire(0, clock.now())?, peer.try_acquire(0, clock.now())?);
//! peer.record(first, Outcome::Success, 0, clock.now());
//! assert_eq!(
//!     peer.record(second, Outcome::Success, 0, clock.now()),
//!     Recorded::Limit { from: 2, to: 3 },
//! );
//!
//! // Three calls hang. After 600 ms one times out and two succeed, too late: one overload, one cut.
//! let slow = [peer.try_acquire(0, clock.now())?, peer.try_acquire(0, clock.now())?];
//! let lost = peer.try_acquire(0, clock.now())?;
//! clock.advance(Duration::from_millis(600));
//! assert_eq!(
//!     peer.record(lost, Outcome::Failure(FailureClass::Timeout), 0, clock.now()),
//!     Recorded::Limit { from: 3, to: 2 },
//! );
//! for late in slow {
//!     assert_eq!(peer.record(late, Outcome::Success, 0, clock.now()), Recorded::Released);
//! }
//! assert_eq!(peer.available(clock.now()), 2);
//! # Ok::<(), resil_core::Rejected>(())
//! ```
//!
//! # Cost
//!
//! A permit is 16 bytes. [`Aimd`]: compares and additions, and one 32-bit division for a loss.
//! [`Gradient`]: the same until a window closes, once a second; then a dozen multiplications, at most
//! two 32-bit divisions and 16 steps of a compare and a shift.

mod aimd;
mod gate;
mod gradient;
mod limit;
mod machine;
mod permit;

pub use aimd::{Aimd, AimdBuilder, AimdState};
pub use gradient::{Gradient, GradientBuilder, GradientState};
pub use limit::ConcurrencyLimit;
pub use machine::ConcurrencyLimiter;
pub use permit::{Permit, Recorded};
