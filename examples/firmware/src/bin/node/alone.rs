//! Two nodes without a supervisor: a built-in schedule, and a verdict.
//!
//! Of the schedule's time, both work all along. One of them floods the other from a fifth to two
//! fifths, and the other falls silent from a half to two thirds.

use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_time::{Duration, Instant, Timer};
use resil_firmware::exit;

use crate::flood;
use crate::journal::now;
use crate::mode::{Alone, Role};
use crate::node::Node;

mod judge;

use judge::Judge;

/// How long a node still serves when it has stopped asking: the other may be a little behind.
const LINGER: Duration = Duration::from_secs(2);

/// Plays a node's part, judges how it went, and ends the firmware.
#[embassy_executor::task]
pub(crate) async fn play(node: &'static Node, part: Alone, spawner: Spawner) {
    let peer = node.peer(part.peer).expect("it is the neighbour");
    while peer.connect(node).await.is_err() {}
    node.ask(spawner);
    spawner.spawn(flood::flood(node, part.peer).expect("once"));
    let total = core::time::Duration::from_secs(part.seconds.into());
    let mut judge = Judge::new(part.role, now(), total);
    let begun = Instant::now();
    let at =
        |share: u64, of: u64| begun + Duration::from_millis(total.as_millis() as u64 * share / of);
    match part.role {
        Role::Floods => {
            judge.listen(node, at(1, 5)).await;
            defmt::info!("floods node {=u8}", part.peer);
            node.flood.switch(true);
            judge.listen(node, at(2, 5)).await;
            defmt::info!("floods no more");
            node.flood.switch(false);
        }
        Role::FallsSilent => {
            judge.listen(node, at(1, 2)).await;
            defmt::info!("falls silent");
            node.link.cut(true);
            judge.listen(node, at(2, 3)).await;
            defmt::info!("is back");
            node.link.cut(false);
        }
    }
    judge.listen(node, at(1, 1)).await;
    select(node.settle(), judge.listen(node, Instant::MAX)).await;
    judge.listen(node, Instant::now() + LINGER).await;
    let passed = judge.verdict(node.flood.tally());
    Timer::after_millis(50).await;
    exit::with(if passed { exit::SUCCESS } else { exit::FAILURE });
}
