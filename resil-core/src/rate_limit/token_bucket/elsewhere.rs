//! What an engine needs that cannot run this code, and decides as this bucket does.

use super::{BucketState, TokenBucket};
use crate::outcome::Rejected;
use crate::time::Instant;

/// The numbers of a [`TokenBucket`], for an engine that keeps its state where Rust does not run: a
/// script in a database, another language, hardware.
///
/// With ÷ rounding down, a bucket at instant `now`, of which the state is `state`, decides about
/// `cost` units in these steps.
///
/// 1. Where `now > horizon` it refuses, and stores nothing.
/// 2. `begin(u) = u - (u · shortfall ÷ 2^64 + 1) ÷ 2` is the instant at which unit u begins.
/// 3. `unit`, the last unit with `begin(unit) ≤ now`, is
///    `now + (now · excess + 2^63 + excess ÷ 2) ÷ 2^64`, or one more. Where a token takes a whole number
///    of nanoseconds, `shortfall` and `excess` are 0, and a unit is the instant at which it begins.
/// 4. Where `state + cost ≤ unit + full` it admits, and stores `max(state, unit) + cost`.
/// 5. Else it refuses. Where `state > unit + 2 · full` the clock has stepped back, and it stores
///    `unit + full`.
///
/// Sums in 4 and 5 may take 65 bits. `resil-std` has a script in Lua that does this, and a test that holds
/// it to [`step`](TokenBucket::step).
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_core::valid;
///
/// // A token takes 1,000 ns, so a unit takes one.
/// const BUCKET: TokenBucket = TokenBucket::new(valid!(
///     RateLimitConfig::builder()
///         .max_requests(1)
///         .time_window(Duration::from_nanos(1_000))
///         .burst_size(3)
///         .build()
/// ));
/// let numbers = BUCKET.numbers();
/// assert_eq!((numbers.full, numbers.shortfall, numbers.excess), (3_000, 0, 0));
/// assert_eq!(BUCKET.units(2), 2_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BucketNumbers {
    /// Units in a full bucket.
    pub full: u64,
    /// 1 - p in 2^-65, where p is nanoseconds per unit.
    pub shortfall: u64,
    /// 1/p - 1 in 2^-64.
    pub excess: u64,
    /// The last instant that the bucket can tell from later ones, in nanoseconds.
    pub horizon: u64,
}

impl TokenBucket {
    /// The numbers that another engine needs to decide as this bucket does.
    #[must_use]
    pub const fn numbers(&self) -> BucketNumbers {
        let Self { full, shortfall, excess, horizon, .. } = *self;
        BucketNumbers { full, shortfall, excess, horizon }
    }

    /// The answer to what `cost` decides by itself, whatever the state and the time: yes to nothing,
    /// never to more than a full bucket. `None` where the bucket has to be looked at.
    ///
    /// ```
    /// use resil_core::RetryAt;
    /// use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
    ///
    /// let bucket = TokenBucket::new(RateLimitConfig::DEFAULT); // 10 at once
    /// assert_eq!(bucket.foregone(0), Some(Ok(())));
    /// assert_eq!(bucket.foregone(10), None);
    /// assert_eq!(bucket.foregone(11).unwrap().unwrap_err().retry(), RetryAt::Never);
    /// ```
    #[must_use]
    pub const fn foregone(&self, cost: u32) -> Option<Result<(), Rejected>> {
        // A full bucket admits whatever it can ever admit, and stores it.
        let step = self.step(&BucketState::FRESH, cost, Instant::EPOCH);
        match (step.outcome, step.store) {
            (Err(never), _) => Some(Err(never)),
            (Ok(_), None) => Some(Ok(())),
            (Ok(_), Some(_)) => None,
        }
    }
}
