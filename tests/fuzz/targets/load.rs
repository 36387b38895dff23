//! How many at once: bulkhead, adaptive limits, throttle.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::load::{AIMD, GRADIENT, OfBulkhead, OfThrottle};

#[derive(Debug, Arbitrary)]
enum Input {
    Bulkhead(History),
    Aimd(History),
    Gradient(History),
    Throttle(History),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Bulkhead(history) => history.hold(&OfBulkhead),
        Input::Aimd(history) => history.hold(&AIMD),
        Input::Gradient(history) => history.hold(&GRADIENT),
        Input::Throttle(history) => history.hold(&OfThrottle),
    }
});
