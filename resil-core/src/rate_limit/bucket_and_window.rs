//! A bucket and a window at once: the seed's rate limit.

use super::{BucketCharge, BucketState, ExactLog, Limit, RateLimitConfig};
use super::{SubWindows, TokenBucket, Window};
use crate::config::ConfigError;
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;
use core::cmp::Ordering;

/// A token bucket of depth `burst_size` *and* a sliding window of `max_requests`: both have to agree.
///
/// The bucket spreads requests, the window makes `max_requests` a promise. Use it where a quota has
/// been agreed on; where eight bytes a peer matter more, use [`TokenBucket`] or
/// [`StrictBucket`](super::StrictBucket).
///
/// # Law
///
/// - Never more than `max_requests` in any window of `time_window`, nor more than the bucket allows.
/// - With [`SubWindows<K>`](SubWindows), the default with K = 10, a sender that never rests gets at
///   least K/(K+1) of its quota; with [`ExactLog`] all of it.
/// - A refusal names the part that opens later and the instant at which it does:
///   [`RateLimitExceeded`](ErrorCode::RateLimitExceeded) is the bucket,
///   [`RateLimitQuotaExhausted`](ErrorCode::RateLimitQuotaExhausted) the window, and a tie the window.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{Limiter, RateLimit, RateLimitConfig};
/// use resil_core::{ErrorCode, Instant, valid};
///
/// // The seed's test: two a minute (and a burst of ten, but the window rules).
/// const TWO: RateLimit = RateLimit::new(valid!(RateLimitConfig::builder().max_requests(2).build()));
/// let mut limiter = Limiter::new(TWO);
/// assert!(limiter.try_acquire(1, Instant::EPOCH).is_ok());
/// assert!(limiter.try_acquire(1, Instant::EPOCH).is_ok());
/// let refused = limiter.try_acquire(1, Instant::EPOCH).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::RateLimitQuotaExhausted);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimit<W = SubWindows<10>> {
    bucket: TokenBucket,
    window: W,
}

/// What a [`RateLimit`] remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimitState<S> {
    bucket: BucketState,
    window: S,
}

const _: () = assert!(size_of::<<RateLimit as Limit>::State>() == 64);

/// What an admission took.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimitCharge<C> {
    bucket: BucketCharge,
    /// Nothing for a cost of zero.
    window: Option<C>,
}

impl RateLimit {
    /// The limit for `config`, with ten sub-windows.
    #[must_use]
    pub const fn new(config: RateLimitConfig) -> Self {
        Self::with_sub_windows(config)
    }
}

impl<const K: usize> RateLimit<SubWindows<K>> {
    /// The limit for `config` with `K` sub-windows: more of them use the quota better (K/(K+1)) and
    /// take four bytes each.
    #[must_use]
    pub const fn with_sub_windows(config: RateLimitConfig) -> Self {
        Self { bucket: TokenBucket::new(config), window: SubWindows::new(&config) }
    }
}

impl<const N: usize> RateLimit<ExactLog<N>> {
    /// The limit for `config` with a log of `N` admissions.
    ///
    /// # Errors
    ///
    /// When `max_requests` is above `N`.
    pub const fn with_exact_log(config: RateLimitConfig) -> Result<Self, ConfigError> {
        match ExactLog::new(&config) {
            Ok(window) => Ok(Self { bucket: TokenBucket::new(config), window }),
            Err(error) => Err(error),
        }
    }
}

impl<W: Window> RateLimit<W> {
    /// The refusal of the part that opens later, where at least one is shut.
    fn rejected(&self, bucket: Option<Rejected>, window_opens: Instant) -> Rejected {
        let retry = if self.bucket.tells(window_opens) {
            RetryAt::At(window_opens)
        } else {
            RetryAt::Never
        };
        let by_window = Rejected::new(ErrorCode::RateLimitQuotaExhausted, retry);
        match bucket {
            None => by_window,
            // A window that is open has opened before the bucket will.
            Some(by_bucket) => match by_bucket.retry() {
                RetryAt::At(at) if at <= window_opens => by_window,
                _ => by_bucket,
            },
        }
    }

    fn left_in_window(&self, state: &RateLimitState<W::State>, now: Instant) -> u32 {
        let used = self.window.used(&state.window, now);
        self.bucket.config().max_requests().saturating_sub(used)
    }

    const fn too_large() -> Rejected {
        Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never)
    }
}

impl<W: Window> Limit for RateLimit<W> {
    type State = RateLimitState<W::State>;
    type Charge = RateLimitCharge<W::Charge>;

    const FRESH: Self::State = RateLimitState { bucket: BucketState::FRESH, window: W::FRESH };

    #[inline]
    fn config(&self) -> &RateLimitConfig {
        self.bucket.config()
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.config().burst_size().min(self.config().max_requests())
    }

    fn try_acquire(
        &self,
        state: &mut Self::State,
        cost: u32,
        now: Instant,
    ) -> Result<Self::Charge, Rejected> {
        if cost > self.capacity() {
            return Err(Self::too_large());
        }
        let step = self.bucket.step(&state.bucket, cost, now);
        if cost > 0 {
            self.window.reanchor(&mut state.window, now);
        }
        let window_opens = self.window.opens_at(&state.window, cost, now);
        match step.outcome {
            Ok(bucket) if window_opens <= now => {
                if let Some(bucket) = step.store {
                    state.bucket = bucket;
                }
                let window = (cost > 0).then(|| self.window.commit(&mut state.window, cost, now));
                Ok(RateLimitCharge { bucket, window })
            }
            Ok(_) => Err(self.rejected(None, window_opens)),
            Err(rejected) => {
                if let Some(bucket) = step.store {
                    state.bucket = bucket;
                }
                Err(self.rejected(Some(rejected), window_opens))
            }
        }
    }

    fn peek(&self, state: &Self::State, cost: u32, now: Instant) -> Result<(), Rejected> {
        if cost > self.capacity() {
            return Err(Self::too_large());
        }
        let window_opens = self.window.opens_at(&state.window, cost, now);
        match self.bucket.step(&state.bucket, cost, now).outcome {
            Ok(_) if window_opens <= now => Ok(()),
            bucket => Err(self.rejected(bucket.err(), window_opens)),
        }
    }

    fn refund(&self, state: &mut Self::State, charge: Self::Charge, now: Instant) {
        self.bucket.refund(&mut state.bucket, charge.bucket, now);
        if let Some(charge) = charge.window {
            self.window.refund(&mut state.window, charge, now);
        }
    }

    fn available(&self, state: &Self::State, now: Instant) -> u32 {
        self.bucket.available(&state.bucket, now).min(self.left_in_window(state, now))
    }

    fn is_fresh(&self, state: &Self::State, now: Instant) -> bool {
        self.bucket.is_fresh(&state.bucket, now) && self.window.used(&state.window, now) == 0
    }

    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant> {
        let bucket_opens = self.bucket.next_deadline(&state.bucket, now);
        let window_opens = self.window.next_deadline(&state.window, now);
        let in_bucket = self.bucket.available(&state.bucket, now);
        let in_window = self.left_in_window(state, now);
        let at = if in_bucket.min(in_window) == self.capacity() {
            // All of it is there; what can still change is that nothing is remembered.
            let fresh = self.bucket.full_at(&state.bucket, now)?;
            Some(fresh.max(self.window.empty_at(&state.window, now))).filter(|at| *at > now)
        } else {
            match in_bucket.cmp(&in_window) {
                Ordering::Less => bucket_opens,
                Ordering::Greater => window_opens,
                Ordering::Equal => bucket_opens.zip(window_opens).map(|(a, b)| a.max(b)),
            }
        };
        at.filter(|at| self.bucket.tells(*at))
    }

    fn reanchor(&self, state: &mut Self::State, now: Instant) {
        self.bucket.reanchor(&mut state.bucket, now);
        self.window.reanchor(&mut state.window, now);
    }

    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        RateLimitState {
            bucket: self.bucket.inherit(&old.bucket, &state.bucket, now),
            window: self.window.inherit(&old.window, &state.window, now),
        }
    }

    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        RateLimitState {
            bucket: self.bucket.rescale(&old.bucket, &state.bucket, now),
            window: self.window.rescale(&old.window, &state.window, now),
        }
    }
}

/// A bucket's 8 bytes and the window's, in a frame of 4.
impl<W: Window> Persist for RateLimit<W> {
    type State = RateLimitState<W::State>;

    const KIND: u8 = kind::RATE_LIMIT;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = W::BYTES.saturating_add(TokenBucket::PAYLOAD);

    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
        self.bucket.write(&state.bucket, now, to);
        self.window.write(&state.window, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
        let bucket = self.bucket.read(from, now)?;
        Ok(RateLimitState { bucket, window: self.window.read(from, now)? })
    }
}

impl<W: Window> TryFrom<RateLimitConfig> for RateLimit<W> {
    type Error = ConfigError;

    fn try_from(config: RateLimitConfig) -> Result<Self, ConfigError> {
        Ok(Self { bucket: TokenBucket::new(config), window: W::from_config(&config)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    /// One token per 10 ns up to `burst`, and 4 in any 40 ns.
    fn four_in_forty(burst: u32) -> RateLimit<ExactLog<4>> {
        let config = RateLimitConfig::builder()
            .max_requests(4)
            .time_window(Duration::from_nanos(40))
            .burst_size(burst)
            .build()
            .unwrap();
        RateLimit::with_exact_log(config).unwrap()
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn refusal(code: ErrorCode, nanos: u64) -> Result<(), Rejected> {
        Err(Rejected::new(code, RetryAt::At(at(nanos))))
    }

    #[test]
    fn the_part_that_opens_later_refuses() {
        use ErrorCode::{RateLimitExceeded, RateLimitQuotaExhausted};

        let limit = four_in_forty(2);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        limit.try_acquire(&mut state, 2, at(100)).unwrap();
        assert_eq!(limit.peek(&state, 2, at(100)), refusal(RateLimitExceeded, 120), "bucket alone");
        limit.try_acquire(&mut state, 2, at(120)).unwrap();
        assert_eq!(
            limit.peek(&state, 1, at(121)),
            refusal(RateLimitQuotaExhausted, 140),
            "the bucket would open at 130"
        );
        assert_eq!(limit.peek(&state, 2, at(121)), refusal(RateLimitQuotaExhausted, 140), "a tie");
        assert_eq!(limit.available(&state, at(139)), 0);
        assert_eq!(limit.available(&state, at(140)), 2);
    }

    #[test]
    fn it_changes_when_the_emptier_part_does_and_last_when_nothing_is_remembered() {
        let next = |limit: &RateLimit<_>, state: &_, now| limit.next_deadline(state, at(now));
        let (limit, mut state) = (four_in_forty(4), RateLimit::<ExactLog<4>>::FRESH);
        let _spent = limit.try_acquire(&mut state, 1, at(100)).unwrap();
        assert_eq!(next(&limit, &state, 100), Some(at(140)), "3 in both: the later");
        assert_eq!(next(&limit, &state, 120), Some(at(140)), "4 in the bucket, 3 in the window");
        assert!(!limit.is_fresh(&state, at(120)) && limit.is_fresh(&state, at(140)));

        let (limit, mut state) = (four_in_forty(2), RateLimit::<ExactLog<4>>::FRESH);
        let _spent = limit.try_acquire(&mut state, 1, at(100)).unwrap();
        assert_eq!(next(&limit, &state, 100), Some(at(110)), "1 in the bucket, 3 in the window");
        assert_eq!(next(&limit, &state, 110), Some(at(140)), "all that passes is there");
        assert_eq!(next(&limit, &state, 140), None);
        assert!(!limit.is_fresh(&state, at(139)) && limit.is_fresh(&state, at(140)));
    }

    #[test]
    fn a_clock_that_stepped_back_moves_what_is_asked_to_move_and_no_request_of_nothing() {
        let (limit, mut state) = (four_in_forty(4), RateLimit::<ExactLog<4>>::FRESH);
        let _spent = limit.try_acquire(&mut state, 4, at(1_000)).unwrap();
        let before = state.clone();
        let _nothing = limit.try_acquire(&mut state, 0, at(10)).unwrap();
        assert_eq!(state, before);
        limit.reanchor(&mut state, at(10));
        assert_eq!(limit.next_deadline(&state, at(10)), Some(at(50)));
        assert!(!limit.is_fresh(&state, at(49)) && limit.is_fresh(&state, at(50)));
    }

    #[test]
    fn a_refusal_takes_nothing_from_the_part_that_was_open() {
        let limit = four_in_forty(8);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        limit.try_acquire(&mut state, 4, at(100)).unwrap();
        let before = state.clone();
        for _ in 0..10 {
            assert!(limit.try_acquire(&mut state, 1, at(101)).is_err());
        }
        assert_eq!(state, before);
    }

    #[test]
    fn a_cost_above_either_part_never_passes() {
        for (burst, capacity) in [(2, 2), (4, 4), (8, 4)] {
            let limit = four_in_forty(burst);
            let mut state = RateLimit::<ExactLog<4>>::FRESH;
            assert_eq!(limit.capacity(), capacity);
            let refused = limit.try_acquire(&mut state, capacity + 1, at(7)).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::RateLimitCostExceedsBurst);
            assert_eq!(refused.retry(), RetryAt::Never);
            assert!(limit.try_acquire(&mut state, capacity, at(7)).is_ok());
        }
    }

    #[test]
    fn a_refund_gives_back_both_parts_and_zero_costs_nothing() {
        let limit = four_in_forty(4);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        let nothing = limit.try_acquire(&mut state, 0, at(5)).unwrap();
        assert_eq!(state, RateLimit::<ExactLog<4>>::FRESH);
        let charge = limit.try_acquire(&mut state, 4, at(5)).unwrap();
        limit.refund(&mut state, nothing, at(5));
        assert_eq!(limit.available(&state, at(5)), 0);
        limit.refund(&mut state, charge, at(5));
        assert_eq!(limit.available(&state, at(5)), 4);
        assert!(limit.is_fresh(&state, at(5)));
    }

    #[test]
    fn what_opens_after_the_horizon_never_does() {
        let limit = four_in_forty(4);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        let last = at((1 << 63) - 1);
        limit.try_acquire(&mut state, 4, last).unwrap();
        assert_eq!(limit.peek(&state, 4, last).unwrap_err().retry(), RetryAt::Never);
        assert!(limit.try_acquire(&mut state, 1, Instant::MAX).is_err());
    }

    #[test]
    fn another_quota_inherits_what_was_spent() {
        let limit = four_in_forty(4);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        limit.try_acquire(&mut state, 3, at(5)).unwrap();
        let other = four_in_forty(2);
        let state = other.inherit(&limit, &state, at(5));
        assert_eq!(other.available(&state, at(5)), 0);
        assert_eq!(other.available(&state, at(25)), 1, "3 of 4 in the window");
    }

    #[test]
    fn its_timeline_is_the_buckets_and_then_the_windows() {
        let limit = four_in_forty(2);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        assert_eq!(limit.next_deadline(&state, at(100)), None);
        for (taken, now) in [(1, 100), (2, 110)] {
            limit.try_acquire(&mut state, taken, at(now)).unwrap();
        }
        // Now, what passes then, whether anything is remembered, and when that changes.
        for (now, passes, next) in [
            (110, 0, Some(120)), // the bucket is empty
            (120, 1, Some(140)), // one in the bucket as in the window, which is the later
            (139, 1, Some(140)),
            (140, 2, Some(150)), // all of it is there, and the window still counts two
            (149, 2, Some(150)),
            (150, 2, None),
        ] {
            assert_eq!(limit.available(&state, at(now)), passes, "{now}");
            assert_eq!(limit.is_fresh(&state, at(now)), next.is_none(), "{now}");
            assert_eq!(limit.next_deadline(&state, at(now)), next.map(at), "{now}");
        }
    }

    #[test]
    fn a_window_that_opens_before_the_bucket_does_is_what_is_waited_for() {
        let limit = four_in_forty(8);
        let mut state = RateLimit::<ExactLog<4>>::FRESH;
        for (taken, now) in [(3, 100), (1, 110)] {
            limit.try_acquire(&mut state, taken, at(now)).unwrap();
        }
        assert_eq!(limit.available(&state, at(110)), 0, "of five in the bucket");
        assert_eq!(limit.next_deadline(&state, at(110)), Some(at(140)));
    }

    #[test]
    fn a_clock_that_stepped_back_is_settled_in_both_parts_and_by_no_cost_of_zero_pitfall_65() {
        let limit = four_in_forty(4);
        let mut ahead = RateLimit::<ExactLog<4>>::FRESH;
        limit.try_acquire(&mut ahead, 4, at(1_000_000)).unwrap();
        let mut state = ahead.clone();
        assert!(limit.try_acquire(&mut state, 0, at(5)).is_ok());
        assert_eq!(state, ahead);
        limit.reanchor(&mut state, at(5));
        assert_eq!(state.bucket, {
            let mut bucket = ahead.bucket;
            limit.bucket.reanchor(&mut bucket, at(5));
            bucket
        });
        assert_eq!(state.window, {
            let mut window = ahead.window;
            limit.window.reanchor(&mut window, at(5));
            window
        });
        assert_eq!(limit.available(&state, at(500)), 4);
    }
}
