//! Every rate limit at any time.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::History;
use libfuzzer_sys::fuzz_target;
use resil_tests::laws::limits::{
    ALL_OF, EXACT_LOG, PER_REQUEST, STRICT_BUCKET, SUB_WINDOWS, TOKEN_BUCKET, WARM_UP,
};

#[derive(Debug, Arbitrary)]
enum Input {
    Tokens(History),
    Strict(History),
    SubWindows(History),
    Log(History),
    WarmUp(History),
    PerRequest(History),
    AllOf(History),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Tokens(history) => history.hold(&TOKEN_BUCKET),
        Input::Strict(history) => history.hold(&STRICT_BUCKET),
        Input::SubWindows(history) => history.hold(&SUB_WINDOWS),
        Input::Log(history) => history.hold(&EXACT_LOG),
        Input::WarmUp(history) => history.hold(&WARM_UP),
        Input::PerRequest(history) => history.hold(&PER_REQUEST),
        Input::AllOf(history) => history.hold(&ALL_OF),
    }
});
