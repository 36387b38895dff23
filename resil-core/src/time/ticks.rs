//! A timer's ticks as instants: any rate, any counter, exact.
//!
//! A microcontroller's timer counts in 32 bits and begins again: after 71 minutes at 1 MHz, after 49.7
//! days at 1 kHz. A [`TickCounter`] counts on over the wrap, and a [`TickRate`] makes nanoseconds of
//! ticks.
//!
//! # When not to use it
//!
//! Where the platform has a 64-bit time already: embassy does (`resil-embassy` reads it), and so does
//! every operating system. A counter that stops in deep sleep stays behind; use the RTC's.
//!
//! # Laws
//!
//! - A reading is `floor(ticks · 10⁹ / hz)` nanoseconds, exactly, for 584 years: it depends on the tick
//!   alone, and nothing is added up.
//! - Readings that are less than 15/16 of a wrap apart are told apart, in order; so call it at least
//!   [once per half wrap](TickCounter::next_deadline).
//! - It never goes back. A reading up to 1/16 of a wrap *before* the last one is late, not early: an
//!   interrupt widened its own between our look at the timer and the call. It gives the last instant
//!   again.
//! - Nothing but a gap of 15/16 of a wrap or more is lost, and what is lost is whole wraps: time then
//!   runs behind, never ahead.
//!
//! # Timeline
//!
//! ```
//! use resil_core::time::{TickCounter, TickRate};
//! use resil_core::valid;
//!
//! static MICROSECONDS: TickRate = valid!(TickRate::new(1_000_000));
//! let mut clock = TickCounter::new(&MICROSECONDS);
//!
//! assert_eq!(clock.widen(5).as_nanos(), 5_000);
//! clock.widen(0x8000_0000); // half a wrap on: 35 minutes
//! assert_eq!(clock.widen(0xFFFF_FFFF).as_nanos(), 4_294_967_295_000);
//! assert_eq!(clock.widen(3).as_nanos(), 4_294_967_299_000, "the timer began again, time does not");
//! assert_eq!(clock.widen(1).as_nanos(), 4_294_967_299_000, "looked at before the 3, told after it");
//! assert_eq!(clock.widen(4).as_nanos(), 4_294_967_300_000);
//! ```
//!
//! Cost: a subtraction and five products of 32 bits by 32; where the rate divides 10⁹, one product of
//! 64 bits.

use super::scale::Scale;
use super::{Instant, SECOND};
use crate::config::ConfigError;
use core::borrow::Borrow;

/// How far back a reading may lie and still be a late one: 1/16 of a wrap. On a core of 170 MHz that is
/// 1.5 s, longer than anybody is interrupted.
const LATE: u32 = 1 << 28;

/// How often a timer ticks.
///
/// ```
/// use resil_core::{Instant, time::TickRate, valid};
///
/// const WATCH_CRYSTAL: TickRate = valid!(TickRate::new(32_768));
/// assert_eq!(WATCH_CRYSTAL.instant_at(1).as_nanos(), 30_517); // and 578 ps that are dropped
/// assert_eq!(WATCH_CRYSTAL.instant_at(32_768).as_nanos(), 1_000_000_000); // but not added up
///
/// // Where to set the alarm: tick 1 falls a nanosecond short.
/// assert_eq!(WATCH_CRYSTAL.tick_at(Instant::from_nanos(30_518)), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TickRate {
    to_nanos: Scale,
    to_ticks: Scale,
    hz: u64,
}

impl TickRate {
    /// `hz` ticks a second, up to 2^63 - 1.
    ///
    /// Divides, so make it a constant.
    ///
    /// # Errors
    ///
    /// `hz` is zero or above 2^63 - 1.
    pub const fn new(hz: u64) -> Result<Self, ConfigError> {
        if hz == 0 || hz > Scale::MAX_FROM {
            return Err(ConfigError::new("hz", "hz must be between 1 and 2^63 - 1"));
        }
        Ok(Self { to_nanos: Scale::new(hz, SECOND), to_ticks: Scale::new(SECOND, hz), hz })
    }

    /// Ticks a second.
    #[must_use]
    #[inline]
    pub const fn hz(&self) -> u64 {
        self.hz
    }

    /// The instant at which tick number `ticks` falls, rounded down: never a moment that has not come.
    ///
    /// [`Instant::MAX`] where that is more than 584 years after the epoch.
    #[must_use]
    #[inline]
    pub const fn instant_at(&self, ticks: u64) -> Instant {
        Instant::from_nanos(self.to_nanos.floor(ticks))
    }

    /// The first tick at which the clock reads `instant` or later: an alarm set to it is never early.
    ///
    /// `u64::MAX` where there is none, which takes a rate above 1 GHz.
    #[must_use]
    #[inline]
    pub const fn tick_at(&self, instant: Instant) -> u64 {
        self.to_ticks.ceil(instant.as_nanos())
    }
}

/// A 32-bit tick counter that goes on over its wrap; see the [module](self).
///
/// `R` is the rate, or anything that lends one, such as `&'static TickRate`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TickCounter<R = TickRate> {
    rate: R,
    ticks: u64,
}

const _: () = assert!(size_of::<TickCounter<&TickRate>>() <= 16);

impl<R: Borrow<TickRate>> TickCounter<R> {
    /// For a counter that began at zero, and has not come round yet.
    #[must_use]
    pub const fn new(rate: R) -> Self {
        Self::from_ticks(rate, 0)
    }

    /// For a counter of which `ticks` are known to have passed: one that outlived a restart, or that is
    /// found running.
    #[must_use]
    pub const fn from_ticks(rate: R, ticks: u64) -> Self {
        Self { rate, ticks }
    }

    /// The present instant, of what the timer reads.
    #[inline]
    pub fn widen(&mut self, ticks: u32) -> Instant {
        let passed = ticks.wrapping_sub(self.ticks as u32);
        if passed <= LATE.wrapping_neg() {
            self.ticks = self.ticks.saturating_add(u64::from(passed));
        }
        self.last()
    }

    /// What [`widen`](Self::widen) returned last.
    #[must_use]
    #[inline]
    pub fn last(&self) -> Instant {
        self.rate.borrow().instant_at(self.ticks)
    }

    /// Ticks since the counter's zero, as of the last reading.
    #[must_use]
    #[inline]
    pub const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// When to look at the timer again at the latest: half a wrap after the last reading.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self) -> Instant {
        self.rate.borrow().instant_at(self.ticks.saturating_add(1 << 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: TickRate = crate::valid!(TickRate::new(1_000));

    #[test]
    fn rates_that_do_not_hold_are_named() {
        for hz in [0, 1 << 63, u64::MAX] {
            assert_eq!(TickRate::new(hz).unwrap_err().setting(), "hz");
        }
        assert_eq!(TickRate::new((1 << 63) - 1).unwrap().hz(), (1 << 63) - 1);
    }

    #[test]
    fn the_edge_between_on_and_late_is_fifteen_sixteenths() {
        let from = |ticks: u64| TickCounter::from_ticks(SLOW, ticks);
        let mut counter = from(1 << 40);
        counter.widen(0xF000_0000);
        assert_eq!(counter.ticks(), (1 << 40) + 0xF000_0000);
        let mut counter = from(1 << 40);
        counter.widen(0xF000_0001);
        assert_eq!(counter.ticks(), 1 << 40, "a late reading");
    }

    #[test]
    fn at_the_end_of_time_it_stands_still() {
        let mut counter = TickCounter::from_ticks(SLOW, u64::MAX - 5);
        assert_eq!(counter.widen(7), Instant::MAX);
        assert_eq!(counter.ticks(), u64::MAX);
        assert_eq!(counter.next_deadline(), Instant::MAX);
    }

    #[test]
    fn it_is_to_be_called_within_half_a_wrap() {
        let mut counter = TickCounter::new(&SLOW);
        counter.widen(1_000);
        assert_eq!(counter.next_deadline(), Instant::from_nanos(((1 << 31) + 1_000) * 1_000_000));
    }

    const EDGES: [u64; 14] = [
        0,
        1,
        2,
        999_999_999,
        1_000_000_000,
        1_000_000_001,
        u32::MAX as u64,
        1 << 32,
        1 << 53,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1_000_000_000,
        u64::MAX - 1,
        u64::MAX,
    ];

    /// embassy's usual rates, awkward ones, its fastest, and beyond.
    const RATES: [u64; 14] = [
        1,
        3,
        1_000,
        32_768,
        16_000_000 / 3,
        1_000_000,
        1_048_576,
        12_000_000,
        64_000_000,
        1_000_000_000,
        1_000_000_007,
        5_242_880_000,
        20_000_000_000,
        (1 << 63) - 1,
    ];

    fn rates() -> impl Iterator<Item = TickRate> {
        RATES.into_iter().map(|hz| TickRate::new(hz).unwrap())
    }

    /// The edges, their neighbourhood, and a spread in between.
    fn counts() -> impl Iterator<Item = u64> {
        let near = EDGES
            .into_iter()
            .flat_map(|edge| (0..40).map(move |i| edge.wrapping_sub(20).wrapping_add(i)));
        let spread = (0..500_u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (i % 64));
        near.chain(spread)
    }

    #[test]
    fn ticks_to_nanos_is_the_floor_of_the_exact_quotient_pitfall_72() {
        for rate in rates() {
            for ticks in counts() {
                let exact = u128::from(ticks) * 1_000_000_000 / u128::from(rate.hz());
                let expected = u64::try_from(exact).unwrap_or(u64::MAX);
                assert_eq!(
                    rate.instant_at(ticks).as_nanos(),
                    expected,
                    "{ticks} at {} Hz",
                    rate.hz()
                );
            }
        }
    }

    #[test]
    fn nanos_to_ticks_is_the_ceiling_of_the_exact_quotient() {
        for rate in rates() {
            for nanos in counts() {
                let exact = (u128::from(nanos) * u128::from(rate.hz())).div_ceil(1_000_000_000);
                let expected = u64::try_from(exact).unwrap_or(u64::MAX);
                assert_eq!(
                    rate.tick_at(Instant::from_nanos(nanos)),
                    expected,
                    "{nanos} at {} Hz",
                    rate.hz()
                );
            }
        }
    }

    #[test]
    fn the_timer_tick_is_the_first_that_reaches_the_deadline() {
        for rate in rates() {
            for deadline in counts().map(Instant::from_nanos) {
                let tick = rate.tick_at(deadline);
                if tick == u64::MAX {
                    continue; // no such tick: above 1 GHz, 2^64 ticks come before 2^64 nanoseconds
                }
                assert!(
                    deadline.is_reached(rate.instant_at(tick)),
                    "{deadline:?} at {} Hz",
                    rate.hz()
                );
                if let Some(before) = tick.checked_sub(1) {
                    assert!(
                        !deadline.is_reached(rate.instant_at(before)),
                        "{deadline:?} at {} Hz",
                        rate.hz()
                    );
                }
            }
        }
    }

    #[test]
    fn ticks_survive_the_round_trip_up_to_one_gigahertz() {
        for rate in rates().filter(|rate| rate.hz() <= 1_000_000_000) {
            for ticks in counts() {
                let instant = rate.instant_at(ticks);
                if instant != Instant::MAX {
                    assert_eq!(rate.tick_at(instant), ticks, "{ticks} at {} Hz", rate.hz());
                }
            }
        }
    }

    /// A second is a second after 584 years as well: nothing is added up.
    #[test]
    fn whole_seconds_are_exact_for_584_years_pitfall_76() {
        for rate in rates().filter(|rate| rate.hz() <= 1_000_000_000) {
            for seconds in [1, 60, 31_557_600, 18_446_744_073] {
                let instant = rate.instant_at(seconds * rate.hz());
                assert_eq!(instant.as_nanos(), seconds * 1_000_000_000, "at {} Hz", rate.hz());
            }
        }
    }
}
