//! May this peer send now, and if not, when.
//!
//! [`RateLimiter`] is core's [table of peers](resil_core::rate_limit::RateLimiter) in memory from
//! the heap, in [shards](resil_core::rate_limit::Shard) behind locks of their own, with a clock and a
//! secret hash seed from the operating system. Clones are handles to the same table.
//!
//! [`Limiter`] is one limit that all share: a word that changes by compare-exchange, and a fair line for
//! those who would rather wait than be refused.
//!
//! # Laws
//!
//! - The table has the size it was built with. Whatever ids are invented, what is admitted in all is
//!   at most (slots + 1) times what one limit admits, since all ids without a slot share one bucket.
//! - Ids that collide never share a state, nor does one reset another's: ids are compared in full,
//!   whatever their hashes. Those that meet in the same two sets of eight compete for 16 slots; who
//!   comes too late shares the overflow bucket, and a slot that owes anything is not handed on.
//! - Threads do not over-admit: an answer and what it takes are one step, also while a limit of one's
//!   own is set or removed.
//! - Memory is taken once, when the limiter is built. A call takes none, unless to clone an id that
//!   is on the heap itself; [`set_class`](RateLimiter::set_class) puts limits in the place of others.
//! - A refusal names the instant at which the same request passes, as long as nobody else takes
//!   from the same limit before.
//! - A panic anywhere leaves the limiter working, and limiting: it never fails open.
//!
//! # Cost
//!
//! A call takes the lock of one shard, of which there are a quarter of the root of the number of slots,
//! reads the clock once, and works in the slots of one id: nothing grows, moves or is swept, so none
//! takes longer than another by more than a few cache lines. Without a slot it takes the lock of the
//! overflow bucket after that one. A slot is 16 bytes and the id, rounded up to 8, with a
//! [`TokenBucket`](resil_core::rate_limit::TokenBucket) or a
//! [`StrictBucket`](resil_core::rate_limit::StrictBucket): 48 for an id of 32 bytes, and one more for
//! its tag. Seven eighths full that is the id and 24 bytes a peer, and 4 in 1,000 ids share the overflow
//! bucket; at six tenths practically none does.
//!
//! # When not to use it
//!
//! To bound how many calls run *at once*, or for ids that cost nothing to invent: limit after
//! authentication.

mod builder;
mod hash;
mod limiter;
mod pinned;
mod table;

use core::fmt::{self, Debug};
use core::hash::{BuildHasher, Hash};
use std::sync::Arc;

use resil_core::error::{ErrorCode, RateLimitError};
use resil_core::event::EventKind;
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::rate_limit::{
    Carry, Limit, PeerCharge, RateLimit, RateLimitConfig, SetLimitError, WhenFull,
};
use resil_core::{Clock, ConfigError, Instant};

use self::table::Table;
use crate::clock::SystemClock;
use crate::log;

pub use builder::RateLimiterBuilder;
pub use hash::RandomHash;
pub use limiter::{Charge, Limiter};

/// Where its log events go.
const TARGET: &str = "resil::rate_limit";

/// One limit for each of many peers, shared by tasks and threads.
///
/// `K` is the peer's id, `L` the kind of limit (the seed's bucket and window, where nothing else is
/// said), `T` the clock and `H` the hash. A clone is a handle to the same limiter.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::rate_limit::RateLimitConfig;
/// use resil_std::rate_limit::RateLimiter;
///
/// let rate_limiter = RateLimiter::default(); // 100 a minute, 10 at once
/// let config = RateLimitConfig::builder()
///     .max_requests(2)
///     .time_window(Duration::from_secs(60))
///     .build()?;
/// rate_limiter.set_limit("peer-7", config)?;
///
/// rate_limiter.allow(&"peer-7", 1)?;
/// rate_limiter.allow(&"peer-7", 1)?;
/// let refused = rate_limiter.allow(&"peer-7", 1).unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::RateLimitQuotaExhausted);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct RateLimiter<K, L: Limit = RateLimit, T = SystemClock, H = RandomHash>(
    Arc<Shared<K, L, T, H>>,
);

struct Shared<K, L: Limit, T, H> {
    table: Table<K, L, H>,
    clock: T,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// A limiter with the seed's limit, a token bucket and a sliding window, and the size that
    /// [`builder`](RateLimiter::builder) has by default.
    #[must_use]
    pub fn new(config: RateLimitConfig) -> Self {
        let built = Self::builder(RateLimit::new(config)).build();
        built.expect("the default size is a size")
    }
}

impl<K: Hash + Eq + Clone> Default for RateLimiter<K> {
    fn default() -> Self {
        Self::new(RateLimitConfig::DEFAULT)
    }
}

impl<K: Hash + Eq + Clone, L: Limit> RateLimiter<K, L> {
    /// A limiter with another kind of limit, size, clock or hash, or with classes.
    pub fn builder(limit: L) -> RateLimiterBuilder<K, L> {
        RateLimiterBuilder::new(limit)
    }
}

impl<K, L, T, H> RateLimiter<K, L, T, H>
where
    K: Hash + Eq + Clone + Debug,
    L: Limit,
    T: Clock,
    H: BuildHasher,
{
    /// Takes `tokens` from the limit of `id`, or says when they will be there.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED` while the bucket is short, `RATE_LIMIT_QUOTA_EXHAUSTED` while the
    /// window is used up, `RATE_LIMIT_COST_EXCEEDS_BURST` for what can never pass, and
    /// `RATE_LIMIT_TABLE_FULL` where the limiter is set to refuse an id without a slot. Nothing was
    /// taken.
    #[inline(always)]
    pub fn check(&self, id: &K, tokens: u32) -> Result<PeerCharge<L::Charge>, Rejected> {
        self.check_in(0, id, tokens)
    }

    /// [`check`](Self::check) of an id in a [class](RateLimiterBuilder::classes). A class that there is
    /// not is class 0.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    #[inline(always)]
    pub fn check_in(
        &self,
        class: u8,
        id: &K,
        tokens: u32,
    ) -> Result<PeerCharge<L::Charge>, Rejected> {
        self.0.table.check(class, id, tokens, &self.0.clock, |answer, now| {
            answer.inspect_err(|rejected| {
                log_refusal(id, tokens, (rejected.code(), rejected.retry()), now);
            })
        })
    }

    /// [`check`](Self::check) for a charge that nobody will give back: the seed's.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), as the error that names a limiter.
    #[inline(always)]
    pub fn allow(&self, id: &K, tokens: u32) -> Result<(), RateLimitError> {
        self.allow_in(0, id, tokens)
    }

    /// [`allow`](Self::allow) for an id in a [class](RateLimiterBuilder::classes).
    ///
    /// # Errors
    ///
    /// As [`allow`](Self::allow).
    #[inline(always)]
    pub fn allow_in(&self, class: u8, id: &K, tokens: u32) -> Result<(), RateLimitError> {
        self.0.table.check(class, id, tokens, &self.0.clock, |answer, now| match answer {
            Ok(_) => Ok(()),
            Err(rejected) => {
                log_refusal(id, tokens, (rejected.code(), rejected.retry()), now);
                Err(RateLimitError::new(rejected))
            }
        })
    }

    /// What [`check`](Self::check) would answer; takes nothing and logs nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn peek(&self, id: &K, tokens: u32) -> Result<(), Rejected> {
        self.peek_in(0, id, tokens)
    }

    /// [`peek`](Self::peek) for an id in a [class](RateLimiterBuilder::classes).
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn peek_in(&self, class: u8, id: &K, tokens: u32) -> Result<(), Rejected> {
        let ask = |limit: &L, state: &L::State, now| limit.peek(state, tokens, now);
        match self.0.table.look_up(class, id, &self.0.clock, ask) {
            (Some(answer), _) => answer,
            (None, now) if WhenFull::Refuse.refuses(tokens) => {
                Err(self.0.table.table_full(class, tokens, now))
            }
            (None, _) => Ok(()),
        }
    }

    /// The most tokens that `id` can take now.
    #[must_use]
    pub fn available(&self, id: &K) -> u32 {
        self.available_in(0, id)
    }

    /// The most tokens that `id` can take now in a [class](RateLimiterBuilder::classes).
    #[must_use]
    pub fn available_in(&self, class: u8, id: &K) -> u32 {
        let ask = |limit: &L, state: &L::State, now| limit.available(state, now);
        self.0.table.look_up(class, id, &self.0.clock, ask).0.unwrap_or(0)
    }

    /// Gives back what was taken for a request that was not made after all.
    ///
    /// Never more than the limit holds, and nothing once the peer has been reset or its slot handed
    /// on. The charge has to come from this limiter.
    pub fn refund(&self, charge: PeerCharge<L::Charge>) {
        self.0.table.refund(charge, &self.0.clock);
    }

    /// Gives `id` a limit of its own, or another one. What it has spent stays spent.
    ///
    /// # Errors
    ///
    /// When the configuration does not make such a limit, or there is no room for another one
    /// ([`pinned`](RateLimiterBuilder::pinned)). Nothing has changed then.
    pub fn set_limit(&self, id: K, config: RateLimitConfig) -> Result<(), SetLimitError>
    where
        L: TryFrom<RateLimitConfig, Error = ConfigError>,
    {
        self.0.table.set_limit(id, L::try_from(config)?, &self.0.clock)
    }

    /// Takes its own limit from `id`, which goes on under the common one; `false` when it had none.
    pub fn remove_limit(&self, id: &K) -> bool {
        self.0.table.remove_limit(id, &self.0.clock)
    }

    /// The configuration in force for `id`: its own, or the common one.
    #[must_use]
    pub fn get_limit(&self, id: &K) -> RateLimitConfig {
        self.get_limit_in(0, id)
    }

    /// The configuration in force for `id` in a [class](RateLimiterBuilder::classes): its own, or that of
    /// the class.
    #[must_use]
    pub fn get_limit_in(&self, class: u8, id: &K) -> RateLimitConfig {
        self.0.table.get_limit(class, id)
    }

    /// Gives everyone in a [class](RateLimiterBuilder::classes) another limit; `false` when there is no such
    /// class, and then nothing has changed. Class 0 is everyone who is in no other one.
    ///
    /// All go on with what was spent or with the share that was left, as `carry` says. Charges from before
    /// are not refunded, and limits of one's own stay.
    ///
    /// One shard after the other, each locked for as long as its own slots take: who asks meanwhile is judged
    /// by the one limit or by the other, and nothing that is spent is lost between them. It is the one method
    /// that takes memory, for the limits of all classes, and gives that of the former ones back.
    ///
    /// ```
    /// use resil_std::RateLimiter;
    /// use resil_std::core::rate_limit::{Carry, RateLimit, RateLimitConfig};
    ///
    /// let senders = RateLimiter::default(); // 10 at once
    /// senders.allow(&"peer-7", 5)?;
    ///
    /// // The node sheds load: a fifth for everybody, and who had half of it left has half of that.
    /// let fifth = RateLimitConfig::builder().burst_size(2).build()?;
    /// assert!(senders.set_class(0, RateLimit::new(fifth), Carry::Share));
    /// assert_eq!(senders.available(&"peer-7"), 1);
    /// assert_eq!(senders.available(&"peer-8"), 2);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn set_class(&self, class: u8, limit: L, carry: Carry) -> bool
    where
        L: Clone,
    {
        let is_set = self.0.table.set_class(class, limit, carry, &self.0.clock);
        if is_set {
            let kind = EventKind::ConfigurationChanged;
            log::at!(info, TARGET, kind; _, class, "{}", kind.message());
        }
        is_set
    }

    /// Forgets what `id` has sent, and keeps its own limit; `false` when there was nothing to forget.
    pub fn reset(&self, id: &K) -> bool {
        self.0.table.reset(id)
    }

    /// Forgets what every peer has sent, and keeps the limits. One shard after the other: who asks
    /// meanwhile is judged before or after.
    pub fn reset_all(&self) {
        self.0.table.reset_all();
    }

    /// How many ids have a slot or a limit of their own. Looks at every slot, one shard after the
    /// other.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.table.len()
    }

    /// Whether no id has a slot or a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Of a refusal in parts, so that it need not lie in memory.
#[cold]
fn log_refusal<K: Debug>(id: &K, tokens: u32, (code, retry): (ErrorCode, RetryAt), now: Instant) {
    let kind = EventKind::of_refusal(Rejected::new(code, retry));
    let (code, retry_after) = (code.name(), retry.wait_from(now));
    log::at!(debug, TARGET, kind; _, ?id, tokens, code, ?retry_after, "refused");
}

impl<K, L: Limit, T, H> Clone for RateLimiter<K, L, T, H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, L: Limit, T, H> Debug for RateLimiter<K, L, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}
