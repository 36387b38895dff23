//! What can be known of a machine without its lock.

use resil_core::circuit_breaker::{Glance, SubWindow};

use super::told::By;
use crate::sync::{AtomicU64, Ordering};

/// Above the glance: successes that add up are told by exchange.
const BY_EXCHANGE: u64 = 1 << 32;

/// Written by who has the lock, before it is free, and read without.
pub(super) struct Published {
    /// The glance, and above it [how](By) successes are told: one word, so that it takes one comparison to
    /// know both.
    glance: AtomicU64,
    sub_window: [AtomicU64; 3],
}

impl Published {
    /// What there is to know of a new machine.
    pub(super) fn new(glance: Glance, sub_window: SubWindow) -> Self {
        Self {
            glance: AtomicU64::new(together(glance, By::Adding)),
            sub_window: sub_window.into_raw().map(AtomicU64::new),
        }
    }

    #[inline]
    pub(super) fn glance(&self) -> Glance {
        Glance::from_raw(self.word() as u32)
    }

    /// Whether the glance is this, and successes are told so that add up.
    #[inline]
    pub(super) fn is(&self, glance: Glance, by: By) -> bool {
        self.word() == together(glance, by)
    }

    /// How successes are told that add up.
    pub(super) fn by(&self) -> By {
        if self.word() & BY_EXCHANGE == 0 { By::Adding } else { By::Exchanging }
    }

    #[inline]
    fn word(&self) -> u64 {
        self.glance.load(Ordering::Acquire)
    }

    /// In which they add up.
    #[inline]
    pub(super) fn sub_window(&self) -> SubWindow {
        SubWindow::from_raw(self.sub_window.each_ref().map(|word| word.load(Ordering::Acquire)))
    }

    /// Brings all of it up to date. A store where nothing changes would take the words from the caches of
    /// all who read them.
    pub(super) fn renew(&self, glance: Glance, by: By, sub_window: SubWindow) {
        let renew = |word: &AtomicU64, value| {
            if word.load(Ordering::Relaxed) != value {
                word.store(value, Ordering::Release);
            }
        };
        for (word, value) in self.sub_window.iter().zip(sub_window.into_raw()) {
            renew(word, value);
        }
        renew(&self.glance, together(glance, by));
    }
}

#[inline]
fn together(glance: Glance, by: By) -> u64 {
    let above = match by {
        By::Adding => 0,
        By::Exchanging => BY_EXCHANGE,
    };
    u64::from(glance.into_raw()) | above
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn how_successes_are_told_is_known_with_the_glance_and_does_not_change_it() {
        let glance = Glance::from_raw(u32::MAX);
        let published = Published::new(glance, SubWindow::NONE);
        assert!(published.by() == By::Adding && published.is(glance, By::Adding));
        assert!(!published.is(glance, By::Exchanging));

        published.renew(glance, By::Exchanging, SubWindow::NONE);
        assert!(published.by() == By::Exchanging && published.is(glance, By::Exchanging));
        assert!(!published.is(glance, By::Adding));
        assert_eq!(published.glance().into_raw(), glance.into_raw());
    }
}
