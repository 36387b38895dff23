//! Runs in which everything went as it should, for the tests to spoil.

use super::super::record::{Life, Record};
use super::super::schedule::{Phase, Schedule};
use crate::cli::{Arguments, Mode};
use crate::wire::{
    Admitted, Attempts, BreakerMoved, BreakerState, Counts, End, Ended, HealthSeen, Kind,
    LineCounts, NodeId, Report,
};
use clap::Parser;
use core::time::Duration;
use resil_core::ErrorCode;
use resil_core::health::HealthStatus::{Degraded, Healthy};

/// How long after the trouble it is noticed.
const SOON: Duration = Duration::from_millis(200);

fn nanos(at: Duration) -> u64 {
    at.as_nanos() as u64
}

pub(super) fn ended(id: u64) -> Ended {
    let (end, attempts) = (End::Ok, Attempts { made: 1, wasted: 0 });
    Ended { id, kind: Kind::Orderly, peer: 0, issued_at: id, ended_at: id + 1, end, attempts }
}

/// A run of five nodes with a report from each.
pub(super) fn good_run() -> Record {
    run(&["mesh"])
}

/// The same with two firmware nodes, of which one was reset.
pub(super) fn good_mixed_run() -> Record {
    let mut record = run(&["mesh", "--firmware", "2"]);
    let roles = record.schedule.firmware.unwrap();
    let (flooder, killed) = (record.schedule.flooder, record.schedule.killed);
    let flood = record.schedule.span(Phase::Flood).0 + SOON;
    let (cut, mended) = record.schedule.cut();
    for life in record.lives.iter_mut().filter(|life| life.node != roles.cut) {
        life.breakers.extend(there_and_back(roles.cut, cut, mended));
    }
    let refused = End::Refused(ErrorCode::RateLimitExceeded.number());
    let (issued_at, ended_at) = (nanos(flood), nanos(flood) + 1);
    let flooding =
        Ended { kind: Kind::Flood, peer: roles.flooded, issued_at, ended_at, ..ended(2) };
    let life = last_life(&mut record, flooder);
    life.issued = 3;
    life.ended.push(Ended { end: refused, ..flooding });
    let life = last_life(&mut record, roles.flooded);
    life.admitted.push(Admitted { sender: flooder, at: nanos(flood) });
    let life = last_life(&mut record, roles.cut);
    life.breakers.extend(there_and_back(flooder, cut, mended));
    let seen = |status, at| HealthSeen { status, reason: String::new(), at: nanos(at) };
    life.health.extend([seen(Degraded, cut + SOON), seen(Healthy, mended + SOON)]);
    life.line.cut = 20;
    let (from, to) = record.schedule.span(Phase::Killed);
    let at = (from + to) / 2;
    let old = record.lives.iter_mut().find(|life| life.node == roles.reset).unwrap();
    let mut new = old.reset(nanos(at), true);
    old.breakers.retain(|moved| moved.at < nanos(at));
    old.health.retain(|seen| seen.at < nanos(at));
    new.issued = 1;
    let open = End::Refused(ErrorCode::CircuitBreakerOpen.number());
    let (issued_at, ended_at) = (nanos(at + SOON), nanos(at + SOON));
    let attempts = Attempts { made: 1, wasted: 1 };
    new.ended.push(Ended { peer: killed, issued_at, ended_at, end: open, attempts, ..ended(0) });
    new.health = vec![HealthSeen { status: Healthy, reason: String::new(), at: nanos(at) }];
    new.line = old.line;
    new.breakers.extend(there_and_back(roles.cut, cut, mended));
    record.lives.push(new);
    record
}

/// The last life of a node.
pub(super) fn last_life(record: &mut Record, node: NodeId) -> &mut Life {
    record.lives.iter_mut().rfind(|life| life.node == node).unwrap()
}

fn there_and_back(peer: NodeId, from: Duration, to: Duration) -> [BreakerMoved; 2] {
    let moved = |to, at| BreakerMoved { peer, to, at: nanos(at + SOON) };
    [moved(BreakerState::Open, from), moved(BreakerState::Closed, to)]
}

fn run(line: &[&str]) -> Record {
    let plan = Arguments::parse_from(line).plan;
    let schedule = Schedule::new(&plan);
    let killed = schedule.killed;
    let (down, up) = (schedule.span(Phase::Killed).0, schedule.span(Phase::Restarted).0);
    let mut record = Record { mode: Mode::With, schedule, lives: Vec::new() };
    let seen = |status, at| HealthSeen { status, reason: String::new(), at };
    for node in 0..plan.everybody() {
        let mut life = Life::new(node, plan.neighbours(node), 0, Duration::ZERO);
        let health = vec![
            seen(Healthy, 0),
            seen(Degraded, nanos(down + SOON)),
            seen(Healthy, nanos(up + SOON)),
        ];
        life.add(Report {
            issued: 2,
            ended: vec![ended(1), ended(0)],
            admitted: vec![Admitted { sender: (node + 1) % plan.everybody(), at: 5 }],
            breakers: there_and_back(killed, down, up).into(),
            health,
            counts: Counts { limited: 1, retries: 1, ..Counts::default() },
            line: LineCounts::default(),
        });
        if plan.board(node).is_some() {
            life.line = LineCounts { frames: 900, lost: 3, corrupted: 4, delayed: 9, cut: 0 };
        }
        life.killed = (node == killed).then_some(down);
        record.lives.push(life);
    }
    let mut second = Life::new(killed, plan.neighbours(killed), 0, up);
    second.health.push(seen(Healthy, nanos(up + SOON)));
    record.lives.push(second);
    record
}

/// The first life that lasts the whole run.
pub(super) fn survivor(record: &mut Record) -> &mut Life {
    let killed = record.schedule.killed;
    record.lives.iter_mut().find(|life| life.node != killed).unwrap()
}
