//! Errors from the wire: any bytes are refused or an error, and an error is what it was before it travelled.
#![no_main]

use arbitrary::Arbitrary;
use core::time::Duration;
use libfuzzer_sys::fuzz_target;
use resil_core::backoff::Jitter;
use resil_core::error::{ErrorCode, Value, WireError};
use resil_core::outcome::{Classification, FailureClass, RetryAt};
use resil_core::retry::{Next, Retry, RetryPolicy};
use resil_core::{Instant, valid};

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Json(&'a [u8]),
    Postcard(&'a [u8]),
    Error(Built<'a>),
}

#[derive(Debug, Arbitrary)]
struct Built<'a> {
    number: u16,
    message: &'a str,
    details: Vec<(&'a str, Kind<'a>)>,
    retry: Option<Option<u64>>,
    now: u64,
}

#[derive(Debug, Arbitrary)]
enum Kind<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Span(Duration),
    Text(&'a str),
}

/// More than the longest error takes.
const ROOM: usize = 1_024;
/// The longest that a peer is believed.
const LONGEST: Duration = Duration::from_secs(30);
const POLICY: RetryPolicy = valid!(
    RetryPolicy::builder()
        .jitter(Jitter::None)
        .max_delay(Duration::from_secs(1))
        .max_retry_after(LONGEST)
        .build()
);

/// What holds for every error, wherever it comes from.
fn laws<const N: usize>(error: &WireError<N>) {
    assert!(error.details().count() <= N);
    let _ = (error.to_string(), error.code(), error.lost());
    let json = serde_json::to_vec(error).expect("it has a form");
    assert_eq!(serde_json::from_slice::<WireError<N>>(&json).as_ref().ok(), Some(error));
    let mut room = [0; ROOM];
    let bytes = postcard::to_slice(error, &mut room).expect("it is bounded");
    assert_eq!(postcard::from_bytes::<WireError<N>>(bytes).as_ref(), Ok(error));
    // Whoever has less room loses details, and knows how many.
    let less: WireError<1> = postcard::from_bytes(bytes).expect("the same shape");
    let all = error.details().count() + usize::from(error.lost());
    assert_eq!(
        less.details().count() + usize::from(less.lost()),
        all.min(255 + less.details().count())
    );
    assert_eq!((less.number(), less.hint()), (error.number(), error.hint()));
    obey(error);
}

/// Whatever it says, a retry waits no longer than it lets a peer say.
fn obey<const N: usize>(error: &WireError<N>) {
    let now = Instant::from_nanos(1 << 42);
    let mut retry = Retry::start(&POLICY, now);
    let class = Classification::Failure(FailureClass::Throttled, error.hint());
    match retry.record(&POLICY, class, 0, now) {
        Next::Wait(wait) => assert!(wait.delay() <= LONGEST && !error.never()),
        Next::Stop(_) => assert!(error.never()),
    }
}

fn built(input: &Built) -> WireError {
    let code = ErrorCode::try_from(input.number).unwrap_or(ErrorCode::UnknownError);
    let mut error = WireError::new(code, input.message);
    for (key, value) in &input.details {
        error = match value {
            Kind::Bool(value) => error.with_detail(key, *value),
            Kind::Unsigned(value) => error.with_detail(key, *value),
            Kind::Signed(value) => error.with_detail(key, *value),
            Kind::Span(value) => error.with_detail(key, Value::Duration(*value)),
            Kind::Text(value) => error.with_detail(key, *value),
        };
    }
    let retry = match input.retry {
        None => return error,
        Some(None) => RetryAt::Never,
        Some(Some(at)) => RetryAt::At(Instant::from_nanos(at)),
    };
    error.with_retry(retry, Instant::from_nanos(input.now))
}

fuzz_target!(|input: Input| {
    match input {
        Input::Json(bytes) => {
            if let Ok(error) = serde_json::from_slice::<WireError>(bytes) {
                laws(&error);
            }
            if let Ok(error) = serde_json::from_slice::<WireError<0>>(bytes) {
                laws(&error);
            }
        }
        Input::Postcard(bytes) => {
            if let Ok(error) = postcard::from_bytes::<WireError>(bytes) {
                laws(&error);
            }
        }
        Input::Error(input) => laws(&built(&input)),
    }
});
