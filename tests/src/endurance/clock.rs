//! The clock of one node: wrong in its rate, set back and ahead, and at zero after a reboot.

use core::time::Duration;
use resil_core::Instant;
use resil_core::chaos::Skew;

const MILLION: u64 = 1_000_000;

/// How fast and how slow a clock may be, in millionths: far beyond any quartz.
pub(super) const WRONGEST: i32 = 100_000;

/// What a node takes for the time.
#[derive(Clone, Debug)]
pub(super) struct NodeClock {
    skew: Skew,
    rate: i32,
}

impl NodeClock {
    /// One that shows `shows` now, and gains `rate` microseconds a second.
    pub(super) fn new(rate: i32, shows: Instant, now: Instant) -> Self {
        let skew = Skew::NONE.drift(rate).expect("a clock does not stand still");
        let drifted = skew.show(now);
        let (ahead, behind) = (shows.saturating_since(drifted), drifted.saturating_since(shows));
        Self { skew: skew.ahead(ahead).behind(behind), rate }
    }

    /// What it shows when it is `now`.
    pub(super) fn show(&self, now: Instant) -> Instant {
        self.skew.show(now)
    }

    /// Runs at another rate from now on.
    pub(super) fn run_at(&mut self, rate: i32, now: Instant) {
        *self = Self::new(rate, self.show(now), now);
    }

    /// Is set from now on.
    pub(super) fn set(&mut self, shows: Instant, now: Instant) {
        *self = Self::new(self.rate, shows, now);
    }

    /// When it shows `until`, as long as nobody sets it; at least 1 ns after `now`.
    pub(super) fn when(&self, until: Instant, now: Instant) -> Instant {
        let wait = until.saturating_since(self.show(now)).as_nanos() as u64;
        let speed = MILLION.saturating_add_signed(self.rate.into());
        let wait =
            (wait / speed).saturating_mul(MILLION).saturating_add(wait % speed * MILLION / speed);
        now.saturating_add(Duration::from_nanos(wait.saturating_add(1)))
    }
}
