//! Checks, heartbeats and watchdogs.

use super::{STEPS, Walk, allocations};
use core::time::Duration;
use resil_core::Instant;
use resil_core::health::{
    Boot, BootRecord, CheckConfig, HealthCheckResult, HealthRegistry, Heartbeat, HeartbeatConfig,
    LivenessGate, Probe, Quorum, Watchdog, WatchdogConfig,
};
use resil_core::text::Text;

#[test]
fn health_never_allocates() {
    let mut statuses = [false; 3];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(5), Instant::EPOCH);
        let mut registry: HealthRegistry = HealthRegistry::new(now);
        let ids = ["flash", "peers", "uplink"]
            .map(|name| registry.register(name, Duration::from_secs(9), now).unwrap());
        for _ in 0..STEPS {
            now = walk.step(now);
            let result = match walk.next() % 16 {
                0 => HealthCheckResult::unhealthy("no answer"),
                1 => HealthCheckResult::degraded(walk.next()).with_detail("peer", "node-3"),
                _ => HealthCheckResult::healthy("fine"),
            };
            let _ = registry.record(ids[walk.next() as usize % ids.len()], result, now);
            statuses[registry.overall(now) as usize] = true;
            let _ = (registry.status(Probe::Liveness, now), registry.next_deadline(now));
            let _ = Text::<64>::display(&registry.report(now));
        }
        let _ = ids.map(|id| registry.unregister(id).is_ok());
    });
    assert_eq!(count, 0);
    assert_eq!(statuses, [true; 3]);
}

#[test]
fn checks_with_settings_of_their_own_never_allocate() {
    let mut seen = [false; 2];
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(6), Instant::from_nanos(1 << 40));
        let config = CheckConfig::builder(Duration::from_secs(9)).rise(2).fall(2).build().unwrap();
        let mut registry: HealthRegistry = HealthRegistry::new(now);
        let ids = ["flash", "peers", "uplink"]
            .map(|name| registry.register_with(name, config, now).unwrap());
        registry.depend(ids[1], ids[2]).unwrap();
        for _ in 0..STEPS {
            now = walk.step(now);
            let id = ids[walk.next() as usize % ids.len()];
            let result = HealthCheckResult::from(!walk.next().is_multiple_of(4));
            let _ = registry.record(id, result, now);
            if walk.next().is_multiple_of(8) {
                let _ = (registry.begin_maintenance(id), registry.end_maintenance(id, now));
            }
            let report = registry.report(now);
            let _ = (Text::<64>::display(&report), report.causes().count());
            seen[usize::from(LivenessGate::new().may_feed(&registry, now).is_ok())] = true;
        }
    });
    assert_eq!(count, 0);
    assert_eq!(seen, [true; 2]);
}

#[test]
fn heartbeats_and_watchdogs_never_allocate() {
    let (mut statuses, mut fed) = ([false; 3], [false; 2]);
    let count = allocations(|| {
        let (mut walk, mut now) = (Walk(7), Instant::from_nanos(1 << 40));
        let mut peers = [const { Heartbeat::new(HeartbeatConfig::DEFAULT) }; 3];
        let quorum = Quorum::new(2, 1).unwrap();
        let tasks = WatchdogConfig::builder([Duration::from_secs(9); 2]).build().unwrap();
        let mut tasks = Watchdog::start(tasks, BootRecord::NONE, Boot::Other, now);
        for _ in 0..STEPS {
            now = walk.step(now);
            let peer = walk.next() as usize % 8;
            if let Some(peer) = peers.get_mut(peer) {
                let _ = peer.record(now);
            }
            let verdict = quorum.judge(peers.iter().map(|peer| peer.status(now).into()));
            statuses[verdict.status() as usize] = true;
            let _ = (verdict.to_result(), peers[0].phi(now), peers[0].next_deadline(now));
            let _ = tasks.check_in(walk.next() as u8 % 3, now);
            fed[usize::from(tasks.may_feed(now).is_ok())] = true;
            if walk.next().is_multiple_of(64) {
                tasks.reset(now);
            }
        }
    });
    assert_eq!(count, 0);
    assert_eq!((statuses, fed), ([true; 3], [true; 2]));
}
