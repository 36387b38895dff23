//! What a check counts for, how often it has to say so, and what it depends on.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use crate::vectors::policies::NoPolicy;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use resil_core::Instant;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, Criticality, Groups, HealthCheckResult, HealthRegistry,
    LivenessGate, Probe, Quorum,
};

pub(super) struct Checks {
    registry: HealthRegistry<String, 8>,
    gate: LivenessGate,
    ids: BTreeMap<String, CheckId>,
}

fn config(ttl: &str, settings: &[&str]) -> CheckConfig {
    let mut builder = CheckConfig::builder(Duration::from_millis(ttl.parse().unwrap()));
    let mut groups = None;
    for setting in settings {
        let group = match *setting {
            "startup" => Groups::STARTUP,
            "liveness" => Groups::LIVENESS,
            "readiness" => Groups::READINESS,
            "reported" => Groups::NONE,
            "optional" => {
                builder = builder.criticality(Criticality::Optional);
                continue;
            }
            _ => {
                let (name, count) = setting.split_once('=').unwrap();
                let count = count.parse().unwrap();
                builder = match name {
                    "rise" => builder.rise(count),
                    "fall" => builder.fall(count),
                    _ => panic!("a check has no setting {name}"),
                };
                continue;
            }
        };
        groups = Some(groups.unwrap_or(Groups::NONE).with(group));
    }
    builder.groups(groups.unwrap_or(Groups::ALL)).build().unwrap()
}

fn status(name: &str) -> CheckStatus {
    match name {
        "UNKNOWN" => CheckStatus::Unknown,
        "MAINTENANCE" => CheckStatus::Maintenance,
        known => CheckStatus::Known(known.parse().unwrap()),
    }
}

impl Subject for Checks {
    type Policy = NoPolicy;

    fn new(_: &NoPolicy, now: Instant) -> Self {
        let registry = HealthRegistry::new(now);
        Self { registry, gate: LivenessGate::new(), ids: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let health = &mut self.registry;
        let probe = |probe| health.status(probe, now).to_string();
        match event {
            ["register", name, ttl, settings @ ..] => {
                let id = health.register_with((*name).to_owned(), config(ttl, settings), now);
                self.ids.insert((*name).to_owned(), id.unwrap());
                "registered".to_owned()
            }
            ["record", name, found] => {
                let id = self.ids[*name];
                let result = HealthCheckResult::new(found.parse().unwrap(), "");
                health.record(id, result, now).unwrap();
                health.check(id, now).unwrap().to_string()
            }
            ["unregister", name] => {
                health.unregister(self.ids[*name]).unwrap();
                "gone".to_owned()
            }
            // A result of a check that may be gone.
            ["late", name, found] => {
                let result = HealthCheckResult::new(found.parse().unwrap(), "");
                match health.record(self.ids[*name], result, now) {
                    Ok(_) => "recorded".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
            ["check", name] => health.check(self.ids[*name], now).unwrap().to_string(),
            ["depend", name, on] => match health.depend(self.ids[*name], self.ids[*on]) {
                Ok(()) => "depends".to_owned(),
                Err(error) => error.to_string(),
            },
            ["begin", "maintenance"] => {
                health.set_node_maintenance(true);
                "begun".to_owned()
            }
            ["end", "maintenance"] => {
                health.set_node_maintenance(false);
                "ended".to_owned()
            }
            ["begin", "maintenance", name] => {
                health.begin_maintenance(self.ids[*name]).unwrap();
                "begun".to_owned()
            }
            ["end", "maintenance", name] => {
                health.end_maintenance(self.ids[*name], now).unwrap();
                "ended".to_owned()
            }
            ["overall"] => probe(Probe::Overall),
            ["startup"] => probe(Probe::Startup),
            ["readiness"] => probe(Probe::Readiness),
            ["liveness"] => probe(Probe::Liveness),
            ["causes"] => {
                let report = self.registry.report(now);
                let names: Vec<_> = report.causes().map(|check| check.name().as_str()).collect();
                if names.is_empty() { "none".to_owned() } else { names.join(" ") }
            }
            ["deadline"] => {
                health.next_deadline(now).map_or("never".to_owned(), |at| millis(at, start))
            }
            ["feed"] => match self.gate.may_feed(&self.registry, now) {
                Ok(()) => "fed".to_owned(),
                Err(dead) => {
                    let name = self.ids.iter().find(|(_, id)| **id == dead.check()).unwrap().0;
                    format!("not fed because of {name}")
                }
            },
            ["quorum", healthy, degraded, peers @ ..] => {
                let quorum =
                    Quorum::new(healthy.parse().unwrap(), degraded.parse().unwrap()).unwrap();
                let verdict = quorum.judge(peers.iter().map(|peer| status(peer)));
                format!("{} with {} of {}", verdict.status(), verdict.healthy(), verdict.peers())
            }
            _ => panic!("checks know no event {event:?}"),
        }
    }
}
