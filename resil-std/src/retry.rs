//! Try again, with waits that grow.
//!
//! [`retry_with_policy`] runs an async operation, [`retry_sync`] one that blocks the thread, both
//! under a [`RetryPolicy`](resil_core::retry::RetryPolicy). [`Retry`] is the same with more to say:
//! another clock, or an operation that is guarded itself.
//!
//! # Laws
//!
//! - Before the first failure nothing is drawn, logged above trace level or allocated.
//! - An error that the policy's classifier does not take for retryable returns at once, as the
//!   operation's own error, on any attempt.
//! - No sleep is begun that would outlive the policy's deadline.
//! - Cancel-safe: dropping the future drops the attempt in flight, or the sleep, and nothing else.
//!
//! # When not to use it
//!
//! For an operation that must not run twice: a lost reply looks like a lost request. Make it
//! idempotent, or classify as fatal whatever may have happened.

use core::fmt::Debug;
use core::future::Future;

use resil_core::outcome::{Classification, Classify, EveryError, FailureClass, Rejected};
use resil_core::retry::{self as machine, Next, RetryPolicy, Stop, Wait};
use resil_core::{Clock, ResilienceError};

use crate::clock::{Sleep, SystemClock};

/// Runs `operation` until it succeeds or `policy` has had enough.
///
/// `operation_name` stands for it in the log. Needs a tokio runtime with time enabled.
///
/// ```
/// use core::time::Duration;
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
///     async move { if up { Ok("connected") } else { Err("connection refused") } }
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
pub async fn retry_with_policy<V, E, C, F, Fut>(
    operation: F,
    policy: &RetryPolicy<C>,
    operation_name: &str,
) -> Result<V, ResilienceError<E>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<V, E>>,
    C: Classify<E>,
    E: Debug,
{
    Retry::new(policy, operation_name).call(operation).await
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
