//! What the gradient remembers.

use super::config::Gradient;
use super::estimate::LONGEST;
use crate::time::Instant;

/// What [`Gradient`] remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GradientState {
    /// The usual latency, in 2^-20 of a [unit](super::estimate::units).
    pub(super) long: u64,
    /// When the window of results is old enough.
    pub(super) window_end: Instant,
    /// When the next probe begins, or the present one is given up.
    pub(super) deadline: Instant,
    /// In 2^-16 of a call.
    pub(super) limit: u32,
    pub(super) results: Results,
    pub(super) in_flight: u16,
    pub(super) epoch: u16,
    /// Probes, so that a call from before the present one is known.
    pub(super) round: u16,
    /// Windows that `long` is the mean of, up to 10.
    pub(super) learned: u8,
    pub(super) is_probing: bool,
}

const _: () = assert!(size_of::<GradientState>() <= 48);

impl GradientState {
    /// Whether the deadline has come. The end of time is none: nothing comes after it.
    pub(super) const fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_reached(now) && self.deadline.as_nanos() < Instant::MAX.as_nanos()
    }
}

/// What has come in since the window, or the probe, began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Results {
    /// Of the latencies, in units.
    pub(super) sum: u32,
    /// How many latencies are in the sum.
    pub(super) samples: u32,
    pub(super) drops: u16,
    /// The most calls in flight.
    pub(super) in_flight: u16,
}

impl Results {
    pub(super) const NONE: Self = Self { sum: 0, samples: 0, drops: 0, in_flight: 0 };

    /// How many there are, latencies and drops.
    pub(super) const fn len(&self) -> u32 {
        self.samples.saturating_add(self.drops as u32)
    }

    /// Adds one; `None` is a drop. A latency whose sum would not fit any more is left out: the mean is
    /// of those before.
    pub(super) fn add(&mut self, latency: Option<u32>, in_flight: u16) {
        self.in_flight = self.in_flight.max(in_flight);
        match latency {
            None => self.drops = self.drops.saturating_add(1),
            Some(units) => {
                if let Some(sum) = self.sum.checked_add(units) {
                    self.sum = sum;
                    self.samples = self.samples.saturating_add(1);
                }
            }
        }
    }

    /// Whether calls can have come to this: no latency is longer than the longest.
    pub(super) fn can_be(&self) -> bool {
        u64::from(self.sum) <= u64::from(self.samples).saturating_mul(LONGEST.into())
    }

    /// The mean latency, at least 1; `None` where none was taken.
    pub(super) fn mean(&self) -> Option<u32> {
        self.sum.checked_div(self.samples).map(|mean| mean.max(1))
    }
}

impl Gradient {
    /// The state to begin with; [`ConcurrencyLimit::start`](crate::adaptive::ConcurrencyLimit::start)
    /// as a `const fn`, for tables of peers.
    #[must_use]
    pub const fn fresh_state(&self) -> GradientState {
        GradientState {
            long: 0,
            window_end: Instant::EPOCH,
            deadline: Instant::EPOCH,
            limit: (self.initial as u32) << 16,
            results: Results::NONE,
            in_flight: 0,
            epoch: 0,
            round: 0,
            learned: 0,
            is_probing: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_the_sum_is_left_out_of_the_mean() {
        let mut results = Results::NONE;
        assert_eq!(results.mean(), None);
        results.add(Some(u32::MAX - 1), 1);
        results.add(Some(2), 2);
        assert_eq!((results.mean(), results.len()), (Some(u32::MAX - 1), 1));
        results.add(None, 7);
        assert_eq!((results.len(), results.in_flight), (2, 7));
    }
}
