//! The bucket's transition as a script, and its check by core.

use core::time::Duration;

use ::redis::aio::ConnectionLike;
use ::redis::{ErrorKind, RedisError, RedisResult, Script};
use resil_core::outcome::Rejected;
use resil_core::rate_limit::{BucketState, TokenBucket};
use resil_core::{Clock, Instant};

use crate::clock::SystemClock;

/// The arithmetic, then what reads, decides and writes.
const SOURCE: &str = concat!(include_str!("bucket.lua"), include_str!("take.lua"));

/// A token bucket whose state lies in Redis.
pub(super) struct BucketScript {
    script: Script,
    bucket: TokenBucket,
}

/// What the script answers: the state before and after, and the server's time.
type Reply = (Vec<u8>, Vec<u8>, u64, u64);

impl BucketScript {
    pub(super) fn new(bucket: TokenBucket) -> Self {
        Self { script: Script::new(SOURCE), bucket }
    }

    pub(super) const fn bucket(&self) -> &TokenBucket {
        &self.bucket
    }

    /// Takes `cost` tokens from the bucket under `key`, or says when they will be there, by our clock.
    ///
    /// The answer is core's. The script has to have foreseen it, because it has stored the new state.
    pub(super) async fn take(
        &self,
        connection: &mut impl ConnectionLike,
        key: &[u8],
        cost: u32,
    ) -> RedisResult<Result<(), Rejected>> {
        let mut invocation = self.script.key(key);
        invocation.arg(&self.arguments(cost)[..]);
        let (before, after, seconds, micros): Reply = invocation.invoke_async(connection).await?;
        let arrived = SystemClock.now();
        let time = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        let time = Instant::from_duration(time);
        let (before, after) = (state(&before)?, state(&after)?);

        let step = self.bucket.step(&before, cost, time);
        if step.store.unwrap_or(before) != after {
            return Err(unexpected("the script does not decide as core's bucket does"));
        }
        Ok(step.outcome.map(drop).map_err(|rejected| rejected.on_clock(time, arrived)))
    }

    /// Five numbers of eight bytes, most significant first.
    fn arguments(&self, cost: u32) -> Vec<u8> {
        let numbers = self.bucket.numbers();
        let cost = self.bucket.units(cost);
        [numbers.full, numbers.shortfall, numbers.excess, numbers.horizon, cost]
            .map(u64::to_be_bytes)
            .concat()
    }
}

fn state(bytes: &[u8]) -> RedisResult<BucketState> {
    let bytes = bytes.try_into().map_err(|_| unexpected("a state has eight bytes"))?;
    Ok(BucketState::from_raw(u64::from_be_bytes(bytes)))
}

fn unexpected(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::TypeError, what))
}
