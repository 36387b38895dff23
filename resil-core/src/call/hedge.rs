//! When to start a second attempt.

use crate::outcome::FailureClass;
use crate::time::Instant;
use core::time::Duration;

/// When a second attempt is worth starting while the first is still out. `()` never hedges.
pub trait Hedge {
    /// How long the first attempt may take before a second one starts; `None`: for ever.
    fn delay(&self, now: Instant) -> Option<Duration>;

    /// Whether a failure of this class starts the second attempt at once, without backoff.
    fn fires_early(&self, class: FailureClass) -> bool;

    /// An attempt took this long to succeed.
    fn record(&mut self, elapsed: Duration, now: Instant);
}

impl Hedge for () {
    fn delay(&self, _: Instant) -> Option<Duration> {
        None
    }

    fn fires_early(&self, _: FailureClass) -> bool {
        false
    }

    fn record(&mut self, _: Duration, _: Instant) {}
}

impl<H: Hedge> Hedge for &mut H {
    fn delay(&self, now: Instant) -> Option<Duration> {
        (**self).delay(now)
    }

    fn fires_early(&self, class: FailureClass) -> bool {
        (**self).fires_early(class)
    }

    fn record(&mut self, elapsed: Duration, now: Instant) {
        (**self).record(elapsed, now);
    }
}
