//! What happens when, and to whom: the same in both runs.

use crate::cli::{Board, Plan};
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

/// Something that is done to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A phase begins.
    Phase(Phase),
    /// A firmware node is reset.
    Reset,
    /// The wire of a firmware node is cut.
    Cut,
    /// It is whole again.
    Mend,
}

/// Phases and roles.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) duration: Duration,
    pub(crate) flooder: NodeId,
    pub(crate) flooded: Vec<NodeId>,
    pub(crate) killed: NodeId,
    pub(crate) slow: NodeId,
    /// What firmware nodes get into, where there are any.
    pub(crate) firmware: Option<FirmwareRoles>,
    boards: Vec<(NodeId, Board)>,
}

/// Which firmware node gets into which trouble: different ones, as far as there are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirmwareRoles {
    /// A neighbour of the flooder.
    pub(crate) flooded: NodeId,
    /// A neighbour of the killed node: it is reset while that one is dead.
    pub(crate) reset: NodeId,
    pub(crate) cut: NodeId,
}

impl Schedule {
    /// Draws the roles: three different nodes get into trouble, and firmware nodes besides.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut dice = StdRng::seed_from_u64(plan.seed);
        let mut nodes: Vec<NodeId> = (0..plan.nodes).collect();
        nodes.shuffle(&mut dice);
        // Who floods and who is killed has firmware for a neighbour, if there is any.
        let has_firmware = |&node: &NodeId| {
            plan.firmware == 0 || plan.neighbours(node).iter().any(|&peer| peer >= plan.nodes)
        };
        nodes.sort_by_key(|node| !has_firmware(node));
        let (flooder, killed, slow) = (nodes[0], nodes[1], nodes[2]);
        let mut flooded = plan.neighbours(flooder);
        flooded.shuffle(&mut dice);
        let firmware = FirmwareRoles::draw(plan, flooder, killed, &mut dice);
        let aimed_at = firmware.map(|firmware| firmware.flooded);
        flooded.sort_by_key(|&node| Some(node) != aimed_at);
        flooded.truncate(settings::flood_targets(flooded.len()));
        flooded.sort_unstable();
        let board = |node| plan.board(node).map(|board| (node, board));
        let boards = plan.firmware_nodes().filter_map(board).collect();
        Self { duration: plan.duration(), flooder, flooded, killed, slow, firmware, boards }
    }

    /// Whether a node is firmware.
    pub(crate) fn is_firmware(&self, node: NodeId) -> bool {
        self.boards.iter().any(|(other, _)| *other == node)
    }

    /// What to call a node: firmware goes by its board.
    pub(crate) fn name(&self, node: NodeId) -> String {
        let board = self.boards.iter().find(|(other, _)| *other == node);
        let kind = board.map_or("node", |(_, board)| board.name());
        format!("{kind} {node}")
    }

    /// How many requests a second the flooder sends to `target`.
    pub(crate) fn flood_rate(&self, target: NodeId) -> u32 {
        if self.is_firmware(target) { settings::FIRMWARE_FLOOD_RATE } else { settings::FLOOD_RATE }
    }

    /// Everything that is done, and when, in order.
    pub(crate) fn events(&self) -> Vec<(Duration, Event)> {
        let phases = Phase::ALL.map(|phase| (self.span(phase).0, Event::Phase(phase)));
        let mut events = Vec::from(phases);
        if self.firmware.is_some() {
            // In the middle: breakers have opened on the dead peer, and it is not back for a while.
            let (from, to) = self.span(Phase::Killed);
            events.push(((from + to) / 2, Event::Reset));
            let (cut, mended) = self.cut();
            events.extend([(cut, Event::Cut), (mended, Event::Mend)]);
        }
        events.sort_by_key(|(at, _)| *at);
        events
    }

    /// When a wire is cut, and when it is whole again.
    pub(crate) fn cut(&self) -> (Duration, Duration) {
        let (from, to) = self.span(Phase::Slow);
        let sixth = (to - from) / 6;
        (from + sixth, to - sixth)
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
                let to =
                    |&node: &NodeId| format!("{} to {}", self.flood_rate(node), self.name(node));
                let to: Vec<_> = self.flooded.iter().map(to).collect();
                format!("node {} sends requests every second: {}", self.flooder, to.join(", "))
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

    /// What `event` does, for people.
    pub(crate) fn tell(&self, event: Event) -> (&'static str, String) {
        let of = |role: fn(FirmwareRoles) -> NodeId| {
            self.firmware.map_or_else(String::new, |roles| self.name(role(roles)))
        };
        match event {
            Event::Phase(phase) => (phase.name(), self.story(phase)),
            Event::Reset => ("", format!("{} is reset", of(|roles| roles.reset))),
            Event::Cut => ("", format!("the wire of {} is cut", of(|roles| roles.cut))),
            Event::Mend => ("", format!("the wire of {} is whole again", of(|roles| roles.cut))),
        }
    }
}

impl FirmwareRoles {
    fn draw(plan: &Plan, flooder: NodeId, killed: NodeId, dice: &mut StdRng) -> Option<Self> {
        let mut nodes: Vec<NodeId> = plan.firmware_nodes().collect();
        nodes.shuffle(dice);
        let beside = |node| {
            let neighbours = plan.neighbours(node);
            nodes.iter().copied().filter(move |other| neighbours.contains(other))
        };
        let flooded = beside(flooder).next()?;
        let reset =
            beside(killed).find(|&node| node != flooded).or_else(|| beside(killed).next())?;
        let taken = [flooded, reset];
        let cut = nodes.iter().copied().find(|node| !taken.contains(node)).unwrap_or(flooded);
        Some(Self { flooded, reset, cut })
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

    #[test]
    fn firmware_gets_into_trouble_with_its_neighbours_in_every_mesh() {
        for seed in 0..100 {
            for (firmware, topology) in [("1", "full"), ("2", "ring"), ("1", "ring"), ("4", "full")]
            {
                let seed = seed.to_string();
                let line =
                    ["mesh", "--seed", &seed, "--firmware", firmware, "--topology", topology];
                let plan = Arguments::parse_from(line).plan;
                let schedule = Schedule::new(&plan);
                let FirmwareRoles { flooded, reset, cut } = schedule.firmware.unwrap();
                assert!(schedule.flooded.contains(&flooded), "{line:?}");
                assert!(plan.neighbours(schedule.flooder).contains(&flooded), "{line:?}");
                assert!(plan.neighbours(reset).contains(&schedule.killed), "{line:?}");
                assert!([flooded, reset, cut].iter().all(|&node| plan.board(node).is_some()));
                assert!(firmware == "1" || flooded != reset, "{line:?}");
                let linux = [schedule.flooder, schedule.killed, schedule.slow];
                assert!(linux.iter().all(|&node| plan.board(node).is_none()), "{line:?}");
            }
        }
    }

    #[test]
    fn firmware_is_reset_while_a_peer_is_dead_and_cut_off_for_a_part_of_a_phase() {
        let plan = Arguments::parse_from(["mesh", "--firmware", "2"]).plan;
        let schedule = Schedule::new(&plan);
        let events = schedule.events();
        assert!(events.is_sorted_by_key(|(at, _)| *at));
        let at = |event| events.iter().find(|(_, other)| *other == event).unwrap().0;
        assert_eq!(schedule.phase_at(at(Event::Reset)), Phase::Killed);
        assert!(at(Event::Cut) > schedule.span(Phase::Slow).0);
        assert!(at(Event::Mend) < schedule.span(Phase::Slow).1);
        let without = Schedule::new(&Arguments::parse_from(["mesh"]).plan);
        assert_eq!(without.events().len(), Phase::ALL.len());
    }
}
