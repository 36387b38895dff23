//! A machine beside a clock: a number, or what an adapter reads.
//!
//! For machines that have no adapter of their own: what an adapter would add is the clock.

use super::{Engine, ORIGIN, Script, replay};
use alloc::string::String;
use resil_core::{Clock, Instant, ManualClock};
use serde::de::DeserializeOwned;

/// A machine that scripts are played to.
pub trait Subject: Sized {
    /// Its settings as a vector file spells them.
    type Policy: DeserializeOwned;

    /// A new one, at `now`.
    fn new(policy: &Self::Policy, now: Instant) -> Self;

    /// Lets one event happen at `now` and says what was decided; instants count from `start`.
    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String;
}

/// A clock that scripts can set.
pub trait Timeline {
    /// What reads it.
    const NAME: &'static str;
    /// Whether it can be set back.
    const CAN_STEP_BACK: bool;
    /// The shortest time that it tells apart, in nanoseconds.
    const RESOLUTION: u64;

    /// One that shows [`ORIGIN`].
    fn begin() -> Self;
    /// What it shows.
    fn now(&self) -> Instant;
    /// Sets it.
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

/// Plays a script to the machine `S` beside the clock `T`.
pub fn play<T: Timeline, S: Subject>(script: &Script<S::Policy>) -> String {
    let timeline = T::begin();
    let subject = S::new(&script.policy, timeline.now());
    replay(script, &mut Beside { timeline, subject })
}
