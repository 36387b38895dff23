//! What happens when, and to whom: the same in both runs.

use crate::cli::Plan;
use crate::settings;
use crate::wire::NodeId;
use core::time::Duration;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    Flood,
    Killed,
    Restarted,
    Slow,
    Recovery,
}

impl Phase {
    pub(crate) const ALL: [Self; 6] =
        [Self::WarmUp, Self::Flood, Self::Killed, Self::Restarted, Self::Slow, Self::Recovery];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Flood => "flood",
            Self::Killed => "killed",
            Self::Restarted => "restarted",
            Self::Slow => "slow",
            Self::Recovery => "recovery",
        }
    }

    /// Its part of the run, in sixteenths.
    const fn share(self) -> u32 {
        match self {
            Self::WarmUp | Self::Restarted => 2,
            Self::Flood | Self::Killed | Self::Slow | Self::Recovery => 3,
        }
    }

    /// Whether something is wrong that resil can do something about, or has just been.
    pub(crate) const fn is_trouble(self) -> bool {
        !matches!(self, Self::WarmUp | Self::Recovery)
    }
}

/// Phases and roles.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) duration: Duration,
    pub(crate) flooder: NodeId,
    pub(crate) flooded: Vec<NodeId>,
    pub(crate) killed: NodeId,
    pub(crate) slow: NodeId,
}

impl Schedule {
    /// Draws the roles: three different nodes get into trouble.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut dice = StdRng::seed_from_u64(plan.seed);
        let mut nodes: Vec<NodeId> = (0..plan.nodes).collect();
        nodes.shuffle(&mut dice);
        let (flooder, killed, slow) = (nodes[0], nodes[1], nodes[2]);
        let mut flooded = plan.topology.neighbours(flooder, plan.nodes);
        flooded.shuffle(&mut dice);
        flooded.truncate(settings::flood_targets(flooded.len()));
        flooded.sort_unstable();
        Self { duration: plan.duration(), flooder, flooded, killed, slow }
    }

    /// When `phase` begins and ends.
    pub(crate) fn span(&self, phase: Phase) -> (Duration, Duration) {
        let sixteenth = self.duration / 16;
        let before: u32 =
            Phase::ALL.iter().take_while(|&&other| other != phase).map(|other| other.share()).sum();
        (sixteenth * before, sixteenth * (before + phase.share()))
    }

    /// The phase at `at`; the last one also afterwards.
    pub(crate) fn phase_at(&self, at: Duration) -> Phase {
        let has_begun = |&&phase: &&Phase| self.span(phase).0 <= at;
        *Phase::ALL.iter().rev().find(has_begun).unwrap_or(&Phase::WarmUp)
    }

    /// What `phase` does, for people.
    pub(crate) fn story(&self, phase: Phase) -> String {
        match phase {
            Phase::WarmUp => "everybody asks everybody, all is well".into(),
            Phase::Flood => {
                let to: Vec<_> = self.flooded.iter().map(NodeId::to_string).collect();
                let (node, rate) = (self.flooder, settings::FLOOD_RATE);
                format!("node {node} sends {rate} requests a second to each of {}", to.join(", "))
            }
            Phase::Killed => format!("node {} is killed (SIGKILL)", self.killed),
            Phase::Restarted => format!("node {} is started again", self.killed),
            Phase::Slow => {
                let time = settings::SLOW_SERVICE_TIME;
                format!("node {} takes {time:?} for each request", self.slow)
            }
            Phase::Recovery => format!("node {} is fast again", self.slow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::Parser;

    #[test]
    fn phases_follow_one_another_and_fill_the_run() {
        let schedule = Schedule::new(&Arguments::parse_from(["mesh"]).plan);
        let mut end = Duration::ZERO;
        for phase in Phase::ALL {
            assert_eq!(schedule.span(phase).0, end);
            end = schedule.span(phase).1;
            assert_eq!(schedule.phase_at(end - Duration::from_nanos(1)), phase);
        }
        assert_eq!(end, schedule.duration);
        assert_eq!(schedule.phase_at(end * 2), Phase::Recovery);
    }

    #[test]
    fn three_different_nodes_get_into_trouble() {
        for seed in 0..100 {
            let plan = Arguments::parse_from(["mesh", "--seed", &seed.to_string()]).plan;
            let Schedule { flooder, flooded, killed, slow, .. } = Schedule::new(&plan);
            assert!(flooder != killed && killed != slow && slow != flooder);
            assert!(flooded.len() == 2 && !flooded.contains(&flooder));
        }
    }
}
