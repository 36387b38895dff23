//! Core's machines beside each of three clocks: a number, tokio's paused time as resil-std reads it,
//! and embassy's mock driver as resil-embassy reads it.
//!
//! For machines that have no adapter of their own: what an adapter would add is the clock.

use super::{ORIGIN, mock, paused};
use resil_core::{Clock, Instant, ManualClock};
use resil_tests::vectors::{Engine, Script, load, replay};
use serde::de::DeserializeOwned;

/// A machine that scripts are played to.
pub(super) trait Subject: Sized {
    /// Its settings as a vector file spells them.
    type Policy: DeserializeOwned;

    /// A new one, at `now`.
    fn new(policy: &Self::Policy, now: Instant) -> Self;

    /// Lets one event happen at `now` and says what was decided; instants count from `start`.
    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String;
}

/// A clock that scripts can set.
pub(super) trait Timeline {
    const NAME: &'static str;
    const CAN_STEP_BACK: bool;
    /// The shortest time that it tells apart, in nanoseconds.
    const RESOLUTION: u64;

    /// One that shows [`ORIGIN`].
    fn begin() -> Self;
    fn now(&self) -> Instant;
    fn move_to(&mut self, instant: Instant);
}

impl Timeline for ManualClock {
    const NAME: &'static str = "core";
    const CAN_STEP_BACK: bool = true;
    const RESOLUTION: u64 = 1;

    fn begin() -> Self {
        Self::new(ORIGIN)
    }

    fn now(&self) -> Instant {
        Clock::now(self)
    }

    fn move_to(&mut self, instant: Instant) {
        self.set(instant);
    }
}

struct Beside<T, S> {
    timeline: T,
    subject: S,
}

impl<T: Timeline, S: Subject> Engine for Beside<T, S> {
    fn now(&self) -> Instant {
        self.timeline.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.timeline.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        self.subject.apply(event, self.timeline.now(), start)
    }
}

/// Plays a script on one clock.
pub(super) fn play<T: Timeline, S: Subject>(script: &Script<S::Policy>) -> String {
    let timeline = T::begin();
    let subject = S::new(&script.policy, timeline.now());
    replay(script, &mut Beside { timeline, subject })
}

fn check<T: Timeline, S: Subject>(file: &str, scripts: &[Script<S::Policy>]) {
    let mut played = 0;
    let can = |script: &&Script<S::Policy>| {
        script.is_within(T::RESOLUTION) && (T::CAN_STEP_BACK || !script.steps_back())
    };
    for script in scripts.iter().filter(can) {
        let (trace, expected) = (play::<T, S>(script), script.expected());
        assert!(
            trace == expected,
            "{file}.toml, {}\n--- expected\n{expected}--- decided\n{trace}",
            T::NAME
        );
        played += 1;
    }
    assert!(played > 0, "{file}.toml, {}: nothing played", T::NAME);
}

/// Plays `vectors/<file>.toml` on every clock.
pub(super) fn conform<S: Subject>(file: &str) {
    let scripts = load(file);
    check::<ManualClock, S>(file, &scripts);
    check::<paused::Runtime, S>(file, &scripts);
    check::<mock::Driver, S>(file, &scripts);
}
