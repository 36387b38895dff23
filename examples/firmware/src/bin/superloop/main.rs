//! The mesh's node as a superloop, on resil's core alone: no executor, no heap, a Cortex-M0 with 16 KiB.
//!
//! Each turn reads the clock once, takes what has come, lets every part go on, and sleeps until the
//! first instant at which one of them has more to do, or until a byte comes.
#![no_std]
#![no_main]

mod asking;
mod journal;
mod link;
mod load;
mod node;
mod peer;
mod schedule;
mod server;
mod vitals;

use core::time::Duration;
use journal::Journal;
use link::Link;
use mesh_protocol::serial::Body;
use node::Node;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use resil_core::Instant;
use resil_firmware::alone::{Alone, Role};
use resil_firmware::board::{self, Timer};
use resil_firmware::exit;
use resil_firmware::mode::Mode;

/// How often a node calls for its peer before it has heard anything, and for how long.
const CALL_EVERY: Duration = Duration::from_millis(50);
const CALL_FOR: Duration = Duration::from_secs(20);

/// What every part of the loop works with.
struct Turn {
    link: &'static mut Link,
    journal: &'static mut Journal,
    rng: SmallRng,
    /// The one reading of the clock.
    now: Instant,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let (mut timer, line) = board::init();
    let mode = Mode::read();
    defmt::info!("{=str} is up: {}", board::NAME, mode);
    let part = match mode {
        Mode::Alone(part) => part,
        Mode::Hang => Alone { id: 1, peer: 2, role: Role::Floods, seconds: 60, protected: true },
        Mode::Panic => panic!("as was asked for"),
        Mode::HardFault => cortex_m::asm::udf(),
        Mode::Obey => {
            defmt::error!(
                "this board has no second UART to take orders from: alone ID PEER ROLE SECONDS"
            );
            exit::with(exit::FAILURE)
        }
    };
    if !part.protected {
        defmt::error!("this loop is made of resil: only the node on embassy runs without it");
        exit::with(exit::FAILURE);
    }
    let link = Link::start(line, part.id);
    if mode != Mode::Hang {
        meet(&part, &mut timer, link);
    }
    let now = timer.now();
    let (journal, rng) = (Journal::start(&part, now), SmallRng::seed_from_u64(board::seed()));
    let mut turn = Turn { link, journal, rng, now };
    let mut node = Node::start(part, now);
    if mode == Mode::Hang {
        node.hang();
    }
    while !node.is_over(turn.now) {
        turn.now = timer.now();
        let alarm = node.turn(&mut turn);
        timer.sleep_until(alarm, turn.link.line());
    }
    end(&mut turn)
}

/// Calls until the peer is heard: bytes that are sent before it has set up its line are lost.
fn meet(part: &Alone, timer: &mut Timer, link: &mut Link) {
    let give_up_at = timer.now().saturating_add(CALL_FOR);
    loop {
        let now = timer.now();
        link.say(part.peer, Body::Connect);
        timer.sleep_until(now.saturating_add(CALL_EVERY), link.line());
        if link.hear().is_some_and(|datagram| datagram.from == part.peer) {
            return;
        }
        if give_up_at.is_reached(now) {
            defmt::error!("nobody is at the other end of the line");
            exit::with(exit::FAILURE);
        }
    }
}

/// Says what it took, judges how it went, and ends the firmware.
fn end(turn: &mut Turn) -> ! {
    let (damaged, dropped) = turn.link.losses();
    let lost = turn.link.line().lost();
    defmt::info!(
        "{=u32} frames damaged, {=u32} not sent; {=u32} bytes lost",
        damaged,
        dropped,
        lost
    );
    let passed = turn.journal.verdict();
    let (used, room) = board::stack_used();
    let passed = passed & (used < room); // else it has run over into what is below
    defmt::info!("stack: {=usize} bytes of {=usize}", used, room);
    exit::with(if passed { exit::SUCCESS } else { exit::FAILURE })
}
