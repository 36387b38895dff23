//! What a node asks of others: its ordinary work, and the flood when it misbehaves.

use super::Node;
use super::link::Link;
use crate::settings;
use crate::wire::{Attempts, End, Kind};
use core::time::Duration;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use resil_core::error::ErrorCode;
use std::rc::Rc;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};

/// Requests to random neighbours at random moments, at a steady rate whatever the answers.
pub(super) async fn orderly(node: Rc<Node>, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let neighbours = u32::try_from(node.links.len()).unwrap_or(u32::MAX);
    let rate = settings::orderly_rate(neighbours).into();
    let mut at = Instant::now();
    loop {
        at += gap(&mut dice, rate);
        let link = node.links[dice.random_range(0..node.links.len())].clone();
        sleep_until(at).await;
        spawn_local(node.clone().one_request(link));
    }
}

/// A flood of one neighbour. It does not listen: no breaker, no retry, no waiting as told.
pub(super) async fn flood(node: Rc<Node>, link: Rc<Link>, rate: u32, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut at = Instant::now();
    loop {
        at += gap(&mut dice, rate.into());
        sleep_until(at).await;
        spawn_local(node.clone().one_of_a_flood(link.clone()));
    }
}

/// Time to the next of many independent events that come at `rate` a second.
fn gap(dice: &mut impl Rng, rate: f64) -> Duration {
    let chance: f64 = dice.random();
    Duration::from_secs_f64(-(1.0 - chance).ln() / rate)
}

impl Node {
    async fn one_request(self: Rc<Self>, link: Rc<Link>) {
        let ticket = self.journal.issue(Kind::Orderly, link.peer);
        let (end, attempts) = match timeout(settings::PATIENCE, self.slots.acquire()).await {
            Ok(_slot) => link.request().await,
            Err(_) => (End::Failed(ErrorCode::DeadlineExceeded.number()), Attempts::default()),
        };
        self.journal.end(ticket, end, attempts);
    }

    async fn one_of_a_flood(self: Rc<Self>, link: Rc<Link>) {
        let ticket = self.journal.issue(Kind::Flood, link.peer);
        let (end, wasted) = match timeout(settings::ATTEMPT_TIMEOUT, link.exchange()).await {
            Ok(Ok(Ok(()))) => (End::Ok, 0),
            Ok(Ok(Err(refusal))) => (End::Refused(refusal.number()), 0),
            Ok(Err(error)) => (End::Failed(error.code().number()), 1),
            Err(_) => (End::Failed(ErrorCode::NetworkTimeout.number()), 1),
        };
        self.journal.end(ticket, end, Attempts { made: 1, wasted });
    }
}
