//! An end to waiting.
//!
//! [`timeout`] lets a future take so long, [`timeout_at`] until a [`Deadline`]; what is not done by then
//! is dropped. The attempts of a [call](crate::call) have their ends already.
//!
//! # Laws
//!
//! - What is there counts: the future is polled before the clock is asked, once at least, even where the
//!   deadline has passed.
//! - Never earlier than asked for, at every tick rate; how much later is the executor's affair.
//! - Cancel-safe: dropping it drops the future, and nothing else.
//!
//! # When not to use it
//!
//! Around something that must not be dropped half-way: a write to flash, a frame that is half sent. And
//! around a whole retry: give its policy a deadline, so that it knows how much time is left.

use core::future::Future;
use core::time::Duration;

use embassy_futures::select::{Either, select};
use resil_core::deadline::Deadline;
use resil_core::error::TimeoutError;
use resil_core::{Clock, Instant};

use crate::clock::{EmbassyClock, sleep_until};

/// Awaits `future` for so long at most, from when this is first polled.
///
/// ```
/// use core::future::pending;
/// use core::time::Duration;
/// use resil_embassy::core::ErrorCode;
/// use resil_embassy::timeout;
///
/// # embassy_futures::block_on(async {
/// assert_eq!(timeout(Duration::from_millis(250), async { 7 }).await, Ok(7));
/// let late = timeout(Duration::ZERO, pending::<()>()).await.unwrap_err();
/// assert_eq!(late.code(), ErrorCode::AttemptTimeout);
/// # });
/// ```
///
/// # Errors
///
/// `ATTEMPT_TIMEOUT` when the time is over.
pub async fn timeout<F: Future>(after: Duration, future: F) -> Result<F::Output, TimeoutError> {
    let deadline = Deadline::after(EmbassyClock.now(), after);
    until(deadline, future).await.ok_or(TimeoutError::attempt())
}

/// Awaits `future` until `deadline` at most; [`Deadline::NONE`] is no bound.
///
/// # Errors
///
/// `DEADLINE_EXCEEDED` when it has come.
pub async fn timeout_at<F: Future>(
    deadline: Deadline,
    future: F,
) -> Result<F::Output, TimeoutError> {
    until(deadline, future).await.ok_or(TimeoutError::deadline())
}

async fn until<F: Future>(deadline: Deadline, future: F) -> Option<F::Output> {
    match select(future, sleep_until(deadline.instant().unwrap_or(Instant::MAX))).await {
        Either::First(output) => Some(output),
        Either::Second(()) => None,
    }
}
