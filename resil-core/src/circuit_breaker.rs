//! Stop calling a peer that keeps failing, and find out cheaply when it is back.
//!
//! A breaker counts failures in a row, and on request measures a [window] of calls: the share that
//! failed or was slow. At the threshold it opens: calls are refused at once, so that nobody waits for
//! a dead peer and a struggling one gets room. After the open time it lets a few probes through;
//! success closes it, one failure opens it again. Whether it was the peer's fault at all, a look at
//! all peers can say: [ejection].
//!
//! ```text
//!         failure_threshold failures in a row, or a share of the window
//!       ┌────────┐ ──────────────────────────────────────► ┌────────┐
//!   ┌──►│ CLOSED │                                         │  OPEN  │◄──┐
//!   │   └────────┘                                         └────────┘   │
//!   │                                                          │        │
//!   │ success_threshold successes             open time is over│        │ a failure, a lease that ends,
//!   │                                                          ▼        │ or 3 × probes abandoned
//!   │                                                    ┌───────────┐  │
//!   └────────────────────────────────────────────────────│ HALF_OPEN │──┘
//!                                                        └───────────┘
//!   any state ── force_open ──► FORCED_OPEN     any state ── disable ──► DISABLED
//!   any state ── reset ──► CLOSED               any state ── metrics_only ──► METRICS_ONLY
//! ```
//!
//! # When not to use it
//!
//! - Without a window, where failures are mixed with successes: every success clears the count, so a
//!   peer that fails half of the calls keeps a consecutive breaker closed for good.
//! - For errors that say nothing about the peer, such as a wrong argument: classify them as
//!   [`Ignored`](crate::outcome::Classification::Ignored), or they open the breaker for everybody.
//! - One breaker for many peers: one dead peer would cut off the rest. A state is 16 bytes; keep one
//!   a peer.
//! - To limit load on a healthy peer: that is what [`rate_limit`](crate::rate_limit) is for.
//!
//! # Laws
//!
//! - While half-open at most `probes` permits are out, however many ask.
//! - A permit settles once. A result from before the last transition is
//!   [`Stale`](Recorded::Stale) and changes nothing: late successes do not close a breaker, late
//!   failures do not open one, and neither moves a deadline.
//! - A breaker never sticks. A probe that is never told back counts as lost when its lease ends; so
//!   after any history, unless forced, a call passes within one lease and one open time.
//! - Every counted outcome is weighed, successes too: one may be the slow call too many. What is
//!   weighed in a window, and of how many calls: [there](window#laws).
//! - A [local](crate::outcome::FailureClass::Local) failure is our own, and is taken like an ignored
//!   outcome.
//! - An ignored or abandoned outcome always gives the slot back. Only abandonment has a limit: after
//!   3 × `probes` of them in one half-open period the breaker opens again.
//! - A clock that steps back delays nothing by more than one open time (or one lease) beyond what was
//!   due without the step; one that jumps forward starts one round of probes, not many.
//! - Entropy is drawn at most once a call, and only when the breaker opens and the open time has
//!   jitter.
//!
//! # Defaults
//!
//! 5 failures, 60 s, 1 success, 1 probe, no jitter, no escalation, no window: the seed's. Each method of
//! [`CircuitBreakerConfigBuilder`] gives its reason.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Recorded, State, Transition};
//! use resil_core::outcome::{FailureClass, RetryAt};
//! use resil_core::{Clock, ErrorCode, Instant, ManualClock, Outcome, valid};
//!
//! const PEER: CircuitBreakerConfig = valid!(
//!     CircuitBreakerConfig::builder().failure_threshold(2).timeout(Duration::from_secs(10)).build()
//! );
//! let failure = Outcome::Failure(FailureClass::Transient);
//! let clock = ManualClock::new(Instant::EPOCH);
//! let mut breaker = CircuitBreaker::new(&PEER);
//!
//! // 0 s: a slow call is on its way while two others fail. The second opens the breaker.
//! let slow = breaker.try_acquire(0, clock.now())?;
//! for expected in [
//!     Recorded::Counted,
//!     Recorded::Transition(Transition { from: State::Closed, to: State::Open }),
//! ] {
//!     let permit = breaker.try_acquire(0, clock.now())?;
//!     assert_eq!(breaker.record(permit, failure, 0, clock.now()), expected);
//! }
//!
//! // 3 s: refused, with the instant of the next probe. The slow call's success comes too late.
//! clock.advance(Duration::from_secs(3));
//! let rejected = breaker.try_acquire(0, clock.now()).unwrap_err();
//! assert_eq!(rejected.code(), ErrorCode::CircuitBreakerOpen);
//! assert_eq!(rejected.retry(), RetryAt::At(Instant::from_duration(Duration::from_secs(10))));
//! assert_eq!(breaker.record(slow, Outcome::Success, 0, clock.now()), Recorded::Stale);
//!
//! // 10 s: one probe passes, a second call is refused.
//! clock.advance(Duration::from_secs(7));
//! assert_eq!(breaker.state(clock.now()), State::HalfOpen);
//! let probe = breaker.try_acquire(0, clock.now())?;
//! let rejected = breaker.try_acquire(0, clock.now()).unwrap_err();
//! assert_eq!(rejected.code(), ErrorCode::CircuitBreakerHalfOpen);
//!
//! // 11 s: the probe fails, and the breaker is open until 21 s.
//! clock.advance(Duration::from_secs(1));
//! breaker.record(probe, failure, 0, clock.now());
//! assert_eq!(breaker.next_deadline(clock.now()), Some(Instant::from_duration(Duration::from_secs(21))));
//!
//! // 21 s: the next one succeeds, and the breaker is closed.
//! clock.advance(Duration::from_secs(10));
//! let probe = breaker.try_acquire(0, clock.now())?;
//! breaker.record(probe, Outcome::Success, 0, clock.now());
//! assert_eq!(breaker.state(clock.now()), State::Closed);
//! # Ok::<(), resil_core::Rejected>(())
//! ```
//!
//! # Cost
//!
//! 16 bytes a breaker, and what its [window] takes. A call while closed and a refusal while open are a
//! few compares. Opening works out the open time on the retry's [curve](crate::backoff): a shift, or
//! where the multiplier is no power of two at most 24 multiplications.

mod builder;
mod config;
mod decide;
pub mod ejection;
mod gate;
mod generation;
mod glance;
mod machine;
mod open_time;
mod permit;
mod persist;
mod reconfigure;
mod rules;
mod state;
mod sub_window;
pub mod window;

pub use builder::CircuitBreakerConfigBuilder;
pub use config::CircuitBreakerConfig;
pub use generation::{Generation, Heard};
pub use glance::Glance;
pub use machine::CircuitBreaker;
pub use permit::{Permit, Recorded};
pub use state::{CircuitBreakerState, State, Transition};
pub use sub_window::SubWindow;
pub use window::{Consecutive, CountWindow, Counts, TimeWindow, Window};
