//! How large a limiter is, and what it does when it is full.

use core::hash::Hash;
use core::iter::repeat_with;
use core::marker::PhantomData;
use std::sync::{Arc, Mutex};

use resil_core::ConfigError;
use resil_core::rate_limit::{KeyedHash, Limit, Pinned, Slot, WhenFull};

use super::{RateLimiter, Shared, Table};
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
pub struct RateLimiterBuilder<K, L, T = SystemClock> {
    limit: L,
    slots: usize,
    pinned: usize,
    when_full: WhenFull,
    clock: T,
    id: PhantomData<K>,
}

impl<K, L> RateLimiterBuilder<K, L> {
    pub(super) const fn new(limit: L) -> Self {
        let (when_full, clock, id) = (WhenFull::Share, SystemClock, PhantomData);
        Self { limit, slots: 1024, pinned: 16, when_full, clock, id }
    }
}

impl<K, L: Clone, T: Clone> RateLimiterBuilder<K, L, T> {
    /// Peers that are told apart, a multiple of 8. Default: 1024, at which a node with 600 active
    /// peers has a slot for practically each of them.
    pub const fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Limits of their own that fit at least. Every call looks at that many, so keep them few.
    /// Default: 16.
    pub const fn pinned(mut self, pinned: usize) -> Self {
        self.pinned = pinned;
        self
    }

    /// What becomes of an id for which there is no slot. Default: it shares a bucket with all others
    /// of its kind, so that a flood of ids slows newcomers and does not shut them out.
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// The clock. Default: the system's.
    pub fn clock<U>(self, clock: U) -> RateLimiterBuilder<K, L, U> {
        let Self { limit, slots, pinned, when_full, id, .. } = self;
        RateLimiterBuilder { limit, slots, pinned, when_full, clock, id }
    }
}

impl<K: Hash + Eq + Clone, L: Limit + Clone, T> RateLimiterBuilder<K, L, T> {
    /// The limiter, with its memory; it takes no more later.
    ///
    /// # Errors
    ///
    /// When `slots` is not a positive multiple of 8.
    pub fn build(self) -> Result<RateLimiter<K, L, T>, ConfigError> {
        let slots = repeat_with(|| Slot::EMPTY).take(self.slots).collect();
        let pinned = repeat_with(|| Pinned::EMPTY).take(self.pinned).collect();
        let hash = KeyedHash::from_seed(rand::random());
        let table = Table::with_storage(self.limit, slots, pinned, hash)?;
        let table = Mutex::new(table.when_full(self.when_full));
        Ok(RateLimiter(Arc::new(Shared { table, clock: self.clock })))
    }
}
