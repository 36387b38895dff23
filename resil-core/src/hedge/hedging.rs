//! Hedging for a composed call.

use super::{Hedge, HedgeDecision, HedgePolicy, HedgeState};
use crate::call::{Bound, Hedging};
use crate::outcome::{FailureClass, RetryHint};
use crate::time::Instant;
use core::borrow::Borrow;

impl Hedging for Bound<'_, HedgePolicy, HedgeState> {
    #[inline]
    fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        self.policy.due(self.state, sent, since)
    }

    #[inline]
    fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision {
        self.policy.on_failure(sent, class, hint, now)
    }

    #[inline]
    fn record_latency(&mut self, since: Instant, now: Instant) {
        self.policy.record_latency(self.state, since, now);
    }
}

impl<P: Borrow<HedgePolicy>> Hedging for Hedge<P> {
    #[inline]
    fn due(&self, sent: u8, since: Instant) -> Option<Instant> {
        self.due(sent, since)
    }

    #[inline]
    fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision {
        self.on_failure(sent, class, hint, now)
    }

    #[inline]
    fn record_latency(&mut self, since: Instant, now: Instant) {
        self.record_latency(since, now);
    }
}
