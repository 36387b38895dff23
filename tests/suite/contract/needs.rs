//! What a law takes to have something to forbid, and which engines have it: read off the engines.
//!
//! Where an engine has it not, what the law forbids cannot happen there, and the page says why. That is no
//! proof, and it is nothing that anybody could still prove.

use super::laws::Engine;
use super::root;
use super::sources::{Source, rust_files};
use crate::conformance::can_step_back;
use serde::Deserialize;
use std::fs;

/// It takes this.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Need {
    /// A clock that goes back.
    StepBack,
    /// Code of this module that waits: a task may be dropped there, or stand in a line.
    WaitsIn(String),
    /// Code of this module that runs an operation of the caller's, which may panic.
    OperationsIn(String),
    /// State of this module that threads change without a lock around all of a decision.
    ThreadsIn(String),
    /// A service that reserves before it is called, as tower's do.
    Services,
}

impl Need {
    /// Why an engine has not what this takes; `None` where it has.
    pub(crate) fn lacked_by(&self, engine: Engine, engines: &Engines) -> Option<String> {
        let has = |module: &str, words: &[&str]| engines.says(engine, module, words);
        if let Self::WaitsIn(module) | Self::OperationsIn(module) | Self::ThreadsIn(module) = self
            && !has(module, &[""])
        {
            return Some(format!("it has no `{module}` of its own"));
        }
        let (has, why) = match self {
            Self::StepBack => (can_step_back(engine), "its clock cannot step back".to_owned()),
            Self::WaitsIn(module) => {
                (has(module, &["async ", "Poll<"]), format!("nothing waits in its `{module}`"))
            }
            Self::OperationsIn(module) => (
                has(module, &["FnOnce", "AsyncFn", "Future"]),
                format!("its `{module}` runs no operation"),
            ),
            Self::ThreadsIn(module) => (
                has(module, &["Atomic"]),
                format!("a decision of its `{module}` is one turn of its owner or of a lock"),
            ),
            Self::Services => (has("", &["fn poll_ready"]), "it has no services".to_owned()),
        };
        (!has).then_some(why)
    }
}

/// The sources of the crates that decide on each engine, without comments and tests.
pub(crate) struct Engines {
    sources: Vec<Source>,
}

impl Engines {
    pub(crate) fn of_this_repository() -> Self {
        // What is played on the chip is core, and nothing of the adapters.
        let chip = fs::read_to_string(root().join("tests/metal/Cargo.toml")).unwrap();
        assert!(!chip.contains("resil-std") && !chip.contains("resil-embassy"), "{chip}");
        let sources = rust_files(root()).into_iter().map(|(path, text)| (path, code(&text)));
        Self { sources: sources.collect() }
    }

    /// Whether the engine's `module`, or any where it is empty, has one of these words.
    fn says(&self, engine: Engine, module: &str, words: &[&str]) -> bool {
        let package = match engine {
            Engine::Core | Engine::CortexM => "resil-core",
            Engine::Std => "resil-std",
            Engine::Embassy => "resil-embassy",
        };
        let (file, folder) =
            (format!("{package}/src/{module}.rs"), format!("{package}/src/{module}"));
        let mut sources = self.sources.iter().filter(|(path, _)| {
            let inside = path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'));
            *path == file || inside || module.is_empty() && path.starts_with(&folder)
        });
        sources.any(|(_, code)| words.iter().any(|word| code.contains(word)))
    }
}

/// A source without its comments, and up to its tests.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_an_engine_lacks_is_read_off_it() {
    let engines = Engines::of_this_repository();
    let lacking = |need: Need| -> Vec<Engine> {
        let lacks = |engine: &Engine| need.lacked_by(*engine, &engines).is_some();
        Engine::ALL.into_iter().filter(lacks).collect()
    };
    assert_eq!(lacking(Need::StepBack), [Engine::Embassy]);
    assert_eq!(lacking(Need::Services), [Engine::Core, Engine::Embassy, Engine::CortexM]);
    let waits = |module: &str| lacking(Need::WaitsIn(module.to_owned()));
    assert_eq!(waits("retry"), [Engine::Core, Engine::CortexM]);
    assert_eq!(waits("no_such_module"), Engine::ALL);
    assert_eq!(code("a\n// async\n    /// Poll<\nb\n#[cfg(test)]\nc"), "a\nb");
}
