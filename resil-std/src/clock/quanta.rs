//! The clock of the processor.

use core::time::Duration;
use std::sync::LazyLock;

use resil_core::{Clock, Instant};

use super::{Sleep, Timer, block, system};

/// The processor's own counter, by the crate `quanta`: less than half of what the system's clock costs.
///
/// It begins on the scale of [`SystemClock`](super::SystemClock), and the two drift apart as counters do
/// that nobody disciplines: by some millionths, which is seconds a week. Take deadlines from the same
/// clock as the call that they are for. The first reading measures the counter against the system's
/// clock, which takes milliseconds: take it at start. Where the processor has no counter that all cores
/// share and no power state stops, `quanta` reads the system's clock instead.
///
/// While the machine sleeps, the counter may stand still, run on or begin anew; it never goes back. It
/// does not follow tokio's paused time: use [`SystemClock`](super::SystemClock) in tests.
///
/// ```
/// use resil_std::clock::QuantaClock;
/// use resil_std::core::Clock;
///
/// assert!(QuantaClock.now() <= QuantaClock.now());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuantaClock;

/// The counter, and a reading of it with the instant that it was taken at.
struct Anchor {
    clock: quanta::Clock,
    reading: u64,
    instant: Instant,
}

static ANCHOR: LazyLock<Anchor> = LazyLock::new(|| {
    let clock = quanta::Clock::new();
    Anchor { reading: clock.raw(), instant: system(), clock }
});

impl Clock for QuantaClock {
    #[inline]
    fn now(&self) -> Instant {
        let Anchor { clock, reading, instant } = &*ANCHOR;
        // Before the anchor, where the counter of another core is a little behind, it is zero.
        instant.saturating_add(Duration::from_nanos(clock.delta_as_nanos(*reading, clock.raw())))
    }
}

impl Sleep for QuantaClock {
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        Timer::new(*self, deadline)
    }

    fn block_until(&self, deadline: Instant) {
        block(self, deadline);
    }
}
