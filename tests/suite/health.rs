//! The registry over random sequences of operations, against a model that stores everything.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::health::{
    CheckId, CheckStatus, HealthCheckResult, HealthRegistry, HealthStatus, Probe, RegisterError,
    UnknownCheck,
};

const SLOTS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Registers the name with this time to live.
    Register(u8, u64),
    /// Takes out what the n-th registration returned.
    Unregister(usize),
    Record(usize, HealthStatus),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let status = prop::sample::select(HealthStatus::ALL.to_vec());
    prop_oneof![
        2 => (0_u8..5, 0_u64..20).prop_map(|(name, ttl)| Op::Register(name, ttl)),
        1 => (0_usize..8).prop_map(Op::Unregister),
        4 => (0_usize..8, status).prop_map(|(nth, status)| Op::Record(nth, status)),
        4 => (0_u64..15).prop_map(Op::Pass),
    ]
}

/// A check that was registered once: all that ever happened to it.
struct Known {
    id: CheckId,
    name: u8,
    ttl: u64,
    registered: u64,
    result: Option<(HealthStatus, u64)>,
    gone: bool,
}

impl Known {
    fn status(&self, now: u64) -> Option<HealthStatus> {
        self.result.filter(|(_, recorded)| now - recorded < self.ttl).map(|(status, _)| status)
    }

    fn counts_as(&self, probe: Probe, now: u64) -> HealthStatus {
        match (self.status(now), probe) {
            (Some(status), _) => status,
            (None, Probe::Overall) => HealthStatus::Degraded,
            (None, Probe::Liveness) if now - self.registered < self.ttl => HealthStatus::Healthy,
            (None, _) => HealthStatus::Unhealthy,
        }
    }
}

const PROBES: [Probe; 4] = [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness];

type Registry = HealthRegistry<u8, SLOTS>;

fn apply(op: Op, health: &mut Registry, model: &mut Vec<Known>, now: u64) {
    let at = Instant::from_nanos(now);
    match op {
        Op::Pass(_) => {}
        Op::Register(name, ttl) => {
            let mut live = model.iter().filter(|known| !known.gone);
            let is_double = live.clone().any(|known| known.name == name);
            let is_full = live.by_ref().count() == SLOTS;
            match health.register(name, Duration::from_nanos(ttl), at) {
                Ok(id) => {
                    assert!(!is_double && !is_full && ttl > 0);
                    assert!(model.iter().all(|known| known.id != id), "an id never comes again");
                    let registered = now;
                    model.push(Known { id, name, ttl, registered, result: None, gone: false });
                }
                Err(RegisterError::Invalid(_)) => assert_eq!(ttl, 0),
                Err(RegisterError::DuplicateName) => assert!(is_double),
                Err(RegisterError::Full { .. }) => assert!(is_full),
                Err(other) => panic!("{other}"),
            }
        }
        Op::Unregister(nth) => {
            let Some(known) = model.get_mut(nth) else { return };
            let expected = if known.gone { Err(UnknownCheck) } else { Ok(known.name) };
            assert_eq!(health.unregister(known.id), expected);
            known.gone = true;
        }
        Op::Record(nth, status) => {
            let Some(known) = model.get_mut(nth) else { return };
            let recorded = health.record(known.id, HealthCheckResult::new(status, nth), at);
            if known.gone {
                assert_eq!(recorded, Err(UnknownCheck));
            } else {
                assert_eq!(recorded.unwrap().known(), known.status(now));
                known.result = Some((status, now));
            }
        }
    }
}

proptest! {
    #[test]
    fn every_answer_is_that_of_the_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut now = 0;
        let mut health = Registry::new(Instant::EPOCH);
        let mut model = Vec::new();
        for op in ops {
            if let Op::Pass(nanos) = op {
                now += nanos;
            }
            apply(op, &mut health, &mut model, now);
            let live = || model.iter().filter(|known| !known.gone);
            for known in &model {
                let expected = if known.gone { Err(UnknownCheck) } else { Ok(known.status(now)) };
                let status = health.check(known.id, Instant::from_nanos(now));
                prop_assert_eq!(status.map(CheckStatus::known), expected);
            }
            for probe in PROBES {
                let expected = live().map(|known| known.counts_as(probe, now)).max();
                let status = health.status(probe, Instant::from_nanos(now));
                prop_assert_eq!(status, expected.unwrap_or(HealthStatus::Healthy));
            }
            prop_assert_eq!(health.len(), live().count());
        }
    }

    /// `next_deadline` is the first instant at which a check changes by itself.
    #[test]
    fn checks_change_at_the_next_deadline_and_nowhere_before(
        ops in prop::collection::vec(op(), 1..30),
    ) {
        let mut now = 0;
        let mut health = Registry::new(Instant::EPOCH);
        let mut model = Vec::new();
        for op in ops {
            if let Op::Pass(nanos) = op {
                now += nanos;
            }
            apply(op, &mut health, &mut model, now);
        }
        let checks = |now| {
            let live = model.iter().filter(|known| !known.gone);
            live.map(move |known| (known.status(now), known.counts_as(Probe::Liveness, now)))
        };
        let change = (now + 1..now + 50).find(|&later| !checks(later).eq(checks(now)));
        let deadline = health.next_deadline(Instant::from_nanos(now));
        prop_assert_eq!(deadline.map(Instant::as_nanos), change);
    }

    /// After the first record that follows a step back, a result counts for one time to live at
    /// most; and never again, if anything was recorded when it had outlived its time before.
    #[test]
    fn a_step_back_prolongs_no_result_by_more_than_one_ttl_pitfall_113(
        ttl in 1_u64..20,
        before in 0_u64..40,
        is_seen in any::<bool>(),
        step in 0_u64..1000,
        settled in 0_u64..40,
        asked in 0_u64..60,
    ) {
        let at = Instant::from_nanos;
        let start = 1000;
        let mut health = Registry::new(at(start));
        let [id, other] = [0, 1]
            .map(|name| health.register(name, Duration::from_nanos(ttl), at(start)).unwrap());
        let ok = || HealthCheckResult::healthy("");
        health.record(id, ok(), at(start)).unwrap();
        if is_seen {
            health.record(other, ok(), at(start + before)).unwrap();
        }
        let settled = start + before - step.min(start + before) + settled;
        health.record(other, ok(), at(settled)).unwrap();
        let status = health.check(id, at(settled + asked)).unwrap();
        if asked >= ttl || (is_seen && before >= ttl) {
            prop_assert_eq!(status, CheckStatus::Unknown);
        } else if settled <= start {
            prop_assert_eq!(status, CheckStatus::Known(HealthStatus::Healthy));
        }
    }
}
