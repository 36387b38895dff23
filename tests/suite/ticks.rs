//! Ticks: a counter that wraps, and time that does not.

use proptest::prelude::*;
use resil_core::Instant;
use resil_core::time::{TickCounter, TickRate};

const WRAP: u64 = 1 << 32;
/// The longest gap that is told apart, and the latest a reading may come late.
const FAR: u64 = WRAP - WRAP / 16;
const LATE: u64 = WRAP / 16 - 1;

fn exact(ticks: u64, hz: u64) -> Instant {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(hz);
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn rate() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(1_000),
        Just(32_768),
        Just(1_000_000),
        Just(16_000_000 / 3),
        Just(168_000_000),
        1..5_000_000_000_u64,
        1..i64::MAX as u64,
    ]
}

/// How far a counter goes on: little, about the edge, anything that may be.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000_u64, FAR - 1_000..=FAR, 0..=FAR]
}

proptest! {
    #[test]
    fn a_rate_converts_exactly_both_ways(hz in rate(), count: u64, shift in 0..64_u32) {
        let (rate, count) = (TickRate::new(hz).unwrap(), count >> shift);
        prop_assert_eq!(rate.instant_at(count), exact(count, hz));
        let ticks = (u128::from(count) * u128::from(hz)).div_ceil(1_000_000_000);
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        prop_assert_eq!(rate.tick_at(Instant::from_nanos(count)), ticks);
    }

    #[test]
    fn readings_less_than_fifteen_sixteenths_of_a_wrap_apart_are_exact_pitfall_76(
        hz in rate(),
        start in 0..1_u64 << 50,
        gaps in prop::collection::vec(gap(), 1..40),
    ) {
        let rate = TickRate::new(hz).unwrap();
        let mut counter = TickCounter::from_ticks(&rate, start);
        let mut ticks = start;
        for gap in gaps {
            ticks += gap;
            prop_assert_eq!(counter.widen(ticks as u32), exact(ticks, hz));
            prop_assert_eq!(counter.ticks(), ticks);
        }
    }

    #[test]
    fn late_readings_stop_time_and_do_not_jump_a_wrap(
        start in LATE..1 << 50,
        steps in prop::collection::vec((gap(), 0..=LATE), 1..40),
    ) {
        let rate = TickRate::new(1_000_000).unwrap();
        let mut counter = TickCounter::from_ticks(&rate, start);
        let mut ticks = start;
        for (gap, late) in steps {
            ticks += gap;
            let shown = counter.widen(ticks as u32);
            prop_assert_eq!(counter.widen((ticks - late) as u32), shown, "late by {}", late);
            prop_assert_eq!(counter.last(), shown);
        }
    }

    /// Too long a gap loses whole wraps, so time runs behind, and never back or ahead.
    #[test]
    fn whatever_the_gaps_time_is_never_ahead_and_never_back(
        gaps in prop::collection::vec(0..5 * WRAP, 1..40),
    ) {
        let rate = TickRate::new(32_768).unwrap();
        let mut counter = TickCounter::new(&rate);
        let (mut ticks, mut last) = (0, Instant::EPOCH);
        for gap in gaps {
            ticks += gap;
            let shown = counter.widen(ticks as u32);
            prop_assert!(shown >= last && shown <= exact(ticks, 32_768));
            last = shown;
        }
    }

    #[test]
    fn whoever_keeps_the_deadline_loses_nothing(hz in 1_000..200_000_000_u64, count in 1..50_u32) {
        let rate = TickRate::new(hz).unwrap();
        let mut counter = TickCounter::new(&rate);
        let mut ticks = 0;
        for _ in 0..count {
            ticks = rate.tick_at(counter.next_deadline());
            prop_assert_eq!(counter.widen(ticks as u32), exact(ticks, hz));
        }
        prop_assert_eq!(counter.ticks(), ticks);
        prop_assert_eq!(ticks, u64::from(count) << 31);
    }
}
