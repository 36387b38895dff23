//! What is remembered of a peer, and what its silence means.

use super::config::{HeartbeatConfig, MEAN_FRACTION};
use super::phi::Phi;
use crate::health::{CheckStatus, HealthStatus};
use crate::time::Instant;
use core::fmt;
use core::time::Duration;

/// What is remembered of a peer: 40 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeartbeatState {
    /// When it is suspected if it stays silent. The last heartbeat is one limit before: a clock that
    /// has restarted since may have no instant for that.
    pub(super) until: Instant,
    /// The mean interval, in units with 16 bits of fraction; zero where nothing is known.
    pub(super) mean: u64,
    /// The variance, in units squared.
    pub(super) variance: u64,
    /// Its root.
    pub(super) deviation: u32,
    /// The number of the last heartbeat that had one.
    pub(super) number: u32,
    pub(super) phase: Phase,
}

const _: () = assert!(size_of::<HeartbeatState>() <= 40);

/// How far the acquaintance goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Phase {
    /// Nobody waits for it.
    #[default]
    Unknown,
    /// It is waited for, and has not been heard yet.
    Expected,
    /// It has been heard.
    Heard,
    /// It has been heard, and numbers its heartbeats.
    Numbered,
}

impl HeartbeatState {
    /// A peer of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            until: Instant::EPOCH,
            mean: 0,
            variance: 0,
            deviation: 0,
            number: 0,
            phase: Phase::Unknown,
        }
    }
}

/// How a peer is by its heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeartbeatStatus {
    /// It has never been heard; or only in what the clock calls the far future since it stepped back.
    Unknown,
    /// Its silence is not unusual.
    Alive,
    /// It has been silent for too long.
    Suspected,
}

impl fmt::Display for HeartbeatStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "UNKNOWN",
            Self::Alive => "ALIVE",
            Self::Suspected => "SUSPECTED",
        })
    }
}

/// What a [`Quorum`](crate::health::Quorum) of peers is judged by.
impl From<HeartbeatStatus> for CheckStatus {
    fn from(status: HeartbeatStatus) -> Self {
        match status {
            HeartbeatStatus::Unknown => Self::Unknown,
            HeartbeatStatus::Alive => Self::Known(HealthStatus::Healthy),
            HeartbeatStatus::Suspected => Self::Known(HealthStatus::Unhealthy),
        }
    }
}

/// What a heartbeat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a peer may just have come back"]
pub enum Beat {
    /// The first that was heard: the estimate is the policy's.
    First,
    /// It counts, and its interval is learned.
    Counted,
    /// The peer was suspected and is alive again. The interval was an outage, and is not learned.
    Recovered,
    /// It arrived before one that was heard already, by the clock, which has stepped back. It counts
    /// from now, and nothing is learned.
    Reanchored,
    /// Its number is that of one that was heard, or an earlier one: it says nothing about now, and
    /// has changed nothing.
    Stale,
}

impl HeartbeatConfig {
    /// Starts to wait for a peer that has not been heard: it is suspected if it stays silent as if a
    /// heartbeat had come now. Nothing happens if it has been heard, or is waited for already.
    pub const fn expect(&self, state: &mut HeartbeatState, now: Instant) {
        if matches!(state.phase, Phase::Unknown) {
            self.begin(state, Phase::Expected, now);
        }
    }

    /// Takes a heartbeat that arrived now.
    ///
    /// Cost: a few multiplications and a square root of 32 steps.
    pub const fn record(&self, state: &mut HeartbeatState, now: Instant) -> Beat {
        let beat = self.status_or_back(state, now);
        match beat {
            Beat::First => self.begin(state, Phase::Heard, now),
            Beat::Counted => {
                let silence = self.silence(state, now) >> self.shift;
                self.learn(state, silence);
                self.anchor(state, now);
            }
            Beat::Recovered | Beat::Reanchored | Beat::Stale => self.anchor(state, now),
        }
        beat
    }

    /// Takes a heartbeat that carries a number, one more than that of the one before.
    ///
    /// A duplicate, and one that another has overtaken, are [`Stale`](Beat::Stale). Numbers wrap; one
    /// that is behind by less than 2^31 is an earlier one. A peer that has restarted counts from
    /// anywhere: of one that is not alive any number is taken for a beginning.
    pub const fn record_numbered(
        &self,
        state: &mut HeartbeatState,
        number: u32,
        now: Instant,
    ) -> Beat {
        let ahead = number.wrapping_sub(state.number);
        let is_stale = ahead == 0 || ahead > 1 << 31;
        let is_alive = matches!(self.status(state, now), HeartbeatStatus::Alive);
        if matches!(state.phase, Phase::Numbered) && is_stale && is_alive {
            return Beat::Stale;
        }
        let beat = self.record(state, now);
        state.number = number;
        state.phase = Phase::Numbered;
        beat
    }

    /// Goes on after this node itself was away, asleep or stopped, when its clock has run on: every
    /// peer has a whole limit to be heard again, and counts as alive for that long, one that was
    /// suspected before as well. Without it they all are suspected until they are.
    pub const fn resume(&self, state: &mut HeartbeatState, now: Instant) {
        if !matches!(state.phase, Phase::Unknown) {
            self.anchor(state, now);
        }
    }

    /// Brings back what a step of the clock has left too far ahead: who was heard in the future was
    /// heard now. Else it changes nothing. For whoever watches peers that may never be heard again;
    /// call it when the clock may have been set, or before each look.
    pub const fn reanchor(&self, state: &mut HeartbeatState, now: Instant) {
        let is_ahead = state.until.nanos_since(now) > self.limit_nanos(state);
        if !matches!(state.phase, Phase::Unknown) && is_ahead {
            self.anchor(state, now);
        }
    }

    /// How the peer is. A look.
    #[must_use]
    pub const fn status(&self, state: &HeartbeatState, now: Instant) -> HeartbeatStatus {
        if matches!(state.phase, Phase::Unknown) {
            HeartbeatStatus::Unknown
        } else if state.until.is_reached(now) {
            HeartbeatStatus::Suspected
        } else if matches!(state.phase, Phase::Expected) || self.is_too_far_ahead(state, now) {
            HeartbeatStatus::Unknown
        } else {
            HeartbeatStatus::Alive
        }
    }

    /// How much its silence says; 0 of a peer that nobody waits for. Never falls while it is silent,
    /// and is at the threshold or above exactly while the peer is suspected.
    #[must_use]
    pub fn phi(&self, state: &HeartbeatState, now: Instant) -> Phi {
        if state.phase == Phase::Unknown {
            return Phi::default();
        }
        // Of 40 bits it is beyond any limit, which has 30; more would overflow below.
        let silence = (self.silence(state, now) >> self.shift).min(1 << 40);
        let usual = (state.mean >> MEAN_FRACTION).saturating_add(self.pause.into());
        let beyond = i64::try_from(silence).unwrap_or(i64::MAX).saturating_sub_unsigned(usual);
        let phi = Phi::of(beyond, self.believed(state.deviation));
        // The longest silence comes first where the intervals scatter.
        if state.until.is_reached(now) { phi.max(self.threshold) } else { phi }
    }

    /// When the status next changes by itself; strictly after `now`.
    #[must_use]
    pub fn next_deadline(&self, state: &HeartbeatState, now: Instant) -> Option<Instant> {
        if state.phase == Phase::Unknown {
            return None;
        }
        if state.phase != Phase::Expected && self.is_too_far_ahead(state, now) {
            let twice = self.limit_nanos(state).saturating_mul(2);
            return Some(back(state.until, twice));
        }
        Some(state.until).filter(|until| !until.is_reached(now))
    }

    /// The mean interval between heartbeats as it is estimated; the policy's as long as none has come.
    #[must_use]
    pub const fn mean(&self, state: &HeartbeatState) -> Duration {
        let mean =
            if matches!(state.phase, Phase::Unknown) { self.first_mean() } else { state.mean };
        Duration::from_nanos(self.nanos(mean >> MEAN_FRACTION))
    }

    /// Their standard deviation as it is believed: no less than the policy's least.
    #[must_use]
    pub const fn std_deviation(&self, state: &HeartbeatState) -> Duration {
        let deviation = match state.phase {
            Phase::Unknown => root(self.first_variance()),
            _ => state.deviation,
        };
        Duration::from_nanos(self.nanos(self.believed(deviation) as u64))
    }

    /// `state` under this policy, which `old` has kept before: who is alive stays so, for as long as
    /// the new policy has it. What was learned is kept where the interval is the same.
    #[must_use]
    pub fn inherit(&self, old: &Self, state: &HeartbeatState, now: Instant) -> HeartbeatState {
        if state.phase == Phase::Unknown {
            return state.clone();
        }
        let silence = old.silence(state, now);
        let mut new = state.clone();
        if self.interval == old.interval {
            let rescale = |number: u64, times: u32| {
                let (from, to) = (u32::from(old.shift), u32::from(self.shift));
                let up = from.saturating_sub(to).saturating_mul(times);
                let down = to.saturating_sub(from).saturating_mul(times);
                number.saturating_mul(1_u64.checked_shl(up).unwrap_or(u64::MAX)) >> down.min(63)
            };
            let longest = u64::from(self.longest);
            new.mean = rescale(state.mean, 1).min(longest << MEAN_FRACTION);
            new.variance = rescale(state.variance, 2).min(longest.saturating_mul(longest));
        } else {
            new.mean = self.first_mean();
            new.variance = self.first_variance();
        }
        new.deviation = root(new.variance);
        new.until = self.until_after(&new, silence, now);
        new
    }

    /// What a heartbeat at `now` is to the clock.
    const fn status_or_back(&self, state: &HeartbeatState, now: Instant) -> Beat {
        if matches!(state.phase, Phase::Unknown | Phase::Expected) {
            return Beat::First;
        }
        let limit = self.limit_nanos(state);
        if state.until.is_reached(now) {
            Beat::Recovered
        } else if state.until.nanos_since(now) > limit {
            Beat::Reanchored
        } else {
            Beat::Counted
        }
    }

    const fn begin(&self, state: &mut HeartbeatState, phase: Phase, now: Instant) {
        state.mean = self.first_mean();
        state.variance = self.first_variance();
        state.deviation = root(state.variance);
        state.phase = phase;
        self.anchor(state, now);
    }

    /// Exponentially weighted mean and variance (T. Finch, "Incremental calculation of weighted mean
    /// and variance", 2009): with d = x - mean, mean + w·d and (1 - w)·(variance + w·d²).
    const fn learn(&self, state: &mut HeartbeatState, silence: u64) {
        if silence == 0 {
            return; // at the same instant: as one
        }
        let sample = silence << MEAN_FRACTION;
        let difference = sample.abs_diff(state.mean);
        let step = difference >> self.weight;
        state.mean = if sample >= state.mean {
            state.mean.saturating_add(step)
        } else {
            state.mean.saturating_sub(step)
        };
        let difference = difference >> MEAN_FRACTION;
        let square = difference.saturating_mul(difference);
        let widened = state.variance.saturating_add(square >> self.weight);
        state.variance = widened.saturating_sub(widened >> self.weight);
        state.deviation = root(state.variance);
    }

    const fn anchor(&self, state: &mut HeartbeatState, now: Instant) {
        state.until = now.plus_nanos(self.limit_nanos(state));
    }

    const fn limit_nanos(&self, state: &HeartbeatState) -> u64 {
        self.nanos(self.limit(state.mean, self.believed(state.deviation)))
    }

    /// How long it has been silent, in nanoseconds.
    pub(super) const fn silence(&self, state: &HeartbeatState, now: Instant) -> u64 {
        let limit = self.limit_nanos(state);
        if state.until.is_reached(now) {
            limit.saturating_add(now.nanos_since(state.until))
        } else {
            limit.saturating_sub(state.until.nanos_since(now))
        }
    }

    /// When a peer that has been silent for `silence` by now is suspected.
    pub(super) fn until_after(
        &self,
        state: &HeartbeatState,
        silence: u64,
        now: Instant,
    ) -> Instant {
        let limit = self.limit_nanos(state);
        match limit.checked_sub(silence) {
            Some(left) => now.plus_nanos(left),
            None => back(now, silence.saturating_sub(limit)),
        }
    }

    /// A heartbeat that a step of the clock has left in the future counts as one from now, as long as
    /// it is ahead by no more than one limit; further ahead it proves nothing.
    const fn is_too_far_ahead(&self, state: &HeartbeatState, now: Instant) -> bool {
        let twice = self.limit_nanos(state).saturating_mul(2);
        state.until.nanos_since(now) > twice
    }

    const fn believed(&self, deviation: u32) -> u32 {
        if deviation > self.min_deviation { deviation } else { self.min_deviation }
    }
}

/// `nanos` before `instant`. A `Duration` would divide.
const fn back(instant: Instant, nanos: u64) -> Instant {
    Instant::from_nanos(instant.as_nanos().saturating_sub(nanos))
}

/// The square root, rounded down, bit by bit.
pub(super) const fn root(square: u64) -> u32 {
    let mut root = 0_u32;
    let mut bit = 1_u32 << 31;
    while bit > 0 {
        let candidate = root | bit;
        if (candidate as u64).saturating_mul(candidate as u64) <= square {
            root = candidate;
        }
        bit >>= 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_the_largest_whose_square_is_not_more() {
        let squares = [0, 1, 2, 3, 4, 99, 100, 1 << 60, (1 << 60) - 1, u64::MAX];
        for square in squares {
            let root = u128::from(root(square));
            assert!(root * root <= square.into() && (root + 1) * (root + 1) > square.into());
        }
    }
}
