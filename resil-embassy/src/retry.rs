//! Try again, with waits that grow.
//!
//! [`retry_with_policy`] runs an async operation under a
//! [`RetryPolicy`], which is a constant in flash.
//!
//! # Laws
//!
//! - An error that the policy's classifier does not take for retryable returns at once, as the
//!   operation's own error, on any attempt.
//! - No sleep is begun that would outlive the policy's deadline, and no attempt starts after it.
//! - Cancel-safe: dropping the future drops the attempt in flight, or the sleep, and nothing else.
//!
//! # When not to use it
//!
//! For an operation that must not run twice: a lost reply looks like a lost request. Make it
//! idempotent, or classify as fatal whatever may have happened.

use core::fmt::Debug;
use core::future::Future;

use resil_core::event::EventKind;
use resil_core::outcome::Classify;
use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
use resil_core::{Clock, ResilienceError};

use crate::clock::{EmbassyClock, sleep_until};
use crate::log;

/// Runs `operation` until it succeeds or `policy` has had enough.
///
/// `operation_name` stands for it in the log. `entropy` gives 32 random bits for the jitter of each
/// wait, from the hardware or from a generator seeded with it; a constant makes a whole fleet retry
/// in step.
///
/// ```
/// use resil_embassy::core::retry::RetryPolicy;
/// use resil_embassy::core::valid;
/// use resil_embassy::retry_with_policy;
///
/// const POLICY: RetryPolicy = valid!(RetryPolicy::builder().max_attempts(5).build());
/// # fn hardware_random() -> u32 { 4 }
/// # async fn join() -> Result<u8, &'static str> { Ok(7) }
///
/// # embassy_futures::block_on(async {
/// assert_eq!(retry_with_policy(join, &POLICY, "join", hardware_random).await, Ok(7));
/// # });
/// ```
///
/// # Errors
///
/// [`RETRY_EXHAUSTED`](resil_core::ErrorCode::RetryExhausted) with the last error when every attempt
/// failed, [`RETRY_FAILED`](resil_core::ErrorCode::RetryFailed) when a deadline or the peer's "never"
/// cut it short, the operation's own error when that is not one to retry.
pub async fn retry_with_policy<V, E, C, F, Fut>(
    mut operation: F,
    policy: &RetryPolicy<C>,
    operation_name: &str,
    mut entropy: impl FnMut() -> u32,
) -> Result<V, ResilienceError<E>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<V, E>>,
    C: Classify<E>,
    E: Debug,
{
    let mut retry = Retry::start(policy, EmbassyClock.now());
    loop {
        let attempt = log::Attempt { number: retry.attempt(), of: policy.max_attempts() };
        let error = match operation().await {
            Ok(value) => {
                log::event(EventKind::AttemptSucceeded, operation_name, &attempt);
                return Ok(value);
            }
            Err(error) => error,
        };
        let classification = policy.classifier().classify(&error);
        let next = retry.record(policy, classification, &mut entropy, EmbassyClock.now());
        let what = (attempt, log::Shown(&error), next);
        log::event(EventKind::AttemptFailed, operation_name, &what);
        match next {
            Next::Wait(wait) => sleep_until(wait.until()).await,
            Next::Stop(stop) => return Err(retry.error(stop, error)),
        }
        if retry.is_past_deadline(EmbassyClock.now()) {
            log::event(EventKind::DeadlineExceeded, operation_name, &log::Shown(&error));
            return Err(retry.error(Stop::Deadline, error));
        }
    }
}
