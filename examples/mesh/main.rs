//! A mesh of real P2P nodes on this machine, the trouble they get into, and what resil does about it.
//!
//! ```console
//! $ cargo run --release -p resil-examples --bin mesh
//! ```
//!
//! The supervisor (this program) starts at least five nodes (this program again, one process each).
//! They talk over TCP on loopback, send each other requests at a steady rate, and limit, break,
//! retry and check their health with `resil-std`. Then one of them floods two others, one is killed
//! and started again, one becomes slow. The same schedule runs a second time with resil switched
//! off, and a report puts the two side by side. Checks on what the nodes logged decide the exit code.
//!
//! With `--firmware 2` there are nodes among them that are firmware: `examples/firmware`,
//! for a Cortex-M3 and a Cortex-M4F, in QEMU. Each is behind a wire that loses, damages and delays
//! frames all the time. One of them is flooded as well, one is reset beside the killed peer, and one
//! is cut off for a while. A bridge (this program once more) is what the others see of it.
//!
//! | file | what it is |
//! |---|---|
//! | [`settings`] | every number of the experiment, and all policies |
//! | [`wire`] | what goes over TCP, and over the pipes to the supervisor |
//! | [`node`] | one node: its server, its links to peers, its load, its health, its journal;
//! | | `node/protection.rs` is the only file that knows whether resil is on |
//! | `bridge` | what stands for a node that is firmware: its emulator, its wire, its notes |
//! | [`orphan`] | no process outlives its parent |
//! | [`supervisor`] | processes, schedule, records, checks, report |

#[cfg(target_os = "linux")]
mod bridge;
mod cli;
mod node;
mod orphan;
mod settings;
mod supervisor;
mod wire;

use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mesh: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tasks = LocalSet::new();
    let code = match arguments.role {
        Some(cli::Role::Node { id }) => {
            let _node = arguments.log.map(|level| log(id, level));
            runtime.block_on(tasks.run_until(node::main(id)))
        }
        #[cfg(target_os = "linux")]
        Some(cli::Role::Bridge(bridge)) => {
            let _node = arguments.log.map(|level| log(bridge.id, level));
            runtime.block_on(tasks.run_until(bridge::main(bridge)))
        }
        #[cfg(target_os = "linux")]
        Some(cli::Role::Machine { parent, program, arguments }) => {
            orphan::become_program(parent, &program, &arguments)
        }
        None => runtime.block_on(tasks.run_until(supervisor::main(arguments))),
    };
    drop(tasks);
    // A thread may still sit in a read of stdin; it goes with the process.
    runtime.shutdown_background();
    code
}

/// Logs to stderr, with the node's id before every line while the span is kept.
fn log(id: wire::NodeId, level: tracing::Level) -> tracing::span::EnteredSpan {
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    tracing::error_span!("node", id).entered()
}
