//! A node's own health: whether it reaches its peers, whether they are heard, and whether it keeps up
//! with its work.

use embassy_time::Timer;
use mesh_protocol::settings::{BACKLOG_DEGRADED, BACKLOG_UNHEALTHY, HEALTH_TTL};
use resil_core::event::EventKind;
use resil_core::health::{CheckId, HealthCheckResult, HealthRegistry, HealthStatus};
use resil_core::text::Text;

use crate::journal::now;
use crate::node::Node;
use crate::watchdog::Channel as Watched;

type Check = (&'static str, fn(&Node) -> HealthCheckResult);

const CHECKS: [Check; 3] =
    [("peers", check_peers), ("heartbeats", check_heartbeats), ("service", check_service)];

/// Peers whose breaker is not closed are out of reach.
fn check_peers(node: &Node) -> HealthCheckResult {
    let away = node.peers.iter().filter(|peer| !peer.guard.is_in_reach()).count();
    let all = node.peers.len();
    of_peers(away, all, format_args!("{} of {all} peers in reach", all - away))
}

/// Peers that say nothing for long are suspected.
fn check_heartbeats(node: &Node) -> HealthCheckResult {
    let away = node.peers.iter().filter(|peer| !peer.is_heard()).count();
    let all = node.peers.len();
    of_peers(away, all, format_args!("{} of {all} peers heard", all - away))
}

fn of_peers(away: usize, all: usize, message: core::fmt::Arguments<'_>) -> HealthCheckResult {
    let status = match away {
        0 => HealthStatus::Healthy,
        _ if away * 2 <= all => HealthStatus::Degraded,
        _ => HealthStatus::Unhealthy,
    };
    HealthCheckResult::new(status, message).with_detail("away", away)
}

/// A backlog makes everybody wait.
fn check_service(node: &Node) -> HealthCheckResult {
    let backlog = node.server.backlog();
    let status = if backlog < BACKLOG_DEGRADED {
        HealthStatus::Healthy
    } else if backlog < BACKLOG_UNHEALTHY {
        HealthStatus::Degraded
    } else {
        HealthStatus::Unhealthy
    };
    HealthCheckResult::new(status, format_args!("{backlog:?} of work waiting"))
        .with_detail("backlog", backlog)
}

/// Asks the checks over and over and tells what changes.
#[embassy_executor::task]
pub(crate) async fn watch(node: &'static Node) {
    let mut registry = HealthRegistry::<&str, 3>::new(now());
    let ids: [CheckId; 3] = CHECKS.map(|(name, _)| {
        registry.register(name, HEALTH_TTL, now()).expect("three checks of different names fit")
    });
    let mut last = None;
    loop {
        for (id, (_, check)) in ids.into_iter().zip(CHECKS) {
            registry.record(id, check(node), now()).expect("the check is registered");
        }
        let status = registry.overall(now());
        if last.replace(status) != Some(status) {
            let reason = reason(&registry);
            let event = EventKind::of_health(Some(status));
            defmt::info!("[{=u16}] health {}: {=str}", event.number(), status, reason.as_str());
            node.journal.health(status, reason).await;
        }
        node.watchdog.alive_while(Watched::Health, Timer::after_millis(100)).await;
    }
}

/// What the check says that makes the node's health what it is.
fn reason(registry: &HealthRegistry<&str, 3>) -> Text<64> {
    let report = registry.report(now());
    let blamed = report.checks().find(|check| check.status().known() == Some(report.overall()));
    blamed.map_or(Text::new(), |check| check.message())
}
