//! What decides by a bucket, and the bucket's transitions for an atomic.

use super::{BucketCharge, BucketState, Ruling, TokenBucket};
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::rate_limit::{Reserve, StrictBucket};
use crate::time::Instant;

/// A limit that is a [`TokenBucket`] underneath, so that its state is one word: for whoever keeps it
/// in an atomic, and applies [`step`](TokenBucket::step) and [`refunded`](TokenBucket::refunded) by
/// compare-exchange.
///
/// `now` has to be no earlier than the one that made the state, or a thread that has overslept is
/// taken for a clock that stepped back: so load the state first, and then read the clock. Only a
/// refusal that stores, and a refund, need that; an admission with an old `now` mints nothing.
///
/// ```
/// use core::sync::atomic::{AtomicU64, Ordering};
/// use resil_core::Instant;
/// use resil_core::rate_limit::{Bucket, BucketState, RateLimitConfig, Step, TokenBucket};
///
/// fn allow(limit: &impl Bucket, word: &AtomicU64, now: Instant) -> bool {
///     let mut found = word.load(Ordering::Acquire);
///     loop {
///         let Step { outcome, store } =
///             limit.as_bucket().step(&BucketState::from_raw(found), 1, now);
///         let Some(made) = store else { return outcome.is_ok() };
///         let (acquire, release) = (Ordering::Acquire, Ordering::AcqRel);
///         match word.compare_exchange_weak(found, made.into_raw(), release, acquire) {
///             Ok(_) => return outcome.is_ok(),
///             Err(other) => found = other,
///         }
///     }
/// }
///
/// let (bucket, word) = (TokenBucket::new(RateLimitConfig::DEFAULT), AtomicU64::new(0));
/// let now = Instant::from_nanos(1);
/// assert_eq!((0..100).filter(|_| allow(&bucket, &word, now)).count(), 10);
/// ```
pub trait Bucket: Reserve<State = BucketState, Charge = BucketCharge> {
    /// The bucket that decides.
    fn as_bucket(&self) -> &TokenBucket;
}

impl Bucket for TokenBucket {
    #[inline]
    fn as_bucket(&self) -> &TokenBucket {
        self
    }
}

impl Bucket for StrictBucket {
    #[inline]
    fn as_bucket(&self) -> &TokenBucket {
        self.bucket()
    }
}

impl<B: Bucket> Bucket for &B {
    #[inline]
    fn as_bucket(&self) -> &TokenBucket {
        (**self).as_bucket()
    }
}

/// What [`TokenBucket::plain_step`] decides.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the new state has to be stored"]
pub enum PlainStep {
    /// The charge, and the state to store.
    Admitted(BucketCharge, BucketState),
    /// The refusal, with nothing to store: the tokens will be there within a refill.
    Refused(Rejected),
    /// A refusal that is not plain: ask for a [`step`](TokenBucket::step).
    Rare,
}

impl PlainStep {
    /// There will be enough at the instant `opens`.
    #[inline(always)]
    const fn short(opens: Instant) -> Self {
        Self::Refused(Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(opens)))
    }

    #[inline(always)]
    const fn unless_short(ruling: Ruling, state: &BucketState) -> Self {
        match ruling {
            Ruling::Nothing => Self::Admitted(BucketCharge::NOTHING, BucketState(state.0)),
            Ruling::Admitted(charge) => {
                let made = BucketState(charge.after);
                Self::Admitted(charge, made)
            }
            Ruling::Short { .. } | Ruling::Never(_) => Self::Rare,
        }
    }
}

impl TokenBucket {
    /// [`step`](Self::step) where that is plain, which is nearly always: for a loop that asks until an
    /// exchange is won, and is to be short.
    #[inline(always)] // so that what a caller does not read is not computed
    pub const fn plain_step(&self, state: &BucketState, cost: u32, now: Instant) -> PlainStep {
        if now.as_nanos() < self.plain_until {
            // What opens within a refill does so before the horizon, and its unit is its instant.
            return match self.ruling(state, cost, Some(now.as_nanos())) {
                Ruling::Short { unit, after, .. } if after < self.full => {
                    PlainStep::short(Instant::from_nanos(unit.wrapping_add(after)))
                }
                ruling => PlainStep::unless_short(ruling, state),
            };
        }
        match self.ruling(state, cost, self.unit_at(now)) {
            Ruling::Short { unit, after, .. } if after < self.full => {
                match self.instant_of(unit.wrapping_add(after)) {
                    Some(opens) => PlainStep::short(opens),
                    None => PlainStep::Rare,
                }
            }
            ruling => PlainStep::unless_short(ruling, state),
        }
    }

    /// Whether a request may take its [units](Self::units) by adding them to the state at once, without
    /// an exchange that can be lost: the bucket is not full, and has half of what it holds besides. Then
    /// [`added`](Self::added) says whether it was admitted.
    ///
    /// ```
    /// use core::sync::atomic::{AtomicU64, Ordering};
    /// use resil_core::Instant;
    /// use resil_core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};
    ///
    /// let (bucket, now) = (TokenBucket::new(RateLimitConfig::DEFAULT), Instant::from_nanos(1)); // 10 at once
    /// let mut state = BucketState::FRESH;
    /// assert!(!bucket.has_plenty(&state, 1, now), "of a full one nothing is missing to add to");
    /// bucket.try_acquire(&mut state, 1, now)?;
    /// assert!(bucket.has_plenty(&state, 1, now));
    ///
    /// let word = AtomicU64::new(state.into_raw());
    /// let found = word.fetch_add(bucket.units(1), Ordering::AcqRel);
    /// assert!(bucket.added(&BucketState::from_raw(found), 1, now).is_some());
    /// # Ok::<(), resil_core::Rejected>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn has_plenty(&self, state: &BucketState, cost: u32, now: Instant) -> bool {
        // As many as add at the same time have room above it.
        let is_countable = state.0 <= u64::MAX / 2 && self.full <= u64::MAX >> 8;
        let more = cost.saturating_add(self.config.burst_size() / 2);
        is_countable && self.adds(state, more, now).is_some()
    }

    /// The charge of a request whose units were added to `found`, where that is what an admission does.
    /// `None`: since [`has_plenty`](Self::has_plenty) others have taken the rest or given back, so it is
    /// refused, and what it added is lost.
    #[must_use]
    #[inline(always)] // so that what a caller does not read is not computed
    pub const fn added(
        &self,
        found: &BucketState,
        cost: u32,
        now: Instant,
    ) -> Option<BucketCharge> {
        match self.adds(found, cost, now) {
            None if cost == 0 => Some(BucketCharge::NOTHING),
            charge => charge,
        }
    }

    /// What an admission takes, where all that it does to the state is to add that.
    #[inline(always)]
    const fn adds(&self, state: &BucketState, cost: u32, now: Instant) -> Option<BucketCharge> {
        match self.ruling(state, cost, self.unit_at(now)) {
            Ruling::Admitted(charge) if charge.after == state.0.wrapping_add(charge.cost) => {
                Some(charge)
            }
            _ => None,
        }
    }

    /// [`refund`](crate::rate_limit::Limit::refund) as a pure transition, for whoever may have to try
    /// again. A charge is given back once.
    #[must_use]
    #[inline]
    pub fn refunded(
        &self,
        state: &BucketState,
        charge: &BucketCharge,
        now: Instant,
    ) -> BucketState {
        let unit = self.unit(self.last(now).as_nanos());
        // In debt somebody may hold a reservation that counts on what this charge took before it.
        let is_counted_on = state.0.saturating_sub(unit) > self.full && state.0 != charge.after;
        if is_counted_on {
            return BucketState(state.0);
        }
        let left = charge.until.saturating_sub(unit).min(charge.cost);
        BucketState(state.0.saturating_sub(left))
    }
}
