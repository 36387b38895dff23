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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_tells_of_latencies_and_another_policy_keeps_them() {
        let (since, now) = (Instant::from_nanos(1_000_000), Instant::from_nanos(9_000_000));
        let mut state = HedgeState::FRESH;
        Hedging::record_latency(&mut Bound::new(&HedgePolicy::DEFAULT, &mut state), since, now);
        assert_eq!(state.samples(), 1);

        let mut hedge = Hedge::new(HedgePolicy::builder().min_samples(1).build().unwrap());
        Hedging::record_latency(&mut hedge, since, now);
        let due = hedge.due(0, now);
        assert!(due > Some(Instant::from_nanos(17_000_000)), "after 8 ms");
        hedge
            .reconfigure(HedgePolicy::builder().min_samples(2).max_hedges(2).build().unwrap(), now);
        assert_eq!((hedge.due(0, now), hedge.policy().max_hedges()), (None, 2));
        Hedging::record_latency(&mut hedge, since, now);
        assert_eq!(hedge.due(0, now), due);
    }
}
