//! Two nodes without a supervisor: a built-in schedule, and a verdict.
//!
//! Of the schedule's time, both work all along. One of them floods the other from a fifth to two
//! fifths, and the other falls silent from a half to two thirds.

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};
use resil_firmware::alone::{Alone, FLOOD, Judge, LINGER, Role, SILENCE};
use resil_firmware::exit;

use crate::flood;
use crate::journal::now;
use crate::node::Node;

/// Plays a node's part, judges how it went, and ends the firmware.
#[embassy_executor::task]
pub(crate) async fn play(node: &'static Node, part: Alone, spawner: Spawner) {
    let peer = node.peer(part.peer).expect("it is the neighbour");
    while peer.connect(node).await.is_err() {}
    node.ask(spawner);
    spawner.spawn(flood::flood(node, part.peer).expect("once"));
    let (mut judge, begun) = (Judge::new(&part, now()), Instant::now());
    let at = |sixtieths| begun + ticks(part.sixtieths(sixtieths));
    match part.role {
        Role::Floods => {
            listen(&mut judge, node, at(FLOOD.start)).await;
            defmt::info!("floods node {=u8}", part.peer);
            node.flood.switch(true);
            listen(&mut judge, node, at(FLOOD.end)).await;
            defmt::info!("floods no more");
            node.flood.switch(false);
        }
        Role::FallsSilent => {
            listen(&mut judge, node, at(SILENCE.start)).await;
            defmt::info!("falls silent");
            node.link.cut(true);
            listen(&mut judge, node, at(SILENCE.end)).await;
            defmt::info!("is back");
            node.link.cut(false);
        }
    }
    listen(&mut judge, node, at(60)).await;
    select(node.settle(), listen(&mut judge, node, Instant::MAX)).await;
    listen(&mut judge, node, Instant::now() + ticks(LINGER)).await;
    let passed = judge.verdict(node.flood.tally());
    Timer::after_millis(50).await;
    exit::with(if passed { exit::SUCCESS } else { exit::FAILURE });
}

/// Reads the node's notes until then.
async fn listen(judge: &mut Judge, node: &Node, until: Instant) {
    let mut end = Timer::at(until);
    while let Either::First(note) = select(node.journal.next(), &mut end).await {
        judge.take(note);
    }
}

/// The same for embassy's timers.
fn ticks(duration: core::time::Duration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::MAX)
}
