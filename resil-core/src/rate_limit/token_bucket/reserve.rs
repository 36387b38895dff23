//! A bucket that owes.

use super::{BucketCharge, BucketState, TokenBucket};
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::rate_limit::{Charged, Reservation, Reserve};
use crate::time::Instant;

impl TokenBucket {
    /// The unit `now`, re-anchored there if need be, and the unit from which a cost counts.
    fn start(&self, state: &mut BucketState, now: Instant) -> (u64, u64) {
        let unit = self.unit(now.as_nanos());
        state.0 = self.settled(state, unit);
        (unit, state.0.max(unit))
    }
}

/// Two wide multiplications each at most.
impl Reserve for TokenBucket {
    fn reserve(
        &self,
        state: &mut BucketState,
        cost: u32,
        latest: Instant,
        now: Instant,
    ) -> Result<Reservation<BucketCharge>, Rejected> {
        if cost == 0 {
            return Ok(Reservation { at: now, charge: BucketCharge::NOTHING });
        }
        let cost = self.token.saturating_mul(cost.into());
        if cost > self.full {
            return Err(Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never));
        }
        if !self.tells(now) {
            return Err(self.short(u64::MAX));
        }
        let (unit, from) = self.start(state, now);
        let Some(after) = from.checked_add(cost) else {
            return Err(self.short(u64::MAX));
        };
        // The unit in which all of the cost is there.
        let due = after.saturating_sub(self.full).max(unit);
        let at = Instant::from_nanos(self.begin(due)).max(now);
        let is_beyond = due.saturating_sub(unit) > self.full;
        if is_beyond || at > latest || !self.tells(at) {
            return Err(self.short(at.as_nanos()));
        }
        state.0 = after;
        let charge = BucketCharge { cost, until: due.wrapping_add(cost), after };
        Ok(Reservation { at, charge })
    }

    fn charge(&self, state: &mut BucketState, cost: u32, now: Instant) -> Charged {
        if cost == 0 || !self.tells(now) {
            return Charged { excess: cost };
        }
        let (unit, from) = self.start(state, now);
        let most = unit.saturating_add(self.full.wrapping_mul(2));
        let room = most.saturating_sub(from);
        state.0 = from.saturating_add(self.units(cost).min(room));
        Charged { excess: u64::from(cost).saturating_sub(self.tokens(room)) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::{Limit, RateLimitConfig};
    use core::time::Duration;

    /// `requests` per `window`, `burst` at once.
    fn bucket(requests: u32, window: Duration, burst: u32) -> TokenBucket {
        TokenBucket::new(
            RateLimitConfig::builder()
                .max_requests(requests)
                .time_window(window)
                .burst_size(burst)
                .build()
                .unwrap(),
        )
    }

    /// One token per 10 ns.
    fn tens(burst: u32) -> TokenBucket {
        bucket(1, Duration::from_nanos(10), burst)
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn reserved(
        bucket: &TokenBucket,
        state: &mut BucketState,
        cost: u32,
        now: u64,
    ) -> Option<Reservation<BucketCharge>> {
        bucket.reserve(state, cost, Instant::MAX, at(now)).ok()
    }

    #[test]
    fn what_comes_due_within_a_refill_is_lent_and_no_more() {
        let bucket = tens(3);
        let mut state = BucketState::FRESH;
        let due: std::vec::Vec<_> =
            core::iter::from_fn(|| reserved(&bucket, &mut state, 1, 100)).map(|r| r.at()).collect();
        assert_eq!(due, [100, 100, 100, 110, 120, 130].map(at));
        let before = state.clone();
        let refused = bucket.reserve(&mut state, 1, Instant::MAX, at(109)).unwrap_err();
        assert_eq!(refused.retry(), RetryAt::At(at(140)));
        assert_eq!(state, before, "a refusal reserves nothing");
        assert_eq!(bucket.peek(&state, 1, at(109)).unwrap_err(), refused, "as a request would");
        assert_eq!(reserved(&bucket, &mut state, 1, 110).unwrap().at(), at(140));
    }

    #[test]
    fn who_cannot_wait_is_told_at_once() {
        let bucket = tens(2);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 2, at(100)).unwrap();
        let before = state.clone();
        let refused = bucket.reserve(&mut state, 1, at(109), at(100)).unwrap_err();
        assert_eq!(refused.retry(), RetryAt::At(at(110)));
        assert_eq!(state, before);
        assert_eq!(bucket.reserve(&mut state, 1, at(110), at(100)).unwrap().at(), at(110));
        let never = bucket.reserve(&mut state, 3, Instant::MAX, at(100)).unwrap_err();
        assert_eq!(never.code(), ErrorCode::RateLimitCostExceedsBurst);
        assert_eq!(bucket.reserve(&mut state, 0, at(0), at(100)).unwrap().at(), at(100));
    }

    #[test]
    fn a_row_of_reservations_that_is_cancelled_backwards_comes_back_whole() {
        let bucket = tens(2);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 2, at(100)).unwrap();
        let before = state.clone();
        let first = reserved(&bucket, &mut state, 1, 100).unwrap();
        let second = reserved(&bucket, &mut state, 1, 100).unwrap();
        bucket.cancel(&mut state, second, at(105));
        bucket.cancel(&mut state, first, at(105));
        assert_eq!(state, before);
    }

    #[test]
    fn nobody_is_let_in_before_those_who_were_told_to_wait() {
        // If each cancellation gave back what it took less what the later ones did, four would act at
        // 70, where the bucket holds three.
        let bucket = tens(3);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 3, at(0)).unwrap();
        let first = reserved(&bucket, &mut state, 3, 0).unwrap();
        let second = reserved(&bucket, &mut state, 3, 30).unwrap();
        let waits = reserved(&bucket, &mut state, 1, 40).unwrap();
        assert_eq!([first.at(), second.at(), waits.at()], [30, 60, 70].map(at));
        bucket.cancel(&mut state, second, at(40));
        bucket.cancel(&mut state, first, at(40));
        assert!(reserved(&bucket, &mut state, 3, 40).is_none());
        assert_eq!(reserved(&bucket, &mut state, 3, 70).unwrap().at(), at(100));
    }

    #[test]
    fn a_charge_goes_into_debt_and_says_what_it_could_not_take() {
        let bucket = tens(3);
        let mut state = BucketState::FRESH;
        assert_eq!(bucket.charge(&mut state, 5, at(100)).excess(), 0);
        let refused = bucket.try_acquire(&mut state, 1, at(100)).unwrap_err();
        assert_eq!(refused.retry(), RetryAt::At(at(130)), "two owed, then one");
        assert_eq!(bucket.next_deadline(&state, at(100)), Some(at(130)));
        assert_eq!(bucket.charge(&mut state, 4, at(105)).excess(), 3, "half a token of room more");
        assert_eq!(bucket.full_at(&state, at(105)), Some(at(165)));
        assert_eq!(bucket.charge(&mut state, u32::MAX, at(105)).excess(), u32::MAX);
        assert!(bucket.try_acquire(&mut state, 3, at(165)).is_ok());
        assert_eq!(bucket.charge(&mut state, 1, Instant::MAX).excess(), 1, "beyond the horizon");
    }

    #[test]
    fn a_debt_that_meets_a_step_back_is_forgiven_down_to_empty_pitfall_65() {
        let bucket = tens(3);
        let mut state = BucketState::FRESH;
        let _ = bucket.charge(&mut state, 6, at(1_000));
        assert_eq!(bucket.full_at(&state, at(1_000)), Some(at(1_060)));
        assert_eq!(bucket.full_at(&state, at(999)), Some(at(1_029)), "one burst less");
        let mut no_debt = BucketState::FRESH;
        bucket.try_acquire(&mut no_debt, 3, at(1_000)).unwrap();
        assert_eq!(bucket.full_at(&no_debt, at(970)), Some(at(1_030)), "nothing less");
    }

    #[test]
    fn bytes_are_counted_exactly_at_the_rates_of_a_radio_and_of_a_backbone() {
        let second = Duration::from_secs(1);
        // 1 GB/s (a byte each nanosecond is the most a quota can say) and 300 B/s, 4 GiB at once.
        for (rate, nanos) in [(1_000_000_000_u32, 1), (300, 3_333_334)] {
            let bucket = bucket(rate, second, u32::MAX);
            let mut state = BucketState::FRESH;
            bucket.try_acquire(&mut state, u32::MAX, at(7)).unwrap();
            let due = |cost: u32| {
                let scaled = u128::from(cost) * 1_000_000_000;
                7 + (scaled / u128::from(rate)) as u64
            };
            for cost in [1, 255, 1_500, 1 << 20, u32::MAX] {
                let RetryAt::At(opens) = bucket.peek(&state, cost, at(7)).unwrap_err().retry()
                else {
                    panic!("{cost}")
                };
                assert!(opens.as_nanos().abs_diff(due(cost)) <= 1, "{cost} at {rate} B/s");
                assert!(bucket.peek(&state, cost, opens).is_ok());
                assert!(bucket.peek(&state, cost, at(opens.as_nanos() - 1)).is_err());
            }
            let reserved = bucket.reserve(&mut state, u32::MAX, Instant::MAX, at(7)).unwrap();
            assert!(reserved.at().as_nanos().abs_diff(due(u32::MAX)) <= 1);
            assert!(bucket.reserve(&mut state, 1, Instant::MAX, at(7)).is_err(), "two refills");
            bucket.cancel(&mut state, reserved, at(7));
            assert_eq!(bucket.charge(&mut state, u32::MAX, at(7)).excess(), 0);
            assert_eq!(bucket.charge(&mut state, 1, at(7)).excess(), 1);
            let next = at(7 + nanos);
            assert_eq!(bucket.charge(&mut state, 1, next).excess(), 0);
            assert_eq!(bucket.charge(&mut state, 1, next).excess(), 1);
        }
    }

    #[test]
    fn what_costs_nothing_and_what_comes_after_the_end_of_time_is_not_charged() {
        let bucket = tens(3);
        for (cost, now) in [(0, at(100)), (0, Instant::MAX), (2, Instant::MAX)] {
            let mut state = BucketState::FRESH;
            assert_eq!(bucket.charge(&mut state, cost, now), Charged { excess: cost });
            assert_eq!(state, BucketState::FRESH);
        }
    }
}
