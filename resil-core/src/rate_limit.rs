//! Rate limits: may this peer send now, and if not, when.
//!
//! For requests and messages that arrive from others, or that others ask you to slow down.
//!
//! # When not to use it
//!
//! - To bound how many calls run *at once*: a slow peer piles calls up without breaking any rate. That
//!   is what a [`bulkhead`](crate::bulkhead) is for.
//! - To find out how much a peer can take: a quota is agreed on, capacity is
//!   [measured](crate::adaptive).
//! - By an id that anybody can invent before it is checked: authenticate first, or a flood gets as many
//!   quotas as it has names ([`RateLimiter`] bounds even that).
//!
//! # Which one
//!
//! Each is built from a [`RateLimitConfig`] (or from two that are), and all speak one trait, [`Limit`]:
//! the policy is a value in flash, the state is a few bytes per peer.
//!
//! | limit | state | law |
//! |---|---|---|
//! | [`TokenBucket`] | 8 B | in any interval d at most `burst + floor(rate · (d + 1 ns))`; long-run rate exact |
//! | [`StrictBucket`] | 8 B | never more than `max_requests` in any window; refills at `(max - burst) / window` |
//! | [`RateLimit`] | bucket + window | never more than `max_requests` in any window, bursts of `burst_size`; a little below the quota in the long run ([`SubWindows`]) or a log of every admission ([`ExactLog`]) |
//! | [`WarmUp`] | 16 B | a bucket whose rate climbs from a third to the full one after a pause |
//! | [`AllOf`] | both states | both limits, or nothing is taken |
//!
//! The buckets also lend what comes due later and take what is known only afterwards: [`Reserve`].
//! [`Limiter`] is one limit with one state; [`RateLimiter`] is a table of peers of fixed size.
//!
//! # Laws
//!
//! - The instant that a refusal names is exact: the same request passes then, and not 1 ns before.
//! - A refusal reserves nothing and writes nothing (but for re-anchoring after the clock has
//!   stepped back by more than can be waited for).
//! - Credit never exceeds the capacity, and a clock that steps back mints nothing (a limit
//!   [in debt](Reserve#time-that-steps-back) apart).
//! - What can never pass is told so at once ([`RetryAt::Never`](crate::RetryAt::Never)).
//! - Fairness: requests do not queue here. A cost of n waits until n tokens are there at one
//!   instant, so cheaper requests that keep arriving can hold it up; whoever must not starve
//!   [reserves](Reserve), or waits for its instant in the queue of an adapter.
//! - A quota that changes keeps what was spent, as far as the new one can owe it, and set over and
//!   over it still refills ([`Carry`] says what else can be kept); only a window that changes in length
//!   counts from then on, each time. A reboot forgives nothing where states are
//!   [saved](crate::snapshot::Persist).
//!
//! # Defaults
//!
//! 100 requests a minute, 10 at once: the seed's. Both parts of the seed's limit together are
//! [`RateLimit`], and it is the default of [`RateLimiter`].
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::rate_limit::{Limiter, RateLimit, RateLimitConfig};
//! use resil_core::{Clock, ErrorCode, ManualClock, Rejected};
//!
//! let clock = ManualClock::default();
//! let mut peer = Limiter::new(RateLimit::new(RateLimitConfig::DEFAULT));
//!
//! // 0 s: ten at once, and the eleventh has to wait for a token, which takes 600 ms.
//! for _ in 0..10 {
//!     peer.try_acquire(1, clock.now())?;
//! }
//! let refused = peer.try_acquire(1, clock.now()).unwrap_err();
//! assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
//! let wait = refused.retry().wait_from(clock.now()).unwrap();
//! assert_eq!(wait, Duration::from_millis(600));
//!
//! // 600 ms: it passes, as it was told, and not 1 ns before.
//! clock.advance(wait - Duration::from_nanos(1));
//! assert!(peer.peek(1, clock.now()).is_err());
//! clock.advance(Duration::from_nanos(1));
//! let charge = peer.try_acquire(1, clock.now())?;
//!
//! // It was not sent after all, so it is given back.
//! peer.refund(charge, clock.now());
//! assert_eq!(peer.available(clock.now()), 1);
//!
//! // Whoever asks for a token as it comes is held up by the window: 100 in a minute are enough.
//! let mut sent = 10;
//! while peer.try_acquire(1, clock.now()).is_ok() {
//!     sent += 1;
//!     clock.advance(Duration::from_millis(600));
//! }
//! assert_eq!(sent, 100);
//! let refused = peer.peek(1, clock.now()).unwrap_err();
//! assert_eq!(refused.code(), ErrorCode::RateLimitQuotaExhausted);
//! # Ok::<(), Rejected>(())
//! ```
//!
//! # Cost
//!
//! A bucket takes no multiplication where a token takes a whole number of nanoseconds, else two wide ones
//! and seldom a third; a window besides a look at its sub-windows (10 of them by default) or at its log's
//! ends; the table one hash and 16 slots.

mod all_of;
mod bucket_and_window;
mod config;
mod limiter;
mod per_peer;
mod per_request;
mod reserve;
mod sliding_window;
mod strict_bucket;
mod token_bucket;
mod warm_up;

pub use all_of::{AllOf, acquire_both, acquire_three};
pub use bucket_and_window::{RateLimit, RateLimitCharge, RateLimitState};
pub use config::{RateLimitConfig, RateLimitConfigBuilder};
pub use limiter::{Charge, Limiter};
pub use per_peer::{
    Account, Class, Entry, KeyedHash, Peer, PeerCharge, Pinned, Place, RateLimiter, SetLimitError,
    Shard, Slot, WhenFull, shard_of,
};
pub use per_request::PerRequest;
pub use reserve::{Charged, Reservation, Reserve};
pub use sliding_window::{
    ExactLog, ExactLogState, LogCharge, SubWindows, SubWindowsCharge, SubWindowsState, Window,
};
pub use strict_bucket::StrictBucket;
pub use token_bucket::{
    Bucket, BucketCharge, BucketNumbers, BucketState, PlainStep, Step, TokenBucket,
};
pub use warm_up::{WarmUp, WarmUpCharge, WarmUpState};

use crate::outcome::Rejected;
use crate::time::Instant;
use core::fmt::Debug;

/// A rate limit: a policy that decides about a state that somebody else keeps.
///
/// Build one from a configuration with its `new`, or generically with `TryFrom<RateLimitConfig>`.
/// A reference to a limit is a limit.
pub trait Limit {
    /// What is remembered per peer.
    type State: Clone + Debug;

    /// What an admission took. Dropping it means spent.
    type Charge: Debug;

    /// The state of a peer that has sent nothing.
    const FRESH: Self::State;

    /// The configuration it was built from.
    fn config(&self) -> &RateLimitConfig;

    /// The largest cost that can ever pass.
    fn capacity(&self) -> u32;

    /// Admits a request of `cost`, or says when it will pass. A cost of zero always passes.
    ///
    /// # Errors
    ///
    /// The refusal; it has reserved nothing.
    fn try_acquire(
        &self,
        state: &mut Self::State,
        cost: u32,
        now: Instant,
    ) -> Result<Self::Charge, Rejected>;

    /// What [`try_acquire`](Self::try_acquire) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    fn peek(&self, state: &Self::State, cost: u32, now: Instant) -> Result<(), Rejected>;

    /// Gives back what a request took that was not made after all.
    ///
    /// A bucket gives back the cost less what it has refilled since the admission, so whatever is
    /// refunded and in whatever order, what was *not* refunded keeps the law of the limit. A window
    /// gives back all of it, or nothing once it has left the window. While a limit is in debt it may
    /// give back nothing: see [`Reserve`]. Where the clock has stepped back past two refills since the
    /// admission, what had been refilled may be given back once more: no more than the charge cost.
    ///
    /// The charge has to come from this state. A naked state cannot tell one from before a reset:
    /// [`Limiter`] and [`RateLimiter`] can.
    fn refund(&self, state: &mut Self::State, charge: Self::Charge, now: Instant);

    /// The largest cost that passes now.
    fn available(&self, state: &Self::State, now: Instant) -> u32;

    /// Whether the state cannot be told from [`FRESH`](Self::FRESH) any more.
    fn is_fresh(&self, state: &Self::State, now: Instant) -> bool;

    /// The next instant after `now` at which an answer changes by itself; `None` when none will.
    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant>;

    /// Brings back what a step of the clock has left too far ahead, as a refusal does by itself; else
    /// it changes nothing. For whoever waits for a state to be fresh that nobody asks about any more.
    fn reanchor(&self, state: &mut Self::State, now: Instant);

    /// A state under this limit that owes what `state` owes under `old`, as far as it can: what was
    /// spent stays spent when a quota changes, and comes back no later for being set again: parts of
    /// a token are kept, and so is a window of the same length.
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;

    /// A state under this limit that is as full as `state` is under `old`: of a bucket that was half
    /// empty, half is missing. It divides, which a decision never does.
    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;

    /// Whether the state is one word, so that threads may [take](Self::take) from it by
    /// compare-exchange. Of this crate's limits it is with [buckets](Bucket).
    const IS_WORD: bool = false;

    /// The state as a word, where it [is one](Self::IS_WORD).
    #[must_use]
    #[inline]
    fn word(_: &mut Self::State) -> Option<&mut u64> {
        None
    }

    /// [`try_acquire`](Self::try_acquire) from a state that is this [`word`](Self::word): the charge, and
    /// the word that the state is then. `None` decides nothing: `try_acquire` has to be asked.
    #[inline]
    fn take(&self, _word: u64, _cost: u32, _now: Instant) -> Option<(Self::Charge, u64)> {
        None
    }

    /// [`inherit`](Self::inherit) or [`rescale`](Self::rescale).
    fn carry(&self, old: &Self, state: &Self::State, carry: Carry, now: Instant) -> Self::State {
        match carry {
            Carry::Spent => self.inherit(old, state, now),
            Carry::Share => self.rescale(old, state, now),
        }
    }

    /// This limit on requests, where costs are bytes: each costs one, however large it is. For a part
    /// of an [`AllOf`].
    fn per_request(self) -> PerRequest<Self>
    where
        Self: Sized,
    {
        PerRequest::new(self)
    }
}

/// What a state keeps when its quota changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Carry {
    /// What was spent: 7 of 10 tokens spent are 7 of 20. For a quota of somebody's own, which he may
    /// have had changed: there is nothing to be gained by it.
    #[default]
    Spent,
    /// The share: 7 of 10 tokens spent are 14 of 20. For a quota that you change for all, as when a
    /// node sheds load: a quota cut to a tenth does not shut out everyone who has spent a tenth.
    Share,
}

impl<L: Limit> Limit for &L {
    type State = L::State;
    type Charge = L::Charge;

    const FRESH: L::State = L::FRESH;

    #[inline]
    fn config(&self) -> &RateLimitConfig {
        (**self).config()
    }

    #[inline]
    fn capacity(&self) -> u32 {
        (**self).capacity()
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut L::State,
        cost: u32,
        now: Instant,
    ) -> Result<L::Charge, Rejected> {
        (**self).try_acquire(state, cost, now)
    }

    #[inline]
    fn peek(&self, state: &L::State, cost: u32, now: Instant) -> Result<(), Rejected> {
        (**self).peek(state, cost, now)
    }

    #[inline]
    fn refund(&self, state: &mut L::State, charge: L::Charge, now: Instant) {
        (**self).refund(state, charge, now);
    }

    #[inline]
    fn available(&self, state: &L::State, now: Instant) -> u32 {
        (**self).available(state, now)
    }

    #[inline]
    fn is_fresh(&self, state: &L::State, now: Instant) -> bool {
        (**self).is_fresh(state, now)
    }

    fn next_deadline(&self, state: &L::State, now: Instant) -> Option<Instant> {
        (**self).next_deadline(state, now)
    }

    fn reanchor(&self, state: &mut L::State, now: Instant) {
        (**self).reanchor(state, now);
    }

    fn inherit(&self, old: &Self, state: &L::State, now: Instant) -> L::State {
        (**self).inherit(old, state, now)
    }

    fn rescale(&self, old: &Self, state: &L::State, now: Instant) -> L::State {
        (**self).rescale(old, state, now)
    }

    const IS_WORD: bool = L::IS_WORD;

    #[inline]
    fn word(state: &mut L::State) -> Option<&mut u64> {
        L::word(state)
    }

    #[inline]
    fn take(&self, word: u64, cost: u32, now: Instant) -> Option<(L::Charge, u64)> {
        (**self).take(word, cost, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    pub(super) const BUCKET: TokenBucket = TokenBucket::new(crate::valid!(
        RateLimitConfig::builder()
            .max_requests(10)
            .time_window(Duration::from_secs(1))
            .burst_size(3)
            .build()
    ));

    /// What a limit answers in a history that asks everything, and says something else each time.
    pub(super) fn answers<L: Limit>(limit: L) -> Vec<String> {
        let [start, late, early] = [10_u64, 20, 0].map(|s| Instant::from_nanos(s * 1_000_000_000));
        let mut state = L::FRESH;
        let mut said = Vec::new();
        said.push(format!("{:?} {}", limit.config(), limit.capacity()));
        let first = limit.try_acquire(&mut state, 1, start);
        let more = limit.try_acquire(&mut state, 2, start);
        said.push(format!("{first:?} {more:?} {:?}", limit.try_acquire(&mut state, 1, start)));
        said.push(format!("{:?} {:?}", limit.peek(&state, 0, start), limit.peek(&state, 1, start)));
        said.push(format!("{:?}", limit.next_deadline(&state, start)));
        limit.refund(&mut state, more.unwrap(), start);
        said.push(format!("{} {}", limit.available(&state, start), limit.available(&state, late)));
        said.push(format!("{} {}", limit.is_fresh(&state, start), limit.is_fresh(&state, late)));
        for carried in [limit.inherit(&limit, &state, start), limit.rescale(&limit, &state, start)]
        {
            said.push(format!("{carried:?}"));
        }
        limit.reanchor(&mut state, early);
        said.push(format!("{} {state:?}", limit.is_fresh(&state, start)));
        let word = L::word(&mut state).copied();
        said.push(format!("{} {word:?}", L::IS_WORD));
        said.push(format!("{:?}", limit.take(word.unwrap_or_default(), 1, late)));
        said
    }

    #[test]
    fn a_reference_to_a_limit_is_that_limit() {
        assert_eq!(answers(&BUCKET), answers(BUCKET));
    }
}
