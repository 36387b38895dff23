//! What the algorithms have in common.

use super::permit::{Permit, Recorded};
use crate::entropy::Entropy;
use crate::error::ErrorCode;
use crate::outcome::{Outcome, Rejected, RetryAt};
use crate::time::Instant;
use core::fmt::Debug;

/// A policy that finds out how many calls a peer can take at once: [`Aimd`](super::Aimd) or
/// [`Gradient`](super::Gradient). A reference to one is one.
pub trait ConcurrencyLimit: Debug {
    /// What it remembers.
    type State: Clone + Debug;

    /// The state to begin with: nothing in flight, the initial limit, nothing learned.
    fn start(&self) -> Self::State;

    /// Asks to make a call. Entropy is drawn only when a probe of the baseline ends.
    ///
    /// # Errors
    ///
    /// `LOAD_SHED` with [`RetryAt::Unknown`] while as many calls are in flight as the limit allows:
    /// any of them may end at any moment.
    fn try_acquire(
        &self,
        state: &mut Self::State,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected>;

    /// Tells a permit back. The time since it was issued is the call's latency. Entropy as with
    /// [`try_acquire`](Self::try_acquire).
    fn record(
        &self,
        state: &mut Self::State,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded;

    /// How many calls may be in flight at `now`.
    fn limit(&self, state: &Self::State, now: Instant) -> u16;

    /// How many are.
    fn in_flight(&self, state: &Self::State) -> u16;

    /// The first instant after `now` at which an answer changes by itself.
    fn next_deadline(&self, state: &Self::State, now: Instant) -> Option<Instant>;

    /// Whether the state answers like a new one, so that a table may evict it.
    fn is_fresh(&self, state: &Self::State) -> bool;

    /// Forgets what is in flight and what was learned. Permits that are out turn stale.
    fn reset(&self, state: &mut Self::State);

    /// The state with which this policy takes over from `old`: what is in flight stays in flight, its
    /// permits stay good, and what was learned is kept as far as this policy allows it.
    #[must_use]
    fn inherit(&self, old: &Self, state: &Self::State, now: Instant) -> Self::State;

    /// How many calls would pass at `now`.
    fn available(&self, state: &Self::State, now: Instant) -> u16 {
        self.limit(state, now).saturating_sub(self.in_flight(state))
    }

    /// What [`try_acquire`](Self::try_acquire) would answer; takes nothing.
    ///
    /// # Errors
    ///
    /// As there.
    fn peek(&self, state: &Self::State, now: Instant) -> Result<(), Rejected> {
        if self.in_flight(state) < self.limit(state, now) { Ok(()) } else { Err(SHED) }
    }
}

/// The refusal of every algorithm.
pub(super) const SHED: Rejected = Rejected::new(ErrorCode::LoadShed, RetryAt::Unknown);

impl<L: ConcurrencyLimit> ConcurrencyLimit for &L {
    type State = L::State;

    fn start(&self) -> L::State {
        (**self).start()
    }

    fn try_acquire(
        &self,
        state: &mut L::State,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        (**self).try_acquire(state, entropy, now)
    }

    fn record(
        &self,
        state: &mut L::State,
        permit: Permit,
        outcome: Outcome,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        (**self).record(state, permit, outcome, entropy, now)
    }

    fn limit(&self, state: &L::State, now: Instant) -> u16 {
        (**self).limit(state, now)
    }

    fn in_flight(&self, state: &L::State) -> u16 {
        (**self).in_flight(state)
    }

    fn next_deadline(&self, state: &L::State, now: Instant) -> Option<Instant> {
        (**self).next_deadline(state, now)
    }

    fn is_fresh(&self, state: &L::State) -> bool {
        (**self).is_fresh(state)
    }

    fn reset(&self, state: &mut L::State) {
        (**self).reset(state);
    }

    fn inherit(&self, old: &Self, state: &L::State, now: Instant) -> L::State {
        (**self).inherit(old, state, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::Aimd;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    /// What a limit answers in a history that asks everything, and says something else each time.
    fn answers<L: ConcurrencyLimit>(limit: L) -> Vec<String> {
        let [start, end] = [1_000, 2_000_000].map(Instant::from_nanos);
        let mut state = limit.start();
        let mut said = Vec::new();
        let fresh = limit.is_fresh(&state);
        let permit = limit.try_acquire(&mut state, || 0, start).unwrap();
        let lost = limit.try_acquire(&mut state, || 0, start).unwrap();
        said.push(format!(
            "{permit:?} {} {fresh} {}",
            limit.in_flight(&state),
            limit.is_fresh(&state)
        ));
        let recorded = limit.record(&mut state, permit, Outcome::Abandoned, || 0, end);
        said.push(format!("{recorded:?} {}", limit.limit(&state, end)));
        said.push(format!(
            "{:?} {:?}",
            limit.next_deadline(&state, start),
            limit.available(&state, end)
        ));
        said.push(format!("{:?}", limit.inherit(&limit, &state, end)));
        limit.reset(&mut state);
        said.push(format!("{state:?} {}", limit.in_flight(&state)));
        said.push(format!("{:?}", limit.record(&mut state, lost, Outcome::Success, || 0, end)));
        said
    }

    #[test]
    fn a_reference_to_a_limit_is_that_limit() {
        assert_eq!(answers::<&Aimd>(&Aimd::default()), answers(Aimd::default()));
    }
}
