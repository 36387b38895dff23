//! One limit and its state in one value.

mod gate;

use super::{Carry, Charged, Limit, RateLimit, RateLimitConfig, Reservation, Reserve};
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

    /// Goes on under another limit: what was spent stays spent. Charges from before are not refunded.
    pub fn reconfigure(&mut self, limit: L, now: Instant) {
        let state = limit.inherit(&self.limit, &self.state, now);
        self.go_on(limit, state);
    }

    /// Goes on under another limit, with what was spent or with the share that was left; it may
    /// divide.
    pub fn reconfigure_with(&mut self, limit: L, carry: Carry, now: Instant) {
        let state = limit.carry(&self.limit, &self.state, carry, now);
        self.go_on(limit, state);
    }

    fn go_on(&mut self, limit: L, state: L::State) {
        self.limit = limit;
        self.state = state;
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

impl<L: Reserve> Limiter<L> {
    /// Takes `cost` now, to be used at the instant that the reservation names.
    ///
    /// # Errors
    ///
    /// When that would be after `latest` or more than one refill away; nothing is reserved then.
    pub fn reserve(
        &mut self,
        cost: u32,
        latest: Instant,
        now: Instant,
    ) -> Result<Reservation<Charge<L::Charge>>, Rejected> {
        let Reservation { at, charge } = self.limit.reserve(&mut self.state, cost, latest, now)?;
        Ok(Reservation { at, charge: Charge { taken: charge, generation: self.generation } })
    }

    /// Gives back a reservation that is not used; see [the laws](Reserve#laws).
    pub fn cancel(&mut self, reservation: Reservation<Charge<L::Charge>>, now: Instant) {
        self.refund(reservation.charge, now);
    }

    /// Takes what has been spent already, whether it is there or not.
    pub fn charge(&mut self, cost: u32, now: Instant) -> Charged {
        self.limit.charge(&mut self.state, cost, now)
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

    #[test]
    fn another_limit_keeps_what_was_spent_or_the_share() {
        let config = |burst| RateLimitConfig::builder().burst_size(burst).build().unwrap();
        let now = Instant::from_nanos(5);
        for (carry, left) in [(Carry::Spent, 13), (Carry::Share, 6)] {
            let mut limiter = Limiter::new(TokenBucket::new(config(10)));
            let early = limiter.try_acquire(7, now).unwrap();
            limiter.reconfigure_with(TokenBucket::new(config(20)), carry, now);
            assert_eq!(limiter.available(now), left);
            limiter.refund(early, now);
            assert_eq!(limiter.available(now), left, "the charge is from before");
        }
        let mut limiter = Limiter::new(TokenBucket::new(config(10)));
        let _spent = limiter.try_acquire(7, now).unwrap();
        limiter.reconfigure(TokenBucket::new(config(20)), now);
        assert_eq!((limiter.available(now), limiter.config().burst_size()), (13, 20));
    }

    #[test]
    fn a_reservation_from_before_a_reset_is_not_given_back() {
        let mut limiter = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let now = Instant::from_nanos(5);
        let early = limiter.reserve(4, now, now).unwrap();
        limiter.reset();
        let _spent = limiter.try_acquire(10, now).unwrap();
        limiter.cancel(early, now);
        assert_eq!(limiter.available(now), 0);
        let late = limiter.reserve(1, Instant::MAX, now).unwrap();
        limiter.cancel(late, now);
        assert_eq!(limiter.charge(10, now).excess(), 0);
        assert_eq!(limiter.charge(1, now).excess(), 1);
    }
}
