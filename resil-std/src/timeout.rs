//! An end to waiting.
//!
//! [`timeout`] lets a future take so long, [`timeout_at`] until a [`Deadline`]; what is not done by then
//! is dropped. The attempts of a [call](crate::call) have their ends already.
//!
//! # Laws
//!
//! - What is there counts: the future is polled before the clock is asked, once at least, even where the
//!   deadline has passed.
//! - Never earlier than asked for; up to a millisecond later, which is tokio's resolution.
//! - Cancel-safe: dropping it drops the future, and nothing else.
//!
//! # When not to use it
//!
//! Around something that must not be dropped half-way: a frame that is half sent. And around a whole
//! retry: give its policy a deadline, so that it knows how much time is left. What blocks the thread
//! cannot be dropped: give the socket a timeout.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use resil_core::deadline::Deadline;
use resil_core::error::TimeoutError;
use resil_core::{Clock, Instant};

use crate::clock::{Sleep, SystemClock};

/// Awaits `future` for so long at most, from when this is first polled. Needs a tokio runtime with time
/// enabled.
///
/// ```
/// use core::future::pending;
/// use core::time::Duration;
/// use resil_std::core::ErrorCode;
/// use resil_std::timeout;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// assert_eq!(timeout(Duration::from_millis(250), async { 7 }).await, Ok(7));
/// let late = timeout(Duration::from_millis(250), pending::<()>()).await.unwrap_err();
/// assert_eq!(late.code(), ErrorCode::AttemptTimeout);
/// # }
/// ```
///
/// # Errors
///
/// `ATTEMPT_TIMEOUT` when the time is over.
pub async fn timeout<F: Future>(after: Duration, future: F) -> Result<F::Output, TimeoutError> {
    let deadline = Deadline::after(SystemClock.now(), after);
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
    let mut future = pin!(future);
    let mut timer = pin!(SystemClock.sleep_until(deadline.instant().unwrap_or(Instant::MAX)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(context).map(|()| None),
    })
    .await
}
