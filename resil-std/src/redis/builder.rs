//! What a shared quota is, where it lies and who shares it.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;

use ::redis::Client;
use resil_core::ConfigError;
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::valid;

use super::key::Keys;
use super::link::Link;
use super::script::BucketScript;
use super::{Shared, SharedLimiter};
use crate::circuit_breaker::CircuitBreaker;
use crate::rate_limit::RateLimiter;

/// Asked again after a second: while Redis is away a node spends one probe a second on it.
const BREAKER: CircuitBreakerConfig =
    valid!(CircuitBreakerConfig::builder().timeout(Duration::from_secs(1)).build());

/// Builds a [`SharedLimiter`]; each method says what its default is and why.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct SharedLimiterBuilder<K> {
    client: Client,
    quota: RateLimitConfig,
    nodes: u32,
    prefix: String,
    timeout: Duration,
    breaker: CircuitBreakerConfig,
    slots: usize,
    id: PhantomData<fn(K)>,
}

impl<K: AsRef<[u8]> + Hash + Eq + Clone + Debug> SharedLimiterBuilder<K> {
    pub(super) fn new(client: Client, quota: RateLimitConfig, nodes: u32) -> Self {
        let (prefix, timeout, slots) = ("resil".into(), Duration::from_millis(50), 1024);
        Self { client, quota, nodes, prefix, timeout, breaker: BREAKER, slots, id: PhantomData }
    }

    /// What the keys begin with. Limiters with the same prefix and quota share their buckets. Default:
    /// `resil`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a request waits for Redis before it is decided here. Default: 50 ms, a hundred times
    /// what a round trip takes in a data centre.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When Redis is taken for down, and when it is asked again. Default: after five failures in a row,
    /// and after a second.
    pub const fn breaker(mut self, breaker: CircuitBreakerConfig) -> Self {
        self.breaker = breaker;
        self
    }

    /// Peers that are told apart while Redis is away, a multiple of 8
    /// ([`slots`](crate::rate_limit::RateLimiterBuilder::slots)). Default: 1024.
    pub const fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// The limiter. It connects with its first request.
    ///
    /// # Errors
    ///
    /// When `nodes` is zero or a node's [share](RateLimitConfig::share) is none, when the timeout is
    /// zero, or when `slots` is not a positive multiple of 8.
    pub fn build(self) -> Result<SharedLimiter<K>, ConfigError> {
        if self.timeout.is_zero() {
            return Err(ConfigError::new("timeout", "timeout must be longer than zero"));
        }
        let share = TokenBucket::new(self.quota.share(self.nodes)?);
        Ok(SharedLimiter(Arc::new(Shared {
            keys: Keys::new(&self.prefix, &self.quota),
            script: BucketScript::new(TokenBucket::new(self.quota)),
            link: Arc::new(Link::new(self.client)),
            timeout: self.timeout,
            breaker: CircuitBreaker::new("redis", self.breaker),
            local: RateLimiter::builder(share).slots(self.slots).build()?,
        })))
    }
}
