//! A token bucket that keeps a hard limit per window, in eight bytes.

use super::TokenBucket;
use super::config::refills_in_time;
use super::{BucketCharge, BucketState, Charged, Limit, RateLimitConfig, Reservation, Reserve};
use crate::config::ConfigError;
use crate::outcome::Rejected;
use crate::time::Instant;

/// A [`TokenBucket`] that refills at `(max_requests - burst_size) / time_window`, so that a burst
/// and a whole window of refill together are no more than `max_requests`.
///
/// Use it for a hard limit per window where eight bytes a peer are what there is: it is smoother
/// than [`RateLimit`](super::RateLimit), and a sender that never rests gets only
/// `max_requests - burst_size` a window.
///
/// # Law
///
/// Never more than `max_requests` in any window of `time_window`, and everything that holds for a
/// [`TokenBucket`] of its own rate.
///
/// ```
/// use resil_core::rate_limit::{Limit, RateLimitConfig, StrictBucket};
/// use resil_core::{Instant, valid};
///
/// const LIMIT: StrictBucket = valid!(StrictBucket::new(RateLimitConfig::DEFAULT));
/// let mut peer = StrictBucket::FRESH;
/// let admitted = (0..60_000) // asks every millisecond for a minute: 10, and one per 2/3 s
///     .filter(|ms| LIMIT.try_acquire(&mut peer, 1, Instant::from_nanos(ms * 1_000_000)).is_ok())
///     .count();
/// assert_eq!(admitted, 99);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StrictBucket {
    config: RateLimitConfig,
    bucket: TokenBucket,
}

impl StrictBucket {
    /// The bucket for `config`.
    ///
    /// # Errors
    ///
    /// When `burst_size` is not below `max_requests` (nothing would refill), or when refilling it at
    /// the lower rate takes more than 2^62 ns.
    pub const fn new(config: RateLimitConfig) -> Result<Self, ConfigError> {
        let refill = config.max_requests().saturating_sub(config.burst_size());
        if refill == 0 {
            return Err(ConfigError::new(
                "burst_size",
                "burst_size must be below max_requests for a strict bucket",
            ));
        }
        if !refills_in_time(config.window_nanos(), refill, config.burst_size()) {
            return Err(ConfigError::new(
                "burst_size",
                "burst_size must refill within 2^62 ns at max_requests - burst_size per time_window",
            ));
        }
        Ok(Self { config, bucket: TokenBucket::new(config.with_max_requests(refill)) })
    }

    /// The bucket that it is.
    pub(super) const fn bucket(&self) -> &TokenBucket {
        &self.bucket
    }
}

impl Limit for StrictBucket {
    type State = BucketState;
    type Charge = BucketCharge;

    const FRESH: BucketState = BucketState::FRESH;

    #[inline]
    fn config(&self) -> &RateLimitConfig {
        &self.config
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.bucket.capacity()
    }

    #[inline]
    fn try_acquire(
        &self,
        state: &mut BucketState,
        cost: u32,
        now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        self.bucket.try_acquire(state, cost, now)
    }

    const IS_WORD: bool = true;

    #[inline]
    fn word(state: &mut BucketState) -> Option<&mut u64> {
        TokenBucket::word(state)
    }

    #[inline(always)]
    fn take(&self, word: u64, cost: u32, now: Instant) -> Option<(BucketCharge, u64)> {
        self.bucket.take(word, cost, now)
    }

    #[inline]
    fn peek(&self, state: &BucketState, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.bucket.peek(state, cost, now)
    }

    #[inline]
    fn refund(&self, state: &mut BucketState, charge: BucketCharge, now: Instant) {
        self.bucket.refund(state, charge, now);
    }

    #[inline]
    fn available(&self, state: &BucketState, now: Instant) -> u32 {
        self.bucket.available(state, now)
    }

    #[inline]
    fn is_fresh(&self, state: &BucketState, now: Instant) -> bool {
        self.bucket.is_fresh(state, now)
    }

    fn next_deadline(&self, state: &BucketState, now: Instant) -> Option<Instant> {
        self.bucket.next_deadline(state, now)
    }

    fn reanchor(&self, state: &mut BucketState, now: Instant) {
        self.bucket.reanchor(state, now);
    }

    fn inherit(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.bucket.inherit(&old.bucket, state, now)
    }

    fn rescale(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        self.bucket.rescale(&old.bucket, state, now)
    }
}

/// Counted at the instants of the reservations, the window keeps its maximum.
impl Reserve for StrictBucket {
    fn reserve(
        &self,
        state: &mut BucketState,
        cost: u32,
        latest: Instant,
        now: Instant,
    ) -> Result<Reservation<BucketCharge>, Rejected> {
        self.bucket.reserve(state, cost, latest, now)
    }

    fn charge(&self, state: &mut BucketState, cost: u32, now: Instant) -> Charged {
        self.bucket.charge(state, cost, now)
    }
}

impl TryFrom<RateLimitConfig> for StrictBucket {
    type Error = ConfigError;

    fn try_from(config: RateLimitConfig) -> Result<Self, ConfigError> {
        Self::new(config)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answers;
    use super::*;
    use core::time::Duration;

    fn config(max_requests: u32, burst_size: u32, window: Duration) -> RateLimitConfig {
        RateLimitConfig::builder()
            .max_requests(max_requests)
            .burst_size(burst_size)
            .time_window(window)
            .build()
            .unwrap()
    }

    #[test]
    fn needs_a_burst_below_the_maximum() {
        let second = Duration::from_secs(1);
        let error = StrictBucket::new(config(5, 5, second)).unwrap_err();
        assert_eq!(error.setting(), "burst_size");
        assert!(StrictBucket::new(config(6, 5, second)).is_ok());
    }

    #[test]
    fn its_own_slower_refill_has_to_fit_too() {
        let window = Duration::from_nanos(1 << 62);
        let error = StrictBucket::new(config(3, 2, window)).unwrap_err();
        assert_eq!(error.setting(), "burst_size");
    }

    #[test]
    fn but_for_its_configuration_it_answers_like_its_bucket() {
        let strict = StrictBucket::new(RateLimitConfig::DEFAULT).unwrap();
        assert_eq!(answers(&strict)[1..], answers(strict.bucket())[1..]);
        let other = StrictBucket::new(config(6, 5, Duration::from_secs(1))).unwrap();
        let (mut state, now) = (BucketState::FRESH, Instant::from_nanos(1));
        let _spent = strict.try_acquire(&mut state, 3, now).unwrap();
        let inherited = other.inherit(&strict, &state, now);
        assert_eq!(inherited, other.bucket().inherit(strict.bucket(), &state, now));
        assert_eq!(other.available(&inherited, now), 2);
    }

    #[test]
    fn reports_the_configuration_it_was_given() {
        let strict = StrictBucket::new(RateLimitConfig::DEFAULT).unwrap();
        assert_eq!(strict.config(), &RateLimitConfig::DEFAULT);
        assert_eq!(strict.capacity(), 10);
    }

    #[test]
    fn it_is_the_bucket_of_the_lower_rate_in_all_that_it_answers() {
        let strict = StrictBucket::new(config(10, 4, Duration::from_nanos(60))).unwrap();
        let slower = TokenBucket::new(config(6, 4, Duration::from_nanos(60)));
        let now = Instant::from_nanos(100);
        let mut state = StrictBucket::FRESH;
        assert!(strict.is_fresh(&state, now) && StrictBucket::IS_WORD);
        let word = *StrictBucket::word(&mut state).unwrap();
        let (charge, word) = strict.take(word, 3, now).unwrap();
        let mut same = TokenBucket::FRESH;
        assert_eq!(charge, slower.try_acquire(&mut same, 3, now).unwrap());
        *StrictBucket::word(&mut state).unwrap() = word;
        assert_eq!(state, same);

        assert!(!strict.is_fresh(&state, now));
        assert_eq!(strict.next_deadline(&state, now), Some(Instant::from_nanos(110)));
        let doubled = StrictBucket::new(config(16, 4, Duration::from_nanos(60))).unwrap();
        let state = doubled.inherit(&strict, &state, now);
        assert_eq!(doubled.available(&state, now), 1, "what was spent stays spent");
    }
}
