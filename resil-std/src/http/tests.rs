use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use resil_core::retry::RetryPolicy;
use resil_core::{ErrorCode, RetryAt};

use super::*;

/// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110.
const NOW: u64 = 784_111_777;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn headers(of: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in of {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn hint(of: &[(&'static str, &[u8])]) -> RetryHint {
    retry_hint(&headers(of), at(NOW))
}

fn after(seconds: u64) -> RetryHint {
    RetryHint::After(Duration::from_secs(seconds))
}

#[test]
fn every_status_has_its_class() {
    let class = |status: u16| outcome(StatusCode::from_u16(status).unwrap());
    for status in 100..1000 {
        let expected = match status {
            100..=399 => Outcome::Success,
            429 | 503 => Outcome::Failure(FailureClass::Throttled),
            408 | 504 => Outcome::Failure(FailureClass::Timeout),
            400..=499 => Outcome::Ignored,
            _ => Outcome::Failure(FailureClass::Transient),
        };
        assert_eq!(class(status), expected, "{status}");
    }
}

#[test]
fn seconds_are_digits_and_what_is_not_a_time_is_not_there() {
    for (value, expected) in [
        (&b"0"[..], after(0)),
        (b"120", after(120)),
        (b" 5\t", after(5)),
        (b"0000000000000000000000000000007", after(7)),
        (b"18446744073709551616", after(u64::MAX)),
        (b"", RetryHint::None),
        (b"-1", RetryHint::None),
        (b"+1", RetryHint::None),
        (b"1.5", RetryHint::None),
        (b"1e9", RetryHint::None),
        (b"5, 6", RetryHint::None),
        (b"soon", RetryHint::None),
        (b"\xff\xfe", RetryHint::None),
        ("٣".as_bytes(), RetryHint::None),
    ] {
        assert_eq!(hint(&[("retry-after", value)]), expected, "{value:?}");
    }
    assert_eq!(hint(&[]), RetryHint::None);
}

#[test]
fn all_three_forms_of_a_date_are_read() {
    for date in [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",
    ] {
        assert_eq!(hint(&[("retry-after", date.as_bytes())]), after(60), "{date}");
    }
    for date in
        ["Sun, 06 Nov 1994 08:50:37 CET", "Sun, 31 Feb 1994 08:50:37 GMT", "1994-11-06T08:50:37Z"]
    {
        assert_eq!(hint(&[("retry-after", date.as_bytes())]), RetryHint::None, "{date}");
    }
}

#[test]
fn a_date_that_has_passed_asks_for_no_wait() {
    assert_eq!(hint(&[("retry-after", b"Sun, 06 Nov 1994 08:49:36 GMT")]), after(0));
}

#[test]
fn a_date_is_measured_by_the_servers_clock_where_it_sends_one() {
    let fields: &[(_, &[u8])] = &[
        ("date", b"Fri, 01 Jan 2100 00:00:00 GMT"),
        ("retry-after", b"Fri, 01 Jan 2100 00:00:30 GMT"),
    ];
    assert_eq!(hint(fields), after(30), "our clock is a century behind");
    assert_eq!(
        hint(&[("date", b"yesterday"), ("retry-after", b"Sun, 06 Nov 1994 08:50:37 GMT")]),
        after(60)
    );
}

#[test]
fn of_several_headers_the_longest_time_counts() {
    let fields: &[(_, &[u8])] =
        &[("retry-after", b"3"), ("retry-after", b"9"), ("retry-after", b"x")];
    assert_eq!(hint(fields), after(9));
}

#[test]
fn a_hint_comes_with_failures_and_a_quota_only_with_429() {
    let with = |status: u16, of: &[(&'static str, &[u8])]| {
        let status = StatusCode::from_u16(status).unwrap();
        check(status, &headers(of), at(NOW)).map_err(|error| error.classification())
    };
    let failure = |class, hint| Err(Classification::Failure(class, hint));
    let both: &[(_, &[u8])] = &[("ratelimit-reset", b"50"), ("retry-after", b"3")];
    let quota: &[(_, &[u8])] = &[("ratelimit-reset", b"50")];
    assert_eq!(with(429, both), failure(FailureClass::Throttled, after(3)));
    assert_eq!(with(429, quota), failure(FailureClass::Throttled, after(50)));
    assert_eq!(with(503, quota), failure(FailureClass::Throttled, RetryHint::None));
    assert_eq!(with(500, both), failure(FailureClass::Transient, after(3)));
    assert_eq!(with(504, both), failure(FailureClass::Timeout, after(3)));
    assert_eq!(with(404, both), Err(Classification::Ignored));
    assert_eq!(with(301, both), Ok(()));
}

/// What a server may send: a number, a date, something like either, or any bytes at all.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let date = any::<u32>().prop_map(|secs| httpdate::fmt_http_date(at(secs.into())).into_bytes());
    prop_oneof![
        "[0-9]{1,30}".prop_map(String::into_bytes),
        date.clone(),
        (date, any::<prop::sample::Index>(), 32..127_u8).prop_map(|(mut date, at, byte)| {
            *at.get_mut(&mut date) = byte;
            date
        }),
        "(Sun|Sunday|Fri), ?[0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
            .prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #[test]
    fn whatever_a_server_sends_there_is_an_answer_and_no_wait_beyond_the_policys(
        status in 100..1000_u16,
        fields in prop::collection::vec(
            (prop::sample::select(vec!["retry-after", "date", "ratelimit-reset"]), value()), 0..6),
        now in prop_oneof![0..4_000_000_000_u64, any::<u32>().prop_map(|s| u64::from(s) << 28)],
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(*name, value);
            }
        }
        let checked = check(status, &headers, at(now));
        prop_assert_eq!(checked.is_ok(), outcome(status) == Outcome::Success);
        let Err(error) = checked else { return Ok(()) };
        prop_assert_eq!(error.status(), status);
        prop_assert_eq!(error.classification().outcome(), outcome(status));

        let policy = RetryPolicy::builder().build().unwrap().classify(HttpError::classification);
        let mut retry = resil_core::retry::Retry::start(&policy, Instant::EPOCH);
        let now = Instant::EPOCH;
        if let resil_core::retry::Next::Wait(wait) =
            retry.record(&policy, error.classification(), || u32::MAX, now)
        {
            prop_assert!(wait.delay() <= policy.max_retry_after().max(policy.backoff().max_delay()));
        }
    }
}

#[test]
fn a_refusal_says_whole_seconds_and_none_too_few_or_too_many() {
    for (millis, seconds) in [(0, "0"), (1, "1"), (1_000, "1"), (1_001, "2")] {
        let at = RetryAt::At(Instant::from_duration(Duration::from_millis(millis)));
        let refused = Rejected::new(ErrorCode::RateLimitExceeded, at);
        let (status, headers) = refusal(refused, Instant::EPOCH);
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers[RETRY_AFTER], seconds, "{millis}");
    }
}
