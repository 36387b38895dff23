//! Vector files played one after the other, by a program on a host or on a chip.

use super::{Replay, direct};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What has been played so far, and what was not as it should be. Shown, it is a report.
#[derive(Clone, Debug, Default)]
pub struct Run {
    files: usize,
    scripts: usize,
    identical: usize,
    differences: Vec<String>,
}

impl Run {
    /// Plays the scripts of the vector file at `path`, which says `text`, on core, and gives their
    /// traces under the file's name.
    ///
    /// # Panics
    ///
    /// If a script says what its machine does not understand.
    pub fn play(&mut self, path: &str, text: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        let name = name.strip_suffix(".toml").unwrap_or(name);
        self.files += 1;
        let replays = direct::play(name, text).unwrap_or_else(|error| {
            self.differences.push(format!("{name}.toml: {error}"));
            Vec::new()
        });
        let mut traces = format!("{name}.toml\n");
        for replay in &replays {
            traces.push_str(&replay.trace);
            self.count(name, replay);
        }
        traces
    }

    fn count(&mut self, file: &str, replay: &Replay) {
        self.scripts += 1;
        match replay.difference() {
            None => self.identical += 1,
            Some(difference) => {
                self.differences.push(format!("{file}.toml, {}, {difference}", replay.name));
            }
        }
    }

    /// Whether something was played, and all of it went as its scripts expect.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.scripts > 0 && self.differences.is_empty()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let Self { files, scripts, identical, .. } = self;
        write!(f, "{identical} of {scripts} scripts in {files} files identical")
    }
}
