//! A node's own health: whether it reaches its peers, and whether it keeps up with its work.

use super::Node;
use super::journal::now;
use super::protection::PeerBreaker;
use super::server::Workload;
use crate::settings;
use crate::wire::HealthSeen;
use resil_core::circuit_breaker::State;
use resil_core::health::{HealthCheckResult, HealthStatus};
use resil_std::health::{HealthChecker, OverallHealth};
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::interval;

/// Registers the node's checks.
pub(super) fn checker(node: &Node) -> anyhow::Result<HealthChecker> {
    let checker = HealthChecker::with_defaults(settings::HEALTH_TIMEOUT, settings::HEALTH_TTL);
    let breakers: Arc<[PeerBreaker]> =
        node.links.iter().filter_map(|link| link.guard.breaker()).collect();
    checker.register_check("peers", move || check_peers(breakers.clone()))?;
    let workload = node.server.workload();
    checker.register_check("service", move || check_service(workload.clone()))?;
    Ok(checker)
}

/// Peers whose breaker is not closed are out of reach.
async fn check_peers(breakers: Arc<[PeerBreaker]>) -> HealthCheckResult {
    let all = breakers.len();
    let away = breakers.iter().filter(|breaker| breaker.state() != State::Closed).count();
    let status = match away {
        0 => HealthStatus::Healthy,
        _ if away * 2 <= all => HealthStatus::Degraded,
        _ => HealthStatus::Unhealthy,
    };
    HealthCheckResult::new(status, format_args!("{} of {all} peers in reach", all - away))
        .with_detail("away", away)
}

/// A backlog makes everybody wait.
async fn check_service(workload: Arc<Workload>) -> HealthCheckResult {
    let backlog = workload.backlog();
    let status = if backlog < settings::BACKLOG_DEGRADED {
        HealthStatus::Healthy
    } else if backlog < settings::BACKLOG_UNHEALTHY {
        HealthStatus::Degraded
    } else {
        HealthStatus::Unhealthy
    };
    HealthCheckResult::new(status, format_args!("{backlog:?} of work waiting"))
        .with_detail("backlog", backlog)
}

/// Asks the checks over and over and writes down what changes.
pub(super) async fn watch(node: Rc<Node>, checker: HealthChecker) {
    let mut every = interval(settings::HEALTH_EVERY);
    let mut last = None;
    loop {
        every.tick().await;
        let health = checker.get_overall_health().await;
        if last.replace(health.status) != Some(health.status) {
            let (status, reason) = (health.status, reason(&health));
            node.journal.health(HealthSeen { status, reason, at: now().as_nanos() });
        }
    }
}

/// What the checks say that make the node's health what it is.
fn reason(health: &OverallHealth) -> String {
    let to_blame = health.checks.iter().filter(|check| check.status.known() == Some(health.status));
    let messages: Vec<_> = to_blame.map(|check| check.message.as_str()).collect();
    messages.join("; ")
}
