//! A window counted in slices.

use super::{Window, share};
use crate::config::ConfigError;
use crate::rate_limit::RateLimitConfig;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;

/// A window cut into `K` sub-windows, each with one counter: 16 + 4·K bytes for any maximum.
///
/// The present sub-window and the `K` before it are counted in full, which covers the window
/// wherever it lies.
///
/// # Law
///
/// - Never more than `max_requests` in any window.
/// - A sender that never rests gets at least K/(K+1) of `max_requests` per window.
/// - A refusal names an instant at most one sub-window (and K - 1 ns of rounding) later than an
///   [`ExactLog`](super::ExactLog) of the same admissions would.
/// - A clock that steps back by one sub-window at most is waited for; after a larger step the present
///   sub-window begins now. Either way nothing waits longer than `K + 2` sub-windows.
///
/// # Cost
///
/// At most `K + 1` steps of a few additions, however much time has passed; no division.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubWindows<const K: usize> {
    width: u64,
    max: u32,
}

/// What [`SubWindows`] remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubWindowsState<const K: usize> {
    /// When the present sub-window started.
    start: u64,
    /// Counted in the present sub-window.
    present: u32,
    /// Counted in those before it: a ring whose oldest is at `oldest`.
    past: [u32; K],
    oldest: u16,
    /// Tells charges of one grid of sub-windows from those of another.
    grid: u16,
}

const _: () = assert!(size_of::<SubWindowsState<10>>() == 56);

/// What a commit counted, and in which sub-window.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubWindowsCharge {
    start: u64,
    cost: u32,
    grid: u16,
}

impl<const K: usize> SubWindows<K> {
    const NUMBER: u64 = {
        assert!(K >= 1 && K <= 1024, "a window has 1 to 1024 sub-windows");
        K as u64
    };

    /// The window of `config`.
    #[must_use]
    pub const fn new(config: &RateLimitConfig) -> Self {
        let width = config.window_nanos().div_ceil(Self::NUMBER);
        Self { width, max: config.max_requests() }
    }

    /// Whether the clock has stepped back by more than is waited for.
    #[inline]
    const fn is_far_ahead(&self, state: &SubWindowsState<K>, now: u64) -> bool {
        state.start.saturating_sub(now) > self.width
    }

    /// The counts in the order in which they leave, and when they do.
    fn departures(&self, state: &SubWindowsState<K>) -> impl Iterator<Item = (u32, Instant)> {
        let (newer, older) = state.past.split_at_checked(state.oldest.into()).unwrap_or_default();
        let counts = older.iter().chain(newer).chain([&state.present]).copied();
        counts.scan(state.start, |leaves, count| {
            *leaves = leaves.saturating_add(self.width);
            Some((count, Instant::from_nanos(*leaves)))
        })
    }

    /// The state as of `now`: moved on to the present sub-window, or re-anchored at `now`.
    fn as_of(&self, state: &SubWindowsState<K>, now: u64) -> SubWindowsState<K> {
        let mut state = state.clone();
        if self.is_far_ahead(&state, now) {
            state.start = now;
            state.grid = state.grid.wrapping_add(1);
        }
        for _ in 0..=K {
            if now.saturating_sub(state.start) < self.width {
                break;
            }
            state.advance(self.width);
        }
        if state.total() == 0 {
            // Idle: a new grid starts with whatever is counted next.
            state.grid = state.grid.wrapping_add(1);
            state.start = now;
        }
        state
    }

    /// What is `counted` at `now`, the latest first as far as this limit can count it; where windows
    /// differ in length, all of it at `now`.
    fn taken_over(
        &self,
        old: &Self,
        mut counted: SubWindowsState<K>,
        now: Instant,
    ) -> SubWindowsState<K> {
        let mut excess = counted.total().saturating_sub(self.max);
        if old.width == self.width {
            for back in (0..=K).rev() {
                if let Some(count) = counted.count_mut(back) {
                    let dropped = excess.min(*count);
                    *count = count.saturating_sub(dropped);
                    excess = excess.saturating_sub(dropped);
                }
            }
            return counted;
        }
        let mut fresh = SubWindowsState::FRESH;
        let used = counted.total().saturating_sub(excess);
        if used > 0 {
            self.commit(&mut fresh, used, now);
        }
        fresh
    }
}

impl<const K: usize> SubWindowsState<K> {
    const FRESH: Self = Self { start: 0, present: 0, past: [0; K], oldest: 0, grid: 0 };

    fn total(&self) -> u32 {
        self.past.iter().fold(self.present, |sum, count| sum.saturating_add(*count))
    }

    /// The next sub-window becomes the present one; the oldest leaves.
    fn advance(&mut self, width: u64) {
        self.start = self.start.saturating_add(width);
        let oldest = usize::from(self.oldest);
        if let Some(slot) = self.past.get_mut(oldest) {
            *slot = core::mem::take(&mut self.present);
        }
        let next = oldest.saturating_add(1);
        self.oldest = if next < K { next as u16 } else { 0 };
    }

    /// The count of the sub-window that lies `back` before the present one.
    fn count_mut(&mut self, back: usize) -> Option<&mut u32> {
        if back == 0 {
            return Some(&mut self.present);
        }
        let behind = usize::from(self.oldest).saturating_add(K).checked_sub(back)?;
        self.past.get_mut(behind.checked_sub(K).unwrap_or(behind))
    }
}

impl<const K: usize> Window for SubWindows<K> {
    type State = SubWindowsState<K>;
    type Charge = SubWindowsCharge;

    const FRESH: SubWindowsState<K> = SubWindowsState::FRESH;

    fn from_config(config: &RateLimitConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(config))
    }

    fn used(&self, state: &Self::State, now: Instant) -> u32 {
        self.as_of(state, now.as_nanos()).total()
    }

    fn opens_at(&self, state: &Self::State, cost: u32, now: Instant) -> Instant {
        let state = self.as_of(state, now.as_nanos());
        let room = self.max.saturating_sub(cost);
        let mut total = state.total();
        if total <= room {
            return now;
        }
        let enough = self.departures(&state).find(|(count, _)| {
            total = total.saturating_sub(*count);
            total <= room
        });
        enough.map_or(Instant::MAX, |(_, leaves)| leaves)
    }

    fn commit(&self, state: &mut Self::State, cost: u32, now: Instant) -> SubWindowsCharge {
        *state = self.as_of(state, now.as_nanos());
        state.present = state.present.saturating_add(cost);
        SubWindowsCharge { start: state.start, cost, grid: state.grid }
    }

    fn reanchor(&self, state: &mut Self::State, now: Instant) {
        if self.is_far_ahead(state, now.as_nanos()) {
            *state = self.as_of(state, now.as_nanos());
        }
    }

    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let counted = old.as_of(state, now.as_nanos());
        self.taken_over(old, counted, now)
    }

    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let mut counted = old.as_of(state, now.as_nanos());
        for back in 0..=K {
            if let Some(count) = counted.count_mut(back) {
                *count = share(*count, old.max, self.max);
            }
        }
        self.taken_over(old, counted, now)
    }

    const BYTES: usize = K.saturating_mul(4).saturating_add(12);

    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
        let mut state = self.as_of(state, now.as_nanos());
        // Below zero while a clock that was set back has not come there again.
        to.u64(now.as_nanos().wrapping_sub(state.start));
        for back in 0..=K {
            to.u32(state.count_mut(back).copied().unwrap_or(0));
        }
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
        let age = from.u64()?;
        let ahead = age.wrapping_neg();
        let is_ahead = ahead <= self.width;
        let mut state = SubWindowsState::FRESH;
        let mut total = 0_u32;
        for back in 0..=K {
            let count = from.u32()?;
            total = total.checked_add(count).ok_or(SnapshotError::Invalid)?;
            if let Some(slot) = state.count_mut(back) {
                *slot = count;
            }
        }
        if total > self.max || (age >= self.width && !is_ahead) {
            return Err(SnapshotError::Invalid);
        }
        let now = now.as_nanos();
        state.start = if is_ahead { now.saturating_add(ahead) } else { now.saturating_sub(age) };
        Ok(state)
    }

    fn refund(&self, state: &mut Self::State, charge: SubWindowsCharge, now: Instant) {
        let mut current = self.as_of(state, now.as_nanos());
        if current.grid != charge.grid {
            return;
        }
        let mut start = current.start;
        for back in 0..=K {
            if start == charge.start {
                if let Some(count) = current.count_mut(back) {
                    *count = count.saturating_sub(charge.cost);
                    *state = current;
                }
                return;
            }
            start = start.saturating_sub(self.width);
        }
    }

    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant> {
        let state = self.as_of(state, now.as_nanos());
        self.departures(&state).find(|(count, _)| *count > 0).map(|(_, leaves)| leaves)
    }

    fn empty_at(&self, state: &Self::State, now: Instant) -> Instant {
        let state = self.as_of(state, now.as_nanos());
        let counted = self.departures(&state).filter(|(count, _)| *count > 0);
        counted.last().map_or(now, |(_, leaves)| leaves)
    }
}

#[cfg(test)]
mod tests;
