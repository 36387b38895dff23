//! Checks, heartbeats, the gate before the watchdog.

use crate::{any_duration, any_now};
use core::hint::black_box;
use core::time::Duration;
use resil_core::health::{
    Boot, BootRecord, CheckConfig, CheckStatus, HealthCheckResult, HealthRegistry, HealthStatus,
    Heartbeat, HeartbeatConfig, HeartbeatState, Hysteresis, HysteresisState, LivenessGate, Probe,
    Quorum, Watchdog, WatchdogConfig,
};
use resil_core::snapshot::Persist;
use resil_core::valid;

pub(crate) const BROKER: CheckConfig =
    valid!(CheckConfig::builder(Duration::from_secs(30)).fall(3).build());

pub(crate) const QUORUM: Quorum = valid!(Quorum::new(3, 2));

pub(crate) const TASKS: WatchdogConfig<2> =
    valid!(WatchdogConfig::builder([Duration::from_secs(5), Duration::from_millis(100)]).build());

#[inline(never)]
pub(crate) fn health() {
    let mut registry: HealthRegistry = black_box(HealthRegistry::new(any_now()));
    let Ok(id) = registry.register(black_box("peers"), any_duration(), any_now()) else { return };
    let result = HealthCheckResult::degraded(black_box("1 of 3"));
    black_box(registry.record(black_box(id), black_box(result), any_now()).is_ok());
    black_box(registry.check(black_box(id), any_now()).is_ok());
    black_box(registry.overall(any_now()));
    black_box(registry.status(black_box(Probe::Liveness), any_now()));
    black_box(registry.next_deadline(any_now()));
    black_box(registry.len());
    if let Ok(other) = registry.register(black_box("link"), any_duration(), any_now()) {
        black_box(registry.depend(black_box(id), black_box(other)).is_ok());
    }
    for check in registry.report(any_now()).causes() {
        black_box((check.is_consequence(), check.status()));
    }
    black_box(registry.begin_maintenance(black_box(id)).is_ok());
    black_box(registry.end_maintenance(black_box(id), any_now()).is_ok());
    registry.set_node_maintenance(black_box(true));
    black_box(registry.reconfigure(black_box(id), black_box(BROKER), any_now()).is_ok());
    black_box(registry.may_feed(any_now()).is_ok());
    black_box(black_box(LivenessGate::new()).may_feed(&registry, any_now()).is_ok());
    black_box(registry.unregister(black_box(id)).is_ok());
    let peers = black_box([CheckStatus::Unknown; 5]);
    black_box(black_box(QUORUM).judge(peers).status());
    let mut state = black_box(HysteresisState::new());
    black_box(
        black_box(Hysteresis::KUBERNETES).record(&mut state, black_box(HealthStatus::Healthy)),
    );
}

/// Every decision about a peer that sends heartbeats.
#[inline(never)]
pub(crate) fn heartbeat(config: &HeartbeatConfig) {
    let mut peer = Heartbeat::from_parts(*config, black_box(HeartbeatState::new()));
    peer.expect(any_now());
    let _ = black_box(peer.record(any_now()));
    let _ = black_box(peer.record_numbered(black_box(0), any_now()));
    peer.resume(any_now());
    peer.reanchor(any_now());
    black_box(peer.status(any_now()));
    black_box(peer.phi(any_now()));
    black_box(peer.next_deadline(any_now()));
    peer.reconfigure(black_box(*config), any_now());
    let mut bytes = [0; HeartbeatConfig::LEN];
    black_box(config.save(peer.as_state(), any_now(), &mut bytes).is_ok());
    black_box(config.restore(&black_box(bytes), any_now()).is_ok());
}

/// Every decision of the gate before the hardware watchdog. The splay is a `Duration`, and so
/// elsewhere.
#[inline(never)]
pub(crate) fn watchdog(config: &WatchdogConfig<2>) {
    let record = black_box(BootRecord::NONE);
    let mut tasks = Watchdog::start(config, record, black_box(Boot::Watchdog), any_now());
    black_box(tasks.check_in(black_box(0), any_now()).is_ok());
    black_box(tasks.suspend(black_box(1), any_now()).is_ok());
    black_box(tasks.resume(black_box(1), any_now()).is_ok());
    black_box(tasks.may_feed(any_now()).is_ok());
    black_box(tasks.feed(any_now()).is_ok());
    black_box(tasks.peek(any_now()).is_ok());
    black_box(tasks.next_deadline(any_now()));
    black_box((tasks.last_cause(), tasks.resets(any_now())));
    let mut bytes = [0; WatchdogConfig::<2>::LEN];
    black_box(config.save(&tasks.boot_record(any_now()), any_now(), &mut bytes).is_ok());
    black_box(config.restore(&black_box(bytes), any_now()).is_ok());
    tasks.reset(any_now());
}
