//! The decisions: pure functions of policy, state, event, entropy and time.

use super::config::AdaptiveThrottle;
use super::state::{ACCEPTS, NEUTRAL, Permit, REQUESTS, Recorded, ThrottleState};
use crate::entropy::Entropy;
use crate::error::ErrorCode;
use crate::fixed;
use crate::outcome::{FailureClass, Outcome, Rejected, RetryAt};
use crate::time::Instant;

/// What there is in the window: requests less the neutral ones, and accepts.
type Counts = (u32, u32);

const fn counts([requests, accepts, neutral]: [u32; 3]) -> Counts {
    // A neutral one may have come back in a later sub-window than it was asked in, and so stay longer.
    (requests.saturating_sub(neutral), accepts)
}

impl AdaptiveThrottle {
    /// Asks to make a call, and counts it as wanted.
    ///
    /// # Errors
    ///
    /// `LOAD_SHED` with [`RetryAt::Unknown`], in [`reject_share`](Self::reject_share) of all cases.
    #[inline]
    pub fn try_acquire(
        &self,
        state: &mut ThrottleState,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        state.counts.advance(self.width, now);
        let (requests, accepts) = counts(*state.counts.totals());
        state.counts.add(REQUESTS, 1);
        match self.excess(requests, accepts) {
            Some(excess) if self.refuses(excess, requests, entropy.draw()) => {
                Err(Rejected::new(ErrorCode::LoadShed, RetryAt::Unknown))
            }
            _ => Ok(Permit { epoch: state.epoch }),
        }
    }

    /// Tells a permit back.
    ///
    /// Accepted is what the peer has worked on: a success, and a fatal failure, which is an answer. A
    /// throttle, a timeout and a transient failure were not. A local failure, an ignored and an
    /// abandoned outcome say nothing, and take their request off the count.
    #[inline]
    pub fn record(
        &self,
        state: &mut ThrottleState,
        permit: Permit,
        outcome: Outcome,
        now: Instant,
    ) -> Recorded {
        use FailureClass::{Fatal, Local, Throttled, Timeout, Transient};
        if permit.epoch != state.epoch {
            return Recorded::Stale;
        }
        let (counter, recorded) = match outcome {
            Outcome::Success | Outcome::Failure(Fatal) => (ACCEPTS, Recorded::Accepted),
            Outcome::Failure(Throttled | Timeout | Transient) => return Recorded::NotAccepted,
            Outcome::Failure(Local) | Outcome::Ignored | Outcome::Abandoned => {
                (NEUTRAL, Recorded::Released)
            }
        };
        state.counts.advance(self.width, now);
        state.counts.add(counter, 1);
        recorded
    }

    /// Of 2^32 calls at `now`, how many would be refused: [`try_acquire`](Self::try_acquire) refuses
    /// if and only if what it draws is below this.
    #[must_use]
    pub fn reject_share(&self, state: &ThrottleState, now: Instant) -> u32 {
        let (requests, accepts) = self.counts(state, now);
        let Some(excess) = self.excess(requests, accepts) else { return 0 };
        let whole = self.whole(requests);
        let share = fixed::quotient(excess, whole, 32);
        // Up: the first value that is not refused.
        let is_exact =
            fixed::share(whole, share) == excess && (whole as u32).wrapping_mul(share) == 0;
        share.saturating_add(u32::from(!is_exact)).min(self.max_share)
    }

    /// How many requests of the window count at `now`.
    #[must_use]
    pub fn requests(&self, state: &ThrottleState, now: Instant) -> u32 {
        self.counts(state, now).0
    }

    /// How many of the window the peer has accepted, at `now`.
    #[must_use]
    pub fn accepts(&self, state: &ThrottleState, now: Instant) -> u32 {
        self.counts(state, now).1
    }

    /// When the oldest of what is counted leaves; `None` when nothing is. A request that was taken off
    /// the count leaves too, and changes nothing.
    #[must_use]
    pub fn next_deadline(&self, state: &ThrottleState, now: Instant) -> Option<Instant> {
        let mut ahead = state.counts.clone();
        ahead.advance(self.width, now);
        ahead.next_change(self.width)
    }

    /// Whether the state answers like a new one from `now` on, so that a table may evict it.
    #[must_use]
    pub fn is_fresh(&self, state: &ThrottleState, now: Instant) -> bool {
        state.counts.totals_at(self.width, now) == [0; 3]
    }

    /// Forgets what was counted. Permits that are out turn stale.
    pub const fn reset(&self, state: &mut ThrottleState) {
        *state = ThrottleState { epoch: state.epoch.wrapping_add(1), ..ThrottleState::new() };
    }

    /// The state with which this policy takes over from `old`. Permits stay good. Over the same window
    /// everything stays as it is; over another one what counts at `now` counts as if it had happened
    /// then.
    #[must_use]
    pub fn inherit(&self, old: &Self, state: &ThrottleState, now: Instant) -> ThrottleState {
        if self.width == old.width {
            return state.clone();
        }
        let totals = state.counts.totals_at(old.width, now);
        self.counted_now(totals, state.epoch, now)
    }

    /// A state in which all of `totals` has just happened.
    pub(super) fn counted_now(&self, totals: [u32; 3], epoch: u16, now: Instant) -> ThrottleState {
        let mut state = ThrottleState { epoch, ..ThrottleState::new() };
        state.counts.advance(self.width, now);
        for (counter, count) in [REQUESTS, ACCEPTS, NEUTRAL].into_iter().zip(totals) {
            state.counts.add(counter, count);
        }
        state
    }

    fn counts(&self, state: &ThrottleState, now: Instant) -> Counts {
        counts(state.counts.totals_at(self.width, now))
    }

    /// `requests − K · accepts` where anything may be refused, times K's denominator.
    #[inline]
    fn excess(&self, requests: u32, accepts: u32) -> Option<u64> {
        if requests < self.min_requests {
            return None;
        }
        let wanted = u64::from(requests).saturating_mul(self.multiplier.denominator().into());
        let fair = u64::from(accepts).saturating_mul(self.multiplier.numerator().into());
        wanted.checked_sub(fair).filter(|&excess| excess > 0)
    }

    /// `requests + 1`, times K's denominator.
    #[inline]
    fn whole(&self, requests: u32) -> u64 {
        u64::from(requests).saturating_add(1).saturating_mul(self.multiplier.denominator().into())
    }

    /// Whether `drawn · whole < excess · 2^32` and `drawn` is below the largest share: the formula in
    /// whole numbers. `whole` has up to 48 bits, so the product is taken in two halves.
    #[inline]
    fn refuses(&self, excess: u64, requests: u32, drawn: u32) -> bool {
        // Below a whole number if and only if its integer part is.
        drawn < self.max_share && fixed::share(self.whole(requests), drawn) < excess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::EPOCH;

    #[test]
    fn a_state_is_fresh_when_nothing_counts_any_more_and_permits_outlive_another_window() {
        let throttle = AdaptiveThrottle::DEFAULT;
        let state = throttle.counted_now([7, 3, 1], 5, NOW);
        let later = NOW.saturating_add(throttle.window());
        assert!(throttle.is_fresh(&ThrottleState::new(), NOW));
        assert_eq!([NOW, later].map(|now| throttle.is_fresh(&state, now)), [false, true]);
        let throttler = crate::throttle::Throttler::from_parts(&throttle, state.clone());
        assert_eq!([NOW, later].map(|now| throttler.is_fresh(now)), [false, true]);

        let short = core::time::Duration::from_secs(1);
        let other = AdaptiveThrottle::builder().window(short).build().unwrap();
        assert_eq!(other.inherit(&throttle, &state, NOW).epoch, 5);
    }

    #[test]
    fn nothing_is_refused_below_the_floor_nor_within_k_times_the_accepts() {
        let throttle = AdaptiveThrottle::DEFAULT;
        for (requests, accepts, share) in
            [(9, 0, false), (10, 0, true), (10, 5, false), (11, 5, true), (10, 400, false)]
        {
            let state = throttle.counted_now([requests, accepts, 0], 0, NOW);
            assert_eq!(throttle.reject_share(&state, NOW) > 0, share, "{requests} {accepts}");
        }
    }

    #[test]
    fn the_largest_counts_do_not_overflow_pitfall_61() {
        let throttle = AdaptiveThrottle::builder()
            .multiplier(crate::Ratio::new(u16::MAX, 59_577))
            .build()
            .unwrap();
        let state = throttle.counted_now([u32::MAX, 0, 0], 0, NOW);
        assert_eq!(throttle.reject_share(&state, NOW), throttle.max_share);
        let state = throttle.counted_now([u32::MAX, u32::MAX, 0], 0, NOW);
        assert_eq!(throttle.reject_share(&state, NOW), 0);
    }

    #[test]
    fn the_decision_the_share_and_the_formula_agree_at_every_size_pitfall_49() {
        for multiplier in [crate::Ratio::TWO, crate::Ratio::new(65_535, 59_573)] {
            let throttle =
                AdaptiveThrottle::builder().multiplier(multiplier).min_requests(0).build().unwrap();
            let (above, below) =
                (u128::from(multiplier.numerator()), u128::from(multiplier.denominator()));
            for (requests, accepts) in [
                (1, 0),
                (3, 1),
                (1_000, 499),
                (1 << 24, 1 << 22),
                (u32::MAX, 1),
                (u32::MAX, 1 << 31),
            ] {
                let state = throttle.counted_now([requests, accepts, 0], 0, NOW);
                let share = throttle.reject_share(&state, NOW);
                for drawn in
                    [0, 1, share.saturating_sub(1), share, share.saturating_add(1), u32::MAX]
                {
                    // drawn / 2^32 < (requests - K * accepts) / (requests + 1), and < 9/10
                    let wanted = (u128::from(drawn) * (u128::from(requests) + 1) * below)
                        < ((u128::from(requests) * below)
                            .saturating_sub(u128::from(accepts) * above)
                            << 32)
                        && u128::from(drawn) * 10 < 9 << 32;
                    assert_eq!(drawn < share, wanted, "{requests} {accepts} {drawn}");
                    let refused = throttle.try_acquire(&mut state.clone(), drawn, NOW).is_err();
                    assert_eq!(refused, wanted, "{requests} {accepts} {drawn}");
                }
            }
        }
    }

    #[test]
    fn a_neutral_outcome_is_as_if_nobody_had_asked() {
        let throttle = AdaptiveThrottle::DEFAULT;
        let mut state = ThrottleState::new();
        for outcome in [Outcome::Ignored, Outcome::Abandoned, Outcome::Failure(FailureClass::Local)]
        {
            let permit = throttle.try_acquire(&mut state, 0, NOW).unwrap();
            assert_eq!(throttle.requests(&state, NOW), 1);
            assert_eq!(throttle.record(&mut state, permit, outcome, NOW), Recorded::Released);
            assert_eq!(throttle.requests(&state, NOW), 0);
        }
    }

    #[test]
    fn a_permit_of_before_a_reset_counts_nowhere_pitfall_28() {
        let throttle = AdaptiveThrottle::DEFAULT;
        let mut state = ThrottleState::new();
        let late = throttle.try_acquire(&mut state, 0, NOW).unwrap();
        throttle.reset(&mut state);
        assert_eq!(throttle.record(&mut state, late, Outcome::Ignored, NOW), Recorded::Stale);
        assert!(throttle.is_fresh(&state, NOW));
    }

    #[test]
    fn entropy_is_drawn_only_where_something_may_be_refused() {
        let throttle = AdaptiveThrottle::DEFAULT;
        for (requests, accepts, draws) in [(9, 0, 0), (10, 5, 0), (10, 6, 0), (11, 5, 1)] {
            let mut state = throttle.counted_now([requests, accepts, 0], 0, NOW);
            let mut drawn = 0;
            let entropy = || {
                drawn += 1;
                u32::MAX
            };
            assert!(throttle.try_acquire(&mut state, entropy, NOW).is_ok());
            assert_eq!(drawn, draws, "{requests} {accepts}");
        }
    }

    #[test]
    fn permits_stay_good_under_a_policy_of_another_window() {
        let old = AdaptiveThrottle::DEFAULT;
        let new = AdaptiveThrottle::builder().window(core::time::Duration::from_secs(5));
        let new = new.build().unwrap();
        let mut state = ThrottleState::new();
        old.reset(&mut state);
        let permit = old.try_acquire(&mut state, 0, NOW).unwrap();
        assert!(!old.is_fresh(&state, NOW));
        let mut state = new.inherit(&old, &state, NOW);
        assert_eq!(new.record(&mut state, permit, Outcome::Success, NOW), Recorded::Accepted);
        assert_eq!((new.requests(&state, NOW), new.accepts(&state, NOW)), (1, 1));
    }
}
