//! How long an opening lasts.

use crate::backoff::{Backoff, Jitter};
use crate::entropy::Entropy;
use crate::fixed::sum;
use core::time::Duration;

/// The open time of every opening in a row: the retry's curve, with the openings for attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct OpenTime {
    curve: Backoff,
    first: u64,
}

impl OpenTime {
    pub(super) const fn new(curve: Backoff) -> Self {
        Self { curve, first: curve.delay_nanos(0) }
    }

    /// How long the first opening lasts, before jitter.
    #[inline]
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// How long no opening outlasts.
    pub(super) const fn max(&self) -> Duration {
        self.curve.max_delay()
    }

    /// Whether a later opening lasts longer than the first.
    pub(super) const fn escalates(&self) -> bool {
        self.curve.ceiling_nanos() > self.first
    }

    /// Whether openings, which are counted in a byte, can be told apart until they last longest.
    pub(super) const fn counts_to_the_longest(&self) -> bool {
        self.curve.delay_nanos(attempt(u8::MAX)) == self.curve.ceiling_nanos()
    }

    /// The longest that opening number `openings`, from 1, can last.
    pub(super) fn longest(&self, openings: u8) -> u64 {
        let nominal = self.curve.nominal_nanos(attempt(openings));
        match self.curve.jitter() {
            Jitter::Quarter => sum(nominal, nominal / 4).min(self.curve.max_nanos()),
            Jitter::None | Jitter::Equal | Jitter::Full | Jitter::Decorrelated => nominal,
        }
    }

    /// How long opening number `openings`, from 1, lasts this time.
    pub(super) fn draw(&self, openings: u8, entropy: impl Entropy) -> u64 {
        self.curve.jittered_nanos(attempt(openings), 0, entropy)
    }
}

const fn attempt(openings: u8) -> u32 {
    openings.saturating_sub(1) as u32
}
