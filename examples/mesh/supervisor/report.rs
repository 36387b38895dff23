//! The report: both runs side by side, and the checks.

use super::checks::Check;
use super::record::{Record, Tally};
use super::schedule::Phase;
use super::timeline;
use crate::wire::{Counts, Kind};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use core::time::Duration;

/// Prints everything.
pub(crate) fn print(records: &[Record], checks: &[Check]) {
    println!(
        "\nPHASES: the requests that nodes ask of each other at random, by when they were issued;"
    );
    println!("wasted are attempts that went out and brought neither a result nor an answer");
    println!("{}", phases(records));
    println!("\nIN ALL");
    println!("{}", sums(records));
    println!("\nOVER TIME");
    print!("{}", timeline::over_time(records));
    println!(
        "\nBREAKERS that moved: node -> peer, when (s), to what; ~n: n failed probes in between"
    );
    print!("{}", timeline::breakers(records));
    println!("\nCHECKS");
    for Check { what, passed, figures } in checks {
        println!("{}  {what}\n      {figures}", if *passed { "PASS" } else { "FAIL" });
    }
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
