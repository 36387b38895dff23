//! The decisions: pure functions of policy, state, event and time.

use super::config::Aimd;
use crate::adaptive::limit::{ConcurrencyLimit, SHED};
use crate::adaptive::permit::{Permit, Recorded, Sign};
use crate::entropy::Entropy;
use crate::outcome::{Outcome, Rejected};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

/// What [`Aimd`] remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AimdState {
    limit: u16,
    in_flight: u16,
    /// Successes that counted, since the limit changed.
    served: u16,
    epoch: u16,
    /// Cuts, so that a loss from before the last one is known.
    round: u16,
}

const _: () = assert!(size_of::<AimdState>() <= 10);

impl Aimd {
    /// The state to begin with; [`ConcurrencyLimit::start`] as a `const fn`, for tables of peers.
    #[must_use]
    pub const fn fresh_state(&self) -> AimdState {
        AimdState { limit: self.initial, in_flight: 0, served: 0, epoch: 0, round: 0 }
    }

    /// One success while the limit was in use.
    fn grow(&self, state: &mut AimdState) {
        state.served = state.served.saturating_add(1);
        if state.served >= state.limit {
            state.served = 0;
            state.limit = state.limit.saturating_add(1).min(self.max);
        }
    }

    /// The first loss of a round.
    fn cut(&self, state: &mut AimdState) {
        state.served = 0;
        state.round = state.round.wrapping_add(1);
        let less = u32::from(state.limit)
            .saturating_mul(self.decrease.numerator().into())
            .checked_div(self.decrease.denominator().into())
            .and_then(|less| u16::try_from(less).ok())
            .unwrap_or(self.min);
        state.limit = less.min(state.limit.saturating_sub(1)).max(self.min);
    }
}

impl ConcurrencyLimit for Aimd {
    type State = AimdState;

    fn start(&self) -> AimdState {
        self.fresh_state()
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut AimdState,
        _: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        if state.in_flight >= state.limit {
            return Err(SHED);
        }
        state.in_flight = state.in_flight.saturating_add(1);
        Ok(Permit {
            issued_at: now,
            in_flight: state.in_flight,
            epoch: state.epoch,
            round: state.round,
        })
    }

    #[inline]
    fn record(
        &self,
        state: &mut AimdState,
        permit: Permit,
        outcome: Outcome,
        _: impl Entropy,
        now: Instant,
    ) -> Recorded {
        if permit.epoch != state.epoch {
            return Recorded::Stale;
        }
        state.in_flight = state.in_flight.saturating_sub(1);
        let from = state.limit;
        let is_late = now.nanos_since(permit.issued_at) >= self.timeout;
        let sign = Sign::of(outcome);
        if sign == Sign::Neutral || permit.round != state.round {
            return Recorded::Released;
        }
        if sign == Sign::Dropped || is_late {
            self.cut(state);
        } else if self.utilisation.is_reached(permit.in_flight.into(), from.into()) {
            self.grow(state);
        } else {
            return Recorded::Released;
        }
        let to = state.limit;
        if to == from { Recorded::Counted } else { Recorded::Limit { from, to } }
    }

    #[inline]
    fn limit(&self, state: &AimdState, _: Instant) -> u16 {
        state.limit
    }

    #[inline]
    fn in_flight(&self, state: &AimdState) -> u16 {
        state.in_flight
    }

    /// Always `None`: only an outcome moves the limit.
    fn next_deadline(&self, _: &AimdState, _: Instant) -> Option<Instant> {
        None
    }

    fn is_fresh(&self, state: &AimdState) -> bool {
        AimdState { epoch: 0, round: 0, ..state.clone() } == self.fresh_state()
    }

    fn reset(&self, state: &mut AimdState) {
        *state = AimdState { epoch: state.epoch.wrapping_add(1), ..self.fresh_state() };
    }

    fn inherit(&self, _: &Self, state: &AimdState, _: Instant) -> AimdState {
        let limit = state.limit.max(self.min).min(self.max);
        let served = state.served.min(limit.saturating_sub(1));
        AimdState { limit, served, ..state.clone() }
    }
}

/// 10 bytes. Calls that were in flight are lost, and their permits stale.
impl Persist for Aimd {
    type State = AimdState;

    const KIND: u8 = kind::AIMD;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 6;

    fn write(&self, state: &AimdState, _: Instant, to: &mut Writer<'_>) {
        to.u16(state.limit);
        to.u16(state.served);
        to.u16(state.epoch);
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<AimdState, SnapshotError> {
        let (limit, served) = (from.u16()?, from.u16()?);
        let epoch = from.u16()?.wrapping_add(1);
        if limit < self.min || limit > self.max || served >= limit {
            return Err(SnapshotError::Invalid);
        }
        Ok(AimdState { limit, served, epoch, ..self.fresh_state() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::EPOCH;

    #[test]
    fn a_snapshot_is_restored_if_its_limit_can_be_and_its_successes_have_not_raised_it_yet() {
        let aimd = Aimd::builder().min_limit(5).initial_limit(7).max_limit(9).build().unwrap();
        assert_eq!(aimd.min_limit(), 5);
        for (limit, served, can_be) in
            [(5, 0, true), (9, 8, true), (4, 0, false), (10, 0, false), (5, 4, true), (5, 5, false)]
        {
            let mut bytes = [0; 10];
            let state = AimdState { limit, served, ..aimd.start() };
            assert!(aimd.save(&state, NOW, &mut bytes).is_ok());
            let restored = aimd.restore(&bytes, NOW);
            assert_eq!(restored.is_ok(), can_be, "{limit}, {served}");
            if let Ok(restored) = restored {
                assert_eq!((restored.limit, restored.served), (limit, served));
            }
        }
    }

    #[test]
    fn a_state_is_fresh_whatever_was_before_it_and_another_policy_keeps_what_fits() {
        let aimd = Aimd::builder().min_limit(2).initial_limit(4).max_limit(9).build().unwrap();
        let old = AimdState { epoch: 3, round: 5, ..aimd.start() };
        assert!(aimd.is_fresh(&old));
        assert!(!aimd.is_fresh(&AimdState { served: 1, ..old.clone() }));
        let less = Aimd::builder().min_limit(2).initial_limit(3).max_limit(3).build().unwrap();
        for (served, kept) in [(1, 1), (2, 2), (3, 2)] {
            let state = less.inherit(&aimd, &AimdState { served, ..old.clone() }, NOW);
            assert_eq!((state.limit, state.served, state.round), (3, kept, 5));
        }
    }
}
