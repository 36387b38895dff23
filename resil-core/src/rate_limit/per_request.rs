//! A limit on requests, among others on bytes.

use super::{Limit, RateLimitConfig};
use crate::outcome::Rejected;
use crate::time::Instant;

/// A limit for which every request costs one, whatever it costs the others: made by
/// [`Limit::per_request`]. A cost of zero stays zero.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PerRequest<L>(L);

impl<L> PerRequest<L> {
    /// `limit`, on requests.
    #[must_use]
    pub const fn new(limit: L) -> Self {
        Self(limit)
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> &L {
        &self.0
    }
}

/// What passes where `requests` do: anything, or nothing.
const fn anything(requests: u32) -> u32 {
    if requests > 0 { u32::MAX } else { 0 }
}

impl<L: Limit> Limit for PerRequest<L> {
    type State = L::State;
    type Charge = L::Charge;

    const FRESH: L::State = L::FRESH;

    fn config(&self) -> &RateLimitConfig {
        self.0.config()
    }

    fn capacity(&self) -> u32 {
        anything(self.0.capacity())
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut L::State,
        cost: u32,
        now: Instant,
    ) -> Result<L::Charge, Rejected> {
        self.0.try_acquire(state, cost.min(1), now)
    }

    #[inline]
    fn peek(&self, state: &L::State, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.0.peek(state, cost.min(1), now)
    }

    fn refund(&self, state: &mut L::State, charge: L::Charge, now: Instant) {
        self.0.refund(state, charge, now);
    }

    fn available(&self, state: &L::State, now: Instant) -> u32 {
        anything(self.0.available(state, now))
    }

    fn is_fresh(&self, state: &L::State, now: Instant) -> bool {
        self.0.is_fresh(state, now)
    }

    /// The next instant at which an answer of the limit underneath changes.
    fn next_deadline(&self, state: &L::State, now: Instant) -> Option<Instant> {
        self.0.next_deadline(state, now)
    }

    fn reanchor(&self, state: &mut L::State, now: Instant) {
        self.0.reanchor(state, now);
    }

    fn inherit(&self, old: &Self, state: &L::State, now: Instant) -> L::State {
        self.0.inherit(&old.0, state, now)
    }

    fn rescale(&self, old: &Self, state: &L::State, now: Instant) -> L::State {
        self.0.rescale(&old.0, state, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenBucket;
    use super::super::tests::BUCKET;
    use super::*;

    #[test]
    fn each_request_costs_one_and_all_else_is_the_limits() {
        let [now, later, early] = [10, 11, 1].map(|s| Instant::from_nanos(s * 1_000_000_000));
        let (limit, mut state) = (BUCKET.per_request(), TokenBucket::FRESH);
        assert_eq!((limit.capacity(), limit.available(&state, now)), (u32::MAX, u32::MAX));
        let charges = [1, 100, u32::MAX].map(|cost| limit.try_acquire(&mut state, cost, now));
        assert!(limit.peek(&state, 1, now).is_err() && limit.peek(&state, 0, now).is_ok());
        assert_eq!(limit.available(&state, now), 0);
        assert_eq!(limit.next_deadline(&state, now), BUCKET.next_deadline(&state, now));
        assert_eq!([now, later].map(|now| limit.is_fresh(&state, now)), [false, true]);
        let mut anchored = state.clone();
        limit.reanchor(&mut anchored, early);
        assert_ne!(anchored, state);
        BUCKET.reanchor(&mut state, early);
        assert_eq!(anchored, state);
        for charge in charges.map(Result::unwrap) {
            limit.refund(&mut state, charge, early);
        }
        assert_eq!(BUCKET.available(&state, early), 3);
    }
}
