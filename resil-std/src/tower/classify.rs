//! What the end of a call through other layers means.

use resil_core::ResilienceError;
use resil_core::outcome::{Classification, Classify, Outcome};
use resil_core::retry::Guarded;

/// What an error means to a classifier of the operation's own errors: a refusal of a layer inside says
/// nothing about the peer, and a timeout is one.
pub(super) fn classify<E>(
    classifier: &impl Classify<E>,
    error: &ResilienceError<E>,
) -> Classification {
    Guarded(|own: &E| classifier.classify(own)).classify(error)
}

/// The same of a call that has ended.
pub(super) fn outcome<V, E>(
    classifier: &impl Classify<E>,
    result: &Result<V, ResilienceError<E>>,
) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(error) => classify(classifier, error).outcome(),
    }
}

/// Whether a layer further in refused: nothing was sent.
pub(super) fn was_refused<V, E>(result: &Result<V, ResilienceError<E>>) -> bool {
    result.as_ref().is_err_and(|error| error.refusal().is_some())
}
