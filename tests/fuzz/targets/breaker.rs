//! Circuit breakers with every window, and the rule that ejects peers.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::breakers::{FAILURES_IN_A_ROW, OF_A_SECOND, OF_TEN_CALLS, OfEjection};

#[derive(Debug, Arbitrary)]
enum Input {
    InARow(History),
    OfCalls(History),
    OfTime(History),
    Ejection(History),
}

fuzz_target!(|input: Input| {
    match input {
        Input::InARow(history) => history.hold(&FAILURES_IN_A_ROW),
        Input::OfCalls(history) => history.hold(&OF_TEN_CALLS),
        Input::OfTime(history) => history.hold(&OF_A_SECOND),
        Input::Ejection(history) => history.hold(&OfEjection),
    }
});
