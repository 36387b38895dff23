//! How the node is, and whether its watchdog may be fed.

use core::time::Duration;
use mesh_protocol::control::Note;
use mesh_protocol::record::HealthSeen;
use mesh_protocol::settings::{BACKLOG_DEGRADED, BACKLOG_UNHEALTHY, HEALTH_TTL};
use resil_core::event::{Event, EventKind, Span};
use resil_core::health::{
    Boot, BootRecord, CheckId, HealthCheckResult, HealthRegistry, HealthStatus, Starved, Watchdog,
    WatchdogConfig,
};
use resil_core::text::Text;
use resil_core::{Instant, valid};
use resil_firmware::board::watchdog;
use resil_firmware::log;

use crate::Turn;
use crate::peer::Peer;
use crate::server::Server;

/// How often the node looks at itself, and feeds its watchdog.
const EVERY: Duration = Duration::from_millis(100);

/// What has to go on, each within this time.
static TASKS: WatchdogConfig<3> =
    valid!(WatchdogConfig::builder([Duration::from_millis(500); 3]).build());

/// What the parts of the loop are to the watchdog.
#[derive(Clone, Copy)]
pub(crate) enum Task {
    Ask,
    Serve,
    Look,
}

/// Checks, and the gate of the watchdog.
pub(crate) struct Vitals {
    registry: HealthRegistry<&'static str, 2>,
    peers: CheckId,
    service: CheckId,
    /// How it was when it was told last.
    told: Option<HealthStatus>,
    look_at: Instant,
    gate: Watchdog<3, &'static WatchdogConfig<3>>,
    /// Whether it was fed, or why not, the last time.
    fed: Result<(), Starved>,
}

impl Vitals {
    /// Starts the watchdog.
    #[inline(never)] // for the stack: what it is made of is gone when this returns
    pub(crate) fn start(now: Instant) -> &'static mut Self {
        let mut registry = HealthRegistry::new(now);
        let peers = registry.register("peers", HEALTH_TTL, now).expect("there is room");
        let service = registry.register("service", HEALTH_TTL, now).expect("there is room");
        let gate = Watchdog::start(&TASKS, BootRecord::NONE, Boot::Other, now);
        watchdog::start();
        let vitals = Self { registry, peers, service, told: None, look_at: now, gate, fed: Ok(()) };
        cortex_m::singleton!(: Vitals = vitals).expect("once")
    }

    /// A part of the loop has done its turn.
    pub(crate) fn check_in(&mut self, task: Task, now: Instant) {
        // One that is late has starved the gate, which says so when it is asked.
        let _ = self.gate.check_in(task as u8, now);
    }

    /// Looks at the node when it is time to; returns when it is again.
    pub(crate) fn poll(&mut self, peers: &[Peer], server: &Server, turn: &mut Turn) -> Instant {
        let now = turn.now;
        if self.look_at.is_reached(now) {
            self.look_at = now.saturating_add(EVERY);
            let found =
                [(self.peers, check_peers(peers, now)), (self.service, check_service(server, now))];
            for (check, result) in found {
                // It is registered for as long as there is a registry.
                let _ = self.registry.record(check, result, now);
            }
            self.check_in(Task::Look, now);
            self.tell(turn);
            self.feed(turn);
        }
        self.look_at
    }

    /// Tells how the node is where that has changed, and why.
    fn tell(&mut self, turn: &mut Turn) {
        let status = self.registry.overall(turn.now);
        if self.told == Some(status) {
            return;
        }
        log::event(&Event::of_health(self.told.replace(status), Some(status), 0, turn.now));
        let report = self.registry.report(turn.now);
        for check in report.checks() {
            defmt::info!("    {=str}: {=str}", check.name(), check.message().as_str());
        }
        let reason = report.causes().next().map_or(Text::new(), |check| check.message());
        let seen = HealthSeen { status, reason, at: turn.now.as_nanos() };
        turn.journal.note(Note::Health(seen));
    }

    /// Feeds the watchdog, unless a part of the loop has stopped.
    fn feed(&mut self, turn: &mut Turn) {
        let fed = self.gate.may_feed(turn.now);
        if fed.is_ok() {
            watchdog::feed();
        }
        if let (Ok(()), Err(starved)) = (self.fed, fed) {
            let late = turn.now.saturating_since(starved.since()).as_nanos();
            let late = Span::from_nanos(u64::try_from(late).unwrap_or(u64::MAX)).units();
            let task = starved.channel().into();
            log::event(&Event::new(EventKind::WatchdogStarved, 0, task, late, turn.now));
        }
        self.fed = fed;
    }
}

/// Peers that are silent, or whose breaker is not closed, are out of reach.
fn check_peers(peers: &[Peer], now: Instant) -> HealthCheckResult {
    let all = peers.len();
    let away = peers.iter().filter(|peer| !peer.is_in_reach(now)).count();
    let status = match away {
        0 => HealthStatus::Healthy,
        _ if away * 2 <= all => HealthStatus::Degraded,
        _ => HealthStatus::Unhealthy,
    };
    HealthCheckResult::new(status, format_args!("{} of {all} peers in reach", all - away))
}

/// A backlog makes everybody wait.
fn check_service(server: &Server, now: Instant) -> HealthCheckResult {
    let backlog = server.backlog(now);
    let status = if backlog < BACKLOG_DEGRADED {
        HealthStatus::Healthy
    } else if backlog < BACKLOG_UNHEALTHY {
        HealthStatus::Degraded
    } else {
        HealthStatus::Unhealthy
    };
    HealthCheckResult::new(status, format_args!("{} ms of work waiting", backlog.as_millis()))
}
