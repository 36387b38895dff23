//! The page: a table a machine, and what it adds up to.

use super::laws::{Engine, Machine};
use super::needs::{Engines, Need};
use super::proofs::{Cells, Proofs};
use super::root;
use core::fmt::Write;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const HEAD: &str = "\
# Contract

Every law that resil keeps and every pitfall that it avoids, and what proves it on which engine: core driven by
hand, resil-std on tokio and threads, resil-embassy on embassy's mock driver, and a Cortex-M in QEMU. A test of the
suite writes this page out of `contract/*.toml`, the sources and what the engines have just played, and fails where
it is another one:

    RESIL_WRITE=1 cargo test -p resil-tests --test suite contract

A cell names tests, and scripts of the vectors by file and number; on a Cortex-M `tests/metal/check` plays those. A
script with ° is decided by core's machine beside the adapter's clock, where the adapter has none of its own or cannot
be played that script; without, by the adapter. **Nothing** is said where nothing on that engine proves the law by
itself, though the adapters decide nothing and call the core that is proved. Where an engine has not what the law is
about, *cannot happen* says why: that is read off its clock and its sources, and no cell that counts. A dash is where
the law has nothing to say.
";

/// Of so many cells that a law has something to say in, so many name a proof.
#[derive(Clone, Copy, Default)]
struct Tally {
    proved: usize,
    cells: usize,
}

/// A row, whatever it is of.
struct Row<'r> {
    title: String,
    engines: &'r [Engine],
    cells: Cells,
    /// Why the law has nothing to forbid there.
    lacking: BTreeMap<Engine, String>,
}

impl Row<'_> {
    /// Whether the law has something to forbid there.
    fn counts(&self, engine: Engine) -> bool {
        self.engines.contains(&engine) && !self.lacking.contains_key(&engine)
    }
}

/// What rows are made of.
struct Sources<'s> {
    proofs: &'s Proofs,
    engines: &'s Engines,
    /// What a row of `PITFALLS.md` says that resil does instead, by number.
    instead: BTreeMap<u32, String>,
}

/// The patches of `broken`, and the test that catches each.
fn broken(proofs: &Proofs) -> (String, usize) {
    let mut patches: Vec<_> = fs::read_dir(root().join("tests/broken"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "patch"))
        .collect();
    patches.sort();
    let rows = patches.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap();
        let (test, what) = (text.lines().next().unwrap(), text.lines().nth(1).unwrap());
        let package = test.split(' ').next().unwrap().replace("resil-tests", "tests/suite");
        let name = test.rsplit("::").next().unwrap().rsplit(' ').next().unwrap();
        let cells = proofs.cells(&[format!("{package}/::{name}")]);
        let cells = cells.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let test = &cells.values().next().unwrap()[0];
        let file = path.file_name().unwrap().to_str().unwrap();
        format!("| [{what}](broken/{file}) | [{}]({}) |\n", test.name, test.link)
    });
    (rows.collect(), patches.len())
}

/// The README's table of figures, and the command that finds each, as seen from this page.
fn figures() -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, after) = readme.split_once("\n## How it is proved\n").unwrap();
    let table: Vec<_> = after
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(table.len() > 2, "the README has no figures");
    table.join("\n").replace("](tests/", "](")
}

pub(crate) fn page(machines: &[Machine], proofs: &Proofs, engines: &Engines) -> String {
    let sources = Sources { proofs, engines, instead: what_resil_does_instead() };
    let guards = guards(machines, proofs, &sources.instead);
    let (mut tables, mut rows) = (String::new(), String::new());
    let (mut laws, mut pitfalls, mut sums) = (0, 0, [Tally::default(); 4]);
    let mut impossible = 0;
    for machine in machines {
        let mut all = sources.laws_of(machine);
        laws += all.len();
        let guarded = sources.pitfalls_of(machine, &guards[machine.name.as_str()]);
        pitfalls += guarded.len();
        let counts = format!("{} | {}", all.len(), guarded.len());
        all.extend(guarded);
        impossible += all.iter().map(|row| row.lacking.len()).sum::<usize>();
        let tallies = Engine::ALL.map(|engine| tally(&all, engine));
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            sum.proved += tally.proved;
            sum.cells += tally.cells;
        }
        let anchor = machine.name.to_lowercase().replace(' ', "-").replace(',', "");
        let name = format!("[{}](#{anchor})", machine.name);
        writeln!(rows, "| {name} | {counts} | {} |", tallies.map(shown).join(" | ")).unwrap();
        table(&mut tables, &machine.name, &all);
    }
    let proved: usize = sums.iter().map(|sum| sum.proved).sum();
    let cells: usize = sums.iter().map(|sum| sum.cells).sum();
    let numbers: BTreeSet<_> = sources.instead.keys().collect();
    let (broken, copies) = broken(proofs);
    let figures = figures();
    format!(
        "{HEAD}\n{laws} laws, each proved on one engine at least, and {} pitfalls ({pitfalls} rows: some concern \
         several machines). Of {cells} cells {proved} name a proof and {} say nothing; in {impossible} more it \
         cannot happen.\n\n\
         | machine | laws | pitfalls | core | std | embassy | Cortex-M |\n|---|---|---|---|---|---|---|\n\
         {rows}| in all | {laws} | {pitfalls} | {} |\n{tables}\n## Broken copies\n\n`tests/broken/check` \
         plants each of these {copies} mistakes in a copy and sees the test fail.\n\n| mistake | caught by |\n\
         |---|---|\n{broken}\n## The figures\n\nAs [the README](../README.md#how-it-is-proved) \
         has them.\n\n{figures}\n",
        numbers.len(),
        cells - proved,
        sums.map(shown).join(" | "),
    )
}

fn shown(tally: Tally) -> String {
    if tally.cells == 0 { "–".to_owned() } else { format!("{} of {}", tally.proved, tally.cells) }
}

fn tally(rows: &[Row<'_>], engine: Engine) -> Tally {
    let concerned = rows.iter().filter(|row| row.counts(engine));
    concerned.fold(Tally::default(), |tally, row| Tally {
        proved: tally.proved + usize::from(row.cells.contains_key(&engine)),
        cells: tally.cells + 1,
    })
}

fn table(page: &mut String, machine: &str, rows: &[Row<'_>]) {
    write!(
        page,
        "\n## {machine}\n\n| law | core | std | embassy | Cortex-M |\n|---|---|---|---|---|\n"
    )
    .unwrap();
    for row in rows {
        let cells =
            Engine::ALL.map(|engine| match (row.cells.get(&engine), row.lacking.get(&engine)) {
                _ if !row.engines.contains(&engine) => "–".to_owned(),
                (_, Some(why)) => format!("*cannot happen*: {why}"),
                (None, None) => "**nothing**".to_owned(),
                (Some(proofs), None) => {
                    let links: Vec<_> =
                        proofs.iter().map(|it| format!("[{}]({})", it.name, it.link)).collect();
                    links.join("<br>")
                }
            });
        writeln!(page, "| {} | {} |", row.title, cells.join(" | ")).unwrap();
    }
}

impl<'s> Sources<'s> {
    fn laws_of<'m>(&self, machine: &'m Machine) -> Vec<Row<'m>> {
        let laws = machine.laws.iter().map(|law| {
            let title = format!("**{}** {}", law.id, law.says);
            self.row(title, &machine.name, &law.engines, &law.proof, law.needs.as_ref())
        });
        laws.collect()
    }

    /// The pitfalls that a test of the machine guards against, or that its file names.
    fn pitfalls_of<'m>(
        &self,
        machine: &'m Machine,
        guards: &BTreeMap<u32, Vec<String>>,
    ) -> Vec<Row<'m>> {
        let named = machine.pitfalls.iter().map(|pitfall| pitfall.number);
        let numbers: BTreeSet<_> = guards.keys().copied().chain(named).collect();
        let rows = numbers.into_iter().map(|number| {
            let known = machine.pitfalls.iter().find(|pitfall| pitfall.number == number);
            let engines = known.map_or(&Engine::ALL[..], |pitfall| &pitfall.engines);
            let mut all = guards.get(&number).cloned().unwrap_or_default();
            all.extend(known.into_iter().flat_map(|pitfall| pitfall.proof.clone()));
            let title = format!("pitfall [{number}](PITFALLS.md): {}", self.instead[&number]);
            let needs = known.and_then(|pitfall| pitfall.needs.as_ref());
            self.row(title, &machine.name, engines, &all, needs)
        });
        rows.collect()
    }

    /// A row; a proof on an engine that it does not concern, or where it cannot happen, is a mistake of the
    /// file's.
    fn row<'m>(
        &self,
        title: String,
        machine: &str,
        engines: &'m [Engine],
        proof: &[String],
        needs: Option<&Need>,
    ) -> Row<'m> {
        let cells = self.proofs.cells(proof).unwrap_or_else(|error| panic!("{machine}: {error}"));
        let lacking: BTreeMap<_, _> = engines
            .iter()
            .filter_map(|&engine| Some((engine, needs?.lacked_by(engine, self.engines)?)))
            .collect();
        assert!(needs.is_none() || !lacking.is_empty(), "{machine}: {title}: no engine lacks that");
        let row = Row { title, engines, cells, lacking };
        for &engine in row.cells.keys() {
            let (title, name) = (&row.title, engine.name());
            assert!(row.counts(engine), "{machine}: {title}: {proof:?} is for {name} as well");
        }
        row
    }
}

/// What a row of `PITFALLS.md` says that resil does instead, by number.
fn what_resil_does_instead() -> BTreeMap<u32, String> {
    let table = fs::read_to_string(root().join("tests/PITFALLS.md")).unwrap();
    let rows = table.lines().filter_map(|row| {
        let mut cells = row.split('|').map(str::trim);
        let number = cells.nth(1)?.parse().ok()?;
        Some((number, cells.nth(2)?.to_owned()))
    });
    rows.collect()
}

/// The tests that carry a number, by the machine whose they are.
fn guards<'m>(
    machines: &'m [Machine],
    proofs: &Proofs,
    instead: &BTreeMap<u32, String>,
) -> BTreeMap<&'m str, BTreeMap<u32, Vec<String>>> {
    let mut guards: BTreeMap<_, BTreeMap<u32, Vec<String>>> =
        machines.iter().map(|machine| (machine.name.as_str(), BTreeMap::new())).collect();
    for &number in instead.keys() {
        for (path, test) in proofs.guards(number) {
            let machine = owner(machines, path);
            guards.entry(machine).or_default().entry(number).or_default().push(test);
        }
    }
    guards
}

/// The machine that has the longest part of this path among its own.
fn owner<'m>(machines: &'m [Machine], path: &str) -> &'m str {
    let parts = machines.iter().flat_map(|machine| {
        machine.paths.iter().map(move |part| (part.as_str(), machine.name.as_str()))
    });
    let matching = parts.filter(|(part, _)| path.contains(part));
    let longest = matching.max_by_key(|(part, _)| part.len());
    longest.unwrap_or_else(|| panic!("{path} is no machine's: see the paths in contract/*.toml")).1
}
