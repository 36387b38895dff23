//! The report: both runs side by side, and the checks.

use super::checks::Check;
use super::record::{Record, Tally};
use super::schedule::Phase;
use super::timeline;
use crate::wire::{Counts, End, Kind};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use core::time::Duration;
use resil_core::ErrorCode;
use std::collections::BTreeMap;

/// The whole report.
pub(crate) fn report(records: &[Record], checks: &[Check]) -> String {
    let mut sections = vec![
        format!(
            "PHASES: the requests that nodes ask of each other at random, by when they were issued;\n\
             wasted are attempts that went out and brought neither a result nor an answer\n{}",
            phases(records)
        ),
        format!("REFUSED AND FAILED, by the code of the error\n{}", codes(records)),
        format!("IN ALL\n{}", sums(records)),
        format!("OVER TIME\n{}", timeline::over_time(records)),
    ];
    let breakers = timeline::breakers(records);
    if !breakers.is_empty() {
        sections.push(format!(
            "BREAKERS that moved: node -> peer, when (s), to what; ~n: n failed probes in between\n{breakers}"
        ));
    }
    sections.push(format!("CHECKS\n{}", checks.iter().map(Check::to_string).collect::<String>()));
    sections.iter().map(|section| format!("\n{}\n", section.trim_end())).collect()
}

fn table(header: &[&str], text_columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    for column in table.column_iter_mut().skip(text_columns) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn phases(records: &[Record]) -> Table {
    let header =
        ["phase", "run", "asked", "ok", "ok/s", "refused", "failed", "wasted", "p50 ms", "p99 ms"];
    let mut table = table(&header, 2);
    let mut add = |name: &str, kind, phase: Option<Phase>| {
        let rows = records.iter().map(|record| {
            let (from, to) = phase.map_or((Duration::ZERO, record.schedule.duration), |phase| {
                record.schedule.span(phase)
            });
            row(record, &record.tally(kind, phase), to - from)
        });
        // One row of the table holds a line for each run.
        let cells = rows.reduce(|above, below| {
            above.into_iter().zip(below).map(|(above, below)| format!("{above}\n{below}")).collect()
        });
        table.add_row(core::iter::once(name.to_owned()).chain(cells.unwrap_or_default()));
    };
    for phase in Phase::ALL {
        add(phase.name(), Kind::Orderly, Some(phase));
    }
    add("all", Kind::Orderly, None);
    add("the flood", Kind::Flood, None);
    table
}

fn row(record: &Record, tally: &Tally, over: Duration) -> Vec<String> {
    let millis = |time: Option<Duration>| {
        time.map_or_else(|| "-".into(), |time| format!("{:.0}", time.as_secs_f64() * 1e3))
    };
    vec![
        record.mode.name().into(),
        tally.issued.to_string(),
        tally.ok.to_string(),
        format!("{:.0}", tally.ok as f64 / over.as_secs_f64()),
        tally.refused.to_string(),
        tally.failed.to_string(),
        tally.wasted.to_string(),
        millis(tally.within(50)),
        millis(tally.within(99)),
    ]
}

/// How often orderly requests ended with each code.
fn codes(records: &[Record]) -> Table {
    let mut header = vec![""];
    header.extend(records.iter().map(|record| record.mode.name()));
    let mut table = table(&header, 1);
    table.style_mut().row_separator = LineStyle::none();
    let mut counts: BTreeMap<(&str, u16), Vec<u64>> = BTreeMap::new();
    for (run, record) in records.iter().enumerate() {
        for (_, ended) in record.requests().filter(|(_, ended)| ended.kind == Kind::Orderly) {
            let key = match ended.end {
                End::Ok => continue,
                End::Refused(code) => ("refused", code),
                End::Failed(code) => ("failed", code),
            };
            counts.entry(key).or_insert_with(|| vec![0; records.len()])[run] += 1;
        }
    }
    for ((how, number), counts) in counts.iter().rev() {
        let name = ErrorCode::from_number(*number).map_or("?", ErrorCode::name);
        let counts = counts.iter().map(u64::to_string);
        table.add_row(core::iter::once(format!("{how}: {number} {name}")).chain(counts));
    }
    table
}

fn sums(records: &[Record]) -> Table {
    let mut header = vec![""];
    header.extend(records.iter().map(|record| record.mode.name()));
    let mut table = table(&header, 1);
    table.style_mut().row_separator = LineStyle::none();
    let mut add = |what: &str, of: &dyn Fn(&Record) -> u64| {
        let figures = records.iter().map(|record| of(record).to_string());
        table.add_row(core::iter::once(what.to_owned()).chain(figures));
    };
    let mut count = |what: &str, of: fn(&Counts) -> u64| add(what, &|record| record.count(of));
    count("requests served by all nodes, the flood's too", |counts| counts.served);
    count("answers that came too late: work for nobody", |counts| counts.late);
    count("requests refused by a limiter", |counts| counts.limited);
    count("requests not sent before the time a peer had named", |counts| counts.held);
    count("attempts after the first", |counts| counts.retries);
    count("connections tried again", |counts| counts.reconnects);
    count("connections that broke, as connections do", |counts| counts.hang_ups);
    add("requests that a later attempt saved", &|record| record.tally(Kind::Orderly, None).rescued);
    table
}
