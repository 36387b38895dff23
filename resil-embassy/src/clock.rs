//! embassy's time as core's, exact at every tick rate.
//!
//! embassy counts ticks, at a rate that the firmware chooses (`embassy-time`'s `tick-hz-*`); core
//! counts nanoseconds. The two convert here and nowhere else in this crate.
//!
//! # Laws
//!
//! For every tick rate, 32,768 Hz as well as 1 MHz, over all of core's 584 years:
//!
//! - [`instant_at`] rounds down, so the clock never reads a moment that has not come. There is no
//!   accumulated error: a reading depends on the tick alone, not on earlier readings.
//! - [`tick_at`] rounds up to the first tick at which the clock reads the instant or later, so a
//!   timer set by it never fires early.
//! - Both are total. What a 64-bit count cannot hold is its last value.
//!
//! embassy's own conversions in nanoseconds multiply without a check; nothing here calls them.

use core::num::NonZeroU64;
use embassy_time::{TICK_HZ, Timer};
use resil_core::{Clock, Instant};

/// Nanoseconds in a second: the rate of core's instants.
const NANOS: NonZeroU64 = NonZeroU64::new(1_000_000_000).expect("not zero");

/// The tick rate of this firmware.
const RATE: NonZeroU64 = NonZeroU64::new(TICK_HZ).expect("embassy-time has a tick rate");

/// embassy's clock: `embassy_time::Instant::now()` since boot.
///
/// Every binary has one, so there is nothing to construct. A restart begins at zero again; instants
/// do not outlive it. Whether it runs on while the chip sleeps is the time driver's choice.
///
/// A read costs the driver's and one multiplication where the tick rate divides 10⁹ (1 MHz does),
/// a shift more at 32,768 Hz, a 64-bit division elsewhere.
///
/// ```
/// use resil_embassy::{EmbassyClock, core::Clock};
///
/// let now = EmbassyClock.now();
/// # let _ = now;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EmbassyClock;

impl Clock for EmbassyClock {
    #[inline]
    fn now(&self) -> Instant {
        instant_at(embassy_time::Instant::now().as_ticks(), RATE)
    }
}

/// The instant at which tick number `ticks` falls when there are `hz` a second, rounded down.
///
/// [`Instant::MAX`] where that is more than 584 years after the epoch.
///
/// ```
/// use core::num::NonZeroU64;
/// use resil_embassy::clock::instant_at;
///
/// let watch_crystal = NonZeroU64::new(32_768).unwrap();
/// assert_eq!(instant_at(1, watch_crystal).as_nanos(), 30_517); // and 578 ps that are dropped
/// assert_eq!(instant_at(32_768, watch_crystal).as_nanos(), 1_000_000_000); // but not added up
/// ```
#[must_use]
#[inline]
pub const fn instant_at(ticks: u64, hz: NonZeroU64) -> Instant {
    Instant::from_nanos(rescale(ticks, hz, NANOS, false))
}

/// The first tick, of `hz` a second, at which the clock reads `instant` or later.
///
/// `u64::MAX` where there is none, which takes a rate above 1 GHz.
///
/// ```
/// use core::num::NonZeroU64;
/// use resil_embassy::clock::{instant_at, tick_at};
/// use resil_embassy::core::Instant;
///
/// let watch_crystal = NonZeroU64::new(32_768).unwrap();
/// let deadline = Instant::from_nanos(30_518);
/// assert_eq!(tick_at(deadline, watch_crystal), 2, "tick 1 falls a nanosecond short of it");
/// assert!(deadline.is_reached(instant_at(2, watch_crystal)));
/// ```
#[must_use]
#[inline]
pub const fn tick_at(instant: Instant, hz: NonZeroU64) -> u64 {
    rescale(instant.as_nanos(), NANOS, hz, true)
}

/// Sleeps until the clock reads `deadline` or later; never less.
///
/// Any deadline is legal: one that has passed yields once, [`Instant::MAX`] sleeps for ever. Dropping
/// the future cancels the sleep.
pub async fn sleep_until(deadline: Instant) {
    Timer::at(embassy_time::Instant::from_ticks(tick_at(deadline, RATE))).await;
}

/// `count` units, `from` of them a second, as units of which `to` are a second.
///
/// Seconds and the rest of a second apart, so that no product is cut short: the first divides
/// exactly, the second stays below `from * to`.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "divisors are not zero, the rest is < from")]
const fn rescale(count: u64, from: NonZeroU64, to: NonZeroU64, round_up: bool) -> u64 {
    let (from, to) = (from.get(), to.get());
    if to % from == 0 {
        return count.saturating_mul(to / from); // no division is left once the rates are constants
    }
    let (seconds, rest) = (count / from, count % from);
    let part = match from.checked_mul(to) {
        Some(_) if round_up => (rest * to).div_ceil(from),
        Some(_) => rest * to / from,
        // Rates above 18 GHz, which embassy does not offer.
        None if round_up => (rest as u128 * to as u128).div_ceil(from as u128) as u64,
        None => (rest as u128 * to as u128 / from as u128) as u64,
    };
    seconds.saturating_mul(to).saturating_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        u64::MAX,
    ];

    fn rates() -> impl Iterator<Item = NonZeroU64> {
        RATES.into_iter().map(|hz| NonZeroU64::new(hz).unwrap())
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
        for hz in rates() {
            for ticks in counts() {
                let exact = u128::from(ticks) * 1_000_000_000 / u128::from(hz.get());
                let expected = u64::try_from(exact).unwrap_or(u64::MAX);
                assert_eq!(instant_at(ticks, hz).as_nanos(), expected, "{ticks} at {hz} Hz");
            }
        }
    }

    #[test]
    fn nanos_to_ticks_is_the_ceiling_of_the_exact_quotient() {
        for hz in rates() {
            for nanos in counts() {
                let exact = (u128::from(nanos) * u128::from(hz.get())).div_ceil(1_000_000_000);
                let expected = u64::try_from(exact).unwrap_or(u64::MAX);
                assert_eq!(tick_at(Instant::from_nanos(nanos), hz), expected, "{nanos} at {hz} Hz");
            }
        }
    }

    #[test]
    fn the_timer_tick_is_the_first_that_reaches_the_deadline() {
        for hz in rates() {
            for deadline in counts().map(Instant::from_nanos) {
                let tick = tick_at(deadline, hz);
                if tick == u64::MAX {
                    continue; // no such tick: above 1 GHz, 2^64 ticks come before 2^64 nanoseconds
                }
                assert!(deadline.is_reached(instant_at(tick, hz)), "{deadline:?} at {hz} Hz");
                if let Some(before) = tick.checked_sub(1) {
                    assert!(
                        !deadline.is_reached(instant_at(before, hz)),
                        "{deadline:?} at {hz} Hz"
                    );
                }
            }
        }
    }

    #[test]
    fn ticks_survive_the_round_trip_up_to_one_gigahertz() {
        for hz in rates().filter(|hz| hz.get() <= 1_000_000_000) {
            for ticks in counts() {
                let instant = instant_at(ticks, hz);
                if instant != Instant::MAX {
                    assert_eq!(tick_at(instant, hz), ticks, "{ticks} at {hz} Hz");
                }
            }
        }
    }

    /// A second is a second after 584 years as well: nothing is added up.
    #[test]
    fn whole_seconds_are_exact_for_584_years_pitfall_76() {
        for hz in rates().filter(|hz| hz.get() <= 1_000_000_000) {
            for seconds in [1, 60, 31_557_600, 18_446_744_073] {
                let instant = instant_at(seconds * hz.get(), hz);
                assert_eq!(instant.as_nanos(), seconds * 1_000_000_000, "at {hz} Hz");
            }
        }
    }
}
