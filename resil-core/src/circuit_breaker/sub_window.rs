//! What a closed breaker over a window of time counts without being asked.

use super::config::CircuitBreakerConfig;
use super::permit::Permit;
use super::state::{CircuitBreakerState, Phase};
use super::window::Window;
use crate::time::Instant;

/// The present sub-window of a closed breaker, while successes in it only add up: each is one more call
/// in the [window](super::window), whatever their order, and none can open the breaker.
///
/// For whoever keeps the state behind a lock and wants such successes told without it. Beside the
/// [`Glance`](super::Glance) are kept this, and a word. A success that this [has](Self::has), while the
/// glance is the one at which it [adds up](super::Glance::adding), is told by adding it to the word, as one
/// of the [generation](super::Generation) in which it was looked at both. Whoever takes the lock takes the
/// word away, so that nobody adds to it, and [counts](CircuitBreakerConfig::add_successes) what is in it.
/// When glance and sub-window are up to date again, a word is put in its place.
///
/// If that happens between a look and the adding, the success is one of the sub-window that is the present
/// one by then. Only, once the glance [has moved](super::Glance::has_moved_since) or another policy is in
/// force, the next generation begins, and whoever looked before that does not count.
///
/// It is none where the share of failures or of slow calls is reached and only calls are missing that
/// make the minimum: the next success may open the breaker. So it is with other windows than those
/// [of time](super::TimeWindow), and where it is not closed.
///
/// # Law
///
/// Successes counted so leave the state as it would be had each been told with
/// [`record`](CircuitBreakerConfig::record), at any instants of the sub-window.
///
/// ```
/// use core::time::Duration;
/// use resil_core::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Glance, TimeWindow};
/// use resil_core::{Instant, Outcome, valid};
///
/// const POLICY: CircuitBreakerConfig<TimeWindow<10>> = valid!(
///     CircuitBreakerConfig::builder().time_window(Duration::from_secs(10)).build()
/// );
/// let mut breaker = CircuitBreaker::new(POLICY);
/// let (sub_window, glance, now) = (breaker.sub_window(), breaker.glance(), Instant::EPOCH);
///
/// let permit = glance.try_acquire(now).expect("closed");
/// assert!(Glance::adding(&permit, Outcome::Success) == Some(glance) && sub_window.has(&permit, now));
/// breaker.add_successes(1);
/// assert_eq!(breaker.counts(now).calls, 1);
/// assert!(!sub_window.has(&permit, Instant::from_duration(Duration::from_secs(1))), "it is over");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubWindow {
    since: Instant,
    width: u64,
    /// How long a call must have run to be slow; `u64::MAX`: none is.
    slow: u64,
}

impl SubWindow {
    /// It has nothing.
    pub const NONE: Self = Self { since: Instant::EPOCH, width: 0, slow: 0 };

    /// Three words, for atomics.
    #[must_use]
    #[inline]
    pub const fn into_raw(self) -> [u64; 3] {
        [self.since.as_nanos(), self.width, self.slow]
    }

    /// The sub-window from words that were one.
    #[must_use]
    #[inline]
    pub const fn from_raw([since, width, slow]: [u64; 3]) -> Self {
        Self { since: Instant::from_nanos(since), width, slow }
    }

    /// Whether a call that succeeds `now` ends in it and was not slow.
    #[must_use]
    #[inline]
    pub const fn has(&self, permit: &Permit, now: Instant) -> bool {
        // Before it began, the difference wraps round to more than any width.
        let is_in = now.as_nanos().wrapping_sub(self.since.as_nanos()) < self.width;
        is_in && now.nanos_since(permit.issued_at) < self.slow
    }
}

impl<W: Window> CircuitBreakerConfig<W> {
    /// The sub-window in which successes add up, until the state changes.
    #[must_use]
    #[inline]
    pub fn sub_window(&self, state: &CircuitBreakerState<W::Stats>) -> SubWindow {
        if !matches!(state.core.phase, Phase::Closed) {
            return SubWindow::NONE;
        }
        match self.window.adds_up(&state.stats) {
            Some((since, width)) => {
                let slow = self.window.slow_nanos().unwrap_or(u64::MAX);
                SubWindow { since, width, slow }
            }
            None => SubWindow::NONE,
        }
    }

    /// Counts so many successes, each of which the [`SubWindow`] of `state` has. Where there is none it
    /// counts nothing.
    #[inline]
    pub fn add_successes(&self, state: &mut CircuitBreakerState<W::Stats>, successes: u32) {
        if successes > 0 && self.sub_window(state) != SubWindow::NONE {
            state.core.count = 0;
            self.window.add(&mut state.stats, successes);
        }
    }
}
