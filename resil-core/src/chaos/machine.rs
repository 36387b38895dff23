//! A seeded sequence of faults.

use super::policy::ChaosPolicy;
use super::{Fault, Stream};
use core::borrow::Borrow;

/// Where a sequence of faults is: its random numbers, and whether it is in a burst. 16 bytes.
///
/// Not `Copy`: a copy would order the same faults again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChaosState {
    stream: Stream,
    in_burst: bool,
}

const _: () = assert!(size_of::<ChaosState>() <= 16);

impl ChaosState {
    /// The sequence of `stream`, outside of a burst.
    #[must_use]
    pub const fn new(stream: Stream) -> Self {
        Self { stream, in_burst: false }
    }

    /// Whether the last message was in a burst.
    #[must_use]
    #[inline]
    pub const fn in_burst(&self) -> bool {
        self.in_burst
    }
}

impl ChaosPolicy {
    /// What to do to the next message.
    ///
    /// Draws one number, with bursts one more, and none where the policy is disabled.
    #[inline]
    pub fn inject(&self, state: &mut ChaosState) -> Fault {
        if !self.is_enabled() {
            return Fault::None;
        }
        if self.has_bursts() {
            let chance = if state.in_burst { self.end } else { self.begin };
            if u64::from(state.stream.next_u32()) < chance {
                state.in_burst = !state.in_burst;
            }
            if !state.in_burst {
                return Fault::None;
            }
        }
        self.fault(&mut state.stream)
    }
}

/// A policy and a sequence kept together.
///
/// ```
/// use resil_core::chaos::{Chaos, ChaosPolicy};
///
/// let mut one = Chaos::new(ChaosPolicy::DEFAULT, 7);
/// let mut other = Chaos::new(&ChaosPolicy::DEFAULT, 7);
/// assert!((0..10_000).all(|_| one.inject() == other.inject()), "same seed, same faults");
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Chaos<P = ChaosPolicy> {
    policy: P,
    state: ChaosState,
}

impl<P: Borrow<ChaosPolicy>> Chaos<P> {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(policy: P, seed: u64) -> Self {
        Self::from_parts(policy, ChaosState::new(Stream::new(seed)))
    }

    /// A sequence that goes on from `state`.
    #[must_use]
    pub const fn from_parts(policy: P, state: ChaosState) -> Self {
        Self { policy, state }
    }

    /// Where it is; `Clone` it to play the rest again.
    #[must_use]
    pub const fn as_state(&self) -> &ChaosState {
        &self.state
    }

    /// [`ChaosPolicy::inject`].
    #[inline]
    pub fn inject(&mut self) -> Fault {
        self.policy.borrow().inject(&mut self.state)
    }

    /// Other settings from now on; the sequence goes on.
    pub fn reconfigure(&mut self, policy: P) {
        self.policy = policy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_begins_and_ends_below_its_chance_and_not_at_it() {
        // A seed whose first number is just a chance that can be set: one in 4,295 is.
        let (seed, rate) = (0_u64..)
            .find_map(|seed| {
                let first = Stream::new(seed).next_u32();
                let rate = (u64::from(first) * 1_000_000).div_ceil(1 << 32) as u32;
                let chance = (1..1_000_000).contains(&rate).then(|| bursts(rate, 1).begin)?;
                (chance == u64::from(first)).then_some((seed, rate))
            })
            .unwrap();
        for (begin, begins) in [(rate - 1, false), (rate, false), (rate + 1, true)] {
            let mut state = ChaosState::new(Stream::new(seed));
            let _ = bursts(begin, 1).inject(&mut state);
            assert_eq!(state.in_burst(), begins, "{begin} of {rate}");
        }
        for (end, ends) in [(rate - 1, false), (rate, false), (rate + 1, true)] {
            let mut state = ChaosState { stream: Stream::new(seed), in_burst: true };
            let _ = bursts(1, end).inject(&mut state);
            assert_eq!(state.in_burst(), !ends, "{end} of {rate}");
        }
    }

    fn bursts(begin: u32, end: u32) -> ChaosPolicy {
        ChaosPolicy::builder().bursts(begin, end).build().unwrap()
    }
}
