use super::HealthStatus::{Degraded, Healthy, Unhealthy};
use super::*;
use crate::health::{Criticality, Groups};
use std::string::ToString;
use std::vec::Vec;

const TTL: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Instant {
    Instant::EPOCH.saturating_add(Duration::from_secs(seconds))
}

/// One check, registered at 100 s.
fn one() -> (HealthRegistry<&'static str, 4>, CheckId) {
    let mut health = HealthRegistry::new(at(100));
    let id = health.register("peers", TTL, at(100)).unwrap();
    (health, id)
}

fn ok() -> HealthCheckResult {
    HealthCheckResult::healthy("ok")
}

#[test]
fn without_checks_it_is_healthy() {
    let health: HealthRegistry = HealthRegistry::new(at(100));
    for probe in [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness] {
        assert_eq!(health.status(probe, at(105)), Healthy);
    }
    assert_eq!(health.next_deadline(at(105)), None);
    assert_eq!(health.uptime(at(105)), Duration::from_secs(5));
    assert_eq!(health.report(at(105)).to_string(), "HEALTHY");
}

#[test]
fn overall_is_the_worst_of_all_checks() {
    let (mut health, peers) = one();
    let disk = health.register("disk", TTL, at(100)).unwrap();
    for (a, b, worst) in [
        (Healthy, Healthy, Healthy),
        (Healthy, Degraded, Degraded),
        (Unhealthy, Degraded, Unhealthy),
        (Degraded, Unhealthy, Unhealthy),
    ] {
        health.record(peers, HealthCheckResult::new(a, ""), at(101)).unwrap();
        health.record(disk, HealthCheckResult::new(b, ""), at(101)).unwrap();
        for probe in [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness] {
            assert_eq!(health.status(probe, at(101)), worst);
        }
    }
}

#[test]
fn an_unknown_check_counts_by_who_asks() {
    let (mut health, id) = one();
    let asked = |health: &HealthRegistry<_, 4>, now| {
        [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness]
            .map(|probe| health.status(probe, now))
    };
    assert_eq!(asked(&health, at(100)), [Degraded, Unhealthy, Unhealthy, Healthy]);
    assert_eq!(asked(&health, at(109)), [Degraded, Unhealthy, Unhealthy, Healthy]);
    assert_eq!(asked(&health, at(110)), [Degraded, Unhealthy, Unhealthy, Unhealthy]);
    health.record(id, ok(), at(111)).unwrap();
    assert_eq!(asked(&health, at(120)), [Healthy; 4]);
    assert_eq!(asked(&health, at(121)), [Degraded, Unhealthy, Unhealthy, Unhealthy]);
}

#[test]
fn a_result_older_than_its_ttl_is_never_healthy_pitfall_113() {
    let (mut health, id) = one();
    health.record(id, ok(), at(101)).unwrap();
    let end = at(111);
    assert_eq!(health.overall(Instant::from_nanos(end.as_nanos() - 1)), Healthy);
    for late in [end, at(112), at(101 + 6 * 86_400), Instant::MAX] {
        assert_eq!(health.overall(late), Degraded);
        assert_eq!(health.status(Probe::Readiness, late), Unhealthy);
        let report = health.report(late);
        let check = report.checks().next().unwrap();
        assert_eq!(check.status(), CheckStatus::Unknown);
        assert_eq!(check.message().as_str(), "no fresh result");
        assert_eq!(check.last_result().unwrap().message().as_str(), "ok", "and what it was");
        assert_eq!(check.age(), Some(late.saturating_since(at(101))));
    }
}

#[test]
fn a_hung_check_blocks_no_answer_and_shows_as_unknown_pitfall_114() {
    let (mut health, quick) = one();
    health.register("hung", TTL, at(100)).unwrap();
    health.record(quick, ok(), at(105)).unwrap();
    let report = health.report(at(114));
    assert_eq!(report.to_string(), "DEGRADED (peers=HEALTHY, hung=UNKNOWN)");
    assert_eq!(report.status(Probe::Liveness), Unhealthy, "its grace is over");
}

#[test]
fn the_answer_stays_until_the_next_result_says_otherwise_pitfall_116() {
    let (mut health, id) = one();
    let before = health.record(id, HealthCheckResult::degraded("3 of 5"), at(101)).unwrap();
    assert_eq!(before, CheckStatus::Unknown);
    assert_eq!(health.overall(at(110)), Degraded);
    let before = health.record(id, ok(), at(110)).unwrap();
    assert_eq!(before, CheckStatus::Known(Degraded));
    let before = health.record(id, ok(), at(120)).unwrap();
    assert_eq!(before, CheckStatus::Unknown, "it had outlived its time");
}

#[test]
fn a_stale_id_never_addresses_another_check_pitfall_32() {
    let (mut health, old) = one();
    assert_eq!(health.unregister(old), Ok("peers"));
    let new = health.register("disk", TTL, at(101)).unwrap();
    assert_eq!(old.slot, new.slot, "or this shows nothing");
    assert_eq!(health.record(old, ok(), at(102)), Err(UnknownCheck));
    assert_eq!(health.check(old, at(102)), Err(UnknownCheck));
    assert_eq!(health.unregister(old), Err(UnknownCheck));
    assert_eq!(health.check(new, at(102)), Ok(CheckStatus::Unknown), "nothing has changed");
}

#[test]
fn a_slot_is_retired_before_its_ids_come_again() {
    let mut health = HealthRegistry::<_, 1>::new(at(100));
    health.slots[0].generation = u32::MAX - 1;
    let last = health.register("last", TTL, at(100)).unwrap();
    assert_eq!(health.unregister(last), Ok("last"));
    assert_eq!(health.register("next", TTL, at(100)), Err(RegisterError::Full { capacity: 1 }));
    assert_eq!(health.record(last, ok(), at(100)), Err(UnknownCheck));
}

#[test]
fn what_does_not_register_says_why_and_changes_nothing() {
    let mut health = HealthRegistry::<_, 2>::new(at(100));
    health.register("peers", TTL, at(100)).unwrap();
    let zero = health.register("disk", Duration::ZERO, at(100)).unwrap_err();
    assert_eq!(zero.to_string(), "ttl must be at least 1 ns");
    assert_eq!(health.register("peers", TTL, at(100)), Err(RegisterError::DuplicateName));
    assert_eq!(health.len(), 1);
    health.register("disk", TTL, at(100)).unwrap();
    let full = health.register("radio", TTL, at(100)).unwrap_err();
    assert_eq!(full, RegisterError::Full { capacity: 2 });
    assert_eq!(full.to_string(), "the registry has room for 2 checks, and all are registered");
    assert_eq!(health.report(at(100)).to_string(), "DEGRADED (peers=UNKNOWN, disk=UNKNOWN)");
}

#[test]
fn at_the_next_deadline_a_status_changes_and_not_before() {
    let (mut health, peers) = one();
    let disk = health.register("disk", Duration::from_secs(25), at(103)).unwrap();
    health.record(disk, ok(), at(104)).unwrap();
    let all = |health: &HealthRegistry<_, 4>, now: Instant| {
        let checks: Vec<_> = health.report(now).checks().map(|check| check.status()).collect();
        (checks, health.status(Probe::Liveness, now))
    };
    let mut now = at(104);
    let mut deadlines = Vec::new();
    health.record(peers, ok(), at(104)).unwrap();
    health.unregister(peers).unwrap();
    health.register("late", TTL, at(104)).unwrap();
    while let Some(next) = health.next_deadline(now) {
        assert!(next > now);
        let just_before = Instant::from_nanos(next.as_nanos() - 1);
        assert_eq!(all(&health, just_before), all(&health, now));
        assert_ne!(all(&health, next), all(&health, just_before));
        deadlines.push(next);
        now = next;
    }
    assert_eq!(deadlines, [at(114), at(129)], "the grace of `late`, the result of `disk`");
}

#[test]
fn a_result_from_the_far_future_proves_nothing_until_a_record_settles_it() {
    let (mut health, id) = one();
    let other = health.register("other", TTL, at(100)).unwrap();
    health.record(id, ok(), at(105)).unwrap();
    assert_eq!(health.check(id, at(1)), Ok(CheckStatus::Unknown));
    assert_eq!(health.status(Probe::Liveness, at(1)), Unhealthy);
    assert_eq!(health.uptime(at(1)), Duration::ZERO);
    health.record(other, ok(), at(2)).unwrap();
    assert_eq!(health.check(id, at(2)), Ok(CheckStatus::Known(Healthy)));
    assert_eq!(health.check(id, at(11)), Ok(CheckStatus::Known(Healthy)));
    assert_eq!(health.check(id, at(12)), Ok(CheckStatus::Unknown));
    assert_eq!(health.check(id, at(105)), Ok(CheckStatus::Unknown), "not even when it would be");
    assert_eq!(health.next_deadline(at(2)), Some(at(12)));
}

#[test]
fn a_large_step_back_restarts_no_node_that_reanchors_pitfall_65() {
    let (mut health, id) = one();
    let waits = health.register("waits", TTL, at(100)).unwrap();
    health.record(id, ok(), at(105)).unwrap();
    assert!(health.may_feed(at(1)).is_err(), "it proves nothing");
    health.reanchor(at(1));
    let mut gate = crate::health::LivenessGate::new();
    assert!(gate.may_feed(&health, at(10)).is_ok());
    assert_eq!(health.check(id, at(10)), Ok(CheckStatus::Known(Healthy)));
    assert_eq!(gate.may_feed(&health, at(11)).unwrap_err().check(), id, "one time to live");
    assert_eq!(health.check(waits, at(11)), Ok(CheckStatus::Unknown));
}

#[test]
fn a_small_step_back_makes_no_node_unready_pitfall_65() {
    let (mut health, id) = one();
    health.record(id, ok(), at(105)).unwrap();
    for now in [at(104), at(95)] {
        assert_eq!(health.check(id, now), Ok(CheckStatus::Known(Healthy)));
        assert_eq!(health.status(Probe::Readiness, now), Healthy);
        assert_eq!(health.next_deadline(now), Some(at(115)), "one time to live after it");
    }
    assert_eq!(health.check(id, at(94)), Ok(CheckStatus::Unknown), "too far ahead");
}

#[test]
fn a_step_back_revives_no_result_that_had_outlived_its_time_pitfall_113() {
    let (mut health, hung) = one();
    let other = health.register("other", TTL, at(100)).unwrap();
    health.record(hung, ok(), at(105)).unwrap();
    health.record(other, ok(), at(115)).unwrap();
    for back in [at(106), at(105), at(1)] {
        assert_eq!(health.check(hung, back), Ok(CheckStatus::Unknown));
        health.record(other, ok(), back).unwrap();
        assert_eq!(health.check(hung, back), Ok(CheckStatus::Unknown));
    }
    health.record(hung, ok(), at(2)).unwrap();
    assert_eq!(health.check(hung, at(2)), Ok(CheckStatus::Known(Healthy)), "its own next does");
}

#[test]
fn no_instant_panics_and_every_deadline_lies_ahead() {
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(Instant::from_nanos);
    for ttl in [Duration::from_nanos(1), Duration::MAX] {
        for (registered, recorded, now) in edges
            .into_iter()
            .flat_map(|a| edges.into_iter().flat_map(move |b| edges.map(|c| (a, b, c))))
        {
            let mut health = HealthRegistry::<_, 1>::new(registered);
            let id = health.register("edge", ttl, registered).unwrap();
            health.record(id, ok(), recorded).unwrap();
            let _ = (health.overall(now), health.status(Probe::Liveness, now));
            assert!(health.next_deadline(now).is_none_or(|next| next > now));
        }
    }
}

#[test]
fn the_report_lists_every_check_with_its_result() {
    let (mut health, id) = one();
    let found = HealthCheckResult::degraded("3 of 5 peers").with_detail("peer_count", 3u32);
    health.record(id, found.clone(), at(101)).unwrap();
    let report = health.report(at(104));
    let check = report.checks().next().unwrap();
    assert_eq!((*check.name(), check.status()), ("peers", CheckStatus::Known(Degraded)));
    assert_eq!(check.message(), *found.message());
    assert_eq!(check.details(), Some(found.details()));
    assert_eq!(check.last_result().unwrap().timestamp(), Some(at(101)));
    assert_eq!(check.age(), Some(Duration::from_secs(3)));
    assert_eq!(report.uptime(), Duration::from_secs(4));
}

#[test]
fn a_name_need_not_be_static() {
    let mut health = HealthRegistry::<std::string::String, 1>::new(at(0));
    let id = health.register("node-3".to_string(), TTL, at(0)).unwrap();
    assert_eq!(health.unregister(id).unwrap(), "node-3");
    assert!(health.is_empty());
}

#[test]
fn other_settings_keep_the_status_and_revive_nothing() {
    let (mut health, id) = one();
    let config = |ttl, fall| {
        CheckConfig::builder(Duration::from_secs(ttl))
            .criticality(Criticality::Optional)
            .fall(fall)
            .build()
            .unwrap()
    };
    health.record(id, ok(), at(101)).unwrap();
    health.reconfigure(id, config(20, 2), at(102)).unwrap();
    assert_eq!(health.check(id, at(120)), Ok(CheckStatus::Known(Healthy)));
    health.record(id, HealthCheckResult::unhealthy("1"), at(120)).unwrap();
    assert_eq!(health.overall(at(120)), Healthy);
    health.record(id, HealthCheckResult::unhealthy("2"), at(121)).unwrap();
    assert_eq!(health.overall(at(121)), Degraded, "it is optional");

    assert_eq!(health.check(id, at(141)), Ok(CheckStatus::Unknown));
    health.reconfigure(id, config(100, 1), at(141)).unwrap();
    assert_eq!(health.check(id, at(141)), Ok(CheckStatus::Unknown));
    health.unregister(id).unwrap();
    assert_eq!(health.reconfigure(id, config(1, 1), at(141)), Err(UnknownCheck));
}

#[test]
fn due_is_what_counts_for_who_asks_has_no_fresh_result_and_is_not_in_maintenance() {
    use crate::health::Groups;
    let (mut health, peers) = one();
    let config = CheckConfig::builder(TTL).groups(Groups::LIVENESS).build().unwrap();
    let radio = health.register_with("radio", config, at(100)).unwrap();
    let due =
        |health: &HealthRegistry<_, 4>, probe, now| -> Vec<_> { health.due(probe, now).collect() };
    assert_eq!(due(&health, Probe::Liveness, at(100)), [peers, radio]);
    assert_eq!(due(&health, Probe::Overall, at(100)), [peers, radio]);
    assert_eq!(due(&health, Probe::Readiness, at(100)), [peers]);

    health.record(peers, HealthCheckResult::unhealthy("down"), at(100)).unwrap();
    assert_eq!(due(&health, Probe::Readiness, at(109)), []);
    assert_eq!(due(&health, Probe::Liveness, at(109)), [radio]);
    assert_eq!(due(&health, Probe::Readiness, at(110)), [peers]);
    health.begin_maintenance(peers).unwrap();
    assert_eq!(due(&health, Probe::Readiness, at(110)), []);
    health.end_maintenance(peers, at(110)).unwrap();
    assert_eq!(due(&health, Probe::Readiness, at(110)), [peers]);
    health.unregister(peers).unwrap();
    assert_eq!(due(&health, Probe::Readiness, at(110)), []);
}

#[test]
fn a_grace_that_runs_out_is_a_deadline_only_to_what_it_can_change() {
    for (groups, deadline) in
        [(Groups::ALL, Some(at(110))), (Groups::LIVENESS, Some(at(110))), (Groups::READINESS, None)]
    {
        let mut health = HealthRegistry::<&str, 4>::new(at(100));
        let config = CheckConfig::builder(TTL).groups(groups).build().unwrap();
        health.register_with("peers", config, at(100)).unwrap();
        assert_eq!(health.next_deadline(at(105)), deadline, "{groups:?}");
    }
}
