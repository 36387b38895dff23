//! Both algorithms against their originals in floating point.

use super::{MILLISECOND, at};
use core::time::Duration;
use proptest::prelude::*;
use resil_core::adaptive::{Aimd, ConcurrencyLimiter, Gradient};
use resil_core::outcome::FailureClass;
use resil_core::{Outcome, Ratio};
use resil_tests::oracle::adaptive as original;

const LOST: Outcome = Outcome::Failure(FailureClass::Timeout);

/// How long a call takes, how many others are let in before it ends, and whether it is lost.
fn call() -> impl Strategy<Value = (u64, usize, bool)> {
    let latency = prop_oneof![3 => 10..20_u64, 1 => 10..200_u64]
        .prop_map(|millis| millis * MILLISECOND + 777_777);
    (latency, 0..30_usize, prop::bool::weighted(0.02))
}

proptest! {
    #[test]
    fn aimd_has_the_limit_of_the_original_exactly(
        calls in prop::collection::vec(call(), 1..600),
        tenths in 5..10_u16,
    ) {
        let policy = Aimd::builder()
            .decrease(Ratio::new(tenths, 10))
            .utilisation(Ratio::new(1, 2))
            .build()
            .unwrap();
        let mut limiter = ConcurrencyLimiter::new(policy);
        let mut model = original::Aimd::new((1.0, 100.0), f64::from(tenths) / 10.0, 0.5, 10.0);
        let mut held = std::collections::VecDeque::new();
        let mut now = 0;
        for (latency, others, is_lost) in calls {
            for _ in 0..=others {
                if let Ok(permit) = limiter.try_acquire(0, at(now)) {
                    held.push_back((permit, f64::from(limiter.in_flight()), model.cuts()));
                }
            }
            now += latency;
            let (permit, in_flight, cuts) = held.pop_front().unwrap();
            let is_late = now >= permit.issued_at().as_nanos() + 5_000 * MILLISECOND;
            limiter.record(permit, if is_lost { LOST } else { Outcome::Success }, 0, at(now));
            model.result(is_lost || is_late, in_flight, cuts);
            prop_assert_eq!(f64::from(limiter.limit(at(now))), model.limit);
        }
    }

    #[test]
    fn gradient_stays_within_one_of_the_original(
        calls in prop::collection::vec(call(), 1..1_500),
    ) {
        let policy = Gradient::builder()
            .min_limit(5)
            .window(Duration::from_millis(40))
            .min_samples(4)
            .probe_interval(None)
            .build()
            .unwrap();
        let mut limiter = ConcurrencyLimiter::new(policy);
        let mut model = original::Gradient::new((5.0, 200.0), 20.0, (40 * MILLISECOND, 4));
        let mut held = std::collections::VecDeque::new();
        let mut now = 0;
        for (latency, others, is_lost) in calls {
            for _ in 0..=others {
                if let Ok(permit) = limiter.try_acquire(0, at(now)) {
                    held.push_back((permit, limiter.in_flight()));
                }
            }
            // A queue: who waits longer has the larger latency.
            now += latency / 10;
            let (permit, in_flight) = held.pop_front().unwrap();
            let took = now - permit.issued_at().as_nanos();
            limiter.record(permit, if is_lost { LOST } else { Outcome::Success }, 0, at(now));
            model.result((!is_lost).then_some(took), in_flight, now);
            let limit = f64::from(limiter.limit(at(now)));
            let original = model.limit.floor();
            prop_assert!((limit - original).abs() <= 1.0, "{limit} {}", model.limit);
        }
    }
}
