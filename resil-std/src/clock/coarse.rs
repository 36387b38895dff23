//! The clock that the kernel keeps at hand.

use core::time::Duration;
use std::sync::LazyLock;

use resil_core::{Clock, Instant};
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use super::{Sleep, Timer, block, system};

/// Linux's `CLOCK_MONOTONIC_COARSE`: the time of the kernel's last tick, for a few nanoseconds.
///
/// It has the scale of [`SystemClock`](super::SystemClock), and is behind it by up to
/// [`resolution`](Self::resolution): 4 ms where the kernel ticks at 250 Hz, 1 ms to 10 ms elsewhere. What
/// depends on time is late by as much, and two readings within a tick are the same: a quota refills in
/// steps, and latencies below a tick are nothing or a tick. Good for limits and breakers whose times are
/// seconds; not for hedging by a measured quantile.
///
/// It stands still while the machine sleeps. It does not follow tokio's paused time: use
/// [`SystemClock`](super::SystemClock) in tests.
///
/// ```
/// use core::time::Duration;
/// use resil_std::clock::CoarseClock;
/// use resil_std::core::Clock;
///
/// assert!(CoarseClock.now() <= CoarseClock.now());
/// assert!(CoarseClock::resolution() <= Duration::from_millis(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CoarseClock;

/// A reading of the exact clock, which the coarse one follows, and the instant that it was.
static ANCHOR: LazyLock<(Duration, Instant)> =
    LazyLock::new(|| (duration(clock_gettime(ClockId::Monotonic)), system()));

impl CoarseClock {
    /// From one tick of the kernel to the next.
    #[must_use]
    pub fn resolution() -> Duration {
        duration(clock_getres(ClockId::MonotonicCoarse))
    }
}

impl Clock for CoarseClock {
    #[inline]
    fn now(&self) -> Instant {
        let (anchor, instant) = *ANCHOR;
        let reading = duration(clock_gettime(ClockId::MonotonicCoarse));
        match reading.checked_sub(anchor) {
            Some(since) => instant.saturating_add(since),
            None => instant.saturating_sub(anchor.saturating_sub(reading)),
        }
    }
}

impl Sleep for CoarseClock {
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        Timer::new(*self, deadline)
    }

    fn block_until(&self, deadline: Instant) {
        block(self, deadline);
    }
}

/// What the kernel tells of a monotonic clock is never negative.
fn duration(time: Timespec) -> Duration {
    time.try_into().unwrap_or_default()
}
