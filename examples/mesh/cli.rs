//! The command line.

use crate::settings;
use crate::wire::NodeId;
use clap::{Args, Parser, Subcommand, ValueEnum};
use core::time::Duration;
#[cfg(target_os = "linux")]
use std::{ffi::OsString, path::PathBuf};
use tracing::Level;

/// Watch P2P nodes survive a flood, a killed peer and a slow peer because of resil.
///
/// Starts real processes that talk over TCP on loopback, gives them trouble, does the same again
/// with resil switched off, and reports both side by side.
///
/// With --firmware there are nodes on emulated microcontrollers among them, on noisy wires.
///
/// Exit code: 0 when every check passes, 1 when one fails or a node breaks down, 2 for a wrong
/// option, 130 after Ctrl-C (143 after SIGTERM). However it ends, no process is left behind.
#[derive(Debug, Parser)]
#[command(name = "mesh", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,

    #[command(flatten)]
    pub(crate) plan: Plan,

    /// Print to stderr what resil logs in each node but firmware: every attempt, refusal and transition
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(crate) log: Option<Level>,
}

/// What the supervisor's child processes are.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// One node, driven over its stdin and stdout; started by the supervisor.
    #[command(hide = true)]
    Node {
        /// Which node.
        id: NodeId,
    },

    /// What stands for a firmware node, driven in the same way; started by the supervisor.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Bridge(BridgeArguments),

    /// A program that dies with its parent; started by a bridge.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Machine {
        /// The process that starts it.
        parent: u32,
        /// What it becomes.
        program: PathBuf,
        /// With these arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Which firmware a bridge stands for.
#[cfg(target_os = "linux")]
#[derive(Args, Clone, Debug)]
pub(crate) struct BridgeArguments {
    /// Which node.
    pub(crate) id: NodeId,
    /// The board to emulate.
    #[arg(long, value_enum)]
    pub(crate) board: Board,
    /// The emulator.
    #[arg(long)]
    pub(crate) qemu: PathBuf,
    /// The firmware.
    #[arg(long)]
    pub(crate) elf: PathBuf,
}

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// How many nodes, each a process of its own: 5 to 16
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(NodeId).range(5..=16))]
    pub(crate) nodes: NodeId,

    /// How many nodes besides are firmware on an emulated microcontroller, boards in turn: 0 to 4;
    /// takes a qemu-system-arm and the boards' Rust targets
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(NodeId).range(0..=4))]
    pub(crate) firmware: NodeId,

    /// Who is whose neighbour
    #[arg(long, value_enum, default_value_t = Topology::Full)]
    pub(crate) topology: Topology,

    /// Decides who asks whom and when, and who gets into which trouble; both runs use the same
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// How long one run takes, in seconds: 12 to 120; the phases share it out
    #[arg(long, default_value_t = settings::RUN_SECONDS, value_parser = clap::value_parser!(u64).range(12..=120))]
    seconds: u64,

    /// Do one of the two runs only; without the other there is nothing to compare
    #[arg(long, value_enum)]
    pub(crate) only: Option<Mode>,
}

impl Plan {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How many nodes there are in all; firmware's numbers follow the others.
    pub(crate) fn everybody(&self) -> NodeId {
        self.nodes + self.firmware
    }

    /// The nodes that are firmware.
    pub(crate) fn firmware_nodes(&self) -> core::ops::Range<NodeId> {
        self.nodes..self.everybody()
    }

    /// What `node` runs on, if it is firmware.
    pub(crate) fn board(&self, node: NodeId) -> Option<Board> {
        node.checked_sub(self.nodes).map(Board::of)
    }

    /// The neighbours of `node`, in ascending order.
    pub(crate) fn neighbours(&self, node: NodeId) -> Vec<NodeId> {
        self.topology.neighbours(node, self.everybody())
    }

    pub(crate) fn modes(&self) -> Vec<Mode> {
        self.only.map_or_else(|| vec![Mode::With, Mode::Without], |mode| vec![mode])
    }
}

/// The shape of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topology {
    /// Everybody is everybody's neighbour
    Full,
    /// Each node has two neighbours
    Ring,
}

impl Topology {
    /// The neighbours of `node` among `nodes`, in ascending order.
    fn neighbours(self, node: NodeId, nodes: NodeId) -> Vec<NodeId> {
        (0..nodes)
            .filter(|&other| other != node)
            .filter(|&other| {
                self == Self::Full || (node + 1) % nodes == other || (other + 1) % nodes == node
            })
            .collect()
    }
}

/// A microcontroller board that QEMU can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Board {
    /// A Cortex-M3
    Lm3s6965evb,
    /// A Cortex-M4F
    Mps2An386,
}

impl Board {
    /// The board of firmware node `number`, from 0: they alternate.
    pub(crate) const fn of(number: NodeId) -> Self {
        if number.is_multiple_of(2) { Self::Lm3s6965evb } else { Self::Mps2An386 }
    }

    /// What QEMU calls it, and the firmware's build.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lm3s6965evb => "lm3s6965evb",
            Self::Mps2An386 => "mps2-an386",
        }
    }
}

/// Whether the nodes of a run are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// With resil
    With,
    /// With resil switched off
    Without,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::With => "with resil",
            Self::Without => "resil off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_ring_gives_two_neighbours_and_closes() {
        assert_eq!(Topology::Ring.neighbours(0, 5), [1, 4]);
        assert_eq!(Topology::Ring.neighbours(4, 5), [0, 3]);
        assert_eq!(Topology::Full.neighbours(2, 5), [0, 1, 3, 4]);
    }

    #[test]
    fn firmware_follows_the_other_nodes_on_alternating_boards() {
        let plan = Arguments::parse_from(["mesh", "--firmware", "3"]).plan;
        let boards: Vec<_> = (0..plan.everybody()).map(|node| plan.board(node)).collect();
        let (m3, m4) = (Some(Board::Lm3s6965evb), Some(Board::Mps2An386));
        assert_eq!(boards, [None, None, None, None, None, m3, m4, m3]);
        assert_eq!(plan.neighbours(7), [0, 1, 2, 3, 4, 5, 6]);
        for board in [Board::Lm3s6965evb, Board::Mps2An386] {
            assert_eq!(Board::from_str(board.name(), false), Ok(board), "the bridge reads it so");
        }
    }

    #[test]
    fn a_wrong_option_names_itself() {
        let error = Arguments::try_parse_from(["mesh", "--nodes", "4"]).unwrap_err().to_string();
        assert!(error.contains("--nodes") && error.contains("5..=16"), "{error}");
    }
}
