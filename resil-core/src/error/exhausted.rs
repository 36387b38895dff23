//! The error of a retry that ended without success.

use super::{Details, ErrorCode, TimeoutError, Value};
use crate::outcome::{Rejected, RetryAt};
use core::error::Error;
use core::fmt;

/// Why a retry ended without success although the error was worth another attempt.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GaveUp {
    /// All attempts were used. The only one that is `RETRY_EXHAUSTED`.
    Attempts,
    /// The deadline leaves no time for another attempt, or the peer's hint lies beyond it.
    Deadline,
    /// The peer said not to try again.
    Never,
    /// The budget for retries is spent.
    Budget,
    /// A limiter, a breaker or a bulkhead of our own refused the next attempt.
    Refused,
}

impl GaveUp {
    /// `RETRY_EXHAUSTED` or `RETRY_FAILED`.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Attempts => ErrorCode::RetryExhausted,
            Self::Deadline | Self::Never | Self::Budget | Self::Refused => ErrorCode::RetryFailed,
        }
    }

    /// The reason in words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Attempts => ErrorCode::RetryExhausted.message(),
            Self::Deadline => "the deadline leaves no time for another attempt",
            Self::Never => "the peer said not to try again",
            Self::Budget => "the budget for retries is spent",
            Self::Refused => "the next attempt was refused",
        }
    }
}

/// What ended the last attempt where the operation has no error.
static TIMED_OUT: TimeoutError = TimeoutError::attempt();

/// A retry ended without success: how many attempts were made, and the last error.
///
/// `source()` is the last error; after a refusal of our own it is that refusal, and where the last
/// attempt timed out, that timeout.
///
/// ```
/// use resil_core::error::{ErrorCode, GaveUp, NetworkError, RetryExhaustedError};
///
/// let error = RetryExhaustedError::new(GaveUp::Attempts, 3, NetworkError::timeout());
/// assert_eq!((error.code(), error.attempts()), (ErrorCode::RetryExhausted, 3));
/// assert_eq!(error.last_error(), Some(&NetworkError::timeout()));
/// assert_eq!(error.to_string(), "RETRY_EXHAUSTED: all attempts failed (attempts=3)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryExhaustedError<E> {
    last: Option<E>,
    refusal: Option<Rejected>,
    attempts: u32,
    why: GaveUp,
}

impl<E> RetryExhaustedError<E> {
    /// A retry that ended for the reason `why` after `attempts` attempts, the last with `last`.
    #[must_use]
    pub const fn new(why: GaveUp, attempts: u32, last: E) -> Self {
        Self { last: Some(last), refusal: None, attempts, why }
    }

    /// A retry that ended for the reason `why` after `attempts` attempts, the last of which our own
    /// attempt timeout has ended: there is no error of the operation, and the source is a
    /// [`TimeoutError`].
    ///
    /// ```
    /// use resil_core::error::{GaveUp, RetryExhaustedError};
    ///
    /// let error = RetryExhaustedError::<std::io::Error>::timed_out(GaveUp::Attempts, 3);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "RETRY_EXHAUSTED: all attempts failed (attempts=3, last=ATTEMPT_TIMEOUT)"
    /// );
    /// ```
    #[must_use]
    pub const fn timed_out(why: GaveUp, attempts: u32) -> Self {
        Self { last: None, refusal: None, attempts, why }
    }

    /// A retry that our own `refusal` ended after `attempts` attempts; `last` is the error of the
    /// last one, where one was made.
    #[must_use]
    pub const fn refused(refusal: Rejected, attempts: u32, last: Option<E>) -> Self {
        Self { last, refusal: Some(refusal), attempts, why: GaveUp::Refused }
    }

    /// `RETRY_EXHAUSTED` when all attempts were used, else `RETRY_FAILED`.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.why.code()
    }

    /// Why no further attempt was made.
    #[must_use]
    pub const fn why(&self) -> GaveUp {
        self.why
    }

    /// How many attempts were made, the first included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The error of the last attempt; `None` where the first one was refused already, or the last one
    /// timed out.
    #[must_use]
    pub const fn last_error(&self) -> Option<&E> {
        self.last.as_ref()
    }

    /// The error of the last attempt, by value.
    #[must_use]
    pub fn into_last_error(self) -> Option<E> {
        self.last
    }

    /// The same, with what `f` makes of the last error.
    #[must_use]
    pub(super) fn and_then_last<F>(self, f: impl FnOnce(E) -> Option<F>) -> RetryExhaustedError<F> {
        let Self { last, refusal, attempts, why } = self;
        RetryExhaustedError { last: last.and_then(f), refusal, attempts, why }
    }

    /// The refusal of our own that ended the retry.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Rejected> {
        self.refusal.as_ref()
    }

    /// When to come back: what the refusal said; never, where the peer said so.
    #[must_use]
    pub const fn retry_at(&self) -> Option<RetryAt> {
        match (&self.refusal, self.why) {
            (Some(refusal), _) => Some(refusal.retry()),
            (None, GaveUp::Never) => Some(RetryAt::Never),
            (None, _) => None,
        }
    }

    /// Whether our own attempt timeout has ended the last attempt.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        self.last.is_none() && self.refusal.is_none()
    }

    /// `attempts`; `refusal` with the code of the refusal, or `last` where the last attempt timed out.
    #[must_use]
    pub fn details(&self) -> Details {
        let mut details = Details::new();
        details.push("attempts", self.attempts);
        if let Some(refusal) = &self.refusal {
            details.push("refusal", Value::Code(refusal.code()));
        }
        if self.is_timed_out() {
            details.push("last", Value::Code(TIMED_OUT.code()));
        }
        details
    }
}

impl<E> fmt::Display for RetryExhaustedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::show(f, self.code(), self.why.message(), &self.details())
    }
}

impl<E: Error + 'static> Error for RetryExhaustedError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.refusal, &self.last) {
            (Some(refusal), _) => Some(refusal),
            (None, Some(last)) => Some(last),
            (None, None) => Some(&TIMED_OUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NetworkError;
    use crate::time::Instant;
    use std::string::ToString;

    const AT: Instant = Instant::from_nanos(900);

    #[test]
    fn retry_exhausted_error_carries_attempts_and_the_last_error() {
        let error = RetryExhaustedError::new(GaveUp::Attempts, 3, NetworkError::unreachable());
        assert_eq!((error.code(), error.attempts()), (ErrorCode::RetryExhausted, 3));
        assert!(error.source().unwrap().is::<NetworkError>());
        assert_eq!(error.retry_at(), None);
        assert_eq!(error.into_last_error(), Some(NetworkError::unreachable()));
    }

    #[test]
    fn retry_failed_says_why_and_is_every_end_but_the_last_attempt() {
        for why in [GaveUp::Deadline, GaveUp::Never, GaveUp::Budget, GaveUp::Refused] {
            assert_eq!(RetryExhaustedError::new(why, 2, ()).code(), ErrorCode::RetryFailed);
        }
        assert_eq!(
            RetryExhaustedError::new(GaveUp::Deadline, 2, ()).to_string(),
            "RETRY_FAILED: the deadline leaves no time for another attempt (attempts=2)"
        );
        let never = RetryExhaustedError::new(GaveUp::Never, 2, ());
        assert_eq!(never.retry_at(), Some(RetryAt::Never));
    }

    #[test]
    fn a_last_attempt_that_timed_out_is_the_source() {
        let error = RetryExhaustedError::<NetworkError>::timed_out(GaveUp::Budget, 2);
        assert_eq!((error.code(), error.last_error()), (ErrorCode::RetryFailed, None));
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&TimeoutError::attempt()));
        assert_eq!((error.retry_at(), error.is_timed_out()), (None, true));
        assert_eq!(
            error.to_string(),
            "RETRY_FAILED: the budget for retries is spent (attempts=2, last=ATTEMPT_TIMEOUT)"
        );
    }

    #[test]
    fn retry_failed_after_a_refusal_has_the_refusal_as_its_source() {
        let refusal = Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(AT));
        let error = RetryExhaustedError::refused(refusal, 1, Some(NetworkError::timeout()));
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&refusal));
        assert_eq!(error.last_error(), Some(&NetworkError::timeout()));
        assert_eq!(error.retry_at(), Some(RetryAt::At(AT)));
        assert_eq!(
            error.to_string(),
            "RETRY_FAILED: the next attempt was refused (attempts=1, refusal=CIRCUIT_BREAKER_OPEN)"
        );
        assert!(!error.is_timed_out());
        let at_once = RetryExhaustedError::<NetworkError>::refused(refusal, 0, None);
        assert_eq!((at_once.attempts(), at_once.last_error()), (0, None));
        assert!(at_once.source().is_some());
    }
}
