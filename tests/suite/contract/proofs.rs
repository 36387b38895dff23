//! What there is that proves anything, and on which engines it does.

use super::laws::Engine;
use super::{root, sources};
use crate::conformance::played::{self, Played, Through};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What a cell names, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Proof {
    pub(crate) name: String,
    pub(crate) link: String,
}

/// The proofs of a law, by engine; none is no cell.
pub(crate) type Cells = BTreeMap<Engine, Vec<Proof>>;

/// A test, and the engines that it runs on.
struct Test {
    path: String,
    name: String,
    engines: Vec<Engine>,
}

/// A script of the vectors, and where it stands.
struct Script {
    file: String,
    /// Counted from 1 in its file.
    number: usize,
    line: usize,
    played: BTreeMap<Engine, Through>,
}

/// Everything that a law may call upon.
pub(crate) struct Proofs {
    tests: Vec<Test>,
    /// By `file.toml: name`.
    scripts: BTreeMap<String, Script>,
    /// What runs all checks.
    run: String,
}

impl Proofs {
    pub(crate) fn of_this_repository() -> Self {
        let run = fs::read_to_string(root().join(".ci/run")).unwrap();
        let metal = fs::read_to_string(root().join("tests/metal/check")).unwrap();
        assert!(metal.contains("play tests/vectors/*.toml"), "nobody plays all files on the chip");
        let mut tests = vec![];
        for (path, text) in sources::rust_files(root()) {
            for name in sources::tests_in(&text) {
                let engines = engines(&path, &text, name);
                tests.push(Test { path: path.clone(), name: name.to_owned(), engines });
            }
        }
        assert!(tests.len() > 1_000, "{} tests found", tests.len());
        Self { tests, scripts: scripts(), run }
    }

    /// The tests that carry the number of a pitfall, with their paths.
    pub(crate) fn guards(&self, number: u32) -> impl Iterator<Item = (&str, String)> {
        let guards = self.tests.iter().filter(move |test| {
            crate::pitfalls::numbers_in_names(&format!("fn {}(", test.name)).contains(&number)
        });
        guards.map(|test| (test.path.as_str(), format!("{}::{}", test.path, test.name)))
    }

    /// What these prove, or which of them is not there.
    pub(crate) fn cells(&self, proofs: &[String]) -> Result<Cells, String> {
        let mut cells = Cells::new();
        for proof in proofs {
            for (engine, found) in self.find(proof)? {
                cells.entry(engine).or_default().push(found);
            }
        }
        Ok(cells)
    }

    fn find(&self, proof: &str) -> Result<Vec<(Engine, Proof)>, String> {
        if proof.contains(".toml: ") {
            let script = self.scripts.get(proof).ok_or(format!("no engine has played {proof}"))?;
            return Ok(script.proofs());
        }
        if proof.contains('/') && !proof.contains("::") {
            if !self.run.lines().any(|line| line.trim_start().starts_with(proof)) {
                return Err(format!(".ci/run does not run {proof}"));
            }
            let check = Proof { name: proof.to_owned(), link: format!("../{proof}") };
            return Ok(vec![(Engine::CortexM, check)]);
        }
        self.find_test(proof)
    }

    fn find_test(&self, proof: &str) -> Result<Vec<(Engine, Proof)>, String> {
        let (place, name) = proof.rsplit_once("::").unwrap_or(("", proof));
        let is_meant = |test: &&Test| test.name == name && test.path.contains(place);
        let mut found: Vec<(Engine, Proof)> = vec![];
        for test in self.tests.iter().filter(is_meant) {
            for &engine in &test.engines {
                if found.iter().any(|(other, _)| *other == engine) {
                    return Err(format!("there are several {name}: say where it stands"));
                }
                let link = format!("../{}", test.path);
                found.push((engine, Proof { name: name.to_owned(), link }));
            }
        }
        if found.is_empty() { Err(format!("there is no test {proof}")) } else { Ok(found) }
    }
}

impl Script {
    fn proofs(&self) -> Vec<(Engine, Proof)> {
        let Self { file, number, line, .. } = self;
        let played = self.played.iter().map(|(&engine, through)| {
            let beside = if *through == Through::ItsClock { " °" } else { "" };
            let name = format!("{file} {number}{beside}");
            (engine, Proof { name, link: format!("vectors/{file}.toml#L{line}") })
        });
        played.collect()
    }
}

/// The engines that a test runs on. Below `tests` they follow from the adapters that its file names, or where
/// it names both, from those that the test itself names.
fn engines(path: &str, text: &str, name: &str) -> Vec<Engine> {
    if path.ends_with("conformance/random.rs") {
        return vec![Engine::Core, Engine::Std, Engine::Embassy];
    }
    if path.starts_with("resil-std/") {
        return vec![Engine::Std];
    }
    if path.starts_with("resil-embassy/") {
        return vec![Engine::Embassy];
    }
    let named = |text: &str| {
        let adapters = [(Engine::Std, "resil_std"), (Engine::Embassy, "resil_embassy")];
        let named = adapters.into_iter().filter(|(_, adapter)| text.contains(adapter));
        named.map(|(engine, _)| engine).collect::<Vec<_>>()
    };
    let mut engines = named(text);
    if engines.len() > 1 {
        let body = text.split(&format!("fn {name}(")).nth(1).unwrap_or_default();
        engines = named(body.split("\n}").next().unwrap_or_default());
    }
    if engines.is_empty() { vec![Engine::Core] } else { engines }
}

/// Every script of the vectors, with the engines that have just played it.
fn scripts() -> BTreeMap<String, Script> {
    let folder = root().join("tests/vectors");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    let files: Vec<String> =
        paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let played = played::everything(&files);
    let mut scripts = BTreeMap::new();
    for (path, file) in paths.iter().zip(&files) {
        let text = fs::read_to_string(path).unwrap();
        let names = text.lines().zip(1..).filter_map(|(line, number)| {
            let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
            Some((name, number))
        });
        for ((name, line), number) in names.zip(1..) {
            let mut engines = on(&played, file, name);
            engines.insert(Engine::CortexM, Through::ItsAdapter); // `metal` plays all of every file
            let script = Script { file: file.clone(), number, line, played: engines };
            scripts.insert(format!("{file}.toml: {name}"), script);
        }
    }
    assert!(scripts.len() > 150, "{} scripts found", scripts.len());
    scripts
}

/// The engines that have played a script; through the adapter, where that is one of the ways.
fn on(played: &BTreeSet<Played>, file: &str, script: &str) -> BTreeMap<Engine, Through> {
    let mut engines = BTreeMap::new();
    for it in played.iter().filter(|it| it.file == file && it.script == script) {
        let (engine, through) = match it.on {
            "core" => (Engine::Core, Through::ItsAdapter),
            "paused tokio"
            | "resil-std's mock clock"
            | "resil-std, at instants that it is told" => (Engine::Std, it.through),
            "embassy's mock driver" => (Engine::Embassy, it.through),
            other => panic!("{other} is no engine"),
        };
        let known = engines.entry(engine).or_insert(through);
        *known = (*known).min(through);
    }
    engines
}
