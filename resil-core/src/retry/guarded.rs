//! Retrying what is guarded itself.

use crate::error::{Cause, ErrorCode, ResilienceError};
use crate::outcome::{Classification, Classify, EveryError, FailureClass};

/// Classifies the errors of an operation that goes through a breaker or a limiter of ours.
///
/// Only what the operation or the network did is tried again, as `C` says. A refusal is passed
/// through: nothing was sent, and asking our own breaker once more puts load on us and helps nobody.
/// Nor is an inner retry retried.
///
/// ```
/// use resil_core::outcome::{Classification, Classify, EveryError};
/// use resil_core::retry::{Guarded, RetryPolicy};
/// use resil_core::{ErrorCode, Rejected, ResilienceError, RetryAt};
///
/// const POLICY: RetryPolicy<Guarded> = RetryPolicy::DEFAULT.classify(Guarded(EveryError));
///
/// let open = Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown);
/// let error = ResilienceError::<std::io::Error>::from(open);
/// assert_eq!(POLICY.classifier().classify(&error), Classification::Ignored);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Guarded<C = EveryError>(pub C);

impl<E, C: Classify<E>> Classify<ResilienceError<E>> for Guarded<C> {
    fn classify(&self, error: &ResilienceError<E>) -> Classification {
        match error.cause() {
            Cause::Operation(error) => self.0.classify(error),
            Cause::Network(_) => FailureClass::Transient.into(),
            Cause::Timeout(timeout) if timeout.code() == ErrorCode::AttemptTimeout => {
                FailureClass::Timeout.into()
            }
            Cause::Timeout(_) | Cause::RetryExhausted(_) => FailureClass::Fatal.into(),
            Cause::RateLimit(_) | Cause::CircuitBreakerOpen(_) | Cause::Rejected(_) => {
                Classification::Ignored
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{GaveUp, NetworkError, RetryExhaustedError, TimeoutError};
    use crate::outcome::{Rejected, RetryAt};

    fn class(error: impl Into<ResilienceError<u8>>) -> Classification {
        Guarded(|error: &u8| *error == 1).classify(&error.into())
    }

    #[test]
    fn own_refusals_are_never_retried_pitfall_95() {
        for &code in ErrorCode::ALL {
            let rejected = Rejected::new(code, RetryAt::Unknown);
            assert_eq!(class(rejected), Classification::Ignored, "{code}");
        }
    }

    #[test]
    fn a_retry_is_not_retried_pitfall_91() {
        let inner = RetryExhaustedError::new(GaveUp::Attempts, 3, 1);
        assert_eq!(class(inner), FailureClass::Fatal.into());
        assert_eq!(class(TimeoutError::deadline()), FailureClass::Fatal.into());
    }

    #[test]
    fn what_was_tried_is_classified() {
        assert_eq!(class(ResilienceError::operation(1)), FailureClass::Transient.into());
        assert_eq!(class(ResilienceError::operation(2)), FailureClass::Fatal.into());
        assert_eq!(class(NetworkError::timeout()), FailureClass::Transient.into());
        assert_eq!(class(TimeoutError::attempt()), FailureClass::Timeout.into());
    }
}
