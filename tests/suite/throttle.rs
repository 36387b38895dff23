//! The throttle against exact fractions and a log of everything, and what it does to a peer.

use core::ops::Range;
use core::time::Duration;
use proptest::prelude::*;
use resil_core::outcome::FailureClass;
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::throttle::{AdaptiveThrottle, Permit, Throttler};
use resil_core::{ErrorCode, Instant, Outcome, Ratio};
use resil_tests::oracle::throttle::{Policy, counted};
use resil_tests::oracle::{Ratio as Exact, exact};

const SECOND: u64 = 1_000_000_000;
const WINDOW: u64 = 120 * SECOND;
const BUSY: Outcome = Outcome::Failure(FailureClass::Throttled);

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn build(policy: &Policy) -> AdaptiveThrottle {
    AdaptiveThrottle::builder()
        .multiplier(Ratio::new(policy.multiplier.0, policy.multiplier.1))
        .max_share(Ratio::new(policy.max_share.0, policy.max_share.1))
        .min_requests(u32::try_from(policy.min_requests).unwrap())
        .build()
        .unwrap()
}

fn policy() -> impl Strategy<Value = Policy> {
    let multiplier = (1..=59_577_u16).prop_flat_map(|below| {
        let least = u16::try_from((u32::from(below) * 11).div_ceil(10)).unwrap();
        (least..=u16::MAX).prop_map(move |above| (above, below))
    });
    let usual = prop_oneof![Just((2, 1)), Just((3, 2)), Just((11, 10))];
    let max_share =
        (2..=u16::MAX).prop_flat_map(|below| (1..below).prop_map(move |above| (above, below)));
    (prop_oneof![1 => multiplier, 3 => usual], max_share, 0..12_u64).prop_map(
        |(multiplier, max_share, min_requests)| Policy { multiplier, max_share, min_requests },
    )
}

fn op() -> impl Strategy<Value = (u64, bool, u32)> {
    // Time that passes, whether the peer accepts, and the dice.
    let pause = prop_oneof![20 => 0..SECOND, 2 => 0..30 * SECOND, 1 => Just(WINDOW)];
    (pause, prop::bool::weighted(0.3), any::<u32>())
}

proptest! {
    #[test]
    fn it_refuses_exactly_where_the_fractions_say_pitfall_49(
        policy in policy(),
        ops in prop::collection::vec(op(), 1..300),
    ) {
        let mut throttle = Throttler::new(build(&policy));
        let (mut asked, mut accepted) = (Vec::new(), Vec::new());
        let mut now = SECOND;
        for (pause, accepts, drawn) in ops {
            now += pause;
            let (requests, accepts_before) = (throttle.requests(at(now)), throttle.accepts(at(now)));
            for (count, log) in [(requests, &asked), (accepts_before, &accepted)] {
                let (most, least) = counted(log, WINDOW, now);
                prop_assert!((least..=most).contains(&count.into()), "{least} {count} {most}");
            }
            let wanted = policy.refuses(requests.into(), accepts_before.into(), drawn);
            prop_assert_eq!(drawn < throttle.reject_share(at(now)), wanted);
            let answer = throttle.try_acquire(drawn, at(now));
            prop_assert_eq!(answer.is_err(), wanted);
            asked.push(now);
            match answer {
                Ok(permit) if accepts => {
                    throttle.record(permit, Outcome::Success, at(now));
                    accepted.push(now);
                }
                Ok(permit) => {
                    throttle.record(permit, BUSY, at(now));
                }
                Err(rejected) => prop_assert_eq!(rejected.code(), ErrorCode::LoadShed),
            }
        }
    }

    #[test]
    fn no_clock_breaks_it_pitfalls_61_68(
        ops in prop::collection::vec((any::<u64>(), any::<u32>(), 0..4_u8), 1..100),
    ) {
        let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
        let mut held: Vec<Permit> = Vec::new();
        for (now, drawn, what) in ops {
            let now = at(now);
            match (what, held.pop()) {
                (0, Some(permit)) => {
                    throttle.record(permit, Outcome::Success, now);
                }
                (1, Some(permit)) => {
                    throttle.record(permit, Outcome::Ignored, now);
                }
                (_, last) => held.extend(last),
            }
            let share = throttle.reject_share(now);
            let answer = throttle.try_acquire(drawn, now);
            prop_assert_eq!(answer.is_err(), drawn < share);
            held.extend(answer.ok());
            if let Some(next) = throttle.next_deadline(now) {
                prop_assert!(next > now || now == Instant::MAX);
                prop_assert!(next.saturating_since(now) <= Duration::from_nanos(WINDOW / 2 * 3));
            }
        }
    }

    #[test]
    fn what_is_saved_comes_back_alike(
        asked in 0..200_usize,
        share in 0..=10_usize,
        start in any::<u32>(),
        later in any::<u32>(),
    ) {
        let policy = AdaptiveThrottle::DEFAULT;
        let (start, later) = (at(start.into()), at(later.into()));
        let mut throttle = Throttler::new(&policy);
        let permits: Vec<_> =
            (0..asked).map(|_| throttle.try_acquire(u32::MAX, start).unwrap()).collect();
        for (index, permit) in permits.into_iter().enumerate() {
            throttle.record(permit, if index % 10 < share { Outcome::Success } else { BUSY }, start);
        }
        let mut bytes = [0; AdaptiveThrottle::LEN];
        policy.save(throttle.as_state(), start, &mut bytes).unwrap();
        // The clock restarts anywhere.
        let restored = policy.restore(&bytes, later).unwrap();
        prop_assert_eq!(policy.reject_share(&restored, later), throttle.reject_share(start));
        prop_assert_eq!(policy.requests(&restored, later), throttle.requests(start));
        prop_assert_eq!(policy.accepts(&restored, later), throttle.accepts(start));
        bytes[3] ^= 1;
        prop_assert_eq!(policy.restore(&bytes, later), Err(SnapshotError::Damaged));
    }
}

/// A peer that accepts `accepts` calls a second of `wants`; returns what it saw a second over the last
/// window.
fn overloaded(throttle: &mut Throttler, wants: u64, accepts: u64, seconds: Range<u64>) -> u64 {
    let mut dice = 1_u64;
    let mut seen_at_last = 0;
    for second in seconds.clone() {
        let mut seen = 0;
        for call in 0..wants {
            let now = at(second * SECOND + call * (SECOND / wants));
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if let Ok(permit) = throttle.try_acquire((dice >> 32) as u32, now) {
                seen += 1;
                throttle.record(permit, if seen <= accepts { Outcome::Success } else { BUSY }, now);
            }
        }
        if second >= seconds.end - 120 {
            seen_at_last += seen;
        }
    }
    seen_at_last / 120
}

#[test]
fn a_peer_sees_k_times_what_it_accepts() {
    let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
    let seen = overloaded(&mut throttle, 100, 10, 0..600);
    assert!((19..=22).contains(&seen), "{seen} a second, of which it accepts 10");
}

#[test]
fn a_dead_peer_still_sees_a_tenth_and_is_found_again_pitfall_92() {
    let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
    let seen = overloaded(&mut throttle, 100, 0, 0..300);
    assert!((8..=12).contains(&seen), "{seen} of 100 a second");

    // It is back: within three windows nothing is refused any more.
    overloaded(&mut throttle, 100, 100, 300..660);
    assert_eq!(throttle.reject_share(at(660 * SECOND)), 0);
}

#[test]
fn with_the_smallest_multiplier_a_peer_that_is_back_gets_everything_again_pitfall_92() {
    // With one of 1 the share of refusals would stay at nine tenths for ever.
    let policy = AdaptiveThrottle::builder().multiplier(Ratio::new(11, 10)).build().unwrap();
    let mut throttle = Throttler::new(policy);
    overloaded(&mut throttle, 100, 0, 0..300);
    overloaded(&mut throttle, 100, 100, 300..300 + 25 * 120);
    assert_eq!(throttle.reject_share(at((300 + 25 * 120) * SECOND)), 0);
}

#[test]
fn another_policy_takes_over_what_was_counted() {
    let mut throttle = Throttler::new(AdaptiveThrottle::DEFAULT);
    let old = throttle.try_acquire(0, at(0)).unwrap();
    for _ in 0..19 {
        let _permit = throttle.try_acquire(u32::MAX, at(0)).unwrap();
    }
    let shorter = AdaptiveThrottle::builder().window(Duration::from_secs(10)).build().unwrap();
    throttle.reconfigure(shorter, at(60 * SECOND));
    assert_eq!(throttle.requests(at(60 * SECOND)), 20);
    // Permits of before stay good.
    throttle.record(old, Outcome::Success, at(60 * SECOND));
    assert_eq!(throttle.accepts(at(60 * SECOND)), 1);
    assert_eq!(throttle.requests(at(70 * SECOND)), 0);

    let same_window = AdaptiveThrottle::builder()
        .window(Duration::from_secs(10))
        .max_share(Ratio::new(1, 2))
        .build()
        .unwrap();
    throttle.reconfigure(same_window, at(61 * SECOND));
    assert_eq!(throttle.reject_share(at(61 * SECOND)), 1 << 31);
}

#[test]
fn the_share_is_the_formulas() {
    let policy = Policy { multiplier: (2, 1), max_share: (9, 10), min_requests: 10 };
    assert_eq!(policy.share(30, 10), Exact::new(10.into(), 31.into()));
    assert_eq!(policy.share(9, 0), exact(0));
    assert_eq!(policy.share(1_000, 0), Exact::new(9.into(), 10.into()));
}
