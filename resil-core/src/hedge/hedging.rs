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
    fn a_call_learns_of_latencies_in_whichever_form_it_holds_the_hedge() {
        fn learns(mut hedge: impl Hedging) {
            let at = Instant::from_nanos;
            for _ in 0..20 {
                assert_eq!(hedge.due(0, at(0)), None);
                hedge.record_latency(at(0), at(10_000_000));
            }
            let due = hedge.due(0, at(0)).unwrap();
            assert!(due > at(10_000_000) && due <= at(11_250_000), "{due:?}");
            let failed = hedge.on_failure(0, FailureClass::Fatal, RetryHint::None, at(5));
            assert_eq!(failed, HedgeDecision::Fail);
        }
        learns(Bound::new(&HedgePolicy::DEFAULT, &mut HedgeState::FRESH.clone()));
        learns(Hedge::new(HedgePolicy::DEFAULT));
        learns(Hedge::new(&HedgePolicy::DEFAULT));
    }

    #[test]
    fn another_policy_is_in_force_at_once_and_keeps_the_samples() {
        let now = Instant::from_nanos(5);
        let mut hedge = Hedge::new(HedgePolicy::DEFAULT);
        for _ in 0..20 {
            hedge.record_latency(Instant::EPOCH, Instant::from_nanos(10_000_000));
        }
        let before = hedge.delay();
        let more = HedgePolicy::builder().max_hedges(3).build().unwrap();
        hedge.reconfigure(more, now);
        assert_eq!((hedge.policy(), hedge.delay()), (&more, before));
        assert_eq!((0..9).filter(|&sent| hedge.due(sent, now).is_some()).count(), 3);
        assert_eq!(hedge.policy().max_hedges(), 3);
    }
}
