//! Health: checks, what steadies them, heartbeats, and the gate before the watchdog.

use super::kept::Kept;
use super::{Known, Look, Subject, Wait};
use core::time::Duration;
use resil_core::health::{
    Boot, BootRecord, CheckConfig, CheckId, HealthCheckResult, HealthRegistry, HealthStatus,
    Heartbeat, HeartbeatConfig, HeartbeatState, HeartbeatStatus, Hysteresis, HysteresisState,
    Probe, Watchdog, WatchdogConfig,
};
use resil_core::{Instant, Outcome, valid};

const SECOND: Duration = Duration::from_secs(1);
const STEADY: CheckConfig = valid!(CheckConfig::builder(SECOND).rise(2).fall(2).build());

/// Checks under different times to live.
#[derive(Debug)]
pub struct OfRegistry {
    checks: u32,
}

/// A registry, and the checks in it.
#[derive(Clone, Debug)]
pub struct Checks {
    registry: HealthRegistry,
    ids: Vec<CheckId>,
}

/// The steadied one only.
pub const ONE_CHECK: OfRegistry = OfRegistry { checks: 1 };
/// It and two more.
pub const THREE_CHECKS: OfRegistry = OfRegistry { checks: 3 };

impl OfRegistry {
    fn everybody_is_well(checks: &mut Checks, now: Instant) {
        for id in &checks.ids {
            for _ in 0..2 {
                checks.registry.record(*id, HealthCheckResult::healthy("fine"), now).unwrap();
            }
        }
    }
}

impl Subject for OfRegistry {
    type Machine = Checks;
    type Held = ();

    /// "A worse check may hide the change", where there is more than one.
    fn known(&self) -> Known {
        let wait = if self.checks == 1 { Wait::Exact } else { Wait::MayHide };
        Known { wait, capacity: None, horizon: Duration::ZERO, bound: SECOND }
    }

    fn fresh(&self, now: Instant) -> Checks {
        let mut registry = HealthRegistry::new(now);
        let names = ["flash", "peers", "uplink"];
        let mut ids = Vec::new();
        for (name, factor) in names.into_iter().zip(1..=self.checks) {
            let config = if factor == 1 {
                STEADY
            } else {
                CheckConfig::builder(factor * SECOND / 2).build().unwrap()
            };
            ids.push(registry.register_with(name, config, now).unwrap());
        }
        Checks { registry, ids }
    }

    /// Good news of everybody make the node well.
    fn ask(&self, checks: &mut Checks, _: u32, now: Instant) -> Option<()> {
        Self::everybody_is_well(checks, now);
        let is_well = checks.registry.overall(now) == HealthStatus::Healthy;
        (is_well && checks.registry.may_feed(now).is_ok()).then_some(())
    }

    fn tell(&self, _: &mut Checks, (): (), _: Outcome, _: Instant) {}

    fn other(&self, checks: &mut Checks, choice: u64, now: Instant) {
        let id = checks.ids[(choice >> 8) as usize % checks.ids.len()];
        let registry = &mut checks.registry;
        match choice % 16 {
            0 => registry.begin_maintenance(id).unwrap(),
            1 | 2 => registry.end_maintenance(id, now).unwrap(),
            3 => registry.set_node_maintenance(choice >> 63 == 0),
            4..8 => drop(registry.record(id, HealthCheckResult::unhealthy("no"), now)),
            8..12 => drop(registry.record(id, HealthCheckResult::degraded("slow"), now)),
            _ => drop(registry.record(id, HealthCheckResult::healthy("fine"), now)),
        }
    }

    fn mend(&self, checks: &mut Checks, now: Instant) {
        checks.registry.set_node_maintenance(false);
        for id in &checks.ids {
            checks.registry.end_maintenance(*id, now).unwrap();
        }
    }

    fn answers(&self, checks: &Checks, now: Instant) -> impl Look + use<> {
        let Checks { registry, ids } = checks;
        let each: Vec<_> = ids.iter().map(|id| registry.check(*id, now).unwrap()).collect();
        let probes = [Probe::Overall, Probe::Readiness, Probe::Liveness, Probe::Startup];
        let probes = probes.map(|probe| registry.status(probe, now));
        (format!("{each:?}"), probes, registry.may_feed(now).is_ok())
    }

    fn gradual(&self, checks: &Checks, now: Instant) -> impl Look + use<> {
        (checks.registry.uptime(now), checks.registry.report(now).to_string())
    }

    fn next_deadline(&self, checks: &Checks, now: Instant) -> Option<Instant> {
        checks.registry.next_deadline(now)
    }
}

const TWO_OF_TWO: Hysteresis = valid!(Hysteresis::new(2, 2));

/// What steadies a status.
#[derive(Debug)]
pub struct OfHysteresis;

impl Subject for OfHysteresis {
    type Machine = HysteresisState;
    type Held = ();

    /// No time is in it.
    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, Duration::ZERO);
        Known { wait: Wait::Exact, capacity: None, horizon, bound }
    }

    fn fresh(&self, _: Instant) -> HysteresisState {
        HysteresisState::new()
    }

    fn ask(&self, state: &mut HysteresisState, _: u32, _: Instant) -> Option<()> {
        TWO_OF_TWO.record(state, HealthStatus::Healthy);
        (TWO_OF_TWO.record(state, HealthStatus::Healthy) == HealthStatus::Healthy).then_some(())
    }

    fn tell(&self, _: &mut HysteresisState, (): (), _: Outcome, _: Instant) {}

    fn other(&self, state: &mut HysteresisState, choice: u64, _: Instant) {
        let all = [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy];
        TWO_OF_TWO.record(state, all[choice as usize % 3]);
    }

    fn answers(&self, state: &HysteresisState, _: Instant) -> impl Look + use<> {
        state.status()
    }

    fn next_deadline(&self, _: &HysteresisState, _: Instant) -> Option<Instant> {
        None
    }
}

/// A peer that sends heartbeats.
#[derive(Debug)]
pub struct OfHeartbeat(pub HeartbeatConfig);

/// It, as it is by default.
pub const HEARTBEAT: OfHeartbeat = OfHeartbeat(HeartbeatConfig::DEFAULT);

impl Subject for OfHeartbeat {
    type Machine = Heartbeat;
    type Held = ();

    /// "One heartbeat makes any peer alive, whatever was before."
    fn known(&self) -> Known {
        let (horizon, bound) = (Duration::ZERO, self.0.max_silence());
        Known { wait: Wait::Exact, capacity: None, horizon, bound }
    }

    fn fresh(&self, _: Instant) -> Heartbeat {
        Heartbeat::new(self.0)
    }

    fn ask(&self, machine: &mut Heartbeat, _: u32, now: Instant) -> Option<()> {
        let _ = machine.record(now);
        (machine.status(now) == HeartbeatStatus::Alive).then_some(())
    }

    fn tell(&self, _: &mut Heartbeat, (): (), _: Outcome, _: Instant) {}

    fn other(&self, machine: &mut Heartbeat, choice: u64, now: Instant) {
        match choice % 8 {
            0 => machine.expect(now),
            1 => machine.resume(now),
            2 => machine.reanchor(now),
            3 => machine.reconfigure(self.0, now),
            _ => drop(machine.record_numbered((choice >> 60) as u32, now)),
        }
    }

    fn answers(&self, machine: &Heartbeat, now: Instant) -> impl Look + use<> {
        machine.status(now)
    }

    fn gradual(&self, machine: &Heartbeat, now: Instant) -> impl Look + use<> {
        machine.phi(now)
    }

    fn next_deadline(&self, machine: &Heartbeat, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

const TASKS: WatchdogConfig<2> =
    valid!(WatchdogConfig::builder([SECOND, Duration::from_millis(100)]).build());

/// The gate, with two tasks.
#[derive(Debug)]
pub struct OfWatchdog;

impl Subject for OfWatchdog {
    type Machine = Watchdog<2>;
    type Held = ();

    fn known(&self) -> Known {
        Known { wait: Wait::Exact, capacity: None, horizon: Duration::ZERO, bound: SECOND }
    }

    fn fresh(&self, now: Instant) -> Watchdog<2> {
        Watchdog::start(TASKS, BootRecord::NONE, Boot::Watchdog, now)
    }

    fn ask(&self, machine: &mut Watchdog<2>, _: u32, now: Instant) -> Option<()> {
        machine.may_feed(now).ok()
    }

    fn tell(&self, _: &mut Watchdog<2>, (): (), _: Outcome, _: Instant) {}

    fn other(&self, machine: &mut Watchdog<2>, choice: u64, now: Instant) {
        let channel = (choice >> 8) as u8 % 3;
        match choice % 16 {
            0 => machine.reset(now),
            1 => drop(machine.suspend(channel, now)),
            2 | 3 => drop(machine.resume(channel, now)),
            _ => drop(machine.check_in(channel, now)),
        }
    }

    /// "A clock that steps back delays no channel by more than one period, counted from the next call."
    fn settle_clock(&self, machine: &mut Watchdog<2>, now: Instant) {
        let _ = machine.may_feed(now);
    }

    /// Who is late stays late, unless somebody mends the cause.
    fn mend(&self, machine: &mut Watchdog<2>, now: Instant) {
        machine.reset(now);
    }

    fn answers(&self, machine: &Watchdog<2>, now: Instant) -> impl Look + use<> {
        machine.peek(now).is_ok()
    }

    fn gradual(&self, machine: &Watchdog<2>, now: Instant) -> impl Look + use<> {
        (machine.peek(now), machine.resets(now), machine.splay(7_u32, now))
    }

    fn next_deadline(&self, machine: &Watchdog<2>, now: Instant) -> Option<Instant> {
        machine.next_deadline(now)
    }
}

impl Kept for OfHysteresis {
    type Policy = Hysteresis;

    fn policy(&self) -> &Hysteresis {
        &TWO_OF_TWO
    }

    fn state<'m>(&self, machine: &'m HysteresisState) -> &'m HysteresisState {
        machine
    }

    fn with_state(&self, state: HysteresisState) -> HysteresisState {
        state
    }
}

impl Kept for OfHeartbeat {
    type Policy = HeartbeatConfig;

    fn policy(&self) -> &HeartbeatConfig {
        &self.0
    }

    fn state<'m>(&self, machine: &'m Heartbeat) -> &'m HeartbeatState {
        machine.as_state()
    }

    fn with_state(&self, state: HeartbeatState) -> Heartbeat {
        Heartbeat::from_parts(self.0, state)
    }
}
