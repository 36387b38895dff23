//! What a limit admits: never more than its law, against exact fractions.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use fuzz::{Small, many};
use libfuzzer_sys::fuzz_target;
use resil_core::rate_limit::RateLimitConfig;
use resil_tests::laws::admission::{self as laws, Op};
use resil_tests::oracle::rate_limit::Quota;
use std::time::Duration;

#[derive(Debug, Arbitrary)]
enum Input {
    Bucket(Small, Forward, u32),
    Strict(Small, Forward, u32),
    RateLimit(Small, Forward, u32),
    AnyClock(Small, AnyWay, u32),
    Fractions(Small, Forward, u32),
    Ring(Small, Forward, u32),
    Log(Small, Forward, u32),
    AnyQuota(Wild, u64, u64, u32),
}

#[derive(Debug)]
struct Forward(Vec<Op>);

impl<'a> Arbitrary<'a> for Forward {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, forward).map(Self)
    }
}

fn forward(u: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match u.int_in_range(0..=7)? {
        0 | 1 => Op::Step(u.int_in_range(0..=11)?, u.int_in_range(0..=2)?),
        2 => Op::Step(u.int_in_range(0..=199)?, u.int_in_range(0..=999)?),
        3..=5 => Op::Acquire(u.int_in_range(0..=3)?),
        6 => Op::Acquire(u.int_in_range(0..=15)?),
        _ => Op::Refund(u.int_in_range(0..=3)?),
    })
}

#[derive(Debug)]
struct AnyWay(Vec<Op>);

impl<'a> Arbitrary<'a> for AnyWay {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        many(u, |u| {
            Ok(match u.int_in_range(0..=5)? {
                0..=3 => forward(u)?,
                4 => Op::Back(u.int_in_range(0..=599)?, u.int_in_range(0..=999)?),
                _ => Op::Jump,
            })
        })
        .map(Self)
    }
}

/// Any valid quota, the extreme ones included.
#[derive(Debug)]
struct Wild(Quota);

impl<'a> Arbitrary<'a> for Wild {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let quota = Quota {
            max: u.arbitrary::<u32>()? >> u.int_in_range(0..=31)?,
            window: u.arbitrary::<u64>()? >> u.int_in_range(0..=63)?,
            burst: u.arbitrary::<u32>()? >> u.int_in_range(0..=31)?,
        };
        let built = RateLimitConfig::builder()
            .max_requests(quota.max)
            .time_window(Duration::from_nanos(quota.window))
            .burst_size(quota.burst)
            .build();
        built.map(|_| Self(quota)).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

fuzz_target!(|input: Input| {
    match input {
        Input::Bucket(Small(quota), Forward(ops), start) => {
            laws::bucket_never_admits_more_than_burst_and_rate(quota, &ops, start.into());
        }
        Input::Strict(Small(quota), Forward(ops), start) => {
            laws::strict_bucket_never_exceeds_the_maximum_in_any_window(quota, &ops, start.into());
        }
        Input::RateLimit(Small(quota), Forward(ops), start) => {
            laws::rate_limit_never_exceeds_the_maximum_in_any_window(quota, &ops, start.into());
        }
        Input::AnyClock(Small(quota), AnyWay(ops), start) => {
            laws::a_clock_that_misbehaves_mints_nothing(quota, &ops, start.into());
        }
        Input::Fractions(Small(quota), Forward(ops), start) => {
            laws::bucket_differs_from_exact_fractions_by_at_most_a_nanosecond(
                quota,
                &ops,
                start.into(),
            );
        }
        Input::Ring(Small(quota), Forward(ops), start) => {
            laws::sub_windows_open_at_most_one_sub_window_late(quota, &ops, start.into());
        }
        Input::Log(Small(quota), Forward(ops), start) => {
            laws::exact_log_opens_exactly_when_the_window_does(quota, &ops, start.into());
        }
        Input::AnyQuota(Wild(quota), first, second, cost) => {
            laws::every_valid_quota_is_exact_at_every_instant(quota, first, second, cost);
        }
    }
});
