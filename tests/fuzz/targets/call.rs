//! The composed call: three calls that share a breaker, limits, a bulkhead, a budget and hedging.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::{Wild, Wrong};
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::call;

#[derive(Debug, Arbitrary)]
enum Input {
    Waits(Wild),
    Over(Wrong),
    Jumps(Wild),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Waits(Wild(turns)) => call::waits(&turns),
        Input::Over(Wrong(turns)) => call::over(&turns),
        Input::Jumps(Wild(turns)) => call::jumps(&turns),
    }
});
