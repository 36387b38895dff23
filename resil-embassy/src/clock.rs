//! embassy's time as core's, exact at every tick rate.
//!
//! embassy counts ticks, at a rate that the firmware chooses (`embassy-time`'s `tick-hz-*`); core
//! counts nanoseconds. The two convert by [`TICKS`] and nowhere else in this crate.
//!
//! # Laws
//!
//! For every tick rate, 32,768 Hz as well as 1 MHz, over all of core's 584 years:
//!
//! - The clock rounds down, so it never reads a moment that has not come. There is no accumulated
//!   error: a reading depends on the tick alone, not on earlier readings.
//! - A timer is set to the first tick at which the clock reads the deadline or later, so it never
//!   fires early.
//! - Both are total. What a 64-bit count cannot hold is its last value.
//!
//! embassy's own conversions in nanoseconds multiply without a check; nothing here calls them.

use embassy_time::{TICK_HZ, Timer};
use resil_core::time::TickRate;
use resil_core::{Clock, Instant, valid};

/// The tick rate of this firmware; it converts ticks and instants.
///
/// ```
/// use resil_embassy::clock::TICKS;
///
/// let second = TICKS.instant_at(embassy_time::TICK_HZ);
/// assert_eq!(second.as_nanos(), 1_000_000_000);
/// assert_eq!(TICKS.tick_at(second), embassy_time::TICK_HZ);
/// ```
pub const TICKS: TickRate = valid!(TickRate::new(TICK_HZ));

/// embassy's clock: `embassy_time::Instant::now()` since boot.
///
/// Every binary has one, so there is nothing to construct. A restart begins at zero again; instants
/// do not outlive it. Whether it runs on while the chip sleeps is the time driver's choice.
///
/// A read costs the driver's and one multiplication where the tick rate divides 10⁹ (1 MHz does),
/// a few more elsewhere; it never divides.
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
        TICKS.instant_at(embassy_time::Instant::now().as_ticks())
    }
}

/// Sleeps until the clock reads `deadline` or later; never less.
///
/// Any deadline is legal: one that has passed yields once, [`Instant::MAX`] sleeps for ever. Dropping
/// the future cancels the sleep.
pub async fn sleep_until(deadline: Instant) {
    Timer::at(embassy_time::Instant::from_ticks(TICKS.tick_at(deadline))).await;
}
