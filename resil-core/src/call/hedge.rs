//! When to start a second attempt.

use crate::outcome::FailureClass;
use crate::time::Instant;

/// When a second attempt is worth starting while the first is still out. `()` never hedges.
pub trait Hedge {
    /// When a second attempt starts beside one that started at `started_at`; `None`: never.
    fn hedge_at(&self, started_at: Instant) -> Option<Instant>;

    /// Whether a failure of this class starts the second attempt at once, without backoff.
    fn fires_early(&self, class: FailureClass) -> bool;

    /// An attempt that started at `started_at` has succeeded.
    fn record(&mut self, started_at: Instant, now: Instant);
}

impl Hedge for () {
    fn hedge_at(&self, _: Instant) -> Option<Instant> {
        None
    }

    fn fires_early(&self, _: FailureClass) -> bool {
        false
    }

    fn record(&mut self, _: Instant, _: Instant) {}
}

impl<H: Hedge> Hedge for &mut H {
    fn hedge_at(&self, started_at: Instant) -> Option<Instant> {
        (**self).hedge_at(started_at)
    }

    fn fires_early(&self, class: FailureClass) -> bool {
        (**self).fires_early(class)
    }

    fn record(&mut self, started_at: Instant, now: Instant) {
        (**self).record(started_at, now);
    }
}
