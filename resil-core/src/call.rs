//! The composed call: every layer in one state machine.
//!
//! A call to a peer passes layers, always in this order, each of them optional:
//!
//! ```text
//! deadline > fallback > retry (+ budget) > hedge > breaker > rate limit > bulkhead > attempt timeout > operation
//! ```
//!
//! A [`Call`] is one call on its way through them. It makes no attempt and waits for nothing: it says
//! [`Attempt`](Step::Attempt), [`Wait`](Step::Wait) or [`Done`](Step::Done), and whoever drives it
//! does so: an async task, a blocking thread, a superloop, a test. What calls share (breakers, limits,
//! budgets) is not in it but is lent to every step as [`Gates`], so two calls to one peer can be under
//! way, and one logic serves a plain struct, a cell in a critical section and a mutex.
//!
//! Most calls succeed at their first attempt, and have no need of that machine: [`Pipeline::begin`] asks for a
//! [`First`] attempt alone, of which a [`Call`] is made only where that is not all.
//!
//! Whoever writes a driver keeps the state where calls share it and takes the steps of a [`Pipeline`]: what
//! it is to log comes with them. `resil-std` and `resil-embassy` have one each.
//!
//! # When not to use it
//!
//! - For an operation that may not run twice: leave retries and hedging out, or make it idempotent.
//! - For one layer: a breaker alone is simpler to drive by hand.
//! - At two places on the way to one peer: retries multiply. Send the [deadline](crate::deadline) and
//!   the attempt along, and retry at one place.
//!
//! # Laws
//!
//! - The order above. A refusal by a layer gives back what the layers before have lent, at once and
//!   uncounted: no probe and no token is lost to it.
//! - At most `max_attempts` attempts, hedges included, and at most two at a time. A refusal of our own
//!   is no attempt and costs no budget.
//! - What is extra, a retry or a hedge, is paid for when it is decided. A call that ends first gets its
//!   money back.
//! - A hedge that is refused ends nothing and costs nothing: the call goes on as without it, one that
//!   was to follow a failure at once as the retry of that failure.
//! - What a peer says about coming back counts when nothing is out any more. Of two attempts that fail,
//!   "never" and the longer time win; the class of the later failure picks the backoff.
//! - Every permit is told back exactly once: with how the attempt ended, as a timeout when its deadline
//!   has come, or as abandoned when the call ended without it (the slower of two, or
//!   [`abandon`](Call::abandon)).
//! - No attempt starts at or after the deadline, and no wait is begun that would end there.
//! - A step reads time once: the `now` that it is given. After a clock has stepped back, nothing takes
//!   longer from `now` than it would have from the start.
//! - From any state, polling at each instant that is waited for ends the call, in at most
//!   `3 · max_attempts + max_refusal_waits` waits: attempts end with their deadline. (Where there is
//!   none, somebody has to end them.) What a wait ends with is never the same wait: nobody spins.
//!
//! # Defaults
//!
//! Nothing is on that is not asked for: a [`CallPolicy`] is a retry policy (3 attempts, the seed's)
//! without a deadline and without a timeout; [`Layers::new`] has a gate, no budget and no hedging, and so has
//! a [`PeerPolicy`]. A [`BudgetedPolicy`] adds the budget, a [`HedgedPolicy`] both. Give every call that matters a deadline, and an attempt timeout of about twice what a slow attempt takes.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::backoff::Jitter;
//! use resil_core::call::{Call, CallPolicy, PeerPolicy, PeerState, Request, Step, Verdict};
//! use resil_core::circuit_breaker::{CircuitBreakerConfig, State};
//! use resil_core::outcome::FailureClass;
//! use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
//! use resil_core::retry::RetryPolicy;
//! use resil_core::{Clock, Instant, ManualClock, valid};
//!
//! // One constant for all peers, 24 bytes for each.
//! const PEER: PeerPolicy = PeerPolicy::new(
//!     valid!(
//!         CallPolicy::new(valid!(
//!             RetryPolicy::builder()
//!                 .jitter(Jitter::None) // so that the times below are round; keep the default
//!                 .deadline(Duration::from_secs(10))
//!                 .build()
//!         ))
//!         .with_attempt_timeout(Duration::from_secs(2))
//!     ),
//!     valid!(CircuitBreakerConfig::builder().failure_threshold(2).build()),
//!     TokenBucket::new(RateLimitConfig::DEFAULT),
//! );
//! let mut peer = PeerState::FRESH;
//! let clock = ManualClock::default();
//! let rng = || 0; // any generator
//!
//! // 0 s: the first attempt may start, and has until 2 s.
//! let mut call = Call::start(PEER.call(), Request::ONE, clock.now());
//! let Step::Attempt(ticket) = call.poll(PEER.call(), &mut PEER.gates(&mut peer), rng, clock.now())
//! else { panic!() };
//! assert_eq!(ticket.deadline(), Some(Instant::from_duration(Duration::from_secs(2))));
//!
//! // It fails at once: the next one is due in a second.
//! let lost = Err(FailureClass::Transient.into());
//! call.finish(PEER.call(), ticket, lost, &mut PEER.gates(&mut peer), rng, clock.now());
//! let wait = call.poll(PEER.call(), &mut PEER.gates(&mut peer), rng, clock.now());
//! let until = Some(Instant::from_duration(Duration::from_secs(1)));
//! assert_eq!(wait, Step::Wait { until, in_flight: 0 });
//!
//! // 1 s: the second attempt starts. Nobody tells how it ends, so at 3 s it has timed out. That is
//! // the second failure in a row; the peer's breaker opens, and refuses the third attempt at 5 s.
//! clock.set(until.unwrap());
//! let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), rng, clock.now());
//! assert!(matches!(step, Step::Attempt(_)));
//! clock.advance(Duration::from_secs(2));
//! let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), rng, clock.now());
//! assert!(matches!(step, Step::Wait { .. }));
//! assert_eq!(PEER.breaker().state(&peer.breaker, clock.now()), State::Open);
//! clock.advance(Duration::from_secs(2));
//! let Step::Done(verdict) = call.poll(PEER.call(), &mut PEER.gates(&mut peer), rng, clock.now())
//! else { panic!() };
//! let error = call.error(verdict, Some("connection lost")).unwrap();
//! assert_eq!(error.code().name(), "CIRCUIT_BREAKER_OPEN");
//! assert_eq!(call.attempts(), 2);
//! ```
//!
//! # Cost
//!
//! A [`First`] attempt that succeeds is what its gates cost. A step is the sum of what its layers cost; no
//! loop but over the two attempts. A [`Call`] is 176 bytes on a 64-bit machine, and besides two
//! permits and three charges: of two attempts in flight, or of one that is due. That is 256 with a [`PeerPolicy`].

mod bound;
mod budget;
mod budgeted;
mod end;
mod first;
mod gate;
mod hedge;
mod hedged;
mod inherit;
mod layers;
mod machine;
mod peer;
mod pipeline;
mod policy;
mod pushback;
mod start;
mod step;

pub use bound::Bound;
pub use budget::{Budget, Extra};
pub use budgeted::{BudgetedPolicy, BudgetedState};
pub use first::{First, NotAdmitted};
pub use gate::{End, Gate, Priority, Request};
pub use hedge::Hedging;
pub use hedged::{HedgedPolicy, HedgedState};
pub use inherit::Inherit;
pub use layers::{Gates, Layers};
pub use machine::Call;
pub use peer::{PeerGate, PeerPolicy, PeerState};
pub use pipeline::{Ended, Pipeline, Transitions};
pub use policy::CallPolicy;
pub use step::{Finished, Step, Ticket, Verdict};
