//! Errors with stable codes: what went wrong, the facts, and when to come back.
//!
//! A guarded call fails with a [`ResilienceError`], generic over the operation's own error `E` and
//! without a bound on it: `()`, `Box<dyn Error>` and `anyhow::Error` all do. It is an [`Error`] where `E`
//! is one; the last two are none, so for `?` map them to the `BoxedError` of resil-std. What refused or
//! gave up is a [`Cause`]; each has a named error of its own, and every one a stable [`ErrorCode`].
//!
//! Use it at the edge of your node. Inside, a machine's refusal is a
//! [`Rejected`], which converts.
//!
//! # Laws
//!
//! - Nothing is lost silently: details and text are bounded, and say what did not fit.
//! - Instants stay here. [`Display`](fmt::Display) leaves them out, and
//!   [`wire`](ResilienceError::wire) sends the time that *remains* as a [`WireError`].
//! - `source()` is the original error, so a chain of causes never says the same thing twice.

mod cause;
mod code;
#[cfg(feature = "serde")]
mod codec;
mod details;
mod exhausted;
mod named;
mod wire;

pub use cause::Cause;
pub use code::{ErrorCode, Family, UnknownName, UnknownNumber};
pub use details::{Details, VALUE_TEXT, Value};
pub use exhausted::{GaveUp, RetryExhaustedError};
pub use named::{CircuitBreakerOpenError, NetworkError, RateLimitError, TimeoutError};
pub use wire::{WIRE_KEY, WIRE_MESSAGE, WireError};

use crate::outcome::{Rejected, RetryAt};
use crate::time::Instant;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// How many details [`ResilienceError::with_detail`] can attach, besides the cause's own.
///
/// Two, for the peer and the operation: each takes 40 bytes of every error on 64-bit targets.
pub const ATTACHED: usize = 2;

/// What a guarded call fails with: a cause, and what you attached to it.
///
/// Most of it are the details: 128 bytes with a small `E` on 64-bit targets, 112 on 32-bit ones. The
/// operation's own error adds its size. Clippy calls errors from 128 bytes on large
/// (`result_large_err`); box it where it travels far.
///
/// ```
/// use core::error::Error;
/// use resil_core::error::{ErrorCode, NetworkError, ResilienceError};
///
/// let error = ResilienceError::operation(NetworkError::timeout()).with_detail("peer", "node-3");
/// assert_eq!(error.code(), ErrorCode::OperationFailed);
/// assert_eq!(error.to_string(), "OPERATION_FAILED: the operation failed (peer=node-3)");
/// assert!(error.source().unwrap().is::<NetworkError>());
///
/// // Any error will do, and none:
/// let _ = ResilienceError::<Box<dyn Error>>::operation("broken".into()).to_string();
/// let _ = ResilienceError::<()>::operation(()).to_string();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ResilienceError<E> {
    cause: Cause<E>,
    attached: Details<ATTACHED>,
}

const _: () = assert!(size_of::<ResilienceError<()>>() <= 96 + 2 * size_of::<&str>());

impl<E> ResilienceError<E> {
    /// The operation's own error, passed through: `OPERATION_FAILED`.
    #[must_use]
    pub const fn operation(error: E) -> Self {
        Self::new(Cause::Operation(error))
    }

    /// The error with this cause.
    #[must_use]
    pub const fn new(cause: Cause<E>) -> Self {
        Self { cause, attached: Details::new() }
    }

    /// Attaches a detail. At most [`ATTACHED`] fit; the rest are counted and shown as cut.
    #[must_use]
    pub fn with_detail(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attached.push(key, value);
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.cause.code()
    }

    /// The same in words.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.cause.message()
    }

    /// The facts: the cause's own, then what was attached.
    #[must_use]
    pub fn details(&self) -> Details {
        let mut details = self.cause.details();
        details.extend(&self.attached);
        details
    }

    /// Who failed or refused.
    #[must_use]
    pub const fn cause(&self) -> &Cause<E> {
        &self.cause
    }

    /// Who failed or refused, by value.
    #[must_use]
    pub fn into_cause(self) -> Cause<E> {
        self.cause
    }

    /// The refusal of a limiter, a breaker or a bulkhead, where the call was not even made.
    ///
    /// ```
    /// use resil_core::error::{ErrorCode, ResilienceError};
    /// use resil_core::{Rejected, RetryAt};
    ///
    /// let refusal = Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown);
    /// assert_eq!(ResilienceError::<()>::from(refusal).refusal(), Some(refusal));
    /// assert_eq!(ResilienceError::operation(()).refusal(), None);
    /// ```
    #[must_use]
    pub const fn refusal(&self) -> Option<Rejected> {
        match &self.cause {
            Cause::RateLimit(error) => Some(error.refusal()),
            Cause::CircuitBreakerOpen(error) => Some(error.refusal()),
            Cause::Rejected(refusal) => Some(*refusal),
            _ => None,
        }
    }

    /// When to come back; `None` where nothing was refused.
    #[must_use]
    pub const fn retry_at(&self) -> Option<RetryAt> {
        self.cause.retry_at()
    }

    /// How long to wait from `now`; `None` where nobody can say, never, or nothing was refused.
    #[must_use]
    pub const fn retry_after(&self, now: Instant) -> Option<Duration> {
        match self.retry_at() {
            Some(retry) => retry.wait_from(now),
            None => None,
        }
    }

    /// The operation's own error: the one that was passed through, or the last one of a retry.
    #[must_use]
    pub const fn operation_error(&self) -> Option<&E> {
        match &self.cause {
            Cause::Operation(error) => Some(error),
            Cause::RetryExhausted(error) => error.last_error(),
            _ => None,
        }
    }

    /// The operation's own error, by value.
    #[must_use]
    pub fn into_operation_error(self) -> Option<E> {
        match self.cause {
            Cause::Operation(error) => Some(error),
            Cause::RetryExhausted(error) => error.into_last_error(),
            _ => None,
        }
    }

    /// The operation's own error where it was passed through; everything else stays what it was.
    ///
    /// # Errors
    ///
    /// `self`, with its details.
    pub fn try_into_operation(self) -> Result<E, Self> {
        match self.cause {
            Cause::Operation(error) => Ok(error),
            cause => Err(Self { cause, attached: self.attached }),
        }
    }

    /// The form that crosses the wire at `now`: code, message, details and the wait that remains.
    ///
    /// The operation's own error stays here, since nothing is known about it;
    /// [`WireError::with_message`] can say what it says.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::error::{ErrorCode, ResilienceError};
    /// use resil_core::{Instant, Rejected, RetryAt};
    ///
    /// let at = RetryAt::At(Instant::from_nanos(700));
    /// let error = ResilienceError::<()>::from(Rejected::new(ErrorCode::RateLimitExceeded, at));
    /// let wire = error.wire(Instant::from_nanos(200));
    /// assert_eq!(wire.retry_after(), Some(Duration::from_nanos(500)));
    /// ```
    #[must_use]
    pub fn wire(&self, now: Instant) -> WireError {
        let mut wire = WireError::new(self.code(), self.message()).with_details(&self.details());
        if let Some(retry) = self.retry_at() {
            wire = wire.with_retry(retry, now);
        }
        wire
    }
}

impl<E> ResilienceError<ResilienceError<E>> {
    /// One error where a guarded call was the operation of another one.
    ///
    /// The inner error where it was passed through; else the outer one, with the operation's own error
    /// where the inner one has it as the last error. Details that were attached to the outer error stay
    /// with that.
    ///
    /// ```
    /// use resil_core::error::{ErrorCode, GaveUp, ResilienceError, RetryExhaustedError, TimeoutError};
    ///
    /// let inner = || ResilienceError::operation("reset");
    /// assert_eq!(ResilienceError::operation(inner()).flatten(), inner());
    ///
    /// let outer = RetryExhaustedError::new(GaveUp::Attempts, 3, inner());
    /// let error = ResilienceError::from(outer).flatten();
    /// assert_eq!((error.code(), error.operation_error()), (ErrorCode::RetryExhausted, Some(&"reset")));
    ///
    /// // An inner timeout as the last error is an attempt that timed out.
    /// let late = ResilienceError::<&str>::from(TimeoutError::attempt());
    /// let outer = RetryExhaustedError::new(GaveUp::Attempts, 3, late);
    /// let timed_out = RetryExhaustedError::timed_out(GaveUp::Attempts, 3);
    /// assert_eq!(ResilienceError::from(outer).flatten(), ResilienceError::from(timed_out));
    /// ```
    #[must_use]
    pub fn flatten(self) -> ResilienceError<E> {
        let Self { cause, attached } = self;
        let cause = match cause {
            Cause::Operation(inner) => return inner,
            Cause::RetryExhausted(error) => {
                Cause::RetryExhausted(error.and_then_last(ResilienceError::into_operation_error))
            }
            Cause::Network(error) => Cause::Network(error),
            Cause::RateLimit(error) => Cause::RateLimit(error),
            Cause::CircuitBreakerOpen(error) => Cause::CircuitBreakerOpen(error),
            Cause::Rejected(refusal) => Cause::Rejected(refusal),
            Cause::Timeout(error) => Cause::Timeout(error),
        };
        ResilienceError { cause, attached }
    }
}

impl<E> fmt::Display for ResilienceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.code(), self.message(), &self.details())
    }
}

impl<E: Error + 'static> Error for ResilienceError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Operation(error) => Some(error),
            Cause::RetryExhausted(error) => error.source(),
            _ => None,
        }
    }
}

/// The family of the code picks the named error.
impl<E> From<Rejected> for ResilienceError<E> {
    fn from(refusal: Rejected) -> Self {
        Self::new(match refusal.code().family() {
            Family::RateLimit => Cause::RateLimit(RateLimitError::new(refusal)),
            Family::CircuitBreaker => {
                Cause::CircuitBreakerOpen(CircuitBreakerOpenError::new(refusal))
            }
            _ => Cause::Rejected(refusal),
        })
    }
}

impl<E> From<NetworkError> for ResilienceError<E> {
    fn from(error: NetworkError) -> Self {
        Self::new(Cause::Network(error))
    }
}

impl<E> From<RateLimitError> for ResilienceError<E> {
    fn from(error: RateLimitError) -> Self {
        Self::new(Cause::RateLimit(error))
    }
}

impl<E> From<CircuitBreakerOpenError> for ResilienceError<E> {
    fn from(error: CircuitBreakerOpenError) -> Self {
        Self::new(Cause::CircuitBreakerOpen(error))
    }
}

impl<E> From<RetryExhaustedError<E>> for ResilienceError<E> {
    fn from(error: RetryExhaustedError<E>) -> Self {
        Self::new(Cause::RetryExhausted(error))
    }
}

impl<E> From<TimeoutError> for ResilienceError<E> {
    fn from(error: TimeoutError) -> Self {
        Self::new(Cause::Timeout(error))
    }
}

/// Writes `CODE: message (k=v, …)`.
fn show(
    f: &mut fmt::Formatter<'_>,
    code: ErrorCode,
    message: &str,
    details: &Details,
) -> fmt::Result {
    write!(f, "{code}: {message}")?;
    if details.is_empty() { Ok(()) } else { write!(f, " ({details})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::string::ToString;

    const NOW: Instant = Instant::from_nanos(400);
    const AT: Instant = Instant::from_nanos(900);

    fn refused<E>(code: ErrorCode) -> ResilienceError<E> {
        Rejected::new(code, RetryAt::At(AT)).into()
    }

    #[test]
    fn a_network_error_as_the_cause_names_its_peer() {
        let error = NetworkError::unreachable().with_peer("node-3");
        assert_eq!(error.peer().map(crate::text::Text::as_str), Some("node-3"));
        assert_eq!(NetworkError::unreachable().peer(), None);
        let error = ResilienceError::<&str>::from(error);
        assert_eq!(error.details().get("peer"), Some(&Value::from("node-3")));
    }

    #[test]
    fn resilience_error_has_code_message_details_and_original_error() {
        let error = ResilienceError::operation(NetworkError::timeout())
            .with_detail("peer", "node-3")
            .with_detail("bytes", 512u32);
        assert_eq!(error.code(), ErrorCode::OperationFailed);
        assert_eq!(error.message(), "the operation failed");
        assert_eq!(error.details().get("bytes"), Some(&Value::Unsigned(512)));
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&NetworkError::timeout()));
        assert_eq!(
            error.to_string(),
            "OPERATION_FAILED: the operation failed (peer=node-3, bytes=512)"
        );
    }

    #[test]
    fn details_beyond_the_bound_are_counted_and_never_the_causes_own() {
        let error = ResilienceError::from(RetryExhaustedError::new(GaveUp::Attempts, 3, ()))
            .with_detail("a", 1u8)
            .with_detail("b", 2u8)
            .with_detail("c", 3u8);
        assert_eq!(
            error.to_string(),
            "RETRY_EXHAUSTED: all attempts failed (attempts=3, a=1, b=2, +1 cut)"
        );
        assert_eq!(error.wire(NOW).lost(), 1);
    }

    #[test]
    fn a_refusal_becomes_the_named_error_of_its_family() {
        for &code in ErrorCode::ALL {
            let error = refused::<()>(code);
            assert_eq!((error.code(), error.retry_at()), (code, Some(RetryAt::At(AT))));
            let is_named = match code.family() {
                Family::RateLimit => matches!(error.cause(), Cause::RateLimit(_)),
                Family::CircuitBreaker => matches!(error.cause(), Cause::CircuitBreakerOpen(_)),
                _ => matches!(error.cause(), Cause::Rejected(_)),
            };
            assert!(is_named, "{error:?}");
        }
    }

    #[test]
    fn the_wait_that_remains_is_counted_from_now_and_never_negative() {
        let error = refused::<()>(ErrorCode::RateLimitExceeded);
        assert_eq!(error.retry_after(NOW), Some(Duration::from_nanos(500)));
        assert_eq!(error.retry_after(Instant::MAX), Some(Duration::ZERO));
        assert_eq!(error.wire(NOW).retry_after(), Some(Duration::from_nanos(500)));
        let never = Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never);
        assert!(ResilienceError::<()>::from(never).wire(NOW).never());
        let unknown = Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown);
        let unknown = ResilienceError::<()>::from(unknown);
        assert_eq!(unknown.wire(NOW).retry_after(), None);
        assert!(!unknown.wire(NOW).never());
    }

    #[test]
    fn no_instant_is_shown_or_sent() {
        let error = refused::<()>(ErrorCode::CircuitBreakerOpen);
        assert_eq!(error.to_string(), "CIRCUIT_BREAKER_OPEN: the breaker is open");
        assert_eq!(
            error.with_detail("peer", "node-3").wire(NOW).to_string(),
            "CIRCUIT_BREAKER_OPEN: the breaker is open (retry_after=500ns, peer=node-3)"
        );
    }

    #[test]
    fn any_operation_error_will_do() {
        assert_eq!(
            ResilienceError::operation(()).to_string(),
            "OPERATION_FAILED: the operation failed"
        );
        let boxed: Box<dyn Error> = "broken".into();
        let error = ResilienceError::operation(boxed);
        assert_eq!(error.into_operation_error().unwrap().to_string(), "broken");
        struct Opaque; // not even Debug
        let error = ResilienceError::operation(Opaque).with_detail("peer", 3u8);
        assert_eq!(error.to_string(), "OPERATION_FAILED: the operation failed (peer=3)");
    }

    #[test]
    fn the_last_error_of_a_retry_is_an_operation_error_too() {
        let error =
            ResilienceError::from(RetryExhaustedError::new(GaveUp::Attempts, 3, "broken pipe"));
        assert_eq!(error.operation_error(), Some(&"broken pipe"));
        assert_eq!(error.into_operation_error(), Some("broken pipe"));
        assert_eq!(refused::<()>(ErrorCode::LoadShed).operation_error(), None);
    }

    #[test]
    fn a_chain_of_sources_says_nothing_twice() {
        let last = NetworkError::connection_failed();
        let error = ResilienceError::from(RetryExhaustedError::new(GaveUp::Attempts, 3, last));
        assert!(error.source().unwrap().is::<NetworkError>(), "not the retry's error again");
        assert!(refused::<NetworkError>(ErrorCode::LoadShed).source().is_none());
    }

    #[test]
    fn the_operations_error_adds_no_more_than_its_size() {
        let small = size_of::<ResilienceError<()>>();
        assert!(size_of::<ResilienceError<std::io::Error>>() <= small + 8);
        assert!(size_of::<ResilienceError<[u64; 8]>>() <= small + 72);
    }
}
