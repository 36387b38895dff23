//! Which mutants the compiler refuses.

use crate::Result;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

/// Reads cargo's messages, and writes down the mutants that they are about. Fails on an error that is about
/// none.
pub fn drop_refused(lines: &str, dropped: &str) -> Result<()> {
    let places = places(lines)?;
    let mut refused = BTreeMap::new();
    let mut others = Vec::new();
    for line in io::stdin().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let message = &message["message"];
        if message["level"] != "error" || message["spans"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let text = message["message"].as_str().unwrap_or_default().replace(['\n', '\t'], " ");
        let code = message["code"]["code"].as_str().unwrap_or("E").to_owned();
        match about(message, &places) {
            Some(number) => _ = refused.insert(number, format!("{code}\t{text}")),
            None => others.push(message["rendered"].as_str().unwrap_or_default().to_owned()),
        }
    }
    let mut out = String::new();
    for (number, why) in &refused {
        writeln!(out, "{number}\t{why}")?;
    }
    OpenOptions::new().create(true).append(true).open(dropped)?.write_all(out.as_bytes())?;
    println!("{} refused", refused.len());
    if refused.is_empty() {
        return Err(format!(
            "the compiler refuses what is about no mutant:\n{}",
            others.join("\n")
        )
        .into());
    }
    Ok(())
}

/// Of each file the lines of alternatives: first, last, mutant.
type Places = HashMap<String, Vec<(u64, u64, u32)>>;

fn places(path: &str) -> Result<Places> {
    let mut places = Places::new();
    for line in fs::read_to_string(path)?.lines() {
        if let [number, file, first, last] = line.split('\t').collect::<Vec<_>>()[..] {
            let place = (first.parse()?, last.parse()?, number.parse()?);
            places.entry(file.to_owned()).or_default().push(place);
        }
    }
    Ok(places)
}

/// The mutant that a message points at: with what it is about, or else with what it says besides.
fn about(message: &Value, places: &Places) -> Option<u32> {
    let spans = |of: &Value| of["spans"].as_array().cloned().unwrap_or_default();
    let (first, then): (Vec<_>, Vec<_>) =
        spans(message).into_iter().partition(|span| span["is_primary"] == true);
    let notes = message["children"].as_array().cloned().unwrap_or_default();
    first.iter().chain(&then).cloned().chain(notes.iter().flat_map(spans)).find_map(|span| {
        let (file, line) = (span["file_name"].as_str()?, span["line_start"].as_u64()?);
        let of_file = places.get(file)?;
        of_file
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&line))
            .map(|place| place.2)
    })
}
