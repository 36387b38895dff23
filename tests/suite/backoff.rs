//! Delays: the curve against exact fractions, and the jitters.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::backoff::{Backoff, Curve, Jitter, Ratio, exponential_backoff};
use resil_tests::oracle::{self, backoff::is_precise};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const JITTERS: [Jitter; 5] =
    [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Quarter, Jitter::Decorrelated];
/// Attempts at which an overflow would show: shifts of 31, 32, 63 and 64 bits, and the last one.
const CRITICAL: [u32; 10] = [30, 31, 32, 39, 62, 63, 64, 65, 4_460, u32::MAX];

fn nanos(delay: Duration) -> u64 {
    delay.as_nanos().try_into().unwrap()
}

fn exponential(initial: u64, base: (u16, u16), max: u64) -> Backoff {
    Backoff::builder()
        .initial_delay(Duration::from_nanos(initial))
        .max_delay(Duration::from_nanos(max))
        .exponential_base(Ratio::new(base.0, base.1))
        .build()
        .unwrap()
}

fn capped(jitter: Jitter) -> Backoff {
    Backoff::builder().jitter(jitter).build().unwrap()
}

/// The delay after 100 attempts under decorrelated and any other jitter: at the cap.
fn at_cap(backoff: &Backoff, entropy: u32) -> Duration {
    backoff.jittered(100, Some(MINUTE), entropy)
}

fn bases() -> impl Strategy<Value = (u16, u16)> {
    let valid = |&(above, below): &(u16, u16)| {
        let (above, below) = (u32::from(above), u32::from(below));
        above == below || (above * 100 >= below * 101 && above <= below * 64)
    };
    prop_oneof![
        (1..=u16::MAX, 1..=u16::MAX).prop_filter("a base", valid),
        (101..=200_u16).prop_map(|above| (above, 100)),
        (64_884..=u16::MAX).prop_map(|above| (above, 64_241)).prop_filter("a base", valid),
        (1..=64_u16).prop_map(|above| (above, 1)),
    ]
}

/// `(initial, max)`, of any magnitude.
fn limits() -> impl Strategy<Value = (u64, u64)> {
    let any = (1..=u64::MAX, 0..64_u32).prop_map(|(value, shift)| (value >> shift).max(1));
    (any.clone(), any).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn attempts() -> impl Strategy<Value = u32> {
    prop_oneof![0..70_u32, 0..4_500_u32, any::<u32>(), Just(u32::MAX)]
}

fn jitters() -> impl Strategy<Value = Jitter> {
    prop::sample::select(&JITTERS)
}

#[test]
fn the_seeds_defaults() {
    let backoff = Backoff::DEFAULT;
    let delays: Vec<_> = backoff.delays().take(8).map(|delay| delay.as_secs()).collect();
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(backoff.jitter(), Jitter::Full);
}

#[test]
fn every_base_is_exact_at_every_attempt() {
    let bases =
        [(101, 100), (64_884, 64_241), (11, 10), (3, 2), (1_618, 1_000), (2, 1), (3, 1), (64, 1)];
    for base in bases {
        for initial in [1, 3, 1_000_003, 1_000_000_000] {
            let backoff = exponential(initial, base, u64::MAX);
            let mut attempt = 0;
            while attempt < 4_460 {
                let delay = nanos(backoff.delay(attempt));
                let value = oracle::backoff::exponential(attempt, initial, base, u64::MAX);
                assert!(is_precise(delay, &value), "{initial} · {base:?}^{attempt} is not {delay}");
                attempt += 1 + attempt / 16;
            }
        }
    }
}

#[test]
fn base_1_01_from_a_nanosecond_is_the_hardest() {
    let backoff = exponential(1, (101, 100), u64::MAX);
    for attempt in 3_380..4_460 {
        let value = oracle::backoff::exponential(attempt, 1, (101, 100), u64::MAX);
        assert!(is_precise(nanos(backoff.delay(attempt)), &value), "at {attempt}");
    }
}

#[test]
fn any_attempt_gives_the_cap_and_never_overflows_pitfall_81() {
    for base in [(2, 1), (3, 2), (64, 1), (101, 100)] {
        let backoff = exponential(1_000_000_000, base, 60_000_000_000);
        for attempt in CRITICAL.into_iter().filter(|&n| n >= 412) {
            assert_eq!(backoff.delay(attempt), MINUTE, "{base:?}^{attempt}");
        }
    }
    for attempt in CRITICAL {
        assert_eq!(Backoff::DEFAULT.delay(attempt), MINUTE);
        let uncapped = exponential(1, (2, 1), u64::MAX).delay(attempt);
        let value = oracle::backoff::exponential(attempt, 1, (2, 1), u64::MAX);
        assert_eq!(oracle::exact(nanos(uncapped)), value, "2^{attempt} ns");
    }
}

#[test]
fn factors_multiply_the_delay_not_the_base_pitfall_82() {
    let backoff = Backoff::builder().initial_delay(Duration::from_millis(50)).build().unwrap();
    let millis: Vec<_> = backoff.delays().take(5).map(|delay| delay.as_millis()).collect();
    assert_eq!(millis, [50, 100, 200, 400, 800], "not 50, 2500, 125000, …");
}

#[test]
fn the_first_retry_waits_exactly_the_initial_delay_pitfall_84() {
    for curve in [Curve::Fixed, Curve::Linear, Curve::Exponential(Ratio::new(3, 2))] {
        let backoff = Backoff::builder().curve(curve).jitter(Jitter::None).build().unwrap();
        assert_eq!(backoff.delay(0), SECOND, "{curve:?}");
        assert_eq!(backoff.jittered(0, None, u32::MAX), SECOND, "{curve:?}");
    }
}

#[test]
fn delays_stay_spread_at_the_cap_pitfall_79() {
    for (jitter, least) in [
        (Jitter::Full, MINUTE),
        (Jitter::Equal, MINUTE / 2),
        (Jitter::Quarter, MINUTE / 4),
        (Jitter::Decorrelated, MINUTE - SECOND),
    ] {
        let backoff = capped(jitter);
        // 4,096 devices, evenly apart, into 64 equal parts of the range: 64 each.
        let (low, width) = (at_cap(&backoff, 0), least / 64);
        let mut parts = [0; 64];
        for device in 0..4_096_u32 {
            let offset = at_cap(&backoff, device << 20) - low;
            parts[(offset.as_nanos() / width.as_nanos()) as usize] += 1;
        }
        assert!(parts.iter().all(|count| (63..=65).contains(count)), "{jitter:?}: {parts:?}");
    }
}

#[test]
fn entropy_comes_from_the_caller_pitfall_80() {
    for jitter in JITTERS.into_iter().filter(|&jitter| jitter != Jitter::None) {
        let delays = |seed: u32| {
            let mut state = seed;
            let mut draw = || {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                state
            };
            (0..8).map(|n| capped(jitter).jittered(n, Some(MINUTE), &mut draw)).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1), "{jitter:?}");
        assert!(delays(1).iter().zip(&delays(2)).all(|(a, b)| a != b), "{jitter:?}");
    }
}

#[test]
fn every_jitter_but_none_changes_the_delay_and_draws_once_pitfall_83() {
    for jitter in JITTERS {
        let mut drawn = 0;
        let delay = capped(jitter).jittered(3, Some(8 * SECOND), || {
            drawn += 1;
            0x2000_0000
        });
        assert_eq!(drawn, u32::from(jitter != Jitter::None), "{jitter:?}");
        assert_eq!(delay == 8 * SECOND, jitter == Jitter::None, "{jitter:?}");
    }
}

#[test]
fn equal_jitter_never_waits_less_than_half_pitfall_83() {
    let equal = capped(Jitter::Equal);
    assert_eq!(
        [equal.jittered(2, None, 0), equal.jittered(2, None, u32::MAX)],
        [2, 4].map(|s| s * SECOND)
    );
}

#[test]
fn the_first_retry_is_spread_too_pitfall_87() {
    for (jitter, low, high) in [
        (Jitter::Full, Duration::ZERO, SECOND),
        (Jitter::Equal, SECOND / 2, SECOND),
        (Jitter::Quarter, SECOND * 3 / 4, SECOND * 5 / 4),
        (Jitter::Decorrelated, SECOND, SECOND * 3),
    ] {
        let backoff = capped(jitter);
        assert_eq!(backoff.jittered(0, None, 0), low, "{jitter:?}");
        assert_eq!(backoff.jittered(0, None, u32::MAX), high, "{jitter:?}");
    }
}

#[test]
fn the_seeds_quarter_is_cut_at_the_cap_not_clamped_onto_it() {
    let quarter = capped(Jitter::Quarter);
    for (attempt, low, high) in [(5, 24, 40), (6, 45, 60)] {
        let high = high * SECOND;
        assert_eq!(quarter.jittered(attempt, None, 0), low * SECOND);
        let most = quarter.jittered(attempt, None, u32::MAX);
        // 2^32 values of entropy in 16 s: 4 ns apart.
        assert!(most <= high && high - most < Duration::from_nanos(4), "{most:?}");
    }
}

proptest! {
    #[test]
    fn exponential_delays_are_exact(
        base in bases(), (initial, max) in limits(), attempt in attempts()
    ) {
        let delay = nanos(exponential(initial, base, max).delay(attempt));
        let value = oracle::backoff::exponential(attempt, initial, base, max);
        prop_assert!(is_precise(delay, &value), "{} for {}", delay, value.to_integer());
        prop_assert!(delay <= max);
    }

    #[test]
    fn linear_and_fixed_delays_are_exact(
        (initial, max) in limits(), attempt in attempts()
    ) {
        let builder = Backoff::builder()
            .initial_delay(Duration::from_nanos(initial))
            .max_delay(Duration::from_nanos(max));
        let linear = builder.curve(Curve::Linear).build().unwrap().delay(attempt);
        prop_assert_eq!(oracle::exact(nanos(linear)), oracle::backoff::linear(attempt, initial, max));
        let fixed = builder.curve(Curve::Fixed).build().unwrap().delay(attempt);
        prop_assert_eq!(nanos(fixed), initial);
    }

    #[test]
    fn the_iterator_and_the_function_agree_bit_for_bit(
        base in bases(), (initial, max) in limits(), skip in 0..4_500_usize, attempt in attempts()
    ) {
        let backoff = exponential(initial, base, max);
        let function = |attempt| {
            let [initial, max] = [initial, max].map(Duration::from_nanos);
            exponential_backoff(attempt, initial, Ratio::new(base.0, base.1), max)
        };
        for (n, delay) in backoff.delays().enumerate().skip(skip).take(8) {
            prop_assert_eq!(delay, function(n as u32));
        }
        prop_assert_eq!(backoff.delay(attempt), function(attempt));
    }

    #[test]
    fn later_attempts_never_wait_less(
        base in bases(), (initial, max) in limits(), attempt in attempts(), step in attempts()
    ) {
        let backoff = exponential(initial, base, max);
        let later = attempt.saturating_add(step);
        prop_assert!(backoff.delay(attempt) <= backoff.delay(later));
        prop_assert!(backoff.delay(attempt) <= backoff.delay(attempt.saturating_add(1)));
    }

    #[test]
    fn no_entropy_lifts_a_delay_above_the_cap_pitfall_78(
        base in bases(), (initial, max) in limits(), attempt in attempts(), jitter in jitters(),
        previous in any::<Option<u64>>(), entropy in prop_oneof![any::<u32>(), Just(u32::MAX)]
    ) {
        let backoff = Backoff::builder()
            .initial_delay(Duration::from_nanos(initial))
            .max_delay(Duration::from_nanos(max))
            .exponential_base(Ratio::new(base.0, base.1))
            .jitter(jitter)
            .build()
            .unwrap();
        let jittered = nanos(backoff.jittered(attempt, previous.map(Duration::from_nanos), entropy));
        prop_assert!(jittered <= max);

        let d = u128::from(nanos(backoff.delay(attempt)));
        let previous = u128::from(previous.unwrap_or(0).max(initial));
        let (low, high) = match jitter {
            Jitter::None => (d, d),
            Jitter::Full => (0, d),
            Jitter::Equal => (d.div_ceil(2), d),
            Jitter::Quarter => ((3 * d).div_ceil(4), (5 * d / 4).min(max.into())),
            Jitter::Decorrelated => (initial.into(), (3 * previous).min(max.into())),
        };
        prop_assert!((low..=high).contains(&jittered.into()), "{} in {}..={}", jittered, low, high);
    }
}
