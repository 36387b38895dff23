//! One limit and its state in one value.

use super::{Limit, RateLimit, RateLimitConfig};
use crate::outcome::Rejected;
use crate::time::Instant;

/// A [`Limit`] with its state: what to use where there is one of it.
///
/// Where thousands of peers share a policy, keep the policy once and a naked
/// [`State`](Limit::State) per peer, or use the [table](super::RateLimiter).
///
/// ```
/// use resil_core::rate_limit::{Limiter, RateLimit, RateLimitConfig};
/// use resil_core::{ErrorCode, Instant};
///
/// let mut limiter = Limiter::new(RateLimit::new(RateLimitConfig::DEFAULT));
/// let now = Instant::EPOCH;
/// let charge = limiter.try_acquire(10, now)?;
/// assert_eq!(limiter.try_acquire(1, now).unwrap_err().code(), ErrorCode::RateLimitExceeded);
///
/// limiter.refund(charge, now); // the request was not made after all
/// assert_eq!(limiter.available(now), 10);
/// # Ok::<(), resil_core::Rejected>(())
/// ```
#[derive(Clone, Debug)]
pub struct Limiter<L: Limit = RateLimit> {
    limit: L,
    state: L::State,
    generation: u32,
}

/// What a [`Limiter`] took. Dropping it means spent.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Charge<C> {
    taken: C,
    generation: u32,
}

impl<L: Limit> Limiter<L> {
    /// A limiter that has admitted nothing yet.
    pub const fn new(limit: L) -> Self {
        Self::from_parts(limit, L::FRESH)
    }

    /// A limiter that goes on from a [state](Self::as_state) of this `limit`.
    pub const fn from_parts(limit: L, state: L::State) -> Self {
        Self { limit, state, generation: 0 }
    }

    /// Admits a request of `cost`, or says when it will pass. A cost of zero always passes.
    ///
    /// # Errors
    ///
    /// The refusal; it has reserved nothing.
    #[inline]
    pub fn try_acquire(&mut self, cost: u32, now: Instant) -> Result<Charge<L::Charge>, Rejected> {
        let taken = self.limit.try_acquire(&mut self.state, cost, now)?;
        Ok(Charge { taken, generation: self.generation })
    }

    /// What [`try_acquire`](Self::try_acquire) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// The refusal.
    #[inline]
    pub fn peek(&self, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.limit.peek(&self.state, cost, now)
    }

    /// Gives back what a request took that was not made after all, less what has been refilled
    /// since. After a [`reset`](Self::reset) it changes nothing.
    #[inline]
    pub fn refund(&mut self, charge: Charge<L::Charge>, now: Instant) {
        if charge.generation == self.generation {
            self.limit.refund(&mut self.state, charge.taken, now);
        }
    }

    /// The largest cost that passes now.
    #[must_use]
    #[inline]
    pub fn available(&self, now: Instant) -> u32 {
        self.limit.available(&self.state, now)
    }

    /// The next instant after `now` at which an answer changes by itself.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.limit.next_deadline(&self.state, now)
    }

    /// Forgets everything that was admitted.
    pub fn reset(&mut self) {
        self.state = L::FRESH;
        self.generation = self.generation.wrapping_add(1);
    }

    /// The configuration in force.
    #[must_use]
    #[inline]
    pub fn config(&self) -> &RateLimitConfig {
        self.limit.config()
    }

    /// The limit.
    #[must_use]
    #[inline]
    pub const fn limit(&self) -> &L {
        &self.limit
    }

    /// The state, to go on from after a restart of the program with the same clock.
    #[must_use]
    pub const fn as_state(&self) -> &L::State {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenBucket;
    use super::*;

    #[test]
    fn a_refund_after_a_reset_changes_nothing() {
        let mut limiter = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let now = Instant::from_nanos(5);
        let early = limiter.try_acquire(4, now).unwrap();
        limiter.reset();
        let _spent = limiter.try_acquire(10, now).unwrap();
        limiter.refund(early, now);
        assert_eq!(limiter.available(now), 0);
    }

    #[test]
    fn goes_on_from_a_snapshot() {
        let mut limiter = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let now = Instant::from_nanos(5);
        let _spent = limiter.try_acquire(7, now).unwrap();
        let again = Limiter::from_parts(limiter.limit().clone(), limiter.as_state().clone());
        assert_eq!(again.available(now), 3);
    }
}
