//! What the nodes of one run reported, on the supervisor's time scale.

use super::schedule::{Phase, Schedule};
use crate::cli::Mode;
use crate::wire::{
    Admitted, BreakerMoved, BreakerState, Counts, End, Ended, HealthSeen, Kind, LineCounts, NodeId,
    Report,
};
use core::time::Duration;
use resil_core::health::HealthStatus;

/// One run.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) mode: Mode,
    pub(crate) schedule: Schedule,
    pub(crate) lives: Vec<Life>,
}

/// One life of a node: from its start, or from the reset of its machine, to its end.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) node: NodeId,
    /// What its clock shows when the run's shows zero; both run at the same pace.
    zero: i64,
    pub(crate) began: Duration,
    /// Whether it knew again what it had known of its peers, if it began with a reset.
    pub(crate) restored: Option<bool>,
    /// When it was killed, or ended by a reset, if it was.
    pub(crate) killed: Option<Duration>,
    /// Whether it was a reset: there is another life of the same process.
    pub(crate) ended_by_reset: bool,
    /// Whether it said its last word.
    pub(crate) done: bool,
    pub(crate) neighbours: Vec<NodeId>,
    pub(crate) issued: u64,
    pub(crate) ended: Vec<Ended>,
    pub(crate) admitted: Vec<Admitted>,
    pub(crate) breakers: Vec<BreakerMoved>,
    pub(crate) health: Vec<HealthSeen>,
    pub(crate) counts: Counts,
    /// What became of the frames on its wire, if it has one, since its process began.
    pub(crate) line: LineCounts,
}

impl Life {
    /// A process whose clock shows `zero` when the run's shows zero.
    pub(crate) fn new(node: NodeId, neighbours: Vec<NodeId>, zero: i64, began: Duration) -> Self {
        Self {
            node,
            zero,
            began,
            restored: None,
            killed: None,
            ended_by_reset: false,
            done: false,
            neighbours,
            issued: 0,
            ended: Vec::new(),
            admitted: Vec::new(),
            breakers: Vec::new(),
            health: Vec::new(),
            counts: Counts::default(),
            line: LineCounts::default(),
        }
    }

    /// Ends this life with a reset of its machine; the next one runs on the same clock.
    pub(crate) fn reset(&mut self, at: u64, restored: bool) -> Self {
        let at = self.run_time(at);
        (self.killed, self.ended_by_reset) = (Some(at), true);
        let mut next = Self::new(self.node, self.neighbours.clone(), self.zero, at);
        next.restored = Some(restored);
        next
    }

    /// Whether it lasted the whole run.
    pub(crate) fn is_whole(&self) -> bool {
        self.killed.is_none() && self.restored.is_none()
    }

    /// Adds what came in.
    pub(crate) fn add(&mut self, report: Report) {
        self.issued = report.issued;
        self.ended.extend(report.ended);
        self.admitted.extend(report.admitted);
        self.breakers.extend(report.breakers);
        self.health.extend(report.health);
        self.counts = report.counts;
        self.line = report.line;
    }

    /// An instant of the process's clock as time since the run began.
    pub(crate) fn run_time(&self, at: u64) -> Duration {
        Duration::from_nanos((at as i64 - self.zero).max(0) as u64)
    }
}

impl Life {
    /// Whether its breaker for `peer` is not closed, as far as it has reported.
    pub(crate) fn is_open(&self, peer: NodeId) -> bool {
        let last = self.breakers.iter().rev().find(|moved| moved.peer == peer);
        last.is_some_and(|moved| moved.to != BreakerState::Closed)
    }

    /// What its breaker for `peer` did, and when.
    pub(crate) fn breaker(&self, peer: NodeId) -> impl Iterator<Item = (Duration, BreakerState)> {
        let of_peer = self.breakers.iter().filter(move |moved| moved.peer == peer);
        of_peer.map(|moved| (self.run_time(moved.at), moved.to))
    }

    /// How its health changed, and when.
    pub(crate) fn health(&self) -> impl Iterator<Item = (Duration, HealthStatus)> {
        self.health.iter().map(|seen| (self.run_time(seen.at), seen.status))
    }
}

/// Sums over requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) issued: u64,
    pub(crate) ok: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) wasted: u64,
    /// Served after more than one attempt.
    pub(crate) rescued: u64,
    /// How long those that were served took, in ascending order once sorted.
    took: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, ended: &Ended) {
        self.issued += 1;
        self.wasted += u64::from(ended.attempts.wasted);
        match ended.end {
            End::Ok => {
                self.ok += 1;
                self.rescued += u64::from(ended.attempts.made > 1);
                self.took.push(Duration::from_nanos(ended.ended_at - ended.issued_at));
            }
            End::Refused(_) => self.refused += 1,
            End::Failed(_) => self.failed += 1,
        }
    }

    /// The time within which `percent` of the served ones were served.
    pub(crate) fn within(&self, percent: usize) -> Option<Duration> {
        let last = self.took.len().checked_sub(1)?;
        Some(self.took[last * percent / 100])
    }
}

impl Record {
    /// Every request that ended, with the time at which it was issued.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Duration, &Ended)> {
        self.lives
            .iter()
            .flat_map(|life| life.ended.iter().map(|ended| (life.run_time(ended.issued_at), ended)))
    }

    /// The requests of one kind that were issued in `phase`, or in any.
    pub(crate) fn tally(&self, kind: Kind, phase: Option<Phase>) -> Tally {
        let mut tally = Tally::default();
        self.requests()
            .filter(|(_, ended)| ended.kind == kind)
            .filter(|&(at, _)| phase.is_none_or(|phase| self.schedule.phase_at(at) == phase))
            .for_each(|(_, ended)| tally.add(ended));
        tally.took.sort_unstable();
        tally
    }

    /// The sum of a count over all nodes.
    pub(crate) fn count(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.lives.iter().map(|life| of(&life.counts)).sum()
    }

    /// The last life of a node.
    pub(crate) fn last_life(&self, node: NodeId) -> Option<&Life> {
        self.lives.iter().rfind(|life| life.node == node)
    }

    /// The lives that were not cut short.
    pub(crate) fn survivors(&self) -> impl Iterator<Item = &Life> {
        self.lives.iter().filter(|life| life.killed.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_ends_a_life_and_the_next_runs_on_the_same_clock() {
        let mut first = Life::new(5, vec![0, 1], 1_000, Duration::ZERO);
        let mut second = first.reset(1_600, true);
        assert_eq!((first.killed, first.ended_by_reset), (Some(Duration::from_nanos(600)), true));
        assert_eq!((second.began, second.restored), (Duration::from_nanos(600), Some(true)));
        assert_eq!(second.run_time(1_700), Duration::from_nanos(700));
        assert!(!first.is_whole() && !second.is_whole());
        second.add(Report { issued: 1, ..Report::default() });
        assert_eq!((first.issued, second.issued), (0, 1));
    }
}
