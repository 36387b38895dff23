//! The machines beside each of four clocks: a number, tokio's paused time as resil-std reads it, resil-std's
//! mock clock, and embassy's mock driver as resil-embassy reads it.

use super::played::{Through, note};
use super::{mock, paused};
use resil_core::ManualClock;
use resil_tests::vectors::beside::{Subject, Timeline, play};
use resil_tests::vectors::direct::{Visitor, subject};
use resil_tests::vectors::{Script, load};

/// Plays a file on every clock.
pub(super) struct EveryClock<'f>(pub(super) &'f str);

impl Visitor for EveryClock<'_> {
    type Output = ();

    fn visit<S: Subject>(self) {
        let (file, scripts) = (self.0, load(self.0));
        check::<ManualClock, S>(file, &scripts, Through::ItsClock);
        check::<paused::Runtime, S>(file, &scripts, Through::ItsClock);
        check::<paused::Mocked, S>(file, &scripts, Through::ItsClock);
        check::<mock::Driver, S>(file, &scripts, Through::ItsClock);
    }
}

/// Plays scripts on one clock, those that it can, and compares.
pub(super) fn check<T: Timeline, S: Subject>(
    file: &str,
    scripts: &[Script<S::Policy>],
    through: Through,
) {
    let mut played = vec![];
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
        played.push(script.name.as_str());
    }
    assert!(!played.is_empty(), "{file}.toml, {}: nothing played", T::NAME);
    note(file, T::NAME, &played, through);
}

/// Plays `vectors/<file>.toml` on every clock.
fn conform(file: &str) {
    subject(file, EveryClock(file)).unwrap_or_else(|| panic!("nobody plays {file}.toml"));
}

#[test]
fn adaptive() {
    conform("adaptive");
}

#[test]
fn all_of() {
    conform("all_of");
}

#[test]
fn backoff() {
    conform("backoff");
}

#[test]
fn breaker_windows() {
    conform("breaker_windows");
}

#[test]
fn budget() {
    conform("budget");
}

#[test]
fn bulkhead() {
    conform("bulkhead");
}

#[test]
fn call() {
    conform("call");
}

#[test]
fn chaos() {
    conform("chaos");
}

#[test]
fn classes() {
    conform("classes");
}

#[test]
fn deadline() {
    conform("deadline");
}

#[test]
fn ejection() {
    conform("ejection");
}

#[test]
fn event() {
    conform("event");
}

#[test]
fn health() {
    conform("health");
}

#[test]
fn health_groups() {
    conform("health_groups");
}

#[test]
fn heartbeat() {
    conform("heartbeat");
}

#[test]
fn hedge() {
    conform("hedge");
}

#[test]
fn peers() {
    conform("peers");
}

#[test]
fn quota_change() {
    conform("quota_change");
}

#[test]
fn reserve() {
    conform("reserve");
}

#[test]
fn retry_waits() {
    conform("retry_waits");
}

#[test]
fn snapshot() {
    conform("snapshot");
}

#[test]
fn throttle() {
    conform("throttle");
}

#[test]
fn ticks() {
    conform("ticks");
}

#[test]
fn transitions() {
    conform("transitions");
}

#[test]
fn warm_up() {
    conform("warm_up");
}

#[test]
fn watchdog() {
    conform("watchdog");
}
