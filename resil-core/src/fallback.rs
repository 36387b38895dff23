//! Values that are worse than the real one, and say so.
//!
//! When a peer can not be asked, the last answer from a cache or a default may be better than none; but
//! whoever gets it has to know. An [`Answer`] is fresh, or degraded with the code of what went wrong,
//! and [`or_degraded`] makes one of the result of a guarded call.
//!
//! # When not to use it
//!
//! - Where a stale value does harm: balances, permissions, revocations.
//! - With a fallback that can fail or take long: a second peer is another call, with a breaker of its
//!   own, and more load in the very moment in which there is too much.
//! - To hide mistakes: the [default rule](is_unavailable) passes on what the operation refused.
//!
//! # Laws
//!
//! - A degraded value never looks like a fresh one, and keeps why through [`map`](Answer::map).
//! - The fallback is made only where it is used; where there is none the error stays what it was.
//!
//! # A timeline
//!
//! ```
//! use resil_core::error::ResilienceError;
//! use resil_core::fallback::{Answer, is_unavailable, or_degraded};
//! use resil_core::{ErrorCode, Rejected, RetryAt, health::HealthStatus};
//!
//! let mut last = None; // what the peer said last
//! let open = || Err(Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown).into());
//!
//! // The breaker is open, and nothing was ever heard: the error stays.
//! let answer: Result<Answer<u32>, ResilienceError<&str>> =
//!     or_degraded(open(), is_unavailable, |_| last);
//! assert_eq!(answer.unwrap_err().code(), ErrorCode::CircuitBreakerOpen);
//!
//! // The peer answers 21.
//! let answer = or_degraded(Ok::<_, ResilienceError<&str>>(21), is_unavailable, |_| last)?;
//! assert_eq!(answer, Answer::Fresh(21));
//! last = Some(answer.into_inner());
//!
//! // The breaker is open again.
//! let answer: Answer<u32> =
//!     or_degraded::<_, &str>(open(), is_unavailable, |_| last)?.map(|degrees| degrees * 2);
//! assert_eq!(answer, Answer::Degraded(42, ErrorCode::CircuitBreakerOpen));
//! assert_eq!(answer.health(), HealthStatus::Degraded);
//!
//! // The operation itself says that there is no such thing: no fallback.
//! let unknown = Err(ResilienceError::operation("no such sensor"));
//! assert!(or_degraded(unknown, is_unavailable, |_| last).is_err());
//! # Ok::<(), ResilienceError<&str>>(())
//! ```
//!
//! # Cost
//!
//! The value, and a code of two bytes.

use crate::error::{Cause, ErrorCode, ResilienceError};
use crate::health::HealthStatus;

/// A value, and whether it is the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a value may be degraded"]
pub enum Answer<T> {
    /// The real one.
    Fresh(T),
    /// A substitute: the call failed with this code.
    Degraded(T, ErrorCode),
}

impl<T> Answer<T> {
    /// The value, whichever it is.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(value) | Self::Degraded(value, _) => value,
        }
    }

    /// The value, whichever it is.
    pub const fn get(&self) -> &T {
        match self {
            Self::Fresh(value) | Self::Degraded(value, _) => value,
        }
    }

    /// The value by reference, with what is known about it.
    pub const fn as_ref(&self) -> Answer<&T> {
        match self {
            Self::Fresh(value) => Answer::Fresh(value),
            Self::Degraded(value, code) => Answer::Degraded(value, *code),
        }
    }

    /// Another value made of it, which is as degraded as it is.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Fresh(value) => Answer::Fresh(f(value)),
            Self::Degraded(value, code) => Answer::Degraded(f(value), code),
        }
    }

    /// The value where it is the real one.
    #[must_use]
    pub fn fresh(self) -> Option<T> {
        match self {
            Self::Fresh(value) => Some(value),
            Self::Degraded(..) => None,
        }
    }

    /// Whether it is a substitute.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        matches!(self, Self::Degraded(..))
    }

    /// Why it is a substitute.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Fresh(_) => None,
            Self::Degraded(_, code) => Some(*code),
        }
    }

    /// What it says about the node that serves it: healthy, or degraded.
    #[must_use]
    pub const fn health(&self) -> HealthStatus {
        match self {
            Self::Fresh(_) => HealthStatus::Healthy,
            Self::Degraded(..) => HealthStatus::Degraded,
        }
    }
}

/// Whether the other side could not be asked, or gave no answer: the errors for which a fallback is
/// right.
///
/// Refusals of our own limiters, breakers and bulkheads, timeouts, the network, and retries that were
/// given up. Not what the operation itself said and nobody retried; and not a request that costs more
/// than can ever pass, which is a mistake of whoever made it.
#[must_use]
pub fn is_unavailable<E>(error: &ResilienceError<E>) -> bool {
    match error.cause() {
        Cause::Operation(_) => false,
        Cause::Network(_) | Cause::Timeout(_) | Cause::RetryExhausted(_) => true,
        Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_) | Cause::Rejected(_) => {
            error.code() != ErrorCode::RateLimitCostExceedsBurst
        }
    }
}

/// The value of `result`; or, where `covers` says that the error is one for it, what `fallback` has.
///
/// `covers` is mostly [`is_unavailable`]; any rule will do. `fallback` is called only then, and may
/// have nothing.
///
/// # Errors
///
/// The error of `result`, as it was.
pub fn or_degraded<T, E>(
    result: Result<T, ResilienceError<E>>,
    covers: impl FnOnce(&ResilienceError<E>) -> bool,
    fallback: impl FnOnce(&ResilienceError<E>) -> Option<T>,
) -> Result<Answer<T>, ResilienceError<E>> {
    let error = match result {
        Ok(value) => return Ok(Answer::Fresh(value)),
        Err(error) => error,
    };
    let value = if covers(&error) { fallback(&error) } else { None };
    match value {
        Some(value) => Ok(Answer::Degraded(value, error.code())),
        None => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{GaveUp, NetworkError, RetryExhaustedError, TimeoutError};
    use crate::outcome::{Rejected, RetryAt};

    type Error = ResilienceError<&'static str>;

    #[test]
    fn refusals_timeouts_and_exhaustion_are_covered_and_the_operations_own_is_not() {
        let covered: [Error; 6] = [
            NetworkError::unreachable().into(),
            TimeoutError::attempt().into(),
            TimeoutError::deadline().into(),
            RetryExhaustedError::new(GaveUp::Attempts, 3, "lost").into(),
            RetryExhaustedError::timed_out(GaveUp::Budget, 1).into(),
            Rejected::new(ErrorCode::DeadlineExceeded, RetryAt::Never).into(),
        ];
        for error in covered {
            assert!(is_unavailable(&error), "{error}");
        }
        for &code in ErrorCode::ALL {
            let refused = Error::from(Rejected::new(code, RetryAt::Unknown));
            let is_mistake = code == ErrorCode::RateLimitCostExceedsBurst;
            assert_eq!(is_unavailable(&refused), !is_mistake, "{code}");
        }
        assert!(!is_unavailable(&ResilienceError::operation("wrong argument")));
    }

    #[test]
    fn a_fallback_is_made_only_where_it_is_used() {
        let never = |_: &Error| -> Option<u8> { panic!("made") };
        assert_eq!(or_degraded(Ok(1), is_unavailable, never), Ok(Answer::Fresh(1)));
        let error = Error::operation("wrong argument").with_detail("peer", 3_u8);
        assert_eq!(or_degraded(Err(error.clone()), is_unavailable, never), Err(error));
    }

    #[test]
    fn a_rule_of_ones_own_can_cover_anything() {
        let error = Error::operation("gone");
        let answer = or_degraded(Err(error), |_| true, |error| Some(error.code().number()));
        assert_eq!(answer, Ok(Answer::Degraded(9002, ErrorCode::OperationFailed)));
    }

    #[test]
    fn what_is_degraded_stays_degraded() {
        let code = ErrorCode::LoadShed;
        let answer = Answer::Degraded(2, code).map(|value| value + 1);
        assert_eq!((answer.is_degraded(), answer.code(), *answer.get()), (true, Some(code), 3));
        assert_eq!((answer.as_ref().into_inner(), answer.fresh()), (&3, None));
        assert_eq!((Answer::Fresh(1).fresh(), Answer::Fresh(1).code()), (Some(1), None));
        assert_eq!(Answer::Fresh(1).health(), HealthStatus::Healthy);
        assert!(!Answer::Fresh(1).is_degraded());
    }
}
