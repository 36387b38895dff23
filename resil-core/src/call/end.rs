//! How an attempt ends, and what follows from it.

use super::budget::{Budget, Extra};
use super::hedge::Hedging;
use super::layers::Gates;
use super::machine::{Call, Due, HedgeAt, InFlight, Phase, Turn};
use super::policy::CallPolicy;
use super::pushback::Pushback;
use super::step::Verdict;
use crate::hedge::HedgeDecision;
use crate::outcome::{Classification, FailureClass, Outcome};
use crate::time::Instant;

impl<P, U> Call<P, U> {
    pub(super) fn succeeded<C>(
        &mut self,
        attempt: InFlight<P, U>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        // The one that was too slow belongs to the picture: without it hedges come ever earlier.
        for slower in self.in_flight.iter().flatten() {
            turn.gates.hedge().record_latency(slower.started_at, turn.now);
        }
        turn.gates.hedge().record_latency(attempt.started_at, turn.now);
        turn.settle(attempt, Outcome::Success);
        self.end(Verdict::Success, turn);
    }

    /// An attempt has failed: the call waits for the one beside it, tries again, or is over.
    pub(super) fn failed<C>(
        &mut self,
        attempt: InFlight<P, U>,
        classification: Classification,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        turn.settle(attempt, classification.outcome());
        let hedge = core::mem::replace(&mut self.hedge, HedgeAt::Never);
        let is_alone = self.in_flight.iter().all(Option::is_none);
        if !is_alone && is_worth_another(classification) {
            self.retry.failed_beside_another();
            self.pushback = Pushback::of(classification, turn.now);
            return;
        }
        if hedge != HedgeAt::Never
            && let Some(class) = self.may_hedge_early(classification, turn)
            && let Ok(paid) = turn.gates.budget().try_withdraw(Extra::Hedge, turn.now)
        {
            self.retry.failed_beside_another();
            let paid = Some(paid);
            self.phase = Phase::Due(Due { paid, early: Some(class), ..Due::FIRST });
            return;
        }
        let pushback = core::mem::replace(&mut self.pushback, Pushback::NONE);
        let stay_away = pushback.with(classification, turn.now);
        self.retry_or_end(classification, stay_away, turn);
    }

    /// The retry of a failure is decided and paid for, or the call is over.
    pub(super) fn retry_or_end<C>(
        &mut self,
        classification: Classification,
        stay_away: Option<u64>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        let (policy, budget, now) = (turn.policy.retry(), turn.gates.budget(), turn.now);
        let entropy = &mut turn.entropy;
        match self.retry.record_within_after(
            policy,
            budget,
            classification,
            stay_away,
            entropy,
            now,
        ) {
            Ok((wait, paid)) => {
                let (wait, paid) = (Some(wait), Some(paid));
                self.phase = Phase::Due(Due { wait, paid, ..Due::FIRST });
            }
            Err(stop) => self.end(Verdict::Failed(stop), turn),
        }
    }

    /// Ends the call: what is in flight is abandoned, what was paid for and not made is refunded.
    pub(super) fn end<C>(
        &mut self,
        verdict: Verdict,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        while let Some(attempt) = self.take(|_| true) {
            turn.settle(attempt, Outcome::Abandoned);
        }
        let phase = core::mem::replace(&mut self.phase, Phase::Done(verdict));
        if let Phase::Due(Due { paid: Some(paid), .. }) = phase {
            turn.gates.budget().refund(paid, turn.now);
        }
    }

    /// Fails the attempts whose deadline has come, and the call when its own has.
    pub(super) fn time_out<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        let is_late = self.retry.is_past_deadline(turn.now) && !self.is_over();
        while let Some(attempt) = self.take(|attempt| attempt.deadline.is_reached(turn.now)) {
            if is_late {
                // The first one has failed by no rule but the deadline's, and ends as such.
                if self.started > 1 {
                    self.retry.failed_beside_another();
                }
                turn.settle(attempt, Outcome::Failure(FailureClass::Timeout));
            } else {
                self.failed(attempt, FailureClass::Timeout.into(), turn);
            }
        }
        if is_late {
            let refusal = self.refusal();
            self.end(Verdict::Deadline { refusal }, turn);
        }
    }

    /// What a backward step of the clock left too far ahead comes as close as it may be.
    pub(super) fn keep_time<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        let (policy, now) = (turn.policy, turn.now);
        self.retry.keep_time(policy.retry(), now);
        for attempt in self.in_flight.iter_mut().flatten() {
            let longest = policy.attempt_deadline(now);
            let deadline = self.retry.deadline().unwrap_or(Instant::MAX).min(longest);
            attempt.deadline = attempt.deadline.min(deadline);
            if let HedgeAt::At(at) = self.hedge {
                let delay = at.nanos_since(attempt.started_at);
                self.hedge = HedgeAt::At(at.min(now.plus_nanos(delay)));
            }
            attempt.started_at = attempt.started_at.min(now);
        }
        if let Phase::Due(Due { wait: Some(wait), .. }) = &mut self.phase {
            wait.keep_time(now);
        }
        self.pushback.keep_time(now);
    }

    /// Takes an attempt out of those in flight.
    pub(super) fn take(
        &mut self,
        is_it: impl Fn(&InFlight<P, U>) -> bool,
    ) -> Option<InFlight<P, U>> {
        self.in_flight.iter_mut().find(|slot| slot.as_ref().is_some_and(&is_it))?.take()
    }

    pub(super) const fn may_start_another<C>(&self, policy: &CallPolicy<C>) -> bool {
        self.started < policy.retry().max_attempts()
    }

    /// The class of a failure that starts the hedge that was to come later, at once and without backoff.
    pub(super) fn may_hedge_early<C>(
        &self,
        classification: Classification,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Option<FailureClass> {
        let Classification::Failure(class, hint) = classification else { return None };
        let decision = turn.gates.hedge().on_failure(self.hedges, class, hint, turn.now);
        let may = decision == HedgeDecision::Now && self.may_start_another(turn.policy);
        may.then_some(class)
    }
}

/// Whether the attempt beside this one may still end the call well.
fn is_worth_another(classification: Classification) -> bool {
    match classification {
        Classification::Failure(class, _) => class.is_retryable(),
        Classification::Ignored => false,
    }
}
