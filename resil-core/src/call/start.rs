//! How an attempt comes to start: when it is due, paid for, and past the gates.

use super::budget::{Budget, Extra};
use super::gate::{Gate, Request};
use super::hedge::Hedging;
use super::layers::Gates;
use super::machine::{Call, HedgeAt, InFlight, Phase, Turn};
use super::policy::CallPolicy;
use super::step::{Step, Ticket, Verdict};
use crate::outcome::{FailureClass, Rejected};
use crate::retry::{Refused, Wait};
use crate::time::{Instant, earliest};

impl<P, U> Call<P, U> {
    /// Starts the attempt that is due, if it is time and the gates let it pass. What is due stays where
    /// it is until then: it is large, and most polls only look at it.
    pub(super) fn begin<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Option<Ticket> {
        let Phase::Due(due) = &mut self.phase else { return None };
        if due.wait.as_ref().is_some_and(|wait| !wait.until().is_reached(turn.now)) {
            return None;
        }
        let is_extra = self.started > 0;
        let request = Request { elsewhere: self.request.elsewhere || is_extra, ..self.request };
        match turn.gates.attempt().try_acquire(&request, &mut turn.entropy, turn.now) {
            Ok(permit) => {
                let (paid, is_hedge) = (due.paid.take(), due.early.is_some());
                Some(self.attempt(permit, paid, is_hedge, turn))
            }
            Err(rejected) => {
                match due.early {
                    Some(class) => {
                        let paid = due.paid.take();
                        self.too_early(class, paid, turn);
                    }
                    None => self.refused(rejected, turn),
                }
                None
            }
        }
    }

    /// An attempt has passed the gates.
    pub(super) fn attempt<C>(
        &mut self,
        permit: P,
        charge: Option<U>,
        is_hedge: bool,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Ticket {
        self.hedges = self.hedges.saturating_add(u8::from(is_hedge));
        let hedge_at = turn.gates.hedge().due(self.hedges, turn.now);
        self.launch(turn.policy, permit, charge, is_hedge, hedge_at, turn.now)
    }

    /// An attempt starts, beside which another one may start at `hedge_at`.
    #[inline]
    pub(super) fn launch<C>(
        &mut self,
        policy: &CallPolicy<C>,
        permit: P,
        charge: Option<U>,
        is_hedge: bool,
        hedge_at: Option<Instant>,
        now: Instant,
    ) -> Ticket {
        self.started = self.started.saturating_add(1);
        self.hedge = match hedge_at {
            Some(at) if !is_hedge && self.may_start_another(policy) => HedgeAt::At(at),
            _ => HedgeAt::Never,
        };
        let deadline = policy.attempt_deadline(now).min(self.retry.ends_at());
        let attempt = InFlight { permit, charge, started_at: now, deadline, number: self.started };
        if let Some(free) = self.in_flight.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(attempt);
        }
        self.phase = Phase::Running;
        Ticket {
            deadline: if deadline == Instant::MAX { None } else { Some(deadline) },
            number: self.started,
            is_hedge,
        }
    }

    /// A gate has refused to let the attempt start that is due. It was none, and costs nothing.
    pub(super) fn refused<C>(
        &mut self,
        rejected: Rejected,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        let policy = turn.policy.retry();
        match self.retry.delay_after(policy, rejected, &mut turn.entropy, turn.now) {
            Ok(delay) => {
                if let Phase::Due(due) = &mut self.phase {
                    due.wait = Some(self.retry.wait(delay, turn.now));
                    due.refusal = Some(rejected);
                }
            }
            Err(after_waiting) => {
                self.give_back(turn);
                self.phase = Phase::Done(Verdict::Refused(Refused { rejected, after_waiting }));
            }
        }
    }

    /// A gate has refused a hedge that was to follow a failure of `class` at once. A refused hedge ends
    /// nothing: the failure is tried again as it would have been without hedging.
    fn too_early<C>(
        &mut self,
        class: FailureClass,
        paid: Option<U>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) {
        if let Some(paid) = paid {
            turn.gates.budget().refund(paid, turn.now);
        }
        self.retry.take_back_failure();
        self.retry_or_end(class.into(), Some(0), turn);
    }

    /// Starts a second attempt beside the first when it is time and paid for.
    pub(super) fn hedge_in_time<C, G: Gates<P, U>>(
        &mut self,
        turn: &mut Turn<'_, C, G, impl FnMut() -> u32>,
    ) -> Option<Ticket> {
        match self.hedge {
            HedgeAt::At(at) if at.is_reached(turn.now) => self.hedge = HedgeAt::Never,
            HedgeAt::At(_) | HedgeAt::Never => return None,
        }
        if <G::Hedge as Hedging>::HEDGES { self.hedge(turn) } else { None }
    }

    /// A second attempt beside the first; `None` when the budget or a gate refuses, which ends nothing.
    pub(super) fn hedge<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Option<Ticket> {
        let paid = turn.gates.budget().try_withdraw(Extra::Hedge, turn.now).ok()?;
        let request = Request { elsewhere: true, ..self.request };
        match turn.gates.attempt().try_acquire(&request, &mut turn.entropy, turn.now) {
            Ok(permit) => Some(self.attempt(permit, Some(paid), true, turn)),
            Err(_) => {
                turn.gates.budget().refund(paid, turn.now);
                None
            }
        }
    }

    /// What there is to do when no attempt starts.
    pub(super) fn idle(&self) -> Step {
        match &self.phase {
            Phase::Due(due) => {
                Step::Wait { until: due.wait.as_ref().map(Wait::until), in_flight: 0 }
            }
            Phase::Running => self.wait(),
            Phase::Done(verdict) => Step::Done(*verdict),
        }
    }

    /// The wait for whatever comes first: the end of an attempt, or the time to hedge.
    fn wait(&self) -> Step {
        let hedge_at = match self.hedge {
            HedgeAt::At(at) => Some(at),
            HedgeAt::Never => None,
        };
        let (mut until, mut in_flight) = (hedge_at, 0_u8);
        for attempt in self.in_flight.iter().flatten() {
            in_flight = in_flight.saturating_add(1);
            let deadline = Some(attempt.deadline).filter(|at| *at != Instant::MAX);
            until = earliest(until, deadline);
        }
        Step::Wait { until, in_flight }
    }
}
