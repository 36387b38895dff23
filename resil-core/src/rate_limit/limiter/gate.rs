//! A limiter before an attempt.

use super::{Charge, Limiter};
use crate::call::{End, Gate, Request};
use crate::outcome::Rejected;
use crate::rate_limit::Limit;
use crate::time::Instant;

/// Charges [`Request::cost`]; an attempt that was not made gives it back.
impl<L: Limit> Gate for Limiter<L> {
    type Permit = Charge<L::Charge>;
    type Report = ();

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self::Permit, Rejected> {
        Self::try_acquire(self, request.cost, now)
    }

    #[inline]
    fn settle(
        &mut self,
        charge: Self::Permit,
        end: End,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        match end {
            End::Attempted(_) => {}
            End::Unused => self.refund(charge, now),
        }
    }

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::rate_limit::{RateLimitConfig, TokenBucket};

    #[test]
    fn an_attempt_that_was_not_made_costs_nothing_pitfall_21() {
        let mut limiter = Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT));
        let now = Instant::from_nanos(5);
        let request = Request { cost: 4, ..Request::ONE };
        let mut entropy = || 0;
        for (end, left) in [(End::Unused, 10), (End::Attempted(Outcome::Success), 6)] {
            let gate: &mut Limiter<_> = &mut limiter;
            let permit = Gate::try_acquire(gate, &request, &mut entropy, now).unwrap();
            gate.settle(permit, end, &mut entropy, now);
            assert_eq!(limiter.available(now), left);
        }
    }

    #[test]
    fn how_an_attempt_ends_is_nothing_to_a_limiter() {
        assert!(!Limiter::new(TokenBucket::new(RateLimitConfig::DEFAULT)).needs_end());
    }
}
