//! A quota that many nodes share, in Redis.
//!
//! [`SharedLimiter`] keeps core's [`TokenBucket`] of each peer, eight bytes, in a Redis that all nodes
//! ask. A script reads the server's clock, decides and stores, in one round trip. When Redis is away or
//! slow each node goes on by itself with its share of the quota, and says so.
//!
//! # Laws
//!
//! With `quota = (rate, burst)`, n nodes, and `share = max(1, ⌊burst / n⌋)`:
//!
//! - **Exact.** What is decided in Redis is decided as [`TokenBucket::step`] decides, bit for bit,
//!   at the server's time, and is one step for all nodes. Core checks each answer of the script.
//! - **Bounded while Redis is there.** In any interval of length d one peer is admitted at most
//!   `burst + ⌊rate · (d + 1 ns)⌋`, d by the clock of Redis.
//! - **Bounded while it is away.** Nodes that decide by themselves admit one peer together at most
//!   `n · share + n · ⌊rate / n · (d + 1 ns)⌋`, which is within `max(burst, n) + rate · (d + 1 ns)`.
//! - **Bounded over the switch, both ways.** In any interval the two bounds add, as some nodes may be
//!   on one side and some on the other, and each time that Redis loses its data adds a `burst`: an
//!   empty Redis is a full bucket. After l losses:
//!   `(1 + l) · burst + n · share + 2 · rate · (d + 1 ns)` at most.
//! - **Answered.** Each request is answered within the timeout and the time of a local decision, with
//!   where it was decided ([`Source`]).
//! - **No growth.** A key goes when its bucket is full again, at most twice as late. Here, nothing grows.
//!
//! A request whose reply is lost may have been taken from the bucket in Redis and is decided again here:
//! tokens are wasted, never minted. So are those of a call that is dropped while it waits.
//!
//! # How
//!
//! Redis runs Lua, whose numbers are exact up to 2^53 only. So the script follows the steps of
//! [`BucketNumbers`](resil_core::rate_limit::BucketNumbers) in limbs of 16 bits, and returns the state
//! before and after and the time. With these core decides once more, which makes the answer and the
//! instant of a refusal; should the two ever differ, Redis counts as failed. A test holds the script to core
//! at any rate, state and time.
//!
//! # Consistency and failover
//!
//! One Redis decides, so its decisions have one order. Replication is asynchronous: a replica that
//! takes over may lack the last writes, and what they took is there again, at most a `burst` for each
//! peer as after any loss. `WAIT` would cost a round trip to the replica for each request and would
//! still not make a failover lossless, so it is not used. A crash without `appendfsync always` loses
//! likewise. In a cluster, give the client the address of a node that holds all slots, or use a Redis
//! that is not a cluster; redirections are not followed and count as failures.
//!
//! # Memory
//!
//! Set `maxmemory-policy noeviction`. An evicted bucket is a full one, so with another policy somebody
//! with many ids can have their debts forgotten. A Redis that is full answers with an error, and
//! the nodes go on by themselves.
//!
//! # Time
//!
//! The server's clock decides, read in the script, so nodes need no common clock. It is the wall clock
//! in microseconds: let it be slewed, not stepped. A step forward refills; one backward delays by at
//! most what core's bucket [states](TokenBucket#time-that-misbehaves). A refusal names an instant of
//! *our* clock, counted from when the answer came: never too early.
//!
//! # When not to use it
//!
//! - Where each node may have a fixed share: a [`RateLimiter`] with
//!   [`share`](RateLimitConfig::share) costs nanoseconds and cannot be away.
//! - Where no window may ever see more than `max_requests`, or where exceeding the quota during an outage
//!   does harm: the bounds are those above and no better.
//! - As a lock, or for money.
//!
//! # Cost
//!
//! One round trip, and about 25 µs of the only thread that Redis has: `redis-benchmark` reaches two fifths
//! of the requests a second that it reaches with `GET`. A refused peer costs as much, so put a local
//! limiter before it against floods. The first request connects and loads the script, some round trips
//! more.
//!
//! # Versions
//!
//! Redis 6.2 or later (for `PXAT`) and what is compatible, such as Valkey. Scripts are replicated by
//! their effects there, so that one may read the clock. Tested with Redis 7.0.
//!
//! # Log events
//!
//! | target | message | level | `event` | fields |
//! |---|---|---|--:|---|
//! | `resil::redis` | `refused` | debug | 201 | `id`, `tokens`, `code`, `retry_after` |
//! | | `fell back` | debug | 906 | `id`, `tokens`, `code`, `error` |
//!
//! A refusal of the local limiter is logged as its own, and the breaker, `redis` by name, logs when
//! Redis is taken for down and when it is back.

mod builder;
mod key;
mod link;
mod script;

use core::error::Error;
use core::fmt::{self, Debug};
use core::hash::Hash;
use core::time::Duration;
use std::sync::Arc;

use ::redis::RedisError;
use resil_core::circuit_breaker::State;
use resil_core::error::RateLimitError;
use resil_core::event::EventKind;
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::{Clock, ErrorCode};

use crate::circuit_breaker::CircuitBreaker;
use crate::clock::SystemClock;
use crate::log;
use crate::rate_limit::RateLimiter;
use key::Keys;
use link::Link;
use script::BucketScript;

pub use ::redis::Client;
pub use builder::SharedLimiterBuilder;

/// Where its log events go.
const TARGET: &str = "resil::redis";

/// Where a request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// In Redis, for all nodes.
    Shared,
    /// Here, by this node's share, because Redis did not answer.
    Local,
}

/// A refusal, and where it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    rejected: Rejected,
    source: Source,
}

impl Refused {
    /// Why, and when to come back by the [`SystemClock`].
    pub const fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Where it was decided.
    #[must_use]
    pub const fn decided(&self) -> Source {
        self.source
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.rejected, f)
    }
}

impl Error for Refused {}

impl From<Refused> for RateLimitError {
    fn from(refused: Refused) -> Self {
        Self::new(refused.rejected)
    }
}

/// One token bucket for each of many peers, shared by many nodes through Redis.
///
/// `K` is the peer's id. A clone is a handle to the same limiter. It needs a tokio runtime with time
/// and I/O enabled.
///
/// ```no_run
/// use core::time::Duration;
/// use resil_std::core::rate_limit::RateLimitConfig;
/// use resil_std::redis::{Client, SharedLimiter, Source};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let quota = RateLimitConfig::builder()
///     .max_requests(1000)
///     .time_window(Duration::from_secs(60))
///     .burst_size(50)
///     .build()?;
/// let client = Client::open("redis://quota.internal:6379")?;
/// let limiter: SharedLimiter<[u8; 32]> = SharedLimiter::builder(client, quota, 5).build()?;
///
/// let peer = [7; 32];
/// match limiter.check(&peer, 1).await {
///     Ok(Source::Shared) => { /* one of 1000 a minute over all five nodes */ }
///     Ok(Source::Local) => { /* Redis is away: one of this node's 200 a minute */ }
///     Err(refused) => println!("{:?}", refused.rejected().retry()),
/// }
/// # Ok(())
/// # }
/// ```
pub struct SharedLimiter<K>(Arc<Shared<K>>);

struct Shared<K> {
    keys: Keys,
    script: BucketScript,
    link: Arc<Link>,
    timeout: Duration,
    breaker: CircuitBreaker,
    local: RateLimiter<K, TokenBucket>,
}

impl<K: AsRef<[u8]> + Hash + Eq + Clone + Debug> SharedLimiter<K> {
    /// A limiter that grants every peer `quota`, together on all of `nodes` nodes.
    ///
    /// Each node has to be given the same numbers. If there are more nodes than stated, the quota still
    /// holds while Redis is there, and is exceeded in proportion while it is away.
    pub fn builder(client: Client, quota: RateLimitConfig, nodes: u32) -> SharedLimiterBuilder<K> {
        SharedLimiterBuilder::new(client, quota, nodes)
    }

    /// Takes `tokens` from the quota of `id`, or says when they will be there, and where that was
    /// decided. What needs no bucket, such as a cost of zero, is decided at once, as
    /// [`Source::Shared`].
    ///
    /// Dropped while it waits, it may have taken them.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED` while the bucket is short, `RATE_LIMIT_COST_EXCEEDS_BURST` for what can
    /// never pass; while Redis is away also for what exceeds the share of one node.
    pub async fn check(&self, id: &K, tokens: u32) -> Result<Source, Refused> {
        let (source, answer) = match self.0.script.bucket().foregone(tokens) {
            Some(answer) => (Source::Shared, answer),
            None => match self.ask(id, tokens).await {
                Ok(answer) => (Source::Shared, answer),
                Err(why) => {
                    log_fallback(id, tokens, &why);
                    (Source::Local, self.0.local.check(id, tokens).map(drop))
                }
            },
        };
        answer.map(|()| source).map_err(|rejected| {
            if source == Source::Shared {
                log_refusal(id, tokens, rejected);
            }
            Refused { rejected, source }
        })
    }

    /// [`check`](Self::check) for whoever does not care where it was decided.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), as the error that names a limiter.
    pub async fn allow(&self, id: &K, tokens: u32) -> Result<(), RateLimitError> {
        self.check(id, tokens).await.map(drop).map_err(RateLimitError::from)
    }

    /// Asks Redis.
    async fn ask(&self, id: &K, tokens: u32) -> Result<Result<(), Rejected>, NoAnswer> {
        let Shared { keys, script, link, timeout, breaker, .. } = &*self.0;
        let guard = breaker.try_acquire().map_err(|open| NoAnswer::NotAsked(open.refusal()))?;
        let take = async {
            let mut connection = link.connection().await?;
            script.take(&mut connection, &keys.key(id.as_ref()), tokens).await
        };
        match tokio::time::timeout(*timeout, take).await {
            Ok(Ok(answer)) => {
                guard.success();
                Ok(answer)
            }
            Ok(Err(error)) => {
                if is_about_the_key(&error) {
                    guard.ignore();
                } else {
                    guard.failure(FailureClass::Transient);
                    link.renew();
                }
                Err(NoAnswer::Failed(error))
            }
            Err(_elapsed) => {
                guard.failure(FailureClass::Timeout);
                link.renew();
                Err(NoAnswer::TookTooLong)
            }
        }
    }
}

impl<K> SharedLimiter<K> {
    /// The state of the breaker before Redis: closed where it is asked. A good input for a health check.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.breaker.state()
    }
}

/// Why Redis did not decide.
enum NoAnswer {
    NotAsked(Rejected),
    Failed(RedisError),
    TookTooLong,
}

impl NoAnswer {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::NotAsked(refusal) => refusal.code(),
            Self::Failed(_) => ErrorCode::OperationFailed,
            Self::TookTooLong => ErrorCode::NetworkTimeout,
        }
    }

    const fn error(&self) -> Option<&RedisError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::NotAsked(_) | Self::TookTooLong => None,
        }
    }
}

/// Whether Redis works, and only this key holds something that is not ours.
fn is_about_the_key(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "NOTABUCKET"))
}

fn log_fallback(id: &impl Debug, tokens: u32, why: &NoAnswer) {
    let (code, error) = (why.code().name(), why.error().map(tracing::field::display));
    log::at!(debug, TARGET, EventKind::CallFellBack; _, ?id, tokens, code, error, "fell back");
}

fn log_refusal(id: &impl Debug, tokens: u32, rejected: Rejected) {
    let (kind, code) = (EventKind::of_refusal(rejected), rejected.code().name());
    let retry_after = rejected.retry().wait_from(SystemClock.now());
    log::at!(debug, TARGET, kind; _, ?id, tokens, code, ?retry_after, "refused");
}

impl<K> Clone for SharedLimiter<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Debug for SharedLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimiter").field("breaker", &self.0.breaker).finish_non_exhaustive()
    }
}
