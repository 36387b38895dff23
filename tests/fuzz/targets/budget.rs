//! What bounds a call: budgets, hedging, deadlines.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::budgets::{OfDeadline, OfHedge, OfPartition, RATIO_BUDGET, TOKEN_BUDGET};

#[derive(Debug, Arbitrary)]
enum Input {
    Tokens(History),
    Share(History),
    Hedge(History),
    Deadline(History),
    Partition(History),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Tokens(history) => history.hold(&TOKEN_BUDGET),
        Input::Share(history) => history.hold(&RATIO_BUDGET),
        Input::Hedge(history) => history.hold(&OfHedge),
        Input::Deadline(history) => history.hold(&OfDeadline),
        Input::Partition(history) => history.hold(&OfPartition),
    }
});
