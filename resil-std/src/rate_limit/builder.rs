//! How large a limiter is, and what it does when it is full.

use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use std::sync::Arc;

use resil_core::ConfigError;
use resil_core::rate_limit::{Limit, WhenFull};

use super::{RandomHash, RateLimiter, Shared, Table};
use crate::clock::SystemClock;

/// Builds a [`RateLimiter`]; each method says what its default is and why.
///
/// ```
/// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
/// use resil_std::rate_limit::RateLimiter;
///
/// let bucket = TokenBucket::new(RateLimitConfig::DEFAULT);
/// let limiter: RateLimiter<[u8; 32], _> = RateLimiter::builder(bucket).slots(4096).build()?;
/// assert!(limiter.check(&[7; 32], 1).is_ok());
/// # Ok::<(), resil_std::core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct RateLimiterBuilder<K, L, T = SystemClock, H = RandomHash> {
    limit: L,
    classes: Vec<L>,
    slots: usize,
    pinned: usize,
    when_full: WhenFull,
    clock: T,
    hasher: H,
    id: PhantomData<K>,
}

impl<K, L> RateLimiterBuilder<K, L> {
    pub(super) fn new(limit: L) -> Self {
        let (slots, pinned, when_full) = (1024, 16, WhenFull::Share);
        let (clock, hasher, id) = (SystemClock, RandomHash::new(), PhantomData);
        Self { limit, classes: Vec::new(), slots, pinned, when_full, clock, hasher, id }
    }
}

impl<K, L, T, H> RateLimiterBuilder<K, L, T, H> {
    /// Peers that are told apart, a multiple of 8. Default: 1024, at which a node with 600 active
    /// peers has a slot for practically each of them. Seven eighths full, 4 in 1,000 share the overflow
    /// bucket.
    pub const fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Limits of their own that there is room for. Default: 16. Every call compares its hash with those
    /// that are taken, so keep them few.
    pub const fn pinned(mut self, pinned: usize) -> Self {
        self.pinned = pinned;
        self
    }

    /// What becomes of an id for which there is no slot. Default: it shares a bucket with all others
    /// of its class, so that a flood of ids slows newcomers and does not shut them out.
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// The limits of class 1, 2 and so on, for kinds of peers that you tell apart, each with an overflow
    /// bucket of its own; see [core's](resil_core::rate_limit::RateLimiter#classes).
    /// [`set_class`](RateLimiter::set_class) gives a class another one later. Default: none beside
    /// class 0, the limit that the builder was made with.
    ///
    /// ```
    /// use resil_std::core::rate_limit::{RateLimitConfig, TokenBucket};
    /// use resil_std::rate_limit::RateLimiter;
    ///
    /// let unknown = TokenBucket::new(RateLimitConfig::DEFAULT);
    /// let validator = TokenBucket::new(RateLimitConfig::builder().burst_size(100).build()?);
    /// let peers: RateLimiter<u64, _> =
    ///     RateLimiter::builder(unknown).classes([validator]).build()?;
    /// assert!(peers.check_in(1, &3, 100).is_ok());
    /// assert!(peers.check_in(0, &4, 100).is_err(), "unknown");
    /// # Ok::<(), resil_std::core::ConfigError>(())
    /// ```
    pub fn classes(mut self, limits: impl IntoIterator<Item = L>) -> Self {
        self.classes = limits.into_iter().collect();
        self
    }

    /// The clock. Default: the system's.
    pub fn clock<U>(self, clock: U) -> RateLimiterBuilder<K, L, U, H> {
        let Self { limit, classes, slots, pinned, when_full, hasher, id, .. } = self;
        RateLimiterBuilder { limit, classes, slots, pinned, when_full, clock, hasher, id }
    }

    /// The hash of ids. Default: [`RandomHash`]. Any other has to have a secret key too, and 64 good bits.
    pub fn hasher<I>(self, hasher: I) -> RateLimiterBuilder<K, L, T, I> {
        let Self { limit, classes, slots, pinned, when_full, clock, id, .. } = self;
        RateLimiterBuilder { limit, classes, slots, pinned, when_full, clock, hasher, id }
    }
}

impl<K: Hash + Eq + Clone, L: Limit, T, H: BuildHasher> RateLimiterBuilder<K, L, T, H> {
    /// The limiter, with its memory; it takes no more later.
    ///
    /// # Errors
    ///
    /// When `slots` is not a positive multiple of 8, or there are more than 255 classes beside the first.
    pub fn build(self) -> Result<RateLimiter<K, L, T, H>, ConfigError> {
        let Self { limit, classes, slots, pinned, when_full, clock, hasher, .. } = self;
        let table = Table::new(limit, classes, slots, pinned, when_full, hasher)?;
        Ok(RateLimiter(Arc::new(Shared { table, clock })))
    }
}
