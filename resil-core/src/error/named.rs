//! The named errors of one layer each: small values that say who refused or failed, and when to
//! come back.

use super::{Details, ErrorCode, VALUE_TEXT};
use crate::outcome::{Rejected, RetryAt};
use crate::text::Text;
use crate::time::Instant;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// The network failed an operation; made by you, as an operation's own error or as the cause of a
/// [`ResilienceError`](super::ResilienceError).
///
/// ```
/// use resil_core::error::{ErrorCode, NetworkError};
///
/// let error = NetworkError::unreachable().with_peer("10.0.0.7:4000");
/// assert_eq!(error.code(), ErrorCode::NetworkUnreachable);
/// assert_eq!(
///     error.to_string(),
///     "NETWORK_UNREACHABLE: there is no way to the peer (peer=10.0.0.7:4000)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NetworkError {
    code: ErrorCode,
    peer: Option<Text<VALUE_TEXT>>,
}

impl NetworkError {
    /// No answer in time: 1001.
    #[must_use]
    pub const fn timeout() -> Self {
        Self::new(ErrorCode::NetworkTimeout)
    }

    /// The connection could not be made, or broke: 1002.
    #[must_use]
    pub const fn connection_failed() -> Self {
        Self::new(ErrorCode::NetworkConnectionFailed)
    }

    /// There is no way to the peer: 1003.
    #[must_use]
    pub const fn unreachable() -> Self {
        Self::new(ErrorCode::NetworkUnreachable)
    }

    const fn new(code: ErrorCode) -> Self {
        Self { code, peer: None }
    }

    /// Names the peer; more than [`VALUE_TEXT`] bytes of it are cut and marked.
    #[must_use]
    pub fn with_peer(self, peer: impl fmt::Display) -> Self {
        Self { peer: Some(Text::display(&peer)), ..self }
    }

    /// One of the 1xxx.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The peer, where it was named.
    #[must_use]
    pub const fn peer(&self) -> Option<&Text<VALUE_TEXT>> {
        self.peer.as_ref()
    }

    /// `peer`, where it was named.
    #[must_use]
    pub fn details(&self) -> Details {
        let mut details = Details::new();
        if let Some(peer) = &self.peer {
            details.push("peer", peer.clone());
        }
        details
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::show(f, self.code, self.code.message(), &self.details())
    }
}

impl Error for NetworkError {}

/// States what the errors that wrap a refusal have in common.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[error("{}: {}", self.code(), self.code().message())]
        pub struct $name(Rejected);

        impl $name {
            /// The error that `refusal` is.
            #[must_use]
            #[inline]
            pub const fn new(refusal: Rejected) -> Self {
                Self(refusal)
            }

            /// The refusal.
            #[inline]
            pub const fn refusal(&self) -> Rejected {
                self.0
            }

            /// Why it was refused.
            #[must_use]
            #[inline]
            pub const fn code(&self) -> ErrorCode {
                self.0.code()
            }

            /// When to come back.
            #[must_use]
            #[inline]
            pub const fn retry(&self) -> RetryAt {
                self.0.retry()
            }

            /// How long to wait from `now`; `None` where nobody can say, or never.
            #[must_use]
            #[inline]
            pub const fn retry_after(&self, now: Instant) -> Option<Duration> {
                self.retry().wait_from(now)
            }
        }

        impl From<Rejected> for $name {
            fn from(refusal: Rejected) -> Self {
                Self(refusal)
            }
        })+
    };
}

refusals! {
    /// A limiter refused: the 2xxx, and when to come back.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::error::{ErrorCode, RateLimitError};
    /// use resil_core::{Instant, Rejected, RetryAt};
    ///
    /// let at = Instant::from_nanos(600);
    /// let error = RateLimitError::new(Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at)));
    /// assert_eq!(error.retry_after(Instant::from_nanos(100)), Some(Duration::from_nanos(500)));
    /// assert_eq!(error.to_string(), "RATE_LIMIT_EXCEEDED: the bucket is short of tokens");
    /// ```
    RateLimitError;

    /// A breaker refused: 3001 or 3002, and when to come back.
    ///
    /// ```
    /// use resil_core::error::{CircuitBreakerOpenError, ErrorCode};
    /// use resil_core::{Rejected, RetryAt};
    ///
    /// let refusal = Rejected::new(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown);
    /// let error = CircuitBreakerOpenError::new(refusal);
    /// assert_eq!(error.code(), ErrorCode::CircuitBreakerHalfOpen);
    /// assert_eq!(error.retry(), RetryAt::Unknown, "it depends on the probes");
    /// ```
    CircuitBreakerOpenError;
}

/// Our own timeout fired: of one attempt, or of the whole call.
///
/// ```
/// use resil_core::error::{ErrorCode, TimeoutError};
///
/// assert_eq!(TimeoutError::attempt().code(), ErrorCode::AttemptTimeout);
/// assert_eq!(
///     TimeoutError::deadline().to_string(),
///     "DEADLINE_EXCEEDED: the total deadline has passed"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("{code}: {}", .code.message())]
pub struct TimeoutError {
    code: ErrorCode,
}

impl TimeoutError {
    /// One attempt took too long: 6002.
    #[must_use]
    pub const fn attempt() -> Self {
        Self { code: ErrorCode::AttemptTimeout }
    }

    /// The deadline of the whole call has passed: 6001.
    #[must_use]
    pub const fn deadline() -> Self {
        Self { code: ErrorCode::DeadlineExceeded }
    }

    /// 6001 or 6002.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const AT: Instant = Instant::from_nanos(900);

    #[test]
    fn network_error_has_the_three_codes_and_names_the_peer() {
        assert_eq!(NetworkError::timeout().code().number(), 1001);
        assert_eq!(NetworkError::connection_failed().code().number(), 1002);
        assert_eq!(NetworkError::unreachable().code().number(), 1003);
        let error = NetworkError::timeout().with_peer("a peer with a name beyond all bounds");
        assert_eq!(
            error.to_string(),
            "NETWORK_TIMEOUT: no answer in time (peer=a peer with a name bey…)"
        );
    }

    #[test]
    fn rate_limit_error_and_circuit_breaker_open_error_carry_when_to_come_back() {
        let now = Instant::from_nanos(400);
        let wait = Some(Duration::from_nanos(500));
        let limit = Rejected::new(ErrorCode::RateLimitQuotaExhausted, RetryAt::At(AT));
        assert_eq!(RateLimitError::new(limit).retry_after(now), wait);
        let open = Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(AT));
        assert_eq!(CircuitBreakerOpenError::new(open).retry_after(now), wait);
        let never = Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never);
        assert_eq!(RateLimitError::new(never).retry_after(now), None);
        assert_eq!(RateLimitError::new(never).retry(), RetryAt::Never);
    }
}
