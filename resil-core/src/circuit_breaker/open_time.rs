//! How long an opening lasts.

use crate::entropy::Entropy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct OpenTime {
    first: u64,
}

impl OpenTime {
    pub(super) const fn new(first: u64) -> Self {
        Self { first }
    }

    /// How long the first opening lasts, before jitter.
    #[inline]
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Whether a later opening can last longer than the first.
    pub(super) const fn escalates(&self) -> bool {
        false
    }

    /// The longest that opening number `openings` (from 1) lasts.
    pub(super) const fn longest(&self, _openings: u8) -> u64 {
        self.first
    }

    /// How long opening number `openings` lasts this time.
    pub(super) fn draw(&self, openings: u8, _entropy: impl Entropy) -> u64 {
        self.longest(openings)
    }
}
