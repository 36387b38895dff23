//! What an HTTP answer means to a retry and to a breaker, and how a server answers what it refused.
//!
//! An HTTP client takes every answer for a success; resilience does not. [`check`] makes an
//! [`HttpError`] of an answer that is none, and that knows its [`Classification`]: with the `Retry-After`
//! of the server as the hint. It takes the parts that every client of the `http` crate shows, such as
//! `reqwest` with `response.status()` and `response.headers()`.
//!
//! | status | class | hint |
//! |---|---|---|
//! | up to 399 | success | |
//! | 429 | [`Throttled`](FailureClass::Throttled) | `Retry-After`, else `RateLimit-Reset` |
//! | 503 | [`Throttled`](FailureClass::Throttled) | `Retry-After` |
//! | 408, 504 | [`Timeout`](FailureClass::Timeout) | `Retry-After` |
//! | other 4xx | [`Ignored`](Classification::Ignored): an answer, the peer is well; never retried | |
//! | the rest | [`Transient`](FailureClass::Transient) | `Retry-After` |
//!
//! # Laws
//!
//! - Total: whatever a server sends, there is an answer and no panic. A header that is not what HTTP
//!   says counts as not there.
//! - Of several headers of one name the longest time counts.
//! - A date that has passed asks for no wait. It is compared with the server's own `Date` where that is
//!   sent, so a wrong clock on either side does no harm.
//! - A hint is what was asked for, up to 584 billion years. How much of it is believed is
//!   [the policy's](resil_core::retry::RetryPolicyBuilder::max_retry_after).
//!
//! # When not to use it
//!
//! For a request that must not run twice: a 504 may hide one that was carried out. And the errors of
//! the client itself (no connection, no answer in time) are not HTTP: classify them beside it, as
//! `examples/http_client.rs` does for `reqwest`.
//!
//! ```
//! use core::time::Duration;
//! use std::time::SystemTime;
//! use resil_std::http::{self, HttpError};
//! use resil_std::core::outcome::{Classification, FailureClass, RetryHint};
//! use resil_std::core::retry::RetryPolicy;
//! use resil_std::retry_with_policy;
//!
//! // Any client whose answers have a status and headers.
//! async fn get(attempt: u32) -> ::http::Response<&'static str> {
//!     let response = ::http::Response::builder();
//!     match attempt {
//!         1 => response.status(503).header("retry-after", "7").body("busy").unwrap(),
//!         _ => response.body("hello").unwrap(),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let policy = RetryPolicy::builder().build()?.classify(HttpError::classification);
//! let (mut attempt, start) = (0, tokio::time::Instant::now());
//! let body = retry_with_policy(
//!     || {
//!         attempt += 1;
//!         async move {
//!             let response = get(attempt).await;
//!             http::check(response.status(), response.headers(), SystemTime::now())?;
//!             Ok::<_, HttpError>(response.into_body())
//!         }
//!     },
//!     &policy,
//!     "greet",
//! );
//! assert_eq!(body.await?, "hello");
//! assert!(start.elapsed() >= Duration::from_secs(7), "as long as the server asked for");
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod tests;

use core::str;
use core::time::Duration;
use std::time::SystemTime;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use resil_core::Instant;
use resil_core::error::Family;
use resil_core::outcome::{Classification, FailureClass, Outcome, Rejected, RetryHint};

/// What the drafts of the `RateLimit` fields up to the seventh called the seconds until a quota is whole.
const RATE_LIMIT_RESET: &str = "ratelimit-reset";

/// An answer that is no success, as the error of an operation.
///
/// [`classification`](Self::classification) is what a policy and a breaker are given as classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("HTTP status {status}")]
pub struct HttpError {
    status: StatusCode,
    hint: RetryHint,
}

impl HttpError {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What the server said about coming back; nothing where its answer is not a failure.
    #[must_use]
    pub const fn hint(&self) -> RetryHint {
        self.hint
    }

    /// What it means: the class of its [status](self), with the hint.
    #[must_use]
    pub fn classification(&self) -> Classification {
        match outcome(self.status) {
            Outcome::Failure(class) => Classification::Failure(class, self.hint),
            Outcome::Success | Outcome::Ignored | Outcome::Abandoned => Classification::Ignored,
        }
    }
}

/// Whether an answer is a success; `now` is the wall clock's, for servers that send no `Date`.
///
/// # Errors
///
/// An [`HttpError`] for statuses from 400 on.
///
/// ```
/// use core::time::Duration;
/// use std::time::SystemTime;
/// use ::http::{HeaderMap, StatusCode, header};
/// use resil_std::core::outcome::{Classification, FailureClass, RetryHint};
/// use resil_std::http::check;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::RETRY_AFTER, "120".parse()?);
/// let busy = check(StatusCode::TOO_MANY_REQUESTS, &headers, SystemTime::now()).unwrap_err();
/// let hint = RetryHint::After(Duration::from_secs(120));
/// assert_eq!(busy.classification(), Classification::Failure(FailureClass::Throttled, hint));
///
/// let absent = check(StatusCode::NOT_FOUND, &headers, SystemTime::now()).unwrap_err();
/// assert_eq!(absent.classification(), Classification::Ignored, "it did answer");
/// assert!(check(StatusCode::OK, &headers, SystemTime::now()).is_ok());
/// # Ok::<(), ::http::header::InvalidHeaderValue>(())
/// ```
pub fn check(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<(), HttpError> {
    let hint = match outcome(status) {
        Outcome::Success => return Ok(()),
        Outcome::Ignored | Outcome::Abandoned => RetryHint::None,
        Outcome::Failure(_) => match (retry_hint(headers, now), status) {
            (RetryHint::None, StatusCode::TOO_MANY_REQUESTS) => quota_hint(headers),
            (hint, _) => hint,
        },
    };
    Err(HttpError { status, hint })
}

/// How a server answers what it refused: the status, and when to come back, in `Retry-After`.
///
/// 429 where a rate limit refused, and 503 where a bulkhead, a breaker or whatever else did. The wait is in
/// whole seconds, rounded up; there is none where nobody can say, or never.
///
/// ```
/// use core::time::Duration;
/// use ::http::{StatusCode, header};
/// use resil_std::core::{ErrorCode, Instant, Rejected, RetryAt};
/// use resil_std::http::refusal;
///
/// let at = Instant::from_duration(Duration::from_millis(1_001));
/// let refused = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at));
/// let (status, headers) = refusal(refused, Instant::EPOCH);
/// assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
/// assert_eq!(headers[header::RETRY_AFTER], "2");
///
/// let refused = Rejected::new(ErrorCode::LoadShed, RetryAt::Unknown);
/// let (status, headers) = refusal(refused, Instant::EPOCH);
/// assert_eq!((status, headers.len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
/// ```
#[must_use]
pub fn refusal(rejected: Rejected, now: Instant) -> (StatusCode, HeaderMap) {
    let status = match rejected.code().family() {
        Family::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let wait = rejected.retry().wait_from(now).map(whole_seconds);
    (status, wait.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))).into_iter().collect())
}

/// The unit of `Retry-After`, rounded up: who comes back then does not come too early.
const fn whole_seconds(wait: Duration) -> u64 {
    let begun = (wait.subsec_nanos() > 0) as u64;
    wait.as_secs().saturating_add(begun)
}

/// What a status says of the peer, for a [guard](crate::circuit_breaker::Guard) that is told by hand.
///
/// ```
/// use ::http::StatusCode;
/// use resil_std::core::outcome::{FailureClass, Outcome};
/// use resil_std::http::outcome;
///
/// assert_eq!(outcome(StatusCode::NO_CONTENT), Outcome::Success);
/// assert_eq!(outcome(StatusCode::BAD_GATEWAY), Outcome::Failure(FailureClass::Transient));
/// assert_eq!(outcome(StatusCode::FORBIDDEN), Outcome::Ignored);
/// ```
#[must_use]
pub fn outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        ..400 => Outcome::Success,
        429 | 503 => Outcome::Failure(FailureClass::Throttled),
        408 | 504 => Outcome::Failure(FailureClass::Timeout),
        400..500 => Outcome::Ignored,
        // Beyond 599 nothing is defined: RFC 9110 (15) has such a status taken for a 5xx.
        500.. => Outcome::Failure(FailureClass::Transient),
    }
}

/// The `Retry-After` of an answer, in seconds or as a date; `now` is the wall clock's, for servers that
/// send no `Date`.
#[must_use]
pub fn retry_hint(headers: &HeaderMap, now: SystemTime) -> RetryHint {
    let there = longest(headers, DATE.as_str(), date).unwrap_or(now);
    let wait = |value: &HeaderValue| {
        let left = |until: SystemTime| until.duration_since(there).unwrap_or(Duration::ZERO);
        seconds(value).or_else(|| date(value).map(left))
    };
    longest(headers, RETRY_AFTER.as_str(), wait).map_or(RetryHint::None, RetryHint::After)
}

/// When the quota is whole again.
fn quota_hint(headers: &HeaderMap) -> RetryHint {
    longest(headers, RATE_LIMIT_RESET, seconds).map_or(RetryHint::None, RetryHint::After)
}

/// Of all headers of this name that are what they should be, the one that says most.
fn longest<T: Ord>(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&HeaderValue) -> Option<T>,
) -> Option<T> {
    headers.get_all(name).iter().filter_map(read).max()
}

/// Digits, and nothing else. More of them than a number holds are the largest.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let digits = value.as_bytes().trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = || str::from_utf8(digits).ok()?.parse().ok();
    is_number.then(|| Duration::from_secs(number().unwrap_or(u64::MAX)))
}

/// One of the three forms of a date.
fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}
