//! Who failed or refused.

use super::{
    CircuitBreakerOpenError, Details, ErrorCode, NetworkError, RateLimitError, RetryExhaustedError,
    TimeoutError,
};
use crate::outcome::{Rejected, RetryAt};

/// Who failed or refused.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cause<E> {
    /// The operation, with an error that was not retried.
    Operation(E),
    /// The network.
    Network(NetworkError),
    /// A rate limiter refused.
    RateLimit(RateLimitError),
    /// A circuit breaker refused.
    CircuitBreakerOpen(CircuitBreakerOpenError),
    /// The attempts ran out, or there was no use in another one.
    RetryExhausted(RetryExhaustedError<E>),
    /// Something else of ours refused: a bulkhead, a shedder.
    Rejected(Rejected),
    /// Our own timeout fired.
    Timeout(TimeoutError),
}

impl<E> Cause<E> {
    /// What went wrong.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Operation(_) => ErrorCode::OperationFailed,
            Self::Network(error) => error.code(),
            Self::RateLimit(error) => error.code(),
            Self::CircuitBreakerOpen(error) => error.code(),
            Self::RetryExhausted(error) => error.code(),
            Self::Rejected(refusal) => refusal.code(),
            Self::Timeout(error) => error.code(),
        }
    }

    /// The same in words.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match self {
            Self::RetryExhausted(error) => error.why().message(),
            _ => self.code().message(),
        }
    }

    /// The cause's own details: the peer, the attempts, the code of a refusal.
    #[must_use]
    pub fn details(&self) -> Details {
        match self {
            Self::Network(error) => error.details(),
            Self::RetryExhausted(error) => error.details(),
            _ => Details::new(),
        }
    }

    /// When to come back, where a refusal says so.
    #[must_use]
    pub const fn retry_at(&self) -> Option<RetryAt> {
        match self {
            Self::RateLimit(error) => Some(error.retry()),
            Self::CircuitBreakerOpen(error) => Some(error.retry()),
            Self::Rejected(refusal) => Some(refusal.retry()),
            Self::RetryExhausted(error) => error.retry_at(),
            Self::Operation(_) | Self::Network(_) | Self::Timeout(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{GaveUp, ResilienceError, Value};

    #[test]
    fn what_a_cause_knows_is_among_the_details() {
        let of = |cause: ResilienceError<()>, key| cause.details().get(key).cloned();
        let peer = NetworkError::unreachable().with_peer("node-3");
        assert_eq!(peer.peer().map(|peer| peer.as_str()), Some("node-3"));
        assert_eq!(of(peer.into(), "peer"), Some(Value::from("node-3")));
        let retry = RetryExhaustedError::new(GaveUp::Attempts, 3, ());
        assert_eq!(of(retry.into(), "attempts"), Some(Value::Unsigned(3)));
    }
}
