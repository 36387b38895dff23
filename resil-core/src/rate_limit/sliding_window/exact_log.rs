//! A window that remembers every admission.

use super::{Window, share};
use crate::config::ConfigError;
use crate::rate_limit::RateLimitConfig;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;

/// A log of the last `N` admissions: 8·N + 8 bytes, for a `max_requests` of at most `N`.
///
/// Use it where the quota is small and every request of it counts; where it is large,
/// [`SubWindows`](super::SubWindows) takes a few counters instead.
///
/// # Law
///
/// Counts exactly what was committed in `(now - time_window, now]`, so a sender gets all of its
/// `max_requests` in every window and never more.
///
/// A clock that steps back by an eighth of the window at most is waited for, and until it has come
/// again a commit is entered with the latest instant of the log; after a larger step all entries are
/// as if made now. Either way nothing waits longer than a window and an eighth.
///
/// # Cost
///
/// A decision reads two entries, and a commit of cost n writes n. To look, to refund, or to begin anew
/// after a step back goes through at most `N`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExactLog<const N: usize> {
    window: u64,
    max: u32,
}

/// What [`ExactLog`] remembers: when each of the last admissions was made, in a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExactLogState<const N: usize> {
    stamps: [u64; N],
    first: u16,
    len: u16,
    /// Counts the times that the log was re-anchored, so that an older charge is known for one.
    anchor: u32,
}

const _: () = assert!(size_of::<ExactLogState<4>>() == 40);

/// What a commit counted, and when.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogCharge {
    stamp: u64,
    cost: u32,
    anchor: u32,
}

impl<const N: usize> ExactLog<N> {
    const ENTRIES: u32 = {
        assert!(N >= 1 && N <= 65_535, "a log has 1 to 65,535 entries");
        N as u32
    };

    /// The window of `config`.
    ///
    /// # Errors
    ///
    /// When `max_requests` is above `N`.
    pub const fn new(config: &RateLimitConfig) -> Result<Self, ConfigError> {
        if config.max_requests() > Self::ENTRIES {
            return Err(ConfigError::new(
                "max_requests",
                "max_requests must be at most the number of entries of the exact log",
            ));
        }
        Ok(Self { window: config.window_nanos(), max: config.max_requests() })
    }

    /// No entry counts as later than this: `now` once the clock has stepped back by more than is
    /// waited for, else no bound.
    #[inline]
    fn latest(&self, state: &ExactLogState<N>, now: u64) -> u64 {
        let newest = state.newest().unwrap_or(0);
        if newest.saturating_sub(now) > self.window >> 3 { now } else { u64::MAX }
    }

    /// When the entry leaves the window, as of `now`.
    #[inline]
    fn leaves(&self, state: &ExactLogState<N>, entry: u32, now: u64) -> u64 {
        let stamp = state.stamp(entry).min(self.latest(state, now));
        stamp.saturating_add(self.window)
    }

    /// How many of the oldest entries have to go before `cost` more are within the limit.
    #[inline]
    fn excess(&self, state: &ExactLogState<N>, cost: u32) -> u32 {
        u32::from(state.len).saturating_add(cost).saturating_sub(self.max)
    }
}

impl<const N: usize> ExactLogState<N> {
    const FRESH: Self = Self { stamps: [0; N], first: 0, len: 0, anchor: 0 };

    /// Where the entry lies that is `entry` after the oldest.
    #[inline]
    fn place(&self, entry: u32) -> usize {
        let place = usize::from(self.first).saturating_add(entry as usize);
        place.checked_sub(N).unwrap_or(place)
    }

    #[inline]
    fn stamp(&self, entry: u32) -> u64 {
        self.stamps.get(self.place(entry)).copied().unwrap_or(0)
    }

    #[inline]
    fn set(&mut self, entry: u32, stamp: u64) {
        let place = self.place(entry);
        if let Some(slot) = self.stamps.get_mut(place) {
            *slot = stamp;
        }
    }

    #[inline]
    fn newest(&self) -> Option<u64> {
        u32::from(self.len).checked_sub(1).map(|last| self.stamp(last))
    }
}

impl<const N: usize> Window for ExactLog<N> {
    type State = ExactLogState<N>;
    type Charge = LogCharge;

    const FRESH: ExactLogState<N> = ExactLogState::FRESH;

    fn from_config(config: &RateLimitConfig) -> Result<Self, ConfigError> {
        Self::new(config)
    }

    fn used(&self, state: &Self::State, now: Instant) -> u32 {
        let len = u32::from(state.len);
        let inside = |entry: &u32| self.leaves(state, *entry, now.as_nanos()) > now.as_nanos();
        len.saturating_sub((0..len).find(inside).unwrap_or(len))
    }

    fn opens_at(&self, state: &Self::State, cost: u32, now: Instant) -> Instant {
        match self.excess(state, cost).checked_sub(1) {
            None => now,
            Some(last) => {
                Instant::from_nanos(self.leaves(state, last, now.as_nanos()).max(now.as_nanos()))
            }
        }
    }

    fn commit(&self, state: &mut Self::State, cost: u32, now: Instant) -> LogCharge {
        let stamp = state.newest().unwrap_or(0).max(now.as_nanos());
        let gone = self.excess(state, cost).min(state.len.into());
        state.first = state.place(gone) as u16;
        let kept = u32::from(state.len).saturating_sub(gone);
        let len = kept.saturating_add(cost).min(Self::ENTRIES);
        for entry in kept..len {
            state.set(entry, stamp);
        }
        state.len = len as u16;
        LogCharge { stamp, cost, anchor: state.anchor }
    }

    fn reanchor(&self, state: &mut Self::State, now: Instant) {
        let latest = self.latest(state, now.as_nanos());
        if latest < u64::MAX {
            for stamp in &mut state.stamps {
                *stamp = latest.min(*stamp);
            }
            state.anchor = state.anchor.wrapping_add(1);
        }
    }

    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let mut kept = state.clone();
        old.reanchor(&mut kept, now);
        if old.window == self.window {
            let excess = self.excess(&kept, 0);
            kept.first = kept.place(excess) as u16;
            kept.len = u32::from(kept.len).saturating_sub(excess) as u16;
            return kept;
        }
        let mut fresh = Self::FRESH;
        let used = old.used(&kept, now).min(self.max);
        if used > 0 {
            self.commit(&mut fresh, used, now);
        }
        fresh
    }

    fn rescale(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State {
        let mut kept = state.clone();
        old.reanchor(&mut kept, now);
        let used = old.used(&kept, now);
        let gone = u32::from(kept.len).saturating_sub(used);
        let mut scaled = ExactLogState { anchor: kept.anchor, ..Self::FRESH };
        let len = share(used, old.max, self.max).min(self.max);
        for entry in 0..len {
            // The last of those of which it is the share.
            let of = share(entry.saturating_add(1), len, used).saturating_sub(1);
            let stamp = kept.stamp(gone.saturating_add(of));
            scaled.set(entry, if old.window == self.window { stamp } else { now.as_nanos() });
        }
        scaled.len = len as u16;
        scaled
    }

    const BYTES: usize = N.saturating_mul(8).saturating_add(2);

    fn write(&self, state: &Self::State, now: Instant, to: &mut Writer<'_>) {
        let mut state = state.clone();
        self.reanchor(&mut state, now);
        to.u16(state.len);
        for entry in 0..Self::ENTRIES {
            let is_there = entry < u32::from(state.len);
            let stamp = if is_there { state.stamp(entry) } else { now.as_nanos() };
            // Below zero while a clock that was set back has not come there again, and no more than
            // says that it has left.
            let age = now.as_nanos().wrapping_sub(stamp);
            to.u64(if stamp > now.as_nanos() { age } else { age.min(self.window) });
        }
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::State, SnapshotError> {
        let mut state = Self::FRESH;
        state.len = from.u16()?;
        if u32::from(state.len) > self.max {
            return Err(SnapshotError::Invalid);
        }
        let mut latest = 0;
        for entry in 0..Self::ENTRIES {
            let age = from.u64()?;
            let stamp = if age > i64::MAX as u64 {
                now.as_nanos().saturating_add(age.wrapping_neg())
            } else {
                now.as_nanos().saturating_sub(age)
            };
            if entry < state.len.into() {
                if stamp < latest {
                    return Err(SnapshotError::Invalid);
                }
                latest = stamp;
                state.set(entry, stamp);
            }
        }
        Ok(state)
    }

    fn refund(&self, state: &mut Self::State, charge: LogCharge, _: Instant) {
        if charge.anchor != state.anchor {
            return;
        }
        let mut kept: u32 = 0;
        let mut left = charge.cost;
        for entry in 0..u32::from(state.len) {
            let stamp = state.stamp(entry);
            if stamp == charge.stamp && left > 0 {
                left = left.saturating_sub(1);
            } else {
                state.set(kept, stamp);
                kept = kept.saturating_add(1);
            }
        }
        state.len = kept as u16;
    }

    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant> {
        (0..u32::from(state.len))
            .map(|entry| Instant::from_nanos(self.leaves(state, entry, now.as_nanos())))
            .find(|leaves| *leaves > now)
    }

    fn empty_at(&self, state: &Self::State, now: Instant) -> Instant {
        match u32::from(state.len).checked_sub(1) {
            None => now,
            Some(last) => Instant::from_nanos(self.leaves(state, last, now.as_nanos())).max(now),
        }
    }
}

#[cfg(test)]
mod tests;
