//! What is remembered of the peers: a bit or two of each.

use crate::time::Instant;

/// What the rule remembers of up to 32 · `WORDS` peers, by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EjectionState<const WORDS: usize = 1> {
    /// When the present half of the window began.
    pub(super) since: Instant,
    pub(super) known: Bits<WORDS>,
    pub(super) ejected: Bits<WORDS>,
    pub(super) present: Heard<WORDS>,
    pub(super) before: Heard<WORDS>,
}

const _: () = assert!(size_of::<EjectionState>() <= 40);

impl<const WORDS: usize> EjectionState<WORDS> {
    /// No peers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            since: Instant::EPOCH,
            known: Bits::NONE,
            ejected: Bits::NONE,
            present: Heard::NOTHING,
            before: Heard::NOTHING,
        }
    }

    /// Forgets what has left the window; `width` is half of it.
    pub(super) fn advance(&mut self, width: u64, now: Instant) {
        let elapsed = now.nanos_since(self.since);
        if elapsed >= width.saturating_mul(2) {
            self.before = Heard::NOTHING;
            self.present = Heard::NOTHING;
            self.since = now;
        } else if elapsed >= width {
            self.before = core::mem::replace(&mut self.present, Heard::NOTHING);
            self.since = self.since.plus_nanos(width);
        }
        // A clock that stepped back begins the half anew.
        self.since = self.since.min(now);
    }

    /// Forgets what `peer` said.
    pub(super) fn unhear(&mut self, peer: usize) {
        for heard in [&mut self.present, &mut self.before] {
            for bits in [&mut heard.at_all, &mut heard.failing, &mut heard.local] {
                bits.set(peer, false);
            }
        }
    }

    /// Whether there is a place for `peer`.
    pub(super) const fn has_room(peer: usize) -> bool {
        peer < WORDS.saturating_mul(32)
    }
}

impl<const WORDS: usize> Default for EjectionState<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

/// What was heard of the peers in one half of the window: the last word of each, so none is in both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Heard<const WORDS: usize> {
    pub(super) at_all: Bits<WORDS>,
    pub(super) failing: Bits<WORDS>,
    /// Of the failing, by our own fault.
    pub(super) local: Bits<WORDS>,
}

impl<const WORDS: usize> Heard<WORDS> {
    pub(super) const NOTHING: Self =
        Self { at_all: Bits::NONE, failing: Bits::NONE, local: Bits::NONE };
}

/// One bit a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Bits<const WORDS: usize>(pub(super) [u32; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    pub(super) const NONE: Self = Self([0; WORDS]);

    pub(super) fn set(&mut self, peer: usize, value: bool) {
        if let Some(word) = self.0.get_mut(peer >> 5) {
            let mask = 1_u32.wrapping_shl(peer as u32);
            *word = if value { *word | mask } else { *word & !mask };
        }
    }

    pub(super) fn has(&self, peer: usize) -> bool {
        self.0.get(peer >> 5).is_some_and(|word| word & 1_u32.wrapping_shl(peer as u32) != 0)
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(word, other)| word & !other == 0)
    }

    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(word, other)| word & other == 0)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }
}
