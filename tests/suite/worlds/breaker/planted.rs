//! Defects that a breaker could have, planted between the machine and the world.

use super::{Breaker, Lent, Measured};
use resil_core::circuit_breaker::{Recorded, State};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::{Instant, Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worlds) enum Planted {
    /// A probe whose caller went away keeps its slot.
    LeakedProbe,
    /// A success of a call from before the outage closes the breaker.
    StaleSuccessCloses,
    /// Half-open, everybody is let through.
    Stampede,
    /// Our own failures count against the peer.
    LocalFailureCounts,
    /// Who asks 1 ns too early is let through.
    AdmitsEarly,
    /// A success that is told while closed does not end the row.
    SuccessKeepsTheRow,
}

impl<W: Measured + 'static> Breaker<W> {
    /// The same with a defect.
    pub(in crate::worlds) fn with(mut self, planted: Planted) -> Self {
        self.planted = Some(planted);
        self
    }

    /// Asks the machine.
    pub(super) fn issue(&mut self, period: u32) -> Result<Lent<W>, Rejected> {
        let now = self.now();
        let issued = Lent::issue(self.policy, &mut self.state, now, period);
        let Err(rejected) = issued else { return issued };
        match (self.planted, rejected.retry()) {
            (Some(Planted::Stampede), _) if self.state() == State::HalfOpen => {
                let probe = self.lent.iter().find(|lent| lent.permit.is_probe());
                probe.cloned().ok_or(rejected)
            }
            (Some(Planted::AdmitsEarly), RetryAt::At(at))
                if at.as_nanos() == now.as_nanos() + 1 =>
            {
                Lent::issue(self.policy, &mut self.state, at, period)
            }
            _ => Err(rejected),
        }
    }

    /// Tells the machine.
    pub(super) fn record(&mut self, lent: Lent<W>, outcome: Outcome) -> Recorded {
        let (policy, now) = (self.policy, self.now());
        let is_probe = lent.permit.is_probe();
        let is_closed = self.state() == State::Closed && lent.period == self.model.period;
        let outcome = match (self.planted, outcome) {
            (Some(Planted::LeakedProbe), Outcome::Abandoned) if is_probe => {
                return Recorded::Released;
            }
            (Some(Planted::LocalFailureCounts), Outcome::Failure(FailureClass::Local)) => {
                Outcome::Failure(FailureClass::Transient)
            }
            (Some(Planted::SuccessKeepsTheRow), Outcome::Success) if is_closed => {
                return Recorded::Counted;
            }
            _ => outcome,
        };
        let recorded = policy.record(&mut self.state, lent.permit, outcome, 0, now);
        let closes = self.planted == Some(Planted::StaleSuccessCloses);
        if closes && recorded == Recorded::Stale && outcome == Outcome::Success {
            let from = policy.state(&self.state, now);
            if matches!(from, State::Open | State::HalfOpen) {
                policy.reset(&mut self.state, now);
            }
        }
        recorded
    }
}

/// `at`, 1 ns earlier.
pub(super) const fn just_before(at: Instant) -> Instant {
    Instant::from_nanos(at.as_nanos() - 1)
}
