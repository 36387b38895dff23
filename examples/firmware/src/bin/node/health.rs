//! A node's own health: whether it reaches its peers, whether they are heard, and whether it keeps up
//! with its work.

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use mesh_protocol::settings::{BACKLOG_DEGRADED, BACKLOG_UNHEALTHY, HEALTH_TTL};
use resil_core::health::{CheckConfig, HealthCheckResult, HealthReport, HealthStatus};
use resil_core::text::Text;
use resil_core::valid;
use resil_embassy::HealthChecker;

use crate::node::Node;
use crate::watchdog::{self, Task};

static HEALTH: HealthChecker<CriticalSectionRawMutex, 3> = HealthChecker::new();

const CHECK: CheckConfig = valid!(CheckConfig::builder(HEALTH_TTL).build());

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
    const FITS: &str = "three checks of different names fit";
    let mut peers = HEALTH.register_sync("peers", CHECK, || check_peers(node)).expect(FITS);
    let mut heartbeats =
        HEALTH.register_sync("heartbeats", CHECK, || check_heartbeats(node)).expect(FITS);
    let mut service = HEALTH.register_sync("service", CHECK, || check_service(node)).expect(FITS);
    let mut last = None;
    loop {
        let checks = (&mut peers, &mut heartbeats, &mut service);
        let status = HEALTH.get_overall_health(checks).await;
        if last.replace(status) != Some(status) {
            let reason = HEALTH.report(reason);
            defmt::info!("health: {}, {=str}", status, reason.as_str());
            node.journal.health(status, reason).await;
        }
        watchdog::alive_while(Task::Health, Timer::after_millis(100)).await;
    }
}

/// What the check says that makes the node's health what it is.
fn reason(report: &HealthReport<'_, &str, 3>) -> Text<64> {
    let overall = report.overall();
    let blamed = report.checks().find(|check| check.status().known() == Some(overall));
    blamed.map_or(Text::new(), |check| check.message())
}
