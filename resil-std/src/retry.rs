//! Try again, with waits that grow.
//!
//! [`retry_with_policy`] runs an async operation, [`retry_sync`] one that blocks the thread, both
//! under a [`RetryPolicy`]. [`Retry`] is the same with more to say:
//! another clock, or an operation that is guarded itself.
//!
//! # Laws
//!
//! - Before the first failure nothing is drawn or allocated, nothing is logged above debug level, and the
//!   clock is read only if the policy has a deadline: that counts from the start.
//! - An error that the policy's classifier does not take for retryable returns at once, as the
//!   operation's own error, on any attempt.
//! - No sleep is begun that would outlive the policy's deadline.
//! - Cancel-safe: dropping the future drops the attempt in flight, or the sleep, and nothing else.
//!
//! # When not to use it
//!
//! For an operation that must not run twice: a lost reply looks like a lost request. Make it
//! idempotent, or classify as fatal whatever may have happened.
//!
//! # Cost
//!
//! An operation that succeeds at once costs what it costs, and a deadline a reading of the clock besides.

mod run;

use core::convert::identity;
use core::fmt::Debug;
use core::future::Future;

use resil_core::ResilienceError;
use resil_core::outcome::{Classify, EveryError};
use resil_core::retry::RetryPolicy;

use crate::clock::{Sleep, SystemClock};
use run::{run, run_blocking};

/// Runs `operation` until it succeeds or `policy` has had enough.
///
/// `operation_name` stands for it in the log. Needs a tokio runtime with time enabled.
///
/// ```
/// use core::time::Duration;
/// use resil_std::core::error::NetworkError;
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::retry::retry_with_policy;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let policy = RetryPolicy::builder()
///     .max_attempts(3)
///     .initial_delay(Duration::from_secs(1))
///     .max_delay(Duration::from_secs(60))
///     .build()?;
///
/// let mut calls = 0;
/// let connect = || {
///     calls += 1;
///     let up = calls == 3;
///     async move { if up { Ok("connected") } else { Err(NetworkError::connection_failed()) } }
/// };
/// assert_eq!(retry_with_policy(connect, &policy, "peer_connection").await?, "connected");
/// assert_eq!(calls, 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`RETRY_EXHAUSTED`](resil_core::ErrorCode::RetryExhausted) with the last error when every attempt
/// failed, [`RETRY_FAILED`](resil_core::ErrorCode::RetryFailed) when a deadline or the peer's "never"
/// cut it short, the operation's own error when that is not one to retry.
#[inline]
pub fn retry_with_policy<'p, V, E, C, F, Fut>(
    operation: F,
    policy: &'p RetryPolicy<C>,
    operation_name: &'p str,
) -> impl Future<Output = Result<V, ResilienceError<E>>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<V, E>>,
    C: Classify<E>,
    E: Debug,
{
    run(Retry::new(policy, operation_name), operation, ResilienceError::operation)
}

/// [`retry_with_policy`] for an operation that blocks the thread; so do the waits.
///
/// ```
/// use resil_std::core::ErrorCode;
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::retry::retry_sync;
///
/// let policy = RetryPolicy::builder().max_attempts(1).build()?;
/// let failed = retry_sync(|| Err::<(), _>("disk full"), &policy, "flush").unwrap_err();
/// assert_eq!(failed.code(), ErrorCode::RetryExhausted);
/// # Ok::<(), resil_std::core::ConfigError>(())
/// ```
///
/// # Errors
///
/// As [`retry_with_policy`].
#[inline]
pub fn retry_sync<V, E, C>(
    operation: impl FnMut() -> Result<V, E>,
    policy: &RetryPolicy<C>,
    operation_name: &str,
) -> Result<V, ResilienceError<E>>
where
    C: Classify<E>,
    E: Debug,
{
    Retry::new(policy, operation_name).call_blocking(operation)
}

/// A policy, the name of what runs under it, and a clock: [`retry_with_policy`] with more to say.
///
/// ```
/// use resil_std::circuit_breaker::CircuitBreaker;
/// use resil_std::core::ErrorCode;
/// use resil_std::core::circuit_breaker::CircuitBreakerConfig;
/// use resil_std::core::retry::RetryPolicy;
/// use resil_std::retry::Retry;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let policy = RetryPolicy::builder().max_attempts(10).build()?;
/// let config = CircuitBreakerConfig::builder().failure_threshold(2).build()?;
/// let breaker = CircuitBreaker::new("peer-7", config);
///
/// // The breaker opens at the second failure; the third attempt is refused, and that ends it.
/// let send = async || Err::<(), _>("connection reset");
/// let error = Retry::new(&policy, "send").call_guarded(|| breaker.call(send)).await.unwrap_err();
/// assert_eq!(error.code(), ErrorCode::CircuitBreakerOpen);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until `call`"]
pub struct Retry<'p, C = EveryError, T = SystemClock> {
    policy: &'p RetryPolicy<C>,
    operation: &'p str,
    clock: T,
}

impl<'p, C> Retry<'p, C> {
    /// Retries under `policy`; `operation` stands in the log for what is called.
    pub const fn new(policy: &'p RetryPolicy<C>, operation: &'p str) -> Self {
        Self { policy, operation, clock: SystemClock }
    }
}

impl<'p, C, T: Sleep> Retry<'p, C, T> {
    /// The same by another clock.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_std::clock::MockClock;
    /// use resil_std::core::backoff::Jitter;
    /// use resil_std::core::retry::RetryPolicy;
    /// use resil_std::core::{Clock, Instant};
    /// use resil_std::retry::Retry;
    ///
    /// let policy = RetryPolicy::builder().jitter(Jitter::None).build()?;
    /// let clock = MockClock::default();
    /// let fails = || Err::<(), _>("no route");
    /// assert!(Retry::new(&policy, "route").clock(clock.clone()).call_blocking(fails).is_err());
    /// assert_eq!(clock.now(), Instant::from_duration(Duration::from_secs(1 + 2)));
    /// # Ok::<(), resil_std::core::ConfigError>(())
    /// ```
    pub fn clock<U>(self, clock: U) -> Retry<'p, C, U> {
        Retry { policy: self.policy, operation: self.operation, clock }
    }

    /// [`retry_with_policy`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn call<V, E, F, Fut>(
        &self,
        operation: F,
    ) -> impl Future<Output = Result<V, ResilienceError<E>>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        C: Classify<E>,
        E: Debug,
    {
        run(self, operation, ResilienceError::operation)
    }

    /// [`retry_sync`].
    ///
    /// # Errors
    ///
    /// As [`retry_with_policy`].
    #[inline]
    pub fn call_blocking<V, E>(
        &self,
        operation: impl FnMut() -> Result<V, E>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
        E: Debug,
    {
        run_blocking(self, operation, ResilienceError::operation)
    }

    /// [`call`](Self::call) for an operation that goes through a breaker or a limiter itself.
    ///
    /// The operation's own error is classified and retried as ever. A refusal is no attempt: a
    /// breaker's ends the call at once, a limiter's is waited for only where the policy says so
    /// ([`max_refusal_waits`](resil_core::retry::RetryPolicyBuilder::max_refusal_waits)). Any other
    /// cause, such as a retry inside that has given up, is passed through.
    ///
    /// # Errors
    ///
    /// As [`retry_with_policy`], and refusals.
    #[inline]
    pub fn call_guarded<V, E, F, Fut>(
        &self,
        operation: F,
    ) -> impl Future<Output = Result<V, ResilienceError<E>>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<V, ResilienceError<E>>>,
        C: Classify<E>,
        E: Debug,
    {
        run(self, operation, identity)
    }

    /// [`call_guarded`](Self::call_guarded) for an operation that blocks the thread.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn call_guarded_blocking<V, E>(
        &self,
        operation: impl FnMut() -> Result<V, ResilienceError<E>>,
    ) -> Result<V, ResilienceError<E>>
    where
        C: Classify<E>,
        E: Debug,
    {
        run_blocking(self, operation, identity)
    }
}
