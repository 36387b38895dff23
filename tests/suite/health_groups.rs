//! The registry with settings for each check, and quorums, against models that store everything.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, Criticality, DependencyError, Groups, HealthCheckResult,
    HealthRegistry, HealthStatus, Hysteresis, HysteresisState, LivenessGate, Probe, Quorum,
};
use resil_core::snapshot::Persist;
use resil_tests::oracle::health::status;

const PROBES: [Probe; 4] = [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness];
const CHECKS: usize = 5;

fn any_status() -> impl Strategy<Value = HealthStatus> {
    prop::sample::select(HealthStatus::ALL.to_vec())
}

/// The settings of a check, as the model knows them.
#[derive(Clone, Copy, Debug)]
struct Settings {
    ttl: u64,
    rise: u8,
    fall: u8,
    startup: bool,
    liveness: bool,
    readiness: bool,
    is_optional: bool,
}

impl Settings {
    fn build(self) -> CheckConfig {
        let group = |is: bool, group| if is { group } else { Groups::NONE };
        let groups = group(self.startup, Groups::STARTUP)
            .with(group(self.liveness, Groups::LIVENESS))
            .with(group(self.readiness, Groups::READINESS));
        let criticality =
            if self.is_optional { Criticality::Optional } else { Criticality::Critical };
        CheckConfig::builder(Duration::from_nanos(self.ttl))
            .rise(self.rise)
            .fall(self.fall)
            .groups(groups)
            .criticality(criticality)
            .build()
            .unwrap()
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    (1_u64..30, 1_u8..4, 1_u8..4, any::<[bool; 4]>()).prop_map(|(ttl, rise, fall, is)| Settings {
        ttl,
        rise,
        fall,
        startup: is[0],
        liveness: is[1],
        readiness: is[2],
        is_optional: is[3],
    })
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Record(usize, HealthStatus),
    Begin(usize),
    End(usize),
    Node(bool),
    Depend(usize, usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let check = 0..CHECKS;
    prop_oneof![
        12 => (check.clone(), any_status()).prop_map(|(check, status)| Op::Record(check, status)),
        1 => check.clone().prop_map(Op::Begin),
        1 => check.clone().prop_map(Op::End),
        1 => any::<bool>().prop_map(Op::Node),
        3 => (check.clone(), check).prop_map(|(check, on)| Op::Depend(check, on)),
        5 => (0_u64..12).prop_map(Op::Pass),
    ]
}

/// A check, and all that ever happened to it.
struct Known {
    settings: Settings,
    results: Vec<(HealthStatus, u64)>,
    grace: u64,
    is_in_maintenance: bool,
    on: Vec<usize>,
}

impl Known {
    /// What its results since the last gap of a time to live say, if the last one is fresh.
    fn status(&self, now: u64) -> CheckStatus {
        let ttl = self.settings.ttl;
        if self.is_in_maintenance {
            return CheckStatus::Maintenance;
        }
        if self.results.last().is_none_or(|(_, at)| now - at >= ttl) {
            return CheckStatus::Unknown;
        }
        let gap = self.results.windows(2).rposition(|pair| pair[1].1 - pair[0].1 >= ttl);
        let run: Vec<_> = self.results[gap.map_or(0, |gap| gap + 1)..]
            .iter()
            .map(|(status, _)| *status)
            .collect();
        status(&run, self.settings.rise.into(), self.settings.fall.into()).into()
    }

    fn counts_as(&self, probe: Probe, now: u64) -> HealthStatus {
        use HealthStatus::{Degraded, Healthy, Unhealthy};
        let Settings { startup, liveness, readiness, is_optional, ttl, .. } = self.settings;
        let (counts, unknown, maintained) = match probe {
            Probe::Overall => (true, Degraded, Degraded),
            Probe::Startup => (startup, Unhealthy, Healthy),
            Probe::Readiness => (readiness, Unhealthy, Unhealthy),
            Probe::Liveness if now - self.grace < ttl => (liveness, Healthy, Healthy),
            Probe::Liveness => (liveness, Unhealthy, Healthy),
        };
        let status = match self.status(now) {
            _ if !counts => Healthy,
            CheckStatus::Known(status) => status,
            CheckStatus::Unknown => unknown,
            CheckStatus::Maintenance => maintained,
        };
        if is_optional && status == Unhealthy { Degraded } else { status }
    }

    /// 0, 1 or 2.
    fn badness(&self, now: u64) -> u8 {
        self.status(now).known().map_or(2, |status| status as u8)
    }
}

fn depends(model: &[Known], from: usize, to: usize) -> bool {
    from == to || model[from].on.iter().any(|&next| depends(model, next, to))
}

fn causes(model: &[Known], now: u64) -> Vec<usize> {
    let explained =
        |known: &Known| known.on.iter().any(|&on| model[on].badness(now) >= known.badness(now));
    (0..model.len())
        .filter(|&check| !model[check].is_in_maintenance && model[check].badness(now) > 0)
        .filter(|&check| !explained(&model[check]))
        .collect()
}

struct Pair {
    health: HealthRegistry<usize, CHECKS>,
    ids: Vec<CheckId>,
    model: Vec<Known>,
    node: bool,
    now: u64,
}

impl Pair {
    fn new(settings: &[Settings]) -> Self {
        let mut health = HealthRegistry::new(Instant::EPOCH);
        let (mut ids, mut model) = (Vec::new(), Vec::new());
        for (name, &settings) in settings.iter().enumerate() {
            ids.push(health.register_with(name, settings.build(), Instant::EPOCH).unwrap());
            let results = Vec::new();
            model.push(Known {
                settings,
                results,
                grace: 0,
                is_in_maintenance: false,
                on: Vec::new(),
            });
        }
        Self { health, ids, model, node: false, now: 0 }
    }

    fn at(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    fn apply(&mut self, op: Op) {
        let at = self.at();
        match op {
            Op::Pass(by) => self.now += by,
            Op::Node(is) => {
                self.health.set_node_maintenance(is);
                self.node = is;
            }
            Op::Begin(check) => {
                self.health.begin_maintenance(self.ids[check]).unwrap();
                self.model[check].is_in_maintenance = true;
            }
            Op::End(check) => {
                self.health.end_maintenance(self.ids[check], at).unwrap();
                if self.model[check].is_in_maintenance {
                    self.model[check].is_in_maintenance = false;
                    self.model[check].grace = self.now;
                }
            }
            Op::Record(check, status) => {
                let result = HealthCheckResult::new(status, "");
                let before = self.health.record(self.ids[check], result, at).unwrap();
                assert_eq!(before, self.model[check].status(self.now));
                self.model[check].results.push((status, self.now));
            }
            Op::Depend(check, on) => {
                let told = self.health.depend(self.ids[check], self.ids[on]);
                let is_new = !self.model[check].on.contains(&on);
                if is_new && depends(&self.model, on, check) {
                    assert_eq!(told, Err(DependencyError::Cycle));
                } else {
                    assert_eq!(told, Ok(()), "five checks cannot have more than four each");
                    if is_new {
                        self.model[check].on.push(on);
                    }
                }
            }
        }
    }

    fn worst(&self, probe: Probe, now: u64) -> HealthStatus {
        let node = match probe {
            Probe::Overall if self.node => HealthStatus::Degraded,
            Probe::Readiness if self.node => HealthStatus::Unhealthy,
            _ => HealthStatus::Healthy,
        };
        self.model.iter().map(|known| known.counts_as(probe, now)).fold(node, HealthStatus::max)
    }
}

proptest! {
    #[test]
    fn every_answer_is_that_of_the_model_pitfalls_113_115_116(
        settings in prop::collection::vec(settings(), CHECKS),
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut pair = Pair::new(&settings);
        for op in ops {
            pair.apply(op);
            let (now, at) = (pair.now, pair.at());
            for (id, known) in pair.ids.iter().zip(&pair.model) {
                prop_assert_eq!(pair.health.check(*id, at).unwrap(), known.status(now));
            }
            for probe in PROBES {
                prop_assert_eq!(pair.health.status(probe, at), pair.worst(probe, now), "{:?}", probe);
            }
            let report = pair.health.report(at);
            let found: Vec<_> = report.causes().map(|check| *check.name()).collect();
            prop_assert_eq!(&found, &causes(&pair.model, now));
            // Where something is bad and nothing is in maintenance, there is a cause.
            let is_bad = pair.model.iter().any(|known| known.badness(now) > 0);
            if is_bad && pair.model.iter().all(|known| !known.is_in_maintenance) {
                prop_assert!(!found.is_empty());
            }
            let is_live = pair.worst(Probe::Liveness, now) != HealthStatus::Unhealthy;
            prop_assert_eq!(pair.health.may_feed(at).is_ok(), is_live);
        }
    }

    /// `next_deadline` is the first instant at which a check changes by itself.
    #[test]
    fn checks_change_at_the_next_deadline_and_nowhere_before(
        settings in prop::collection::vec(settings(), CHECKS),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let mut pair = Pair::new(&settings);
        for op in ops {
            pair.apply(op);
        }
        let all = |now| {
            let probed = PROBES.map(|probe| pair.worst(probe, now));
            let known = |known: &Known| (known.status(now), PROBES.map(|p| known.counts_as(p, now)));
            (probed, pair.model.iter().map(known).collect::<Vec<_>>())
        };
        let change = (pair.now + 1..pair.now + 60).find(|&later| all(later) != all(pair.now));
        match pair.health.next_deadline(pair.at()).map(Instant::as_nanos) {
            // A grace that ends may change nothing, where a cap or another check hides it.
            Some(next) => {
                let ends = |known: &Known| {
                    let Settings { ttl, liveness, .. } = known.settings;
                    let before = known.status(pair.now);
                    let is_grace = known.grace + ttl == next && liveness;
                    known.status(next) != before || (before == CheckStatus::Unknown && is_grace)
                };
                prop_assert!(pair.model.iter().any(ends));
                prop_assert!(change.is_none_or(|change| next <= change));
            }
            None => prop_assert_eq!(change, None),
        }
    }

    /// The gate is open exactly as long as liveness was not lost when it was asked.
    #[test]
    fn the_liveness_gate_closes_once_and_for_good(
        settings in prop::collection::vec(settings(), CHECKS),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let (mut pair, mut gate) = (Pair::new(&settings), LivenessGate::new());
        let mut was_lost = false;
        for op in ops {
            pair.apply(op);
            was_lost |= pair.worst(Probe::Liveness, pair.now) == HealthStatus::Unhealthy;
            prop_assert_eq!(gate.may_feed(&pair.health, pair.at()).is_err(), was_lost);
        }
        gate.reset();
        prop_assert_eq!(gate.closed(), None);
    }

    /// Rise and fall against all results there ever were; a snapshot in between changes nothing.
    #[test]
    fn rise_and_fall_are_those_of_the_history(
        rise in 1_u8..5,
        fall in 1_u8..5,
        results in prop::collection::vec(any_status(), 1..60),
        saved in 0_usize..60,
    ) {
        let policy = Hysteresis::new(rise, fall).unwrap();
        let mut state = HysteresisState::new();
        for (index, &result) in results.iter().enumerate() {
            if index == saved {
                let mut bytes = [0; Hysteresis::LEN];
                policy.save(&state, Instant::MAX, &mut bytes).unwrap();
                state = policy.restore(&bytes, Instant::EPOCH).unwrap();
            }
            let expected = status(&results[..=index], rise.into(), fall.into());
            prop_assert_eq!(policy.record(&mut state, result), expected);
        }
    }

    #[test]
    fn a_quorum_is_a_count(
        needed in 1_u16..8,
        degraded in 0_u16..8,
        peers in prop::collection::vec(0_u8..5, 0..12),
    ) {
        let Ok(quorum) = Quorum::new(needed, degraded) else {
            prop_assert!(degraded > needed);
            return Ok(());
        };
        let peers = peers.into_iter().map(|peer| match peer {
            0 | 1 => CheckStatus::Known(HealthStatus::Healthy),
            2 => CheckStatus::Known(HealthStatus::Unhealthy),
            3 => CheckStatus::Maintenance,
            _ => CheckStatus::Unknown,
        });
        let peers: Vec<_> = peers.collect();
        let is_healthy = |peer: &&CheckStatus| peer.known() == Some(HealthStatus::Healthy);
        let healthy = peers.iter().filter(is_healthy).count();
        let expected = if healthy >= usize::from(needed) {
            HealthStatus::Healthy
        } else if healthy >= usize::from(degraded) {
            HealthStatus::Degraded
        } else {
            HealthStatus::Unhealthy
        };
        let verdict = quorum.judge(peers.iter().copied());
        prop_assert_eq!(verdict.status(), expected);
        prop_assert_eq!(usize::from(verdict.healthy()), healthy);
        prop_assert_eq!(usize::from(verdict.peers()), peers.len());
        prop_assert!(peers.len() >= needed.into() || expected != HealthStatus::Healthy);
        let one_more = peers.into_iter().chain([CheckStatus::Known(HealthStatus::Healthy)]);
        prop_assert!(quorum.judge(one_more).status() <= expected);
    }
}
