//! The bucket as a [`Limit`].

use super::{BucketCharge, BucketState, PlainStep, TokenBucket};
use crate::config::ConfigError;
use crate::outcome::Rejected;
use crate::rate_limit::{Limit, RateLimitConfig};
use crate::time::Instant;

impl Limit for TokenBucket {
    type State = BucketState;
    type Charge = BucketCharge;

    const FRESH: BucketState = BucketState::FRESH;

    #[inline]
    fn config(&self) -> &RateLimitConfig {
        &self.config
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.config.burst_size()
    }

    #[inline(always)]
    fn try_acquire(
        &self,
        state: &mut BucketState,
        cost: u32,
        now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        let step = self.step(state, cost, now);
        if let Some(store) = step.store {
            *state = store;
        }
        step.outcome
    }

    const IS_WORD: bool = true;

    #[inline]
    fn word(state: &mut BucketState) -> Option<&mut u64> {
        Some(&mut state.0)
    }

    #[inline(always)] // so that what a caller does not read is not computed
    fn take(&self, word: u64, cost: u32, now: Instant) -> Option<(BucketCharge, u64)> {
        match self.plain_step(&BucketState(word), cost, now) {
            PlainStep::Admitted(charge, made) => Some((charge, made.0)),
            PlainStep::Refused(_) | PlainStep::Rare => None,
        }
    }

    #[inline]
    fn peek(&self, state: &BucketState, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.step(state, cost, now).outcome.map(drop)
    }

    #[inline]
    fn refund(&self, state: &mut BucketState, charge: BucketCharge, now: Instant) {
        *state = self.refunded(state, &charge, now);
    }

    #[inline]
    fn available(&self, state: &BucketState, now: Instant) -> u32 {
        self.tokens(self.full.saturating_sub(self.missing(state, now))) as u32
    }

    #[inline]
    fn is_fresh(&self, state: &BucketState, now: Instant) -> bool {
        self.missing(state, now) == 0
    }

    fn next_deadline(&self, state: &BucketState, now: Instant) -> Option<Instant> {
        let missing = self.missing(state, now);
        if missing == 0 || !self.tells(now) {
            return None;
        }
        let next = u64::from(self.available(state, now)).saturating_add(1);
        let allowed = self.full.saturating_sub(next.saturating_mul(self.token));
        let unit = self.unit(now.as_nanos());
        self.instant_of(unit.saturating_add(missing.saturating_sub(allowed)))
    }

    fn reanchor(&self, state: &mut BucketState, now: Instant) {
        if self.tells(now) {
            state.0 = self.settled(state, self.unit(now.as_nanos()));
        }
    }

    fn inherit(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.inherited(old, state, now)
    }

    fn rescale(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.rescaled(old, state, now)
    }
}

impl TryFrom<RateLimitConfig> for TokenBucket {
    type Error = ConfigError;

    fn try_from(config: RateLimitConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(config))
    }
}
