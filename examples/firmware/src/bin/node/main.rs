//! A node of the mesh as firmware.
#![no_std]
#![no_main]

mod admission;
mod alone;
mod control;
mod entropy;
mod flood;
mod health;
mod journal;
mod link;
mod load;
mod node;
mod peer;
mod protection;
mod queue;
mod server;
mod snapshot;
mod watchdog;

use control::{Orders, Start};
use embassy_executor::Spawner;
use embassy_time::Timer;
use heapless::Vec;
use node::Node;
use resil_firmware::alone::{Alone, Role};
use resil_firmware::executor::Executor;
use resil_firmware::mode::Mode;
use resil_firmware::retained::Retained;
use resil_firmware::{board, exit};
use static_cell::StaticCell;

/// The task that is made to hang, and its name.
const HANGS: (watchdog::Task, &str) = (watchdog::Task::Serve, "serve");

#[cortex_m_rt::entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    board::init();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(start(spawner).expect("once")))
}

#[embassy_executor::task]
async fn start(spawner: Spawner) {
    let mode = Mode::read();
    let retained = Retained::take().expect("once");
    let found = snapshot::look(&retained);
    let (restored, starved) = (found.peers > 0, watchdog::start(&found.boot));
    let of_peers = found.peers;
    defmt::info!("{=str} is up: {}, {=usize} snapshots of peers", board::NAME, mode, of_peers);
    if let Some(name) = &starved {
        defmt::warn!("reset by the watchdog: task {=str} hung", name.as_str());
    }
    match mode {
        Mode::Obey => {
            let mut orders = Orders::new();
            let start = orders.start(restored, starved).await;
            let node = Node::new(&start, retained, found.boot);
            spawner.spawn(control::obey(node, orders).expect("once"));
            spawner.spawn(control::report(node).expect("once"));
            node.serve(spawner);
            node.ask(spawner);
        }
        Mode::Alone(part) => {
            let node = Node::new(&with_one_peer(part), retained, found.boot);
            node.serve(spawner);
            spawner.spawn(alone::play(node, part, spawner).expect("once"));
        }
        // The second time round, after the reset.
        Mode::Hang if starved.is_some() => {
            let is_named = starved.is_some_and(|name| name.as_str() == HANGS.1);
            exit::with(if is_named { exit::SUCCESS } else { exit::FAILURE });
        }
        Mode::Hang => {
            let part = Alone { id: 1, peer: 2, role: Role::Floods, seconds: 0, protected: true };
            let node = Node::new(&with_one_peer(part), retained, found.boot);
            spawner.spawn(control::report(node).expect("once"));
            node.serve(spawner);
            node.ask(spawner);
            Timer::after_secs(1).await;
            defmt::info!("task {=str} hangs from now on", HANGS.1);
            watchdog::hang(HANGS.0);
        }
        Mode::Panic => panic!("as was asked for"),
        Mode::HardFault => cortex_m::asm::udf(),
    }
}

fn with_one_peer(part: Alone) -> Start {
    let neighbours = Vec::from_iter([part.peer]);
    Start { node: part.id, neighbours, seed: part.id.into(), protected: part.protected }
}
