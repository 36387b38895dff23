//! What silences say, against a detector in floating point.

use crate::vectors::Replay;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;
use resil_core::Instant;
use resil_core::health::{Heartbeat, HeartbeatConfig, Phi};
use serde::Deserialize;

/// Mean interval, deviation, acceptable pause and silence in milliseconds, and φ.
pub type Row = (u64, u64, u64, u64, f64);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    rows: Vec<Row>,
}

/// The rows of `phi.toml`.
///
/// # Errors
///
/// What is wrong with the file: not the schema, or no rows.
pub fn rows(text: &str) -> Result<Vec<Row>, String> {
    let Grid { rows } = toml::from_str(text).map_err(|error| error.to_string())?;
    if rows.is_empty() { Err("no rows".into()) } else { Ok(rows) }
}

/// A peer that was heard once, at the epoch, whose deviation is the least that is believed; in
/// nanoseconds.
///
/// # Panics
///
/// If the deviation is less than a quarter of the interval: the first estimate is another one then.
#[must_use]
pub fn heard_once(interval: u64, deviation: u64, pause: u64, threshold: Phi) -> Heartbeat {
    let config = HeartbeatConfig::builder()
        .interval(Duration::from_nanos(interval))
        .min_std_deviation(Duration::from_nanos(deviation))
        .acceptable_pause(Duration::from_nanos(pause))
        .threshold(threshold)
        .build()
        .unwrap();
    assert!(deviation >= interval / 4, "or the first estimate is another one");
    let mut peer = Heartbeat::new(config);
    let _ = peer.record(Instant::EPOCH);
    peer
}

/// The law of the module: less than 1/16 + 1/1000 below, no more than 1/1000 above.
#[must_use]
pub fn agrees(ours: Phi, reference: f64) -> bool {
    let ours = f64::from(ours.sixteenths()) / 16.0;
    let above = ours - reference.min(16.0);
    -(1.0 / 16.0 + 0.001) < above && above <= 0.001
}

/// The grid as one script. What it expects of a row that does not agree is the file's number.
pub(super) fn play(text: &str) -> Result<Vec<Replay>, String> {
    const MILLI: u64 = 1_000_000;
    let name = "what silences say";
    let (mut trace, mut expected) = (format!("{name}\n"), format!("{name}\n"));
    for (interval, deviation, pause, silence, reference) in rows(text)? {
        let peer = heard_once(interval * MILLI, deviation * MILLI, pause * MILLI, Phi::MAX);
        let phi = peer.phi(Instant::from_nanos(silence * MILLI));
        let row = format!("{silence}  heard every {interval} ± {deviation} + {pause}");
        writeln!(trace, "{row}  phi {phi}").expect("a string takes all");
        if agrees(phi, reference) {
            writeln!(expected, "{row}  phi {phi}").expect("a string takes all");
        } else {
            writeln!(expected, "{row}  phi {reference}").expect("a string takes all");
        }
    }
    Ok([Replay { name: name.into(), expected, trace }].into())
}
