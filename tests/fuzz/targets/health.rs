//! Checks, what steadies them, heartbeats, and the gate before the watchdog.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::health::{HEARTBEAT, ONE_CHECK, OfHysteresis, OfWatchdog, THREE_CHECKS};

#[derive(Debug, Arbitrary)]
enum Input {
    One(History),
    Three(History),
    Hysteresis(History),
    Heartbeat(History),
    Watchdog(History),
}

fuzz_target!(|input: Input| {
    match input {
        Input::One(history) => history.hold(&ONE_CHECK),
        Input::Three(history) => history.hold(&THREE_CHECKS),
        Input::Hysteresis(history) => history.hold(&OfHysteresis),
        Input::Heartbeat(history) => history.hold(&HEARTBEAT),
        Input::Watchdog(history) => history.hold(&OfWatchdog),
    }
});
