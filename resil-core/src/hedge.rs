//! A second attempt while the first is still out.
//!
//! One call in twenty takes much longer than the rest. A hedge is a second attempt, at another peer if
//! there is one, that starts when the first takes longer than most calls do; the first answer counts,
//! and the other attempt is dropped. It trades a few more calls for the slow ones.
//!
//! # When not to use it
//!
//! - For an operation that must not run twice: a hedge does run twice, as a rule.
//! - Without a [budget](crate::retry::budget): when everybody is slow, everybody hedges, and is slower.
//! - Where all attempts wait for the same thing, such as one radio: two wait longer than one.
//! - Against failures. That is what [`retry`](crate::retry) is for.
//!
//! # Laws
//!
//! - A call has at most `1 + max_hedges` attempts, whatever fails and in which order: every path ends.
//! - A delay from the quantile lies in `min_delay ..= max_delay`. Until there are `min_samples`
//!   latencies it is the `fallback_delay`, and without one there is no hedge.
//! - The estimate e of the quantile v, by nearest rank over the samples that are remembered, keeps
//!   `v < e ≤ v · (1 + 2^-3)` from [`resolution`](HedgePolicy::resolution) up to 2^16 times that.
//!   Never too early; at most an eighth too late.
//! - 128 to 255 samples are remembered, the late ones more than the early ones.
//! - After a failure that others need not share the next hedge goes at once. After a fatal one the call
//!   is over, and after "too many requests" or "never" no further hedge goes.
//! - A step of the clock records nothing.
//!
//! # What to record
//!
//! The latency of every attempt that was answered; **and of one that was dropped because another was
//! faster, its time so far**. Whoever leaves those out sees fast calls only: the estimate falls, more
//! calls hedge, and it falls further.
//!
//! # Defaults
//!
//! The 95th percentile (failsafe-go, and the tail that hedging is for: one call in twenty), one hedge,
//! 20 samples (the fewest of which one lies above the 95th percentile), at least 1 ms (below it a timer
//! is no better than a guess), at another peer (the slow one would be slow again).
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::Instant;
//! use resil_core::hedge::{Hedge, HedgeDecision, HedgePolicy};
//! use resil_core::outcome::{FailureClass, RetryHint};
//!
//! let at = |millis| Instant::from_duration(Duration::from_millis(millis));
//! let mut hedge = Hedge::new(HedgePolicy::DEFAULT);
//!
//! // 19 calls of 10 ms: too few to say what is slow.
//! for _ in 0..19 {
//!     hedge.record_latency(at(0), at(10));
//! }
//! assert_eq!(hedge.due(0, at(1_000)), None);
//!
//! // One more. A call that starts at 1 s hedges after 10 ms and at most an eighth.
//! hedge.record_latency(at(0), at(10));
//! let due = hedge.due(0, at(1_000)).unwrap();
//! assert!(due > at(1_010) && due <= Instant::from_nanos(1_011_250_000));
//!
//! // Its first attempt fails at 1.002 s: the hedge goes at once, and is the last.
//! let lost = |sent, now| hedge.on_failure(sent, FailureClass::Transient, RetryHint::None, now);
//! assert_eq!(lost(0, at(1_002)), HedgeDecision::Now);
//! assert_eq!(hedge.due(1, at(1_002)), None);
//! assert_eq!(lost(1, at(1_003)), HedgeDecision::Stop);
//! ```
//!
//! # Cost
//!
//! 131 bytes a peer. A latency finds its bucket by shifts and moves the cursor, by few buckets as a
//! rule and by 128 at most; one in 128 halves the counts. To look at the delay is a few shifts.

mod builder;
mod hedging;
mod histogram;
mod policy;

pub use builder::HedgePolicyBuilder;
pub use histogram::HedgeState;
pub use policy::{HedgePolicy, Target};

use crate::outcome::{FailureClass, RetryHint};
use crate::time::Instant;
use core::borrow::Borrow;
use core::time::Duration;

/// What a failed attempt means for the hedges of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the next hedge goes now, later, or not at all"]
pub enum HedgeDecision {
    /// The next hedge goes at once.
    Now,
    /// The next hedge goes at this instant, and not before: the peer said so.
    At(Instant),
    /// No further hedge. The attempts that are out go on; where there are none, the call has failed.
    Stop,
    /// The call has failed: drop the attempts that are out.
    Fail,
}

/// A policy and a state in one value; see [the module](self) for a timeline.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hedge<P = HedgePolicy> {
    policy: P,
    state: HedgeState,
}

impl<P> Hedge<P> {
    /// One that has seen nothing.
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self::from_parts(policy, HedgeState::FRESH)
    }

    /// One that goes on from `state`.
    #[must_use]
    pub const fn from_parts(policy: P, state: HedgeState) -> Self {
        Self { policy, state }
    }

    /// What it remembers; `Clone` it for a snapshot.
    #[must_use]
    pub const fn as_state(&self) -> &HedgeState {
        &self.state
    }

    /// Forgets everything.
    pub const fn reset(&mut self) {
        self.state = HedgeState::FRESH;
    }
}

impl<P: Borrow<HedgePolicy>> Hedge<P> {
    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &HedgePolicy {
        self.policy.borrow()
    }

    /// How long to wait before a hedge: [`HedgePolicy::delay`].
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.policy.borrow().delay(&self.state)
    }

    /// When the next hedge goes: [`HedgePolicy::due`].
    #[must_use]
    #[inline]
    pub fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        self.policy.borrow().due(&self.state, sent, since)
    }

    /// Records how long an attempt took: [`HedgePolicy::record_latency`].
    #[inline]
    pub fn record_latency(&mut self, since: Instant, now: Instant) {
        self.policy.borrow().record_latency(&mut self.state, since, now);
    }

    /// An attempt failed: [`HedgePolicy::on_failure`].
    #[inline]
    pub fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision {
        self.policy.borrow().on_failure(sent, class, hint, now)
    }

    /// Goes on under another policy: [`HedgePolicy::inherit`].
    pub fn reconfigure(&mut self, policy: P, now: Instant) {
        self.state = policy.borrow().inherit(self.policy.borrow(), &self.state, now);
        self.policy = policy;
    }
}
