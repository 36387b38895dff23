//! The laws as they are written down: `contract/*.toml`, a file a machine.

use super::needs::Need;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// Where a law has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    Core,
    Std,
    Embassy,
    CortexM,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Core, Self::Std, Self::Embassy, Self::CortexM];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Std => "std",
            Self::Embassy => "embassy",
            Self::CortexM => "Cortex-M",
        }
    }
}

fn everywhere() -> Vec<Engine> {
    Engine::ALL.to_vec()
}

/// A law, where it has to hold, and what proves it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Law {
    pub(crate) id: String,
    pub(crate) says: String,
    #[serde(default = "everywhere")]
    pub(crate) engines: Vec<Engine>,
    #[serde(default)]
    pub(crate) needs: Option<Need>,
    pub(crate) proof: Vec<String>,
}

/// What is to be known of a pitfall besides the tests that carry its number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pitfall {
    pub(crate) number: u32,
    #[serde(default = "everywhere")]
    pub(crate) engines: Vec<Engine>,
    #[serde(default)]
    pub(crate) needs: Option<Need>,
    #[serde(default)]
    pub(crate) proof: Vec<String>,
}

/// A machine: its laws, and what its tests' paths have in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) name: String,
    /// A test of a pitfall is this machine's if its path holds one of these, and none that is longer.
    pub(crate) paths: Vec<String>,
    #[serde(rename = "law")]
    pub(crate) laws: Vec<Law>,
    #[serde(rename = "pitfall", default)]
    pub(crate) pitfalls: Vec<Pitfall>,
}

/// All of them, by name.
pub(crate) fn machines() -> Vec<Machine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract");
    let read = |path: &Path| -> Machine {
        let text = fs::read_to_string(path).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut machines: Vec<_> = paths.map(|path| read(&path)).collect();
    machines.sort_by(|one, other| one.name.cmp(&other.name));
    for machine in &machines {
        let mut ids: Vec<_> = machine.laws.iter().map(|law| &law.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), machine.laws.len(), "{}: an id stands there twice", machine.name);
    }
    machines
}
