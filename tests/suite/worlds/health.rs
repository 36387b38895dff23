//! A registry of two checks: one that takes two results in a row to change, and an optional one that comes
//! and goes.

mod laws;

use super::search::{Clock, Law, World, relative};
use core::time::Duration;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, Criticality, Groups, HealthCheckResult, HealthRegistry,
    HealthStatus, Probe, UnknownCheck,
};
use resil_core::{Instant, valid};

/// Its results count for 3 ns.
const SLOW: CheckConfig =
    valid!(CheckConfig::builder(Duration::from_nanos(SLOW_TTL)).rise(2).fall(2).build());
/// Says nothing about liveness, and its results count for 2 ns.
const OPTIONAL: CheckConfig = valid!(
    CheckConfig::builder(Duration::from_nanos(2))
        .criticality(Criticality::Optional)
        .groups(Groups::READINESS)
        .build()
);
const SLOW_TTL: u64 = 3;
const TTLS: [u64; 2] = [SLOW_TTL, 2];
const PROBES: [Probe; 4] = [Probe::Overall, Probe::Startup, Probe::Readiness, Probe::Liveness];
const STATUSES: [HealthStatus; 3] =
    [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Pass,
    StepBack(u64),
    Record(usize, HealthStatus),
    /// With the id of the optional check that was taken out last.
    RecordGone,
    /// The optional check comes or goes.
    Toggle,
    /// Maintenance of the first check begins or ends.
    Maintain,
    /// And of the node.
    MaintainNode,
}

#[derive(Debug)]
pub(super) enum Answer {
    /// With the status before.
    Recorded(Result<CheckStatus, UnknownCheck>),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Every result counts at once.
    NoHysteresis,
    /// A result that is too old still counts.
    TrustsTheOld,
    /// The id of before addresses who has its place.
    AddressesTheNext,
}

/// A check as its documentation tells it: all results that count, and when it last had one.
#[derive(Clone, Debug)]
struct Told {
    id: CheckId,
    results: Vec<HealthStatus>,
    last: Option<u64>,
    /// When liveness began to wait for its first result.
    since: u64,
    is_in_maintenance: bool,
    /// How long its clock had gone forward when it last had a result.
    lived: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Health {
    registry: HealthRegistry<&'static str, 2>,
    told: [Option<Told>; 2],
    gone: Option<CheckId>,
    is_in_maintenance: bool,
    clock: Clock,
    planted: Option<Planted>,
}

impl Told {
    fn new(id: CheckId, now: u64) -> Self {
        let (results, last, lived) = (Vec::new(), None, 0);
        Self { id, results, last, since: now, is_in_maintenance: false, lived }
    }

    fn is_fresh(&self, ttl: u64, now: u64) -> bool {
        self.last.is_some_and(|last| now < last + ttl)
    }

    /// Of the results since one was too old: the first, until so many in a row say something else.
    fn status(&self, which: usize, now: u64) -> CheckStatus {
        if self.is_in_maintenance {
            CheckStatus::Maintenance
        } else if self.is_fresh(TTLS[which], now) {
            CheckStatus::Known(in_a_row(&self.results, if which == 0 { 2 } else { 1 }))
        } else {
            CheckStatus::Unknown
        }
    }

    /// The table of the documentation.
    fn counts_as(&self, which: usize, probe: Probe, now: u64) -> HealthStatus {
        use HealthStatus::{Degraded, Healthy, Unhealthy};
        let counts = match (which, probe) {
            (0, _) | (_, Probe::Overall | Probe::Readiness) => true,
            (_, Probe::Startup | Probe::Liveness) => false,
        };
        let waits = now < self.since + TTLS[which];
        let status = match (self.status(which, now), probe) {
            _ if !counts => return Healthy,
            (CheckStatus::Known(status), _) => status,
            (CheckStatus::Maintenance | CheckStatus::Unknown, Probe::Overall) => Degraded,
            (CheckStatus::Maintenance, Probe::Startup | Probe::Liveness) => return Healthy,
            (CheckStatus::Unknown, Probe::Liveness) if waits => return Healthy,
            (CheckStatus::Maintenance | CheckStatus::Unknown, _) => Unhealthy,
        };
        if which == 1 { status.min(Degraded) } else { status }
    }
}

/// The status that so many results in a row make, the first of which counts at once: each level by itself.
fn in_a_row(results: &[HealthStatus], many: usize) -> HealthStatus {
    let is_at_least = |level: HealthStatus| {
        let mut is = results[0] >= level;
        for end in many..=results.len() {
            let last = &results[end - many..end];
            if last.iter().all(|result| (*result >= level) != is) {
                is = !is;
            }
        }
        is
    };
    STATUSES.into_iter().rev().find(|level| is_at_least(*level)).expect("healthy at least")
}

impl Health {
    pub(super) fn new(reach: u64, planted: Option<Planted>) -> Self {
        let clock = Clock::new(reach);
        let mut registry = HealthRegistry::new(clock.instant());
        let builder = CheckConfig::builder(Duration::from_nanos(SLOW_TTL));
        let config = match planted {
            Some(Planted::NoHysteresis) => builder.build().expect("it holds"),
            Some(Planted::TrustsTheOld) => {
                let longer = CheckConfig::builder(Duration::from_nanos(SLOW_TTL + 1));
                longer.rise(2).fall(2).build().expect("it holds")
            }
            _ => SLOW,
        };
        let id = registry.register_with("slow", config, clock.instant()).expect("there is room");
        let told = [Some(Told::new(id, clock.now)), None];
        Self { registry, told, gone: None, is_in_maintenance: false, clock, planted }
    }

    fn known(&self) -> impl Iterator<Item = (usize, &Told)> {
        self.told.iter().enumerate().filter_map(|(which, told)| Some((which, told.as_ref()?)))
    }

    /// What every probe is answered, and the status of every check.
    fn answers(&self, at: u64) -> ([HealthStatus; 4], Vec<CheckStatus>) {
        let at = Instant::from_nanos(at);
        let probes = PROBES.map(|probe| self.registry.status(probe, at));
        let checks = self.known().map(|(_, told)| self.registry.check(told.id, at));
        (probes, checks.map(|status| status.expect("it is registered")).collect())
    }

    fn record(&mut self, which: usize, status: HealthStatus) -> Answer {
        let (now, lived) = (self.clock.now, self.clock.lived());
        let Some(told) = &mut self.told[which] else { return Answer::Nothing };
        if !told.is_fresh(TTLS[which], now) {
            told.results.clear();
        }
        told.results.push(status);
        (told.last, told.lived) = (Some(now), lived);
        let result = HealthCheckResult::new(status, "");
        Answer::Recorded(self.registry.record(told.id, result, self.clock.instant()))
    }

    fn toggle(&mut self) {
        let now = self.clock.instant();
        match self.told[1].take() {
            Some(told) => {
                self.gone = Some(told.id);
                self.registry.unregister(told.id).expect("it is registered");
            }
            None => {
                let id = self.registry.register_with("optional", OPTIONAL, now);
                self.told[1] = Some(Told::new(id.expect("there is room"), self.clock.now));
            }
        }
    }

    fn maintain(&mut self) {
        let told = self.told[0].as_mut().expect("it stays");
        told.is_in_maintenance = !told.is_in_maintenance;
        if told.is_in_maintenance {
            self.registry.begin_maintenance(told.id).expect("it is registered");
        } else {
            told.since = self.clock.now;
            self.registry.end_maintenance(told.id, self.clock.instant()).expect("as before");
        }
    }
}

impl World for Health {
    type Input = Input;
    type Answer = Answer;

    const LAWS: &'static [Law<Self>] = laws::ALL;

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Pass, Input::Toggle, Input::Maintain, Input::MaintainNode];
        inputs.extend(self.clock.may_go_back().map(Input::StepBack));
        for (which, _) in self.known() {
            inputs.extend(STATUSES.map(|status| Input::Record(which, status)));
        }
        if self.gone.is_some() {
            inputs.push(Input::RecordGone);
        }
        inputs
    }

    fn apply(&mut self, input: Input) -> Answer {
        match input {
            Input::Pass => self.clock.forward(1),
            Input::StepBack(by) => self.clock.back(by),
            Input::Record(which, status) => return self.record(which, status),
            Input::RecordGone => {
                let id = match (&self.told[1], self.planted) {
                    (Some(next), Some(Planted::AddressesTheNext)) => next.id,
                    _ => self.gone.expect("one is gone"),
                };
                let result = HealthCheckResult::new(HealthStatus::Healthy, "");
                return Answer::Recorded(self.registry.record(id, result, self.clock.instant()));
            }
            Input::Toggle => self.toggle(),
            Input::Maintain => self.maintain(),
            Input::MaintainNode => {
                self.is_in_maintenance = !self.is_in_maintenance;
                self.registry.set_node_maintenance(self.is_in_maintenance);
            }
        }
        Answer::Nothing
    }

    fn shape(&self) -> String {
        let now = self.clock.now;
        let floor = self.clock.floor(2 * SLOW_TTL);
        // Which generation a place is of makes no difference.
        let text = format!("{:?}", self.registry);
        let text: String = text.split("generation: ").map(after_a_number).collect();
        let told: Vec<_> = self
            .known()
            .map(|(which, told)| {
                let age = told.last.map(|last| now as i64 - last.max(floor) as i64);
                let lived = (self.clock.lived() - told.lived).min(3 * SLOW_TTL);
                let since = now as i64 - told.since.max(floor) as i64;
                (told.status(which, now), age, lived, since)
            })
            .collect();
        let text = relative(&text, now, floor);
        format!("{text} {told:?} {} {}", self.gone.is_some(), self.clock.behind())
    }

    fn phase(&self) -> String {
        let slow = self.told[0].as_ref().expect("it stays").id;
        let status = self.registry.check(slow, self.clock.instant()).expect("it is registered");
        status.name().to_owned()
    }

    fn class(&self, input: Input) -> &'static str {
        match input {
            Input::Pass | Input::StepBack(_) => "time",
            Input::Record(0, HealthStatus::Healthy) => "healthy",
            Input::Record(0, HealthStatus::Degraded) => "degraded",
            Input::Record(0, HealthStatus::Unhealthy) => "unhealthy",
            Input::Record(..) | Input::RecordGone | Input::Toggle => "the other check",
            Input::Maintain => "maintenance",
            Input::MaintainNode => "maintenance of the node",
        }
    }
}

fn after_a_number(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit())
}
