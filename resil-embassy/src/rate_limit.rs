//! May this peer send now, and if not, when.
//!
//! [`RateLimiter`] is core's [table of peers](resil_core::rate_limit::RateLimiter), of a size fixed
//! when it is compiled, behind one of embassy's blocking mutexes, with embassy's clock.
//!
//! # Laws
//!
//! - It has the size it was built with. Whatever ids are invented, what is admitted in all is at
//!   most (slots + 1) times what one limit admits.
//! - Tasks do not over-admit: an answer and what it takes are one step.
//! - A refusal names the instant at which the same request passes, as long as nobody else takes
//!   from the same limit before.
//! - The mutex is held for one decision, which looks at 16 slots at most; never across an `.await`.
//!
//! # When not to use it
//!
//! To bound how many calls run *at once*, or for ids that cost nothing to invent: limit after
//! authentication.

use core::cell::RefCell;
use core::fmt;
use core::hash::Hash;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::error::RateLimitError;
use resil_core::event::EventKind;
use resil_core::outcome::Rejected;
use resil_core::rate_limit::{
    self as machine, KeyedHash, Limit, PeerCharge, Pinned, RateLimit, RateLimitConfig,
    SetLimitError, Slot, WhenFull,
};
use resil_core::{Clock, ConfigError, Instant};

use crate::clock::EmbassyClock;
use crate::log;

type Table<K, L, const N: usize, const P: usize> =
    machine::RateLimiter<K, L, [Slot<K, L>; N], [Pinned<K, L>; P]>;

/// One limit for each of many peers, shared by tasks.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `K` is the peer's id and `L` the kind of limit: the
/// seed's bucket and window where nothing else is said, `TokenBucket` in 8 bytes a peer where RAM is
/// short. `N` peers have a slot, a multiple of 8, and `P` may have a limit of their own.
///
/// The hash seed has to come from hardware when the firmware starts (peers choose their ids, and a
/// seed that they know lets them push others out of their slots), so it is not a `const`: keep it in
/// a `StaticCell` or in the task that starts the others.
///
/// ```
/// use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// use resil_embassy::RateLimiter;
/// use resil_embassy::core::ErrorCode;
/// use resil_embassy::core::rate_limit::{RateLimitConfig, TokenBucket};
///
/// const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT); // 100 a minute, 10 at once
/// # fn hardware_random() -> u128 { 4 }
/// let limiter = RateLimiter::<NoopRawMutex, u32, TokenBucket, 16>::new(LIMIT, hardware_random());
///
/// let peer = 0xC0FFEE;
/// limiter.allow(&peer, 10)?;
/// let refused = limiter.allow(&peer, 1).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
/// # Ok::<(), resil_embassy::core::error::RateLimitError>(())
/// ```
pub struct RateLimiter<M, K, L: Limit = RateLimit, const N: usize = 64, const P: usize = 8> {
    table: Mutex<M, RefCell<Table<K, L, N, P>>>,
}

impl<M, K, L, const N: usize, const P: usize> RateLimiter<M, K, L, N, P>
where
    M: RawMutex,
    K: Hash + Eq + Clone,
    L: Limit,
{
    /// An empty table. An id that finds no slot free shares the overflow bucket.
    #[must_use]
    pub const fn new(limit: L, seed: u128) -> Self {
        let table = Table::new(limit, KeyedHash::from_seed(seed));
        Self { table: Mutex::new(RefCell::new(table)) }
    }

    /// The same with another answer for an id that finds no slot free.
    #[must_use]
    pub fn when_full(self, when_full: WhenFull) -> Self {
        let table = self.table.into_inner().into_inner().when_full(when_full);
        Self { table: Mutex::new(RefCell::new(table)) }
    }

    /// Takes `tokens` from the limit of `id`, or says when they will be there.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED` while the bucket is short, `RATE_LIMIT_QUOTA_EXHAUSTED` while the
    /// window is used up, `RATE_LIMIT_COST_EXCEEDS_BURST` for what can never pass, and
    /// `RATE_LIMIT_TABLE_FULL` where the limiter is set to refuse an id without a slot. Nothing was
    /// taken.
    pub fn check(&self, id: &K, tokens: u32) -> Result<PeerCharge<L::Charge>, Rejected> {
        let answer = self.apply(|table, now| table.check(id, tokens, now));
        answer.inspect_err(|rejected| {
            log::event(EventKind::of_refusal(*rejected), "rate limit", &(tokens, rejected));
        })
    }

    /// [`check`](Self::check) for a charge that nobody will give back: the seed's.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), as the error that names a limiter.
    pub fn allow(&self, id: &K, tokens: u32) -> Result<(), RateLimitError> {
        self.check(id, tokens).map(drop).map_err(RateLimitError::new)
    }

    /// What [`check`](Self::check) would answer; takes nothing and logs nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn peek(&self, id: &K, tokens: u32) -> Result<(), Rejected> {
        self.apply(|table, now| table.peek(id, tokens, now))
    }

    /// The most tokens that `id` can take now.
    #[must_use]
    pub fn available(&self, id: &K) -> u32 {
        self.apply(|table, now| table.available(id, now))
    }

    /// Gives back what was taken for a request that was not made after all.
    ///
    /// Never more than the limit holds, and nothing once the peer has been reset or its slot handed
    /// on. The charge has to come from this limiter.
    pub fn refund(&self, charge: PeerCharge<L::Charge>) {
        self.apply(|table, now| table.refund(charge, now));
    }

    /// Gives `id` a limit of its own, or another one. What it has spent stays spent.
    ///
    /// # Errors
    ///
    /// When the configuration does not make such a limit, or all `P` entries are taken. Nothing has
    /// changed then.
    pub fn set_limit(&self, id: K, config: RateLimitConfig) -> Result<(), SetLimitError>
    where
        L: TryFrom<RateLimitConfig, Error = ConfigError>,
    {
        self.apply(|table, now| table.set_limit(id, config, now))
    }

    /// Takes its own limit from `id`, which goes on under the common one; `false` when it had none.
    pub fn remove_limit(&self, id: &K) -> bool {
        self.apply(|table, now| table.remove_limit(id, now))
    }

    /// The configuration in force for `id`: its own, or the common one.
    #[must_use]
    pub fn get_limit(&self, id: &K) -> RateLimitConfig {
        self.apply(|table, _| *table.get_limit(id))
    }

    /// Forgets what `id` has sent, and keeps its own limit; `false` when there was nothing to forget.
    pub fn reset(&self, id: &K) -> bool {
        self.apply(|table, _| table.reset(id))
    }

    /// Forgets what every peer has sent, and keeps the limits.
    pub fn reset_all(&self) {
        self.apply(|table, _| table.reset_all());
    }

    /// How many ids have a slot or a limit of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.apply(|table, _| table.len())
    }

    /// Whether no id has a slot or a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One decision under the mutex, at the present instant.
    ///
    /// The borrow can fail only if an id's `Hash` or `Eq` uses this limiter.
    fn apply<R>(&self, decide: impl FnOnce(&mut Table<K, L, N, P>, Instant) -> R) -> R {
        self.table.lock(|table| decide(&mut table.borrow_mut(), EmbassyClock.now()))
    }
}

impl<M, K, L: Limit, const N: usize, const P: usize> fmt::Debug for RateLimiter<M, K, L, N, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, K, L, const N: usize, const P: usize> defmt::Format for RateLimiter<M, K, L, N, P>
where
    M: RawMutex,
    K: Hash + Eq + Clone,
    L: Limit,
{
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "rate limiter: {=usize} of {=usize} peers", self.len(), N);
    }
}
