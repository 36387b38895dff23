//! Networks that fall apart.

use super::policy::share;
use super::stream::mix;
use crate::config::ConfigError;
use crate::time::{Instant, Scale, saturating_nanos};
use core::time::Duration;

/// Who cannot reach whom, and when: time is cut into windows, and in some of them the nodes into groups.
///
/// A pure function of seed, window and node, so every node of a simulation may ask without a word to the
/// others. Within a window it is fair to both sides (if `a` cannot reach `b`, `b` cannot reach `a`), and a
/// group is whole: who reaches a common third reaches each other. Windows are drawn independently.
///
/// ```
/// use core::time::Duration;
/// use resil_core::Instant;
/// use resil_core::chaos::Partition;
///
/// // Every ten seconds anew; split in two in a quarter of the windows.
/// let split = Partition::new(42, Duration::from_secs(10), 250_000, 2)?;
/// let cut = (0..100_000_u64)
///     .filter(|second| split.is_cut(1, 2, Instant::from_nanos(second * 1_000_000_000)))
///     .count();
/// assert!((11_500..13_500).contains(&cut), "an eighth of the time: half of the pairs stay together");
/// # Ok::<(), resil_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Partition {
    seed: u64,
    /// Nanoseconds to whole windows.
    windows: Scale,
    window: u64,
    split: u64,
    groups: u16,
}

impl Partition {
    /// The network of `seed`: in `split` millionths of all windows it is in up to `groups` groups.
    ///
    /// # Errors
    ///
    /// `window` is zero or above 292 years; `split` is above a million; `groups` is below 2.
    pub const fn new(
        seed: u64,
        window: Duration,
        split: u32,
        groups: u16,
    ) -> Result<Self, ConfigError> {
        let window = saturating_nanos(window);
        if window == 0 || window > Scale::MAX_FROM {
            return Err(ConfigError::new(
                "window",
                "window must be above zero and at most 2^63 - 1 ns",
            ));
        }
        if split > 1_000_000 {
            return Err(ConfigError::new("split", "split must be at most 1,000,000 millionths"));
        }
        if groups < 2 {
            return Err(ConfigError::new("groups", "groups must be at least 2"));
        }
        Ok(Self { seed, windows: Scale::new(window, 1), window, split: share(split), groups })
    }

    /// Whether `a` and `b` cannot reach each other at `now`.
    #[must_use]
    #[inline]
    pub const fn is_cut(&self, a: u64, b: u64, now: Instant) -> bool {
        match (self.group(a, now), self.group(b, now)) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        }
    }

    /// The group that `node` is in at `now`, from 0; `None` while the network is whole.
    #[must_use]
    #[inline]
    pub const fn group(&self, node: u64, now: Instant) -> Option<u16> {
        let window = mix(self.windows.floor(now.as_nanos()) ^ mix(self.seed));
        if window >> 32 >= self.split {
            return None;
        }
        // Another constant than zero, so that no node's number is the window's own.
        let drawn = mix(window ^ mix(node.wrapping_add(0xA076_1D64_78BD_642F))) >> 32;
        Some((drawn.wrapping_mul(self.groups as u64) >> 32) as u16)
    }

    /// When the next window begins, after `now`; `None` where time ends before.
    #[must_use]
    #[inline]
    pub const fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let begun = self.windows.floor(now.as_nanos()).wrapping_mul(self.window);
        match begun.checked_add(self.window) {
            Some(next) => Some(Instant::from_nanos(next)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let setting =
            |window, split, groups| Partition::new(0, window, split, groups).unwrap_err().setting();
        assert_eq!(setting(Duration::ZERO, 1, 2), "window");
        assert_eq!(setting(Duration::MAX, 1, 2), "window");
        assert_eq!(setting(SECOND, 1_000_001, 2), "split");
        assert_eq!(setting(SECOND, 1, 1), "groups");
    }

    #[test]
    fn whole_or_split_by_rate() {
        let never = Partition::new(1, SECOND, 0, 2).unwrap();
        let always = Partition::new(1, SECOND, 1_000_000, 2).unwrap();
        for second in 0..100 {
            let now = Instant::from_nanos(second * 1_000_000_000);
            assert_eq!(never.group(second, now), None);
            assert!(always.group(second, now).is_some_and(|group| group < 2));
        }
    }

    #[test]
    fn the_next_window_is_strictly_later_and_the_last_has_none() {
        let split = Partition::new(0, SECOND, 1, 2).unwrap();
        let next = |now| split.next_deadline(Instant::from_nanos(now)).map(Instant::as_nanos);
        assert_eq!(next(0), Some(1_000_000_000));
        assert_eq!(next(999_999_999), Some(1_000_000_000));
        assert_eq!(next(1_000_000_000), Some(2_000_000_000));
        assert_eq!(next(u64::MAX), None);
    }
}
