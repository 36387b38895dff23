//! Scripts in TOML: time, event, expected decision. Any implementation in any language can replay
//! them; `vectors/README.md` is the contract.
//!
//! A replay gives a trace, one line per step. Engines that decide alike give the same trace, byte
//! for byte, and it is the script's own ([`Script::expected`]).

pub mod attempts;
pub mod beside;
pub mod direct;
pub mod machines;
pub mod policies;
pub mod run;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{Display, Write};
use resil_core::Instant;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Where scripts begin: two days after the epoch, so that there is time to step back to.
pub const ORIGIN: Instant = Instant::from_nanos(2 * 86_400 * 1_000_000_000);

/// One step: the time since the script began in its [unit](Script::unit), the event, the decision.
pub type Step = (u64, String, String);

/// What the times of a script's steps count. Instants in decisions are milliseconds under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Milliseconds.
    #[default]
    Ms,
    /// Nanoseconds.
    Ns,
}

impl Unit {
    /// In nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Ms => 1_000_000,
            Self::Ns => 1,
        }
    }
}

/// A sequence of events at one machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script<P> {
    /// What it shows; a sentence.
    pub name: String,
    /// The machine's settings; what is not given is the default.
    pub policy: P,
    /// What the steps' times count; milliseconds where it is not given.
    #[serde(default)]
    pub unit: Unit,
    /// What happens.
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<P> {
    script: Vec<Script<P>>,
}

/// The scripts of a vector file.
///
/// # Errors
///
/// What is wrong with it: not the schema, no script, a script without steps, two of one name.
pub fn parse<P: DeserializeOwned>(text: &str) -> Result<Vec<Script<P>>, String> {
    let File { script: scripts } = toml::from_str(text).map_err(|error| error.to_string())?;
    if scripts.is_empty() {
        return Err("no script".to_owned());
    }
    for (index, script) in scripts.iter().enumerate() {
        if script.steps.is_empty() {
            return Err(format!("{}: no steps", script.name));
        }
        if scripts[..index].iter().any(|other| other.name == script.name) {
            return Err(format!("{}: two scripts of this name", script.name));
        }
    }
    Ok(scripts)
}

/// The scripts of `vectors/<name>.toml`.
///
/// # Panics
///
/// If the file is not there or is wrong: a gate that reads nothing must not pass.
#[cfg(feature = "std")]
#[must_use]
pub fn load<P: DeserializeOwned>(name: &str) -> Vec<Script<P>> {
    let path = format!("{}/vectors/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl<P> Script<P> {
    /// The trace that a replay has to give.
    #[must_use]
    pub fn expected(&self) -> String {
        let mut trace = Trace::new(&self.name);
        for (at, event, decision) in &self.steps {
            trace.line(at, event, decision);
        }
        trace.finish()
    }

    /// Whether its clock steps back, which not every clock can.
    #[must_use]
    pub fn steps_back(&self) -> bool {
        !self.steps.is_sorted_by_key(|(at, ..)| at)
    }

    /// Whether a clock that counts in steps of `nanos` can show all its times.
    #[must_use]
    pub fn is_within(&self, nanos: u64) -> bool {
        self.steps.iter().all(|(at, ..)| (at * self.unit.nanos()).is_multiple_of(nanos))
    }
}

/// A script as it was played.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The script's name.
    pub name: String,
    /// The trace that it had to give.
    pub expected: String,
    /// The trace that it gave.
    pub trace: String,
}

impl Replay {
    /// The first step whose decision is not the expected one, and both decisions; `None` where all
    /// are the same, byte for byte.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        if self.trace == self.expected {
            return None;
        }
        // The first line is the name, so that the number of a line is that of its step.
        let (mut expected, mut decided) = (self.expected.lines(), self.trace.lines());
        let mut step = 0;
        loop {
            let (expected, decided) = (expected.next(), decided.next());
            if expected != decided || expected.is_none() {
                let [expected, decided] = [expected, decided].map(|line| line.unwrap_or("nothing"));
                return Some(format!("step {step}\n  expected  {expected}\n  decided   {decided}"));
            }
            step += 1;
        }
    }
}

/// The decisions of one replay, as text.
#[derive(Clone, Debug)]
pub struct Trace(String);

impl Trace {
    /// A trace of the script called `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(format!("{name}\n"))
    }

    /// What was decided about `event`, `at` milliseconds after the start.
    pub fn line(&mut self, at: impl Display, event: &str, decision: &str) {
        writeln!(self.0, "{at}  {event}  {decision}").expect("a string takes all");
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// Milliseconds from `start` to `instant`, with the fraction there is.
#[must_use]
pub fn millis(instant: Instant, start: Instant) -> String {
    let nanos = instant.saturating_since(start).as_nanos();
    let fraction = format!("{:06}", nanos % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", nanos / 1_000_000)
}

/// Something with a clock and a machine that a script is played to.
pub trait Engine {
    /// The present instant, by its own clock.
    fn now(&self) -> Instant;

    /// Sets its clock.
    fn move_to(&mut self, instant: Instant);

    /// Lets one event happen and says what was decided; instants count from `start`.
    fn apply(&mut self, event: &[&str], start: Instant) -> String;
}

/// Plays `script` to `engine` from its present instant on.
pub fn replay<P>(script: &Script<P>, engine: &mut impl Engine) -> String {
    let start = engine.now();
    let mut trace = Trace::new(&script.name);
    for (at, event, _) in &script.steps {
        engine.move_to(Instant::from_nanos(start.as_nanos() + at * script.unit.nanos()));
        let words: Vec<_> = event.split(' ').collect();
        let decision = engine.apply(&words, start);
        trace.line(at, event, &decision);
    }
    trace.finish()
}
