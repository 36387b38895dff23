//! What the searches have seen, as `WORLDS.md` tells it.

use super::search::{Broken, Explored};
use core::fmt::Write;
use std::collections::{BTreeMap, BTreeSet};

/// A world that was looked at.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) machine: &'static str,
    pub(super) world: &'static str,
    pub(super) outcome: Result<Explored, Broken>,
}

impl Entry {
    pub(super) fn explored(&self) -> &Explored {
        match &self.outcome {
            Ok(explored) => explored,
            Err(broken) => panic!("{}, {}: {broken:?}", self.machine, self.world),
        }
    }
}

/// The machines, in the order in which they come.
fn machines(entries: &[Entry]) -> Vec<&'static str> {
    let mut machines: Vec<_> = entries.iter().map(|entry| entry.machine).collect();
    machines.dedup();
    machines
}

/// How often each law of a machine had something to say, in all of its worlds.
pub(super) fn applied(entries: &[Entry]) -> BTreeMap<(&'static str, &'static str), u64> {
    let mut all = BTreeMap::new();
    for entry in entries {
        for (law, times) in &entry.explored().applied {
            *all.entry((entry.machine, *law)).or_default() += times;
        }
    }
    all
}

/// The table of what was explored.
pub(super) fn table(entries: &[Entry]) -> String {
    let mut table = String::from(
        "| machine | world | states | transitions | depth | search |\n|---|---|---:|---:|---:|---|\n",
    );
    for Entry { machine, world, .. } in entries {
        let entry = entries.iter().find(|entry| (entry.machine, entry.world) == (machine, world));
        let explored = entry.expect("it is one of them").explored();
        let search = if explored.is_complete { "complete" } else { "to this depth" };
        let Explored { states, transitions, depth, .. } = explored;
        writeln!(table, "| {machine} | {world} | {states} | {transitions} | {depth} | {search} |")
            .unwrap();
    }
    let sum =
        |of: fn(&Explored) -> u64| entries.iter().map(|entry| of(entry.explored())).sum::<u64>();
    let (states, transitions) = (sum(|seen| seen.states as u64), sum(|seen| seen.transitions));
    let checks: u64 = applied(entries).values().sum();
    writeln!(
        table,
        "| all | | {states} | {transitions} | | {checks} times a law had something to say |"
    )
    .unwrap();
    table
}

/// The laws of each machine, and how often they had something to say.
pub(super) fn laws(entries: &[Entry]) -> String {
    let mut text = String::from("| machine | law | applied |\n|---|---|---:|\n");
    let applied = applied(entries);
    for machine in machines(entries) {
        for ((_, law), times) in applied.iter().filter(|((of, _), _)| *of == machine) {
            writeln!(text, "| {machine} | `{law}` | {times} |").unwrap();
        }
    }
    text
}

/// The phases of a world, and what leads from one to another.
pub(super) fn diagram(entry: &Entry) -> String {
    let edges = &entry.explored().edges;
    let phases: BTreeSet<_> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
    let phases: Vec<_> = phases.into_iter().collect();
    let name =
        |phase: &String| format!("s{}", phases.iter().position(|other| *other == phase).unwrap());
    let mut text =
        format!("### {}, {}\n\n```mermaid\nstateDiagram-v2\n", entry.machine, entry.world);
    for phase in &phases {
        writeln!(text, "    state \"{phase}\" as {}", name(phase)).unwrap();
    }
    for ((from, to), by) in edges {
        let by: Vec<_> = by.iter().copied().collect();
        writeln!(text, "    {} --> {}: {}", name(from), name(to), by.join(", ")).unwrap();
    }
    text.push_str("```\n");
    text
}
