//! How an attempt comes to start: when it is due, paid for, and past the gates.

use super::budget::{Budget, Extra};
use super::gate::{Gate, Request};
use super::hedge::Hedging;
use super::layers::Gates;
use super::machine::{Call, Due, HedgeAt, InFlight, Phase, Turn};
use super::step::{Step, Ticket, Verdict};
use crate::outcome::{FailureClass, Rejected};
use crate::retry::Next;
use crate::time::{Instant, earliest};

impl<P, U> Call<P, U> {
    /// Starts the attempt that is due, or says how long to wait for it.
    pub(super) fn begin<C>(
        &mut self,
        due: Due<U>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Step {
        if let Some(until) = due.wait.map(|wait| wait.until()).filter(|at| !at.is_reached(turn.now))
        {
            self.phase = Phase::Due(due);
            return Step::Wait { until: Some(until), in_flight: 0 };
        }
        let is_extra = self.started > 0;
        let request = Request { elsewhere: self.request.elsewhere || is_extra, ..self.request };
        match turn.gates.attempt().try_acquire(&request, &mut turn.entropy, turn.now) {
            Ok(permit) => self.attempt(permit, due.paid, due.early.is_some(), turn),
            Err(rejected) => match due.early {
                Some(class) => self.too_early(class, due.paid, turn),
                None => self.refused(rejected, due, turn),
            },
        }
    }

    /// An attempt has passed the gates.
    pub(super) fn attempt<C>(
        &mut self,
        permit: P,
        charge: Option<U>,
        is_hedge: bool,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Step {
        self.started = self.started.saturating_add(1);
        self.hedges = self.hedges.saturating_add(u8::from(is_hedge));
        self.hedge = match turn.gates.hedge().due(self.hedges, turn.now) {
            Some(at) if !is_hedge && self.may_start_another(turn.policy) => HedgeAt::At(at),
            _ => HedgeAt::Never,
        };
        let deadline = turn.policy.attempt_deadline(turn.now);
        let deadline = deadline.min(self.retry.deadline().unwrap_or(Instant::MAX));
        let attempt =
            InFlight { permit, charge, started_at: turn.now, deadline, number: self.started };
        if let Some(free) = self.in_flight.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(attempt);
        }
        self.phase = Phase::Running;
        Step::Attempt(Ticket {
            deadline: if deadline == Instant::MAX { None } else { Some(deadline) },
            number: self.started,
            is_hedge,
        })
    }

    /// A gate has refused to let the attempt start that is due. It was none, and costs nothing.
    pub(super) fn refused<C>(
        &mut self,
        rejected: Rejected,
        due: Due<U>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Step {
        let next = self.retry.refused(turn.policy.retry(), rejected, &mut turn.entropy, turn.now);
        let refused = match next {
            Next::Wait(wait) => {
                let (wait, refusal) = (Some(wait), Some(rejected));
                let until = wait.map(|wait| wait.until());
                self.phase = Phase::Due(Due { wait, refusal, ..due });
                return Step::Wait { until, in_flight: 0 };
            }
            Next::Stop(refused) => refused,
        };
        self.phase = Phase::Due(due);
        self.end(Verdict::Refused(refused), turn);
        Step::Done(Verdict::Refused(refused))
    }

    /// A gate has refused a hedge that was to follow a failure of `class` at once. A refused hedge ends
    /// nothing: the failure is tried again as it would have been without hedging.
    fn too_early<C>(
        &mut self,
        class: FailureClass,
        paid: Option<U>,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Step {
        if let Some(paid) = paid {
            turn.gates.budget().refund(paid, turn.now);
        }
        self.retry.take_back_failure();
        self.retry_or_end(class.into(), Some(0), turn);
        match &self.phase {
            Phase::Due(due) => {
                Step::Wait { until: due.wait.map(|wait| wait.until()), in_flight: 0 }
            }
            Phase::Done(verdict) => Step::Done(*verdict),
            Phase::New | Phase::Running => self.wait(),
        }
    }

    /// Starts a second attempt beside the first when it is time and paid for; else there is a wait.
    pub(super) fn hedge_or_wait<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Step {
        if let HedgeAt::At(at) = self.hedge
            && at.is_reached(turn.now)
        {
            self.hedge = HedgeAt::Never;
            if let Some(step) = self.hedge(turn) {
                return step;
            }
        }
        self.wait()
    }

    /// A second attempt beside the first; `None` when the budget or a gate refuses, which ends nothing.
    pub(super) fn hedge<C>(
        &mut self,
        turn: &mut Turn<'_, C, impl Gates<P, U>, impl FnMut() -> u32>,
    ) -> Option<Step> {
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

    /// The wait for whatever comes first: the end of an attempt, or the time to hedge.
    pub(super) fn wait(&self) -> Step {
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

    pub(super) fn done(&mut self, verdict: Verdict) -> Step {
        self.phase = Phase::Done(verdict);
        Step::Done(verdict)
    }
}
