//! Faults to order, as values.
//!
//! A node that was never seen to survive a lost reply, a slow peer, a split network or a clock that jumps
//! has not been tested. Here each fault is a value that a decision returns: [`Fault`] says what to do to
//! one message, a [`Skew`] what a wrong clock shows, a [`Partition`] who cannot reach whom. Nothing is
//! done to anything; whoever asks does it. The same seed gives the same faults on every platform, so a
//! failure that chaos found is one that can be played again.
//!
//! # When not to use it
//!
//! - As a load test. It disturbs the traffic that there is.
//! - In production without a [gate](ChaosPolicyBuilder::enabled) that is shut unless somebody watches.
//! - For an attack. Faults are random; an adversary is not.
//!
//! # Laws
//!
//! - Same policy, same seed, same sequence: integers only, no platform in it.
//! - Disabled, it orders nothing and draws nothing: switching it on later begins the same sequence.
//! - Each fault has its rate in the long run, in millionths; in [bursts](ChaosPolicyBuilder::bursts),
//!   that rate within them.
//! - One draw a message (two with bursts), and no division.
//!
//! # Timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::chaos::{Chaos, ChaosPolicy, Fault};
//! use resil_core::{Instant, valid};
//!
//! const ROUGH: ChaosPolicy = valid!(
//!     ChaosPolicy::builder()
//!         .drops(200_000) // one in five
//!         .errors(0)
//!         .delays(200_000, Duration::from_millis(10), Duration::from_millis(500))
//!         .build()
//! );
//! let mut chaos = Chaos::new(ROUGH, 42);
//! let mut inbox = Vec::new();
//! for message in 0..100_u64 {
//!     let sent = Instant::from_nanos(message * 1_000_000);
//!     match chaos.inject() {
//!         Fault::Drop => {}
//!         fault => inbox.push((fault.until(sent), message)), // at once, or after the delay
//!     }
//! }
//! inbox.sort();
//! assert_eq!(inbox.len(), 78, "22 of 100 were lost, each time that this runs");
//! ```
//!
//! Defaults: errors at a rate of 0.001, delays of 30 s (Polly's), everything else off.

mod clock;
mod machine;
mod partition;
mod policy;
mod stream;

pub use clock::{Skew, SkewedClock};
pub use machine::{Chaos, ChaosState};
pub use partition::Partition;
pub use policy::{ChaosPolicy, ChaosPolicyBuilder};
pub use stream::Stream;

use crate::time::Instant;
use core::time::Duration;

/// What to do to one message, call or reading.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "an ordered fault that nobody carries out tests nothing"]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Fail it, with an error of the caller's choice.
    Error,
    /// Let it arrive this much later.
    Delay {
        /// Nanoseconds.
        nanos: u64,
    },
    /// Lose it.
    Drop,
    /// Let it arrive twice.
    Duplicate,
    /// Let this many later ones go first; at least one.
    Reorder {
        /// How many.
        places: u16,
    },
    /// Step the clock of whoever gets it.
    ClockStep {
        /// Nanoseconds, ahead or behind.
        nanos: i64,
    },
}

impl Fault {
    /// Whether there is something to do.
    #[must_use]
    #[inline]
    pub const fn is_some(self) -> bool {
        !matches!(self, Self::None)
    }

    /// When what was sent at `now` arrives, if it does: later under a delay.
    #[must_use]
    #[inline]
    pub const fn until(self, now: Instant) -> Instant {
        match self {
            Self::Delay { nanos } => now.plus_nanos(nanos),
            _ => now,
        }
    }

    /// How long it is delayed: zero, but for a delay. Divides.
    #[must_use]
    pub const fn delay(self) -> Duration {
        match self {
            Self::Delay { nanos } => Duration::from_nanos(nanos),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_fault_and_only_a_delay_delays() {
        let (now, later) = (Instant::from_nanos(5), Fault::Delay { nanos: 7 });
        for fault in [Fault::Error, Fault::Drop, Fault::Duplicate, later] {
            assert!(fault.is_some(), "{fault:?}");
        }
        assert!(!Fault::None.is_some());
        assert_eq!(
            (later.until(now), later.delay()),
            (Instant::from_nanos(12), Duration::from_nanos(7))
        );
        assert_eq!((Fault::Drop.until(now), Fault::Drop.delay()), (now, Duration::ZERO));
    }
}
