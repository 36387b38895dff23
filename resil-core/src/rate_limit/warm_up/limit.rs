//! The warming bucket as a [`Limit`].

use super::{WarmUp, WarmUpCharge, WarmUpState};
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::rate_limit::{BucketCharge, BucketState, Limit, RateLimitConfig};
use crate::time::Instant;

impl WarmUp {
    /// The decision: the state to store and what was taken.
    fn decide(
        &self,
        state: &WarmUpState,
        cost: u32,
        now: Instant,
    ) -> Result<(WarmUpState, WarmUpCharge), Rejected> {
        if cost == 0 {
            return Ok((state.clone(), WarmUpCharge { taken: BucketCharge::NOTHING, heat: 0 }));
        }
        if cost > self.capacity() {
            return Err(Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never));
        }
        if !self.bucket.tells(now) {
            return Err(self.bucket.short(u64::MAX));
        }
        let (unit, full, heat) = self.as_of(state, now);
        let effort = self.effort(cost, self.factor(heat));
        // Until then the bucket is not full, so it does not cool and the effort stays the same.
        let opens = full.saturating_sub(self.bucket.full().saturating_sub(effort));
        if opens > unit {
            return Err(self.bucket.short(self.bucket.begin(opens)));
        }
        let after = full.max(unit).wrapping_add(effort);
        let next = self.warmed(unit, after, heat.saturating_add(effort));
        let taken = BucketCharge::new(effort, unit, after);
        let charge = WarmUpCharge { taken, heat: next.heat.saturating_sub(heat) };
        Ok((next, charge))
    }

    /// What `state` is under this limit once its bucket and its heat are.
    fn carried(&self, bucket: BucketState, heat: u64, now: Instant) -> WarmUpState {
        let unit = self.bucket.unit(self.bucket.last(now).as_nanos());
        self.warmed(unit, bucket.into_raw(), heat)
    }
}

impl Limit for WarmUp {
    type State = WarmUpState;
    type Charge = WarmUpCharge;

    const FRESH: WarmUpState = WarmUpState::FRESH;

    fn config(&self) -> &RateLimitConfig {
        self.bucket.config()
    }

    fn capacity(&self) -> u32 {
        self.bucket.capacity()
    }

    fn try_acquire(
        &self,
        state: &mut WarmUpState,
        cost: u32,
        now: Instant,
    ) -> Result<WarmUpCharge, Rejected> {
        match self.decide(state, cost, now) {
            Ok((next, charge)) => {
                *state = next;
                Ok(charge)
            }
            Err(rejected) => {
                self.reanchor(state, now);
                Err(rejected)
            }
        }
    }

    fn peek(&self, state: &WarmUpState, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.decide(state, cost, now).map(drop)
    }

    /// What comes back leaves it as much colder, and no colder than it was.
    fn refund(&self, state: &mut WarmUpState, charge: WarmUpCharge, now: Instant) {
        let before = state.bucket.clone().into_raw();
        self.bucket.refund(&mut state.bucket, charge.taken, now);
        let given = before.saturating_sub(state.bucket.clone().into_raw());
        state.heat = state.heat.saturating_sub(given.min(charge.heat));
    }

    fn available(&self, state: &WarmUpState, now: Instant) -> u32 {
        if !self.bucket.tells(now) {
            return 0;
        }
        let (unit, full, heat) = self.as_of(state, now);
        let factor = self.factor(heat);
        let room = self.bucket.full().saturating_sub(full.saturating_sub(unit));
        let mut most = 0_u32;
        for bit in (0..u32::BITS).rev() {
            let cost = most | 1_u32.wrapping_shl(bit);
            if cost <= self.capacity() && self.effort(cost, factor) <= room {
                most = cost;
            }
        }
        most
    }

    fn is_fresh(&self, state: &WarmUpState, now: Instant) -> bool {
        self.bucket.is_fresh(&state.bucket, now) && self.as_of(state, self.bucket.last(now)).2 == 0
    }

    fn next_deadline(&self, state: &WarmUpState, now: Instant) -> Option<Instant> {
        if !self.bucket.tells(now) {
            return None;
        }
        let (unit, full, heat) = self.as_of(state, now);
        if full <= unit {
            // All of it passes; what still changes is that it is cold.
            return if heat == 0 {
                None
            } else {
                self.bucket.instant_of(unit.saturating_add(heat))
            };
        }
        let next = self.available(state, now).saturating_add(1);
        let allowed = self.bucket.full().saturating_sub(self.effort(next, self.factor(heat)));
        self.bucket.instant_of(full.saturating_sub(allowed))
    }

    fn reanchor(&self, state: &mut WarmUpState, now: Instant) {
        self.bucket.reanchor(&mut state.bucket, now);
    }

    /// As warm for as long: heat is time.
    fn inherit(&self, old: &Self, state: &WarmUpState, now: Instant) -> WarmUpState {
        let bucket = self.bucket.inherit(&old.bucket, &state.bucket, now);
        let heat = old.as_of(state, old.bucket.last(now)).2;
        let nanos = Instant::from_nanos(old.bucket.begin(heat));
        self.carried(bucket, self.bucket.unit(self.bucket.last(nanos).as_nanos()), now)
    }

    /// The same share of the way to warm.
    fn rescale(&self, old: &Self, state: &WarmUpState, now: Instant) -> WarmUpState {
        let bucket = self.bucket.rescale(&old.bucket, &state.bucket, now);
        let heat = u128::from(old.as_of(state, old.bucket.last(now)).2);
        let scaled = heat.wrapping_mul(self.warm().into());
        let share = scaled.checked_div(old.warm().into()).unwrap_or(0);
        self.carried(bucket, share.min(u64::MAX.into()) as u64, now)
    }
}
