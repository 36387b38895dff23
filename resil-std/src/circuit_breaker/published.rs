//! What can be known of a machine without its lock.

use resil_core::circuit_breaker::{Generation, Glance, SubWindow};

use crate::sync::{AtomicU64, Ordering};

/// Written by who has the lock, before it is free, and read without.
pub(super) struct Published {
    /// The glance, and above it the generation: one word, so that who looks knows of both at once.
    glance: AtomicU64,
    sub_window: [AtomicU64; 3],
}

impl Published {
    /// What there is to know of a new machine.
    pub(super) fn new(glance: Glance, generation: Generation, sub_window: SubWindow) -> Self {
        Self {
            glance: AtomicU64::new(together(glance, generation)),
            sub_window: sub_window.into_raw().map(AtomicU64::new),
        }
    }

    #[inline]
    pub(super) fn glance(&self) -> Glance {
        self.look().0
    }

    pub(super) fn generation(&self) -> Generation {
        self.look().1
    }

    #[inline]
    pub(super) fn look(&self) -> (Glance, Generation) {
        let word = self.glance.load(Ordering::Acquire);
        (Glance::from_raw(word as u32), Generation::from_raw((word >> GENERATION) as u16))
    }

    /// In which they add up.
    #[inline]
    pub(super) fn sub_window(&self) -> SubWindow {
        SubWindow::from_raw(self.sub_window.each_ref().map(|word| word.load(Ordering::Acquire)))
    }

    /// Brings all of it up to date. A store where nothing changes would take the words from the caches of
    /// all who read them.
    pub(super) fn renew(&self, glance: Glance, generation: Generation, sub_window: SubWindow) {
        let renew = |word: &AtomicU64, value| {
            if word.load(Ordering::Relaxed) != value {
                word.store(value, Ordering::Release);
            }
        };
        for (word, value) in self.sub_window.iter().zip(sub_window.into_raw()) {
            renew(word, value);
        }
        renew(&self.glance, together(glance, generation));
    }
}

/// Above the glance.
const GENERATION: u32 = 32;

#[inline]
fn together(glance: Glance, generation: Generation) -> u64 {
    u64::from(glance.into_raw()) | u64::from(generation.into_raw()) << GENERATION
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_look_knows_of_glance_and_generation_whatever_they_are() {
        let glances = [0, 1, u32::MAX].map(Glance::from_raw);
        let generations = [0, 1, u16::MAX].map(Generation::from_raw);
        let published = Published::new(glances[0], generations[2], SubWindow::NONE);
        assert_eq!(published.look(), (glances[0], generations[2]));
        for (glance, generation) in glances.into_iter().zip(generations) {
            published.renew(glance, generation, SubWindow::NONE);
            assert_eq!(published.look(), (glance, generation));
            assert_eq!((published.glance(), published.generation()), (glance, generation));
        }
    }
}
