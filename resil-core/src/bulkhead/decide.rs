//! The decisions: pure functions of policy, state and event.

use super::config::BulkheadConfig;
use super::state::{BulkheadState, Permit, Recorded};
use crate::call::Priority;
use crate::error::ErrorCode;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;

/// More is wanted than there will ever be. Made in place: a constant is copied, and a Cortex-M0 would link a
/// copy of memory for that.
#[inline]
pub(super) const fn never() -> Rejected {
    Rejected::new(ErrorCode::BulkheadFull, RetryAt::Never)
}

impl BulkheadConfig {
    /// Asks to make a call that takes `weight` permits. One of weight 0 always passes and holds
    /// nothing.
    ///
    /// # Errors
    ///
    /// `BULKHEAD_FULL`: with [`RetryAt::Unknown`] where it has to wait for others, with
    /// [`RetryAt::Never`] where `weight` is more than calls of this priority can ever hold.
    #[inline]
    pub fn try_acquire(
        &self,
        state: &mut BulkheadState,
        weight: u16,
        priority: Priority,
        _now: Instant,
    ) -> Result<Permit, Rejected> {
        let held = self.held_with(state, weight, priority)?;
        state.held = held;
        Ok(Permit { weight, epoch: state.epoch })
    }

    /// Tells a permit back. How the call ended makes no difference.
    #[inline]
    pub fn record(
        &self,
        state: &mut BulkheadState,
        permit: Permit,
        _outcome: Outcome,
        _now: Instant,
    ) -> Recorded {
        if permit.epoch != state.epoch {
            return Recorded::Stale;
        }
        state.held = state.held.saturating_sub(permit.weight);
        Recorded::Released
    }

    /// What [`try_acquire`](Self::try_acquire) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn peek(
        &self,
        state: &BulkheadState,
        weight: u16,
        priority: Priority,
        _now: Instant,
    ) -> Result<(), Rejected> {
        self.held_with(state, weight, priority).map(drop)
    }

    /// The largest weight that passes now at this priority.
    #[must_use]
    #[inline]
    pub const fn available(&self, state: &BulkheadState, priority: Priority) -> u16 {
        self.limit(priority).saturating_sub(state.held)
    }

    /// Always `None`: no answer changes by itself, only when somebody tells a permit back.
    #[must_use]
    pub const fn next_deadline(&self, _state: &BulkheadState, _now: Instant) -> Option<Instant> {
        None
    }

    /// Whether the state answers like a new one, so that a table may evict it.
    #[must_use]
    #[inline]
    pub const fn is_fresh(&self, state: &BulkheadState) -> bool {
        state.held == 0
    }

    /// Forgets what is held. Permits that are out turn stale.
    pub const fn reset(&self, state: &mut BulkheadState) {
        *state = BulkheadState { held: 0, epoch: state.epoch.wrapping_add(1) };
    }

    /// The state with which this policy takes over from `old`: what is held stays held, and its
    /// permits stay good. Where that is more than the new policy has, nobody passes until it is not.
    #[must_use]
    pub fn inherit(&self, _old: &Self, state: &BulkheadState, _now: Instant) -> BulkheadState {
        state.clone()
    }

    /// What is held once a call has been let in.
    #[inline]
    fn held_with(
        &self,
        state: &BulkheadState,
        weight: u16,
        priority: Priority,
    ) -> Result<u16, Rejected> {
        let limit = self.limit(priority);
        if weight > limit {
            return Err(never());
        }
        match state.held.checked_add(weight) {
            Some(held) if held <= limit || weight == 0 => Ok(held),
            _ => Err(Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Low, Normal};

    const NOW: Instant = Instant::EPOCH;
    const FOUR: BulkheadConfig = crate::valid!(
        BulkheadConfig::builder().max_concurrent(4).high_reserve(1).low_reserve(1).build()
    );

    #[test]
    fn each_priority_fills_up_to_its_own_limit() {
        for (priority, limit) in [(Low, 2), (Normal, 3), (High, 4)] {
            let mut state = BulkheadState::new();
            for _ in 0..limit {
                assert!(FOUR.try_acquire(&mut state, 1, priority, NOW).is_ok());
            }
            let refused = FOUR.try_acquire(&mut state, 1, priority, NOW).unwrap_err();
            assert_eq!(refused, Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown));
            assert_eq!(state.held(), limit);
        }
    }

    #[test]
    fn a_weight_above_the_limit_never_passes_pitfall_60() {
        for (priority, weight) in [(Low, 3), (Normal, 4), (High, 5), (High, u16::MAX)] {
            let mut state = BulkheadState::new();
            let refused = FOUR.try_acquire(&mut state, weight, priority, NOW).unwrap_err();
            assert_eq!(refused.retry(), RetryAt::Never, "{priority:?} {weight}");
            assert_eq!(state, BulkheadState::new());
        }
    }

    #[test]
    fn weight_zero_passes_a_full_bulkhead_and_holds_nothing() {
        let mut state = BulkheadState::new();
        let all = FOUR.try_acquire(&mut state, 4, High, NOW).unwrap();
        let none = FOUR.try_acquire(&mut state, 0, Low, NOW).unwrap();
        assert_eq!(FOUR.record(&mut state, none, Outcome::Success, NOW), Recorded::Released);
        assert_eq!(state.held(), 4);
        assert!(!FOUR.is_fresh(&state));
        assert_eq!(FOUR.record(&mut state, all, Outcome::Success, NOW), Recorded::Released);
        assert!(FOUR.is_fresh(&state));
    }

    #[test]
    fn a_permit_of_before_a_reset_gives_nothing_back_pitfall_28() {
        let mut state = BulkheadState::new();
        let late = FOUR.try_acquire(&mut state, 3, High, NOW).unwrap();
        FOUR.reset(&mut state);
        let young = FOUR.try_acquire(&mut state, 1, High, NOW).unwrap();
        assert_eq!(FOUR.record(&mut state, late, Outcome::Success, NOW), Recorded::Stale);
        assert_eq!(state.held(), 1);
        assert_eq!(FOUR.record(&mut state, young, Outcome::Success, NOW), Recorded::Released);
        assert_eq!(state.held(), 0);
    }

    #[test]
    fn the_largest_bulkhead_does_not_overflow() {
        let all = BulkheadConfig::builder().max_concurrent(u16::MAX).build().unwrap();
        let mut state = BulkheadState::new();
        let held = all.try_acquire(&mut state, u16::MAX - 1, Normal, NOW).unwrap();
        assert_eq!(all.peek(&state, 2, Normal, NOW).unwrap_err().retry(), RetryAt::Unknown);
        assert!(all.peek(&state, 1, Normal, NOW).is_ok());
        assert_eq!(all.record(&mut state, held, Outcome::Success, NOW), Recorded::Released);
    }
}
