//! What a bucket owes, under another bucket and over a reboot.

use super::{BucketState, TokenBucket};
use crate::fixed::scaled_up;
use crate::rate_limit::StrictBucket;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;

impl TokenBucket {
    /// What is missing, in units; a full bucket beyond the horizon.
    pub(in crate::rate_limit) fn owed(&self, state: &BucketState, now: Instant) -> u64 {
        if self.tells(now) { self.missing(state, now) } else { self.full }
    }

    /// The state that owes so much at `now`.
    pub(in crate::rate_limit) fn owing(&self, units: u64, now: Instant) -> BucketState {
        if units == 0 {
            return BucketState::FRESH;
        }
        let unit = self.unit(self.last(now).as_nanos());
        BucketState(unit.saturating_add(units))
    }

    /// What the old bucket owes, times `to / from` and rounded up: no debt, where it was none.
    fn carried(
        &self,
        old: &Self,
        state: &BucketState,
        [from, to]: [u64; 2],
        now: Instant,
    ) -> BucketState {
        let owed = old.owed(state, now);
        let most = if owed > old.full { self.full.wrapping_mul(2) } else { self.full };
        self.owing(scaled_up(owed, to, from).min(most), now)
    }

    /// As many tokens.
    pub(super) fn inherited(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.carried(old, state, [old.token, self.token], now)
    }

    /// As much of a full bucket.
    pub(super) fn rescaled(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.carried(old, state, [old.full, self.full], now)
    }
}

/// 12 bytes: what is missing, in units of the bucket. They begin elsewhere on another clock, so where
/// a token does not take a whole number of nanoseconds, later answers may fall 1 ns apart.
impl Persist for TokenBucket {
    type State = BucketState;

    const KIND: u8 = kind::TOKEN_BUCKET;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 8;

    fn write(&self, state: &BucketState, now: Instant, to: &mut Writer<'_>) {
        to.u64(self.owed(state, now));
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<BucketState, SnapshotError> {
        let owed = from.u64()?;
        if owed > self.full.wrapping_mul(2) {
            return Err(SnapshotError::Invalid);
        }
        Ok(self.owing(owed, now))
    }
}

/// 12 bytes, as those of its [`TokenBucket`].
impl Persist for StrictBucket {
    type State = BucketState;

    const KIND: u8 = kind::STRICT_BUCKET;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = 8;

    fn write(&self, state: &BucketState, now: Instant, to: &mut Writer<'_>) {
        self.bucket().write(state, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<BucketState, SnapshotError> {
        self.bucket().read(from, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::{Limit, RateLimitConfig, Reserve};
    use core::time::Duration;

    /// One token per `nanos`.
    fn bucket(nanos: u64, burst: u32) -> TokenBucket {
        TokenBucket::new(
            RateLimitConfig::builder()
                .max_requests(1)
                .time_window(Duration::from_nanos(nanos))
                .burst_size(burst)
                .build()
                .unwrap(),
        )
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_debt_is_inherited_as_tokens_and_rescaled_as_a_share() {
        let (old, new) = (bucket(10, 4), bucket(1_000, 8));
        for (spent, charged, inherited, rescaled) in
            [(0, 0, 8, 8), (1, 0, 7, 6), (2, 0, 6, 4), (4, 0, 4, 0), (4, 2, 2, 0), (4, 4, 0, 0)]
        {
            let mut state = BucketState::FRESH;
            old.try_acquire(&mut state, spent, at(500)).unwrap();
            assert_eq!(old.charge(&mut state, charged, at(500)).excess(), 0);
            let kept = new.inherit(&old, &state, at(500));
            assert_eq!(new.available(&kept, at(500)), inherited, "{spent} {charged}");
            let share = new.rescale(&old, &state, at(500));
            assert_eq!(new.available(&share, at(500)), rescaled, "{spent} {charged}");
            let full = |state: &BucketState| new.full_at(state, at(500)).unwrap().as_nanos() - 500;
            assert_eq!(full(&kept), u64::from(spent + charged) * 1_000);
            assert_eq!(full(&share), u64::from(spent + charged) * 2_000);
        }
    }

    #[test]
    fn an_empty_bucket_is_inherited_as_an_empty_one_and_not_as_a_debt() {
        let (old, smaller) = (bucket(10, 4), bucket(10, 1));
        let mut state = BucketState::FRESH;
        old.try_acquire(&mut state, 4, at(500)).unwrap();
        let kept = smaller.inherit(&old, &state, at(500));
        assert_eq!(smaller.full_at(&kept, at(500)), Some(at(510)));
    }

    #[test]
    fn a_snapshot_of_the_deepest_debt_is_valid_and_a_deeper_one_is_not() {
        let bucket = bucket(10, 4);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 4, at(0)).unwrap();
        assert_eq!(bucket.charge(&mut state, 4, at(0)).excess(), 0);
        let mut bytes = [0; TokenBucket::LEN];
        bucket.save(&state, at(0), &mut bytes).unwrap();
        let restored = bucket.restore(&bytes, at(0)).unwrap();
        assert_eq!(bucket.full_at(&restored, at(0)), bucket.full_at(&state, at(0)));
        assert_eq!(self::bucket(10, 3).restore(&bytes, at(0)), Err(SnapshotError::Invalid));
    }

    #[test]
    fn a_snapshot_survives_a_clock_that_restarts_and_no_other_bucket_takes_it() {
        let bucket = bucket(10, 4);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 3, at(1_000)).unwrap();
        let mut bytes = [0; TokenBucket::LEN];
        assert_eq!(bucket.save(&state, at(1_007), &mut bytes), Ok(12));
        let restored = bucket.restore(&bytes, at(2)).unwrap();
        for later in 0..40_u64 {
            let answer = |state, now| bucket.available(state, at(now + later));
            assert_eq!(answer(&restored, 2), answer(&state, 1_007));
        }
        let smaller = self::bucket(10, 1);
        assert_eq!(smaller.restore(&bytes, at(2)), Err(SnapshotError::Invalid));
        let strict = StrictBucket::new(RateLimitConfig::DEFAULT).unwrap();
        assert_eq!(strict.restore(&bytes, at(2)), Err(SnapshotError::Kind));
        let mut bytes = [0; StrictBucket::LEN];
        let mut state = StrictBucket::FRESH;
        strict.try_acquire(&mut state, 7, at(1)).unwrap();
        strict.save(&state, at(1), &mut bytes).unwrap();
        let restored = strict.restore(&bytes, Instant::EPOCH).unwrap();
        assert_eq!(strict.available(&restored, Instant::EPOCH), 3);
        assert_eq!(bucket.restore(&bytes, at(2)), Err(SnapshotError::Kind));
    }
}
