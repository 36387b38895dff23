//! The bucket's own clock: units, nanoseconds or a little shorter, of which a token has a whole number.

use super::{BucketState, TokenBucket};
use crate::fixed::product;
use crate::time::Instant;

impl TokenBucket {
    /// Units in a full bucket.
    #[inline]
    pub(in crate::rate_limit) const fn full(&self) -> u64 {
        self.full
    }

    /// Units in so many tokens, in which [`BucketState`] counts; at most what 64 bits hold.
    #[must_use]
    #[inline]
    pub const fn units(&self, tokens: u32) -> u64 {
        self.token.saturating_mul(tokens as u64)
    }

    /// Whole tokens in so many units.
    ///
    /// The product falls short of that by less than 1.
    #[inline]
    pub(super) const fn tokens(&self, units: u64) -> u64 {
        let (guess, _) = product(units, self.tokens_each);
        let rest = units.wrapping_sub(guess.wrapping_mul(self.token));
        guess.wrapping_add((rest >= self.token) as u64)
    }

    /// Whether a unit is a nanosecond, as it is where a token takes a whole number of them.
    #[inline(always)]
    pub(super) const fn is_in_nanos(&self) -> bool {
        self.shortfall == 0
    }

    /// The instant at which a unit begins: `ceil(unit · p - ½)`.
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(target_has_atomic = "32", inline)]
    pub(in crate::rate_limit) const fn begin(&self, unit: u64) -> u64 {
        if self.is_in_nanos() {
            return unit;
        }
        let (high, _) = product(unit, self.shortfall);
        unit.wrapping_sub(high.wrapping_add(1) >> 1)
    }

    /// The unit of an instant up to the horizon, the last one to begin by then: `floor((now + ½) / p)`.
    ///
    /// The product falls short of that by less than `now + 2` in 2^-64, which is less than 1; so it
    /// can be one unit behind, and surely is not unless that much would carry.
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(all(target_has_atomic = "32", not(target_pointer_width = "64")), inline)]
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(in crate::rate_limit) const fn unit(&self, now: u64) -> u64 {
        if self.is_in_nanos() {
            return now;
        }
        let (high, low) = product(now, self.excess);
        let half = (1 << 63) | (self.excess >> 1); // 1/2 + 1/2p in 2^-64: of a unit, and of a nanosecond
        let (low, carry) = low.overflowing_add(half);
        let guess = now.wrapping_add(high).wrapping_add(carry as u64);
        let next = guess.wrapping_add(1);
        let is_sure = low.checked_add(now.wrapping_add(2)).is_some();
        if is_sure || self.begin(next) > now { guess } else { next }
    }

    /// The unit of an instant; `None` beyond the horizon.
    #[inline(always)]
    pub(super) const fn unit_at(&self, now: Instant) -> Option<u64> {
        if self.tells(now) { Some(self.unit(now.as_nanos())) } else { None }
    }

    /// The instant at which a unit begins; `None` beyond the horizon.
    #[inline]
    pub(in crate::rate_limit) const fn instant_of(&self, unit: u64) -> Option<Instant> {
        let at = Instant::from_nanos(self.begin(unit));
        if self.tells(at) { Some(at) } else { None }
    }

    /// Whether `now` can be told from later instants.
    #[inline]
    pub(in crate::rate_limit) const fn tells(&self, now: Instant) -> bool {
        now.as_nanos() <= self.horizon
    }

    /// `now`, at most the last instant that it can tell from later ones.
    #[inline]
    pub(in crate::rate_limit) const fn last(&self, now: Instant) -> Instant {
        now.min(Instant::from_nanos(self.horizon))
    }

    /// The unit in which the bucket is full again, as of the unit `now`: re-anchored when the clock
    /// has stepped back by more than can be waited for.
    #[inline]
    pub(in crate::rate_limit) const fn settled(&self, state: &BucketState, now: u64) -> u64 {
        if state.0.saturating_sub(now) > self.full.wrapping_mul(2) {
            now.wrapping_add(self.full)
        } else {
            state.0
        }
    }

    /// When the bucket is full; `None` beyond the horizon.
    pub(in crate::rate_limit) const fn full_at(
        &self,
        state: &BucketState,
        now: Instant,
    ) -> Option<Instant> {
        if !self.tells(now) {
            return None;
        }
        let unit = self.unit(now.as_nanos());
        let settled = self.settled(state, unit);
        if settled <= unit { Some(now) } else { self.instant_of(settled) }
    }

    /// What is missing from a full bucket, in units; more than a full one beyond the horizon.
    #[inline]
    pub(in crate::rate_limit) const fn missing(&self, state: &BucketState, now: Instant) -> u64 {
        if !self.tells(now) {
            return u64::MAX;
        }
        let unit = self.unit(now.as_nanos());
        self.settled(state, unit).saturating_sub(unit)
    }
}
