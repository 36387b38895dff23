//! How an attempt ends, and what follows from it.

use super::budget::{Budget, Extra};
use super::gate::{End, Gate};
use super::hedge::Hedging;
use super::layers::Gates;
use super::machine::{Call, Due, HedgeAt, InFlight, Phase, Turn};
use super::policy::CallPolicy;
use super::pushback::Pushback;
use super::step::Verdict;
use crate::hedge::HedgeDecision;
use crate::outcome::{Classification, FailureClass, Outcome};

impl<P, U> Call<P, U> {
    pub(super) fn succeeded<C>(
        &mut self,
        place: usize,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        // The one that was too slow belongs to the picture: without it hedges come ever earlier.
        let (winner, slower) = if place == 0 { (0, 1) } else { (1, 0) };
        for place in [slower, winner] {
            if let Some(Some(attempt)) = self.in_flight.get(place) {
                turn.gates.hedge().record_latency(attempt.started_at, turn.now);
            }
        }
        self.settle(place, Outcome::Success, turn);
        self.give_back(turn);
        self.phase = Phase::Done(Verdict::Success);
    }

    /// An attempt has failed: the call waits for the one beside it, tries again, or is over.
    pub(super) fn failed<C>(
        &mut self,
        place: usize,
        classification: Classification,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        self.settle(place, classification.outcome(), turn);
        let stay_away = classification.stay_away();
        let has_hedge_to_come = matches!(self.hedge, HedgeAt::At(_));
        self.hedge = HedgeAt::Never;
        let is_alone = self.in_flight.iter().all(Option::is_none);
        if !is_alone && is_worth_another(classification) {
            self.retry.failed_beside_another();
            self.pushback = Pushback::of(stay_away, turn.now);
            return;
        }
        if has_hedge_to_come
            && let Some(class) = self.may_hedge_early(classification, turn)
            && let Ok(paid) = turn.gates.budget().try_withdraw(Extra::Hedge, turn.now)
        {
            self.retry.failed_beside_another();
            let paid = Some(paid);
            self.phase = Phase::Due(Due { paid, early: Some(class), ..Due::at_once() });
            return;
        }
        let stay_away = self.pushback.with(stay_away, turn.now);
        self.pushback = Pushback::NONE;
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
            Ok((delay, paid)) => {
                let (wait, paid) = (Some(self.retry.wait(delay, now)), Some(paid));
                self.phase = Phase::Due(Due { wait, paid, ..Due::at_once() });
            }
            Err(stop) => {
                self.give_back(turn);
                self.phase = Phase::Done(Verdict::Failed(stop));
            }
        }
    }

    /// Before the call ends: what is in flight is abandoned, what was paid for and not made is refunded.
    pub(super) fn give_back<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        for place in 0..self.in_flight.len() {
            self.settle(place, Outcome::Abandoned, turn);
        }
        if let Phase::Due(due) = &mut self.phase
            && let Some(paid) = due.paid.take()
        {
            turn.gates.budget().refund(paid, turn.now);
        }
    }

    /// Fails the attempts whose deadline has come, and the call when its own has.
    pub(super) fn time_out<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        let is_late = self.retry.is_past_deadline(turn.now) && !self.is_over();
        while let Some(place) = self.place(|attempt| attempt.deadline.is_reached(turn.now)) {
            if is_late {
                // The first one has failed by no rule but the deadline's, and ends as such.
                if self.started > 1 {
                    self.retry.failed_beside_another();
                }
                self.settle(place, Outcome::Failure(FailureClass::Timeout), turn);
            } else {
                self.failed(place, FailureClass::Timeout.into(), turn);
            }
        }
        if is_late {
            self.give_back(turn);
            let refusal = self.refusal();
            self.phase = Phase::Done(Verdict::Deadline { refusal });
        }
    }

    /// What a backward step of the clock left too far ahead comes as close as it may be.
    pub(super) fn keep_time<C, G: Gates<P, U>>(
        &mut self,
        turn: &mut Turn<'_, C, G, impl FnMut() -> u32>,
    ) {
        let (policy, now) = (turn.policy, turn.now);
        self.retry.keep_time(policy.retry(), now);
        for attempt in self.in_flight.iter_mut().flatten() {
            let deadline = attempt.deadline.min(self.retry.ends_at());
            attempt.deadline = policy.brought_back(deadline, now);
            if G::Hedge::HEDGES {
                if let HedgeAt::At(at) = self.hedge {
                    let delay = at.nanos_since(attempt.started_at);
                    self.hedge = HedgeAt::At(at.within(delay, now));
                }
                attempt.started_at = attempt.started_at.min(now);
            }
        }
        if let Phase::Due(Due { wait: Some(wait), .. }) = &mut self.phase {
            wait.keep_time(now);
        }
        self.pushback.keep_time(now);
    }

    /// Where an attempt is among those in flight.
    pub(super) fn place(&self, is_it: impl Fn(&InFlight<P, U>) -> bool) -> Option<usize> {
        self.in_flight.iter().position(|slot| slot.as_ref().is_some_and(&is_it))
    }

    /// Takes an attempt out of those in flight, and tells the gates and the budget how it ended.
    fn settle<C>(
        &mut self,
        place: usize,
        outcome: Outcome,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        if let Some(attempt) = self.in_flight.get_mut(place).and_then(Option::take) {
            let end = End::Attempted(outcome);
            turn.gates.attempt().settle(attempt.permit, end, &mut turn.entropy, turn.now);
            turn.gates.budget().settle(attempt.charge, outcome, turn.now);
        }
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
