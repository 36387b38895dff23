//! What happened when: goodput and health as lines of text, and each breaker's history.

use super::record::{Life, Record};
use super::schedule::Phase;
use crate::wire::{BreakerState, End, Ended, Kind, NodeId};
use core::time::Duration;
use resil_core::health::HealthStatus;

/// Columns of everything that is shown over time.
const COLUMNS: u32 = 64;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A column for each slice of time: requests that ended well and badly, and how each node was.
pub(crate) fn over_time(records: &[Record]) -> String {
    let Some(first) = records.first() else { return String::new() };
    let slice = first.schedule.duration / COLUMNS;
    let mut ruler = String::new();
    for phase in Phase::ALL {
        let (from, to) = first.schedule.span(phase);
        let width = column_at(to - from, slice);
        ruler += &format!("{:<width$}", format!("|{}", phase.name()));
    }
    let mut text = line(&format!("{slice:?} a column"), &ruler, "");
    let ok = |ended: &Ended| ended.end == End::Ok;
    let failed = |ended: &Ended| matches!(ended.end, End::Failed(_));
    let most = ended(first, slice, ok).into_iter().max().unwrap_or(1).max(1);
    for record in records {
        let name = record.mode.name();
        text += &line(&format!("ok, {name}"), &bars(&ended(record, slice, ok), most), "");
        text += &line(&format!("failed, {name}"), &bars(&ended(record, slice, failed), most), "");
    }
    for record in records {
        text += &healths(record, slice);
    }
    text
}

fn line(name: &str, content: &str, remark: &str) -> String {
    format!("{name:24}{content}  {remark}").trim_end().to_owned() + "\n"
}

/// The column in which `at` lies.
fn column_at(at: Duration, slice: Duration) -> usize {
    usize::try_from(at.as_nanos() / slice.as_nanos().max(1)).unwrap_or(usize::MAX)
}

/// The orderly requests that ended in each slice of time, of those that `counts`.
fn ended(record: &Record, slice: Duration, counts: impl Fn(&Ended) -> bool) -> Vec<usize> {
    let mut columns = vec![0; COLUMNS as usize];
    for life in &record.lives {
        for ended in life.ended.iter().filter(|ended| ended.kind == Kind::Orderly && counts(ended))
        {
            if let Some(count) = columns.get_mut(column_at(life.run_time(ended.ended_at), slice)) {
                *count += 1;
            }
        }
    }
    columns
}

/// A bar for each count; those above `most` are as high as it, those above nothing are seen.
fn bars(counts: &[usize], most: usize) -> String {
    let top = LEVELS.len() - 1;
    counts.iter().map(|count| LEVELS[(count * top).div_ceil(most).min(top)]).collect()
}

/// A line for each node that checks its health.
fn healths(record: &Record, slice: Duration) -> String {
    let mut nodes: Vec<NodeId> =
        record.lives.iter().filter(|life| !life.health.is_empty()).map(|life| life.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let mut text = String::new();
    for &node in &nodes {
        let statuses: String =
            (0..COLUMNS).map(|column| health(record, node, slice, column)).collect();
        let remark = format!("{}{}", role(record, node), worst(record, node));
        text += &line(&format!("health of {}", record.schedule.name(node)), &statuses, &remark);
    }
    if !nodes.is_empty() {
        text += &line("", ". healthy   d degraded   U unhealthy   x not there", "");
    }
    text
}

/// The worst health of `node` in one slice of time.
fn health(record: &Record, node: NodeId, slice: Duration, column: u32) -> char {
    let (from, to) = (slice * column, slice * (column + 1));
    let there = |life: &&Life| {
        life.node == node && life.began < to && life.killed.is_none_or(|killed| killed > from)
    };
    let Some(life) = record.lives.iter().rfind(there) else { return 'x' };
    let before = life.health().take_while(|&(at, _)| at <= from).last();
    let within = life.health().filter(|&(at, _)| at > from && at < to);
    match before.into_iter().chain(within).map(|(_, status)| status).max() {
        None => ' ',
        Some(HealthStatus::Healthy) => '.',
        Some(HealthStatus::Degraded) => 'd',
        Some(HealthStatus::Unhealthy) => 'U',
    }
}

fn role(record: &Record, node: NodeId) -> String {
    let schedule = &record.schedule;
    let trouble = schedule.firmware.as_ref();
    let roles = [
        (node == schedule.flooder, "floods"),
        (node == schedule.killed, "is killed"),
        (node == schedule.slow, "is slow"),
        (trouble.is_some_and(|firmware| node == firmware.flooded), "is flooded"),
        (trouble.is_some_and(|firmware| node == firmware.reset), "is reset"),
        (trouble.is_some_and(|firmware| node == firmware.cut), "is cut off"),
    ];
    let roles: Vec<_> = roles.iter().filter(|(is_so, _)| *is_so).map(|(_, role)| *role).collect();
    if roles.is_empty() { String::new() } else { format!("({}) ", roles.join(", ")) }
}

/// What `node` said when it was at its worst, if it ever was unwell.
fn worst(record: &Record, node: NodeId) -> &str {
    let said = record.lives.iter().filter(|life| life.node == node).flat_map(|life| &life.health);
    let unwell = said.filter(|seen| seen.status > HealthStatus::Healthy);
    unwell.max_by_key(|seen| seen.status).map_or("", |seen| &seen.reason)
}

/// What each breaker did, a line for each that moved.
pub(crate) fn breakers(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        for life in &record.lives {
            text += &breakers_of(record, life);
        }
    }
    text
}

fn breakers_of(record: &Record, life: &Life) -> String {
    let mut text = String::new();
    for &peer in &life.neighbours {
        let moves: Vec<_> = life.breaker(peer).collect();
        if !moves.is_empty() {
            let (node, peer) = (record.schedule.name(life.node), record.schedule.name(peer));
            text += &format!("  {node:>13} -> {peer:13}   {}\n", history(&moves));
        }
    }
    text
}

/// `6.31 open  ~5  11.02 half-open  11.03 closed`: a probe that opens it again is only counted.
fn history(moves: &[(Duration, BreakerState)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut failed_probes = 0;
    let mut rest = moves;
    while let [(at, to), after @ ..] = rest {
        rest = after;
        if let (BreakerState::HalfOpen, [(_, BreakerState::Open), after @ ..]) = (to, rest) {
            failed_probes += 1;
            rest = after;
            continue;
        }
        if failed_probes > 0 {
            parts.push(format!("~{failed_probes}"));
            failed_probes = 0;
        }
        let state = match to {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        };
        parts.push(format!("{:.2} {state}", at.as_secs_f64()));
    }
    if failed_probes > 0 {
        parts.push(format!("~{failed_probes}"));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use BreakerState::{Closed, HalfOpen, Open};

    #[test]
    fn failed_probes_are_counted_and_nothing_else_is_left_out() {
        let states = [Open, HalfOpen, Open, HalfOpen, Open, HalfOpen, Closed, Open, HalfOpen, Open];
        let moves: Vec<_> = states
            .into_iter()
            .enumerate()
            .map(|(at, to)| (Duration::from_secs(at as u64), to))
            .collect();
        let expected = "0.00 open  ~2  5.00 half-open  6.00 closed  7.00 open  ~1";
        assert_eq!(history(&moves), expected);
    }

    #[test]
    fn a_bar_is_seen_for_one_and_full_at_the_top() {
        assert_eq!(bars(&[0, 1, 50, 100, 300], 100), " ▁▄██");
    }
}
