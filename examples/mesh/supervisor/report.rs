//! The report: both runs side by side, as tables and over time, and the checks.

use super::checks::Check;
use super::record::{Life, Record, Tally};
use super::schedule::Phase;
use crate::wire::{BreakerState, End, HealthLevel, Kind, NodeId};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use std::time::Duration;

/// Columns of everything that is shown over time.
const COLUMNS: usize = 64;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Prints everything.
pub(crate) fn print(records: &[Record], checks: &[Check]) {
    println!("\nPHASES (the work that nodes ask of each other; the flood is counted apart)");
    println!("{}", phases(records));
    println!("{}", over_time(records));
    println!("{}", breakers(records));
    println!("CHECKS");
    for Check { what, passed, figures } in checks {
        println!("{}  {what}\n      {figures}", if *passed { "PASS" } else { "FAIL" });
    }
}

fn phases(records: &[Record]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "phase", "run", "asked", "ok", "ok/s", "refused", "failed", "wasted", "p50 ms", "p99 ms",
    ]);
    for phase in Phase::ALL {
        for record in records {
            let (from, to) = record.schedule.span(phase);
            let tally = record.tally(Kind::Orderly, Some(phase));
            let name = if record.mode == records[0].mode { phase.name() } else { "" };
            table.add_row(row(name, record, &tally, Some(to - from)));
        }
    }
    for record in records {
        let name = if record.mode == records[0].mode { "all" } else { "" };
        let tally = record.tally(Kind::Orderly, None);
        table.add_row(row(name, record, &tally, Some(record.schedule.duration)));
    }
    for record in records {
        let name = if record.mode == records[0].mode { "the flood" } else { "" };
        table.add_row(row(name, record, &record.tally(Kind::Flood, None), None));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(name: &str, record: &Record, tally: &Tally, over: Option<Duration>) -> Vec<String> {
    let millis = |time: Option<Duration>| {
        time.map_or_else(|| "-".into(), |time| format!("{:.0}", time.as_secs_f64() * 1e3))
    };
    let rate = over
        .map_or_else(|| "-".into(), |over| format!("{:.0}", tally.ok as f64 / over.as_secs_f64()));
    vec![
        name.into(),
        record.mode.name().into(),
        tally.issued.to_string(),
        tally.ok.to_string(),
        rate,
        tally.refused.to_string(),
        tally.failed.to_string(),
        tally.wasted.to_string(),
        millis(tally.within(50)),
        millis(tally.within(99)),
    ]
}

/// Goodput and health, a column of text for each slice of time.
fn over_time(records: &[Record]) -> String {
    let Some(first) = records.first() else { return String::new() };
    let slice = first.schedule.duration / COLUMNS as u32;
    let mut text = format!("OVER TIME (a column is {slice:?})\n");
    let mut ruler = String::new();
    for phase in Phase::ALL {
        let (from, to) = first.schedule.span(phase);
        let width = ((to - from).as_nanos() / slice.as_nanos()) as usize;
        ruler += &format!("{:<width$}", format!("|{}", phase.name()));
    }
    text += &format!("{:20}{ruler}|\n", "");
    let rows: Vec<_> = records.iter().map(|record| (record, served(record, slice))).collect();
    let most = rows.iter().flat_map(|(_, served)| served).copied().max().unwrap_or(1).max(1);
    for (record, served) in &rows {
        let line: String = served.iter().map(|ok| LEVELS[ok * (LEVELS.len() - 1) / most]).collect();
        text += &format!("{:20}{line}\n", format!("ok, {}", record.mode.name()));
    }
    for record in
        records.iter().filter(|record| record.lives.iter().any(|life| !life.health.is_empty()))
    {
        let mut nodes: Vec<NodeId> = record.lives.iter().map(|life| life.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let line: String =
                (0..COLUMNS).map(|column| health(record, node, slice, column)).collect();
            text +=
                &format!("{:20}{line}{}\n", format!("health of node {node}"), role(record, node));
        }
        text += &format!("{:20}. healthy   d degraded   U unhealthy   x not there\n", "");
    }
    text
}

/// Requests served in each slice of time.
fn served(record: &Record, slice: Duration) -> Vec<usize> {
    let mut served = vec![0; COLUMNS];
    for life in &record.lives {
        for ended in life.ended.iter().filter(|e| e.kind == Kind::Orderly && e.end == End::Ok) {
            let column = (life.run_time(ended.ended_at).as_nanos() / slice.as_nanos()) as usize;
            if let Some(count) = served.get_mut(column) {
                *count += 1;
            }
        }
    }
    served
}

/// The worst health of `node` in one slice of time.
fn health(record: &Record, node: NodeId, slice: Duration, column: usize) -> char {
    let (from, to) = (slice * column as u32, slice * (column as u32 + 1));
    let there = |life: &&Life| {
        life.node == node && life.began < to && life.killed.is_none_or(|killed| killed > from)
    };
    let Some(life) = record.lives.iter().rfind(there) else { return 'x' };
    let before = life.health().take_while(|&(at, _)| at <= from).last();
    let within = life.health().filter(|&(at, _)| at > from && at < to);
    match before.into_iter().chain(within).map(|(_, level)| level).max() {
        None => ' ',
        Some(HealthLevel::Healthy) => '.',
        Some(HealthLevel::Degraded) => 'd',
        Some(HealthLevel::Unhealthy) => 'U',
    }
}

fn role(record: &Record, node: NodeId) -> &'static str {
    let schedule = &record.schedule;
    if node == schedule.flooder {
        "  floods"
    } else if node == schedule.killed {
        "  is killed"
    } else if node == schedule.slow {
        "  is slow"
    } else {
        ""
    }
}

/// What each breaker did, a line for each that moved.
fn breakers(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        for life in &record.lives {
            for &peer in &life.neighbours {
                let moves: Vec<_> = life.breaker(peer).collect();
                if !moves.is_empty() {
                    text += &format!("  {} -> {peer}  {}\n", life.node, moves_line(&moves));
                }
            }
        }
    }
    format!(
        "BREAKERS (node -> peer: seconds and new state; ~n: n probes in between that failed)\n{text}"
    )
}

/// `6.31 open ~5 11.02 half-open 11.03 closed`: probes that reopened it are only counted.
fn moves_line(moves: &[(Duration, BreakerState)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut probes = 0;
    let mut moves = moves.iter().peekable();
    let mut open = false;
    while let Some(&(at, to)) = moves.next() {
        let at = at.as_secs_f64();
        let next = moves.peek().map(|(_, to)| *to);
        match to {
            BreakerState::HalfOpen if open && next == Some(BreakerState::Open) => {
                moves.next();
                probes += 1;
                continue;
            }
            _ => {}
        }
        if probes > 0 {
            parts.push(format!("~{probes}"));
            probes = 0;
        }
        open = to == BreakerState::Open;
        let name = match to {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        };
        parts.push(format!("{at:.2} {name}"));
    }
    if probes > 0 {
        parts.push(format!("~{probes}"));
    }
    parts.join("  ")
}
