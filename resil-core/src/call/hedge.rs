//! When to start a second attempt.

use crate::hedge::HedgeDecision;
use crate::outcome::{FailureClass, RetryHint};
use crate::time::Instant;

/// When a second attempt is worth starting while the first is still out. `()` never hedges.
///
/// Of what a [`HedgePolicy`](crate::hedge::HedgePolicy) can ask for, a call makes at most two attempts
/// at a time: a round has one hedge, and further ones of `max_hedges` go beside retries. Where to
/// ([`Target`](crate::hedge::Target)) is for the gate to say, which is told
/// [`elsewhere`](super::Request::elsewhere).
pub trait Hedging {
    /// Whether a hedge ever starts; where none does, its code is left out. Only `()` says no.
    const HEDGES: bool = true;

    /// When a hedge starts beside an attempt that starts at `since`, where `sent` hedges have gone in
    /// this call; `None`: never. Asked once an attempt, when it starts.
    fn due(&self, sent: u8, since: Instant) -> Option<Instant>;

    /// What a failure means for a hedge that is not out yet. Only [`HedgeDecision::Now`] changes what
    /// the call does: it starts the hedge at once, without backoff.
    fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision;

    /// An attempt that started at `since` succeeded now, or was dropped because another one did. The
    /// call tells of no failures: a refused connection is fast, and a timeout is our own.
    fn record_latency(&mut self, since: Instant, now: Instant);
}

impl Hedging for () {
    const HEDGES: bool = false;

    fn due(&self, _: u8, _: Instant) -> Option<Instant> {
        None
    }

    fn on_failure(&self, _: u8, _: FailureClass, _: RetryHint, _: Instant) -> HedgeDecision {
        HedgeDecision::Stop
    }

    fn record_latency(&mut self, _: Instant, _: Instant) {}
}

impl<H: Hedging> Hedging for &mut H {
    const HEDGES: bool = H::HEDGES;

    #[inline]
    fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        (**self).due(sent, since)
    }

    #[inline]
    fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision {
        (**self).on_failure(sent, class, hint, now)
    }

    #[inline]
    fn record_latency(&mut self, since: Instant, now: Instant) {
        (**self).record_latency(since, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_hedges_no_hedge_is_due() {
        assert_eq!(().due(0, Instant::EPOCH), None);
        let failed = ().on_failure(0, FailureClass::Transient, RetryHint::None, Instant::EPOCH);
        assert_eq!(failed, HedgeDecision::Stop);
    }
}
