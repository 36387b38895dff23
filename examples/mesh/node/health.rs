//! A node's own health: whether it reaches its peers, and whether it keeps up with its work.

use super::Node;
use super::journal::now;
use crate::settings;
use crate::wire::{HealthLevel, HealthSeen};
use std::rc::Rc;
use tokio::time::interval;

/// Asks the checks over and over and notes what changes.
pub(super) async fn watch(node: Rc<Node>) {
    let mut every = interval(settings::HEALTH_EVERY);
    let mut last = None;
    loop {
        every.tick().await;
        let open = node
            .links
            .iter()
            .filter(|link| {
                link.guard
                    .breaker()
                    .is_some_and(|b| b.state() != resil_core::circuit_breaker::State::Closed)
            })
            .count();
        let backlog = node.server.backlog();
        let peers = if open == 0 {
            HealthLevel::Healthy
        } else if open * 2 <= node.links.len() {
            HealthLevel::Degraded
        } else {
            HealthLevel::Unhealthy
        };
        let service = if backlog < settings::BACKLOG_DEGRADED {
            HealthLevel::Healthy
        } else if backlog < settings::BACKLOG_UNHEALTHY {
            HealthLevel::Degraded
        } else {
            HealthLevel::Unhealthy
        };
        let level = peers.max(service);
        if last != Some(level) {
            last = Some(level);
            let reason = format!("{open} peers unreachable, backlog {backlog:?}");
            node.journal.health(HealthSeen { level, reason, at: now().as_nanos() });
        }
    }
}
