//! Policies and states that are kept apart, as gates.

use super::gate::{End, Gate, Request};
use crate::outcome::Rejected;
use crate::rate_limit::Limit;
use crate::time::Instant;

/// A policy beside the state it decides about, borrowed for a step.
#[derive(Debug)]
pub struct Bound<'a, P, S> {
    /// The policy.
    pub policy: &'a P,
    /// The state.
    pub state: &'a mut S,
}

impl<'a, P, S> Bound<'a, P, S> {
    /// `policy`, deciding about `state`.
    pub const fn new(policy: &'a P, state: &'a mut S) -> Self {
        Self { policy, state }
    }
}

impl<L: Limit> Gate for Bound<'_, L, L::State> {
    type Permit = L::Charge;
    type Report = ();

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<L::Charge, Rejected> {
        self.policy.try_acquire(self.state, request.cost, now)
    }

    #[inline]
    fn settle(&mut self, charge: L::Charge, end: End, _: &mut impl FnMut() -> u32, now: Instant) {
        match end {
            End::Attempted(_) => {}
            End::Unused => self.policy.refund(self.state, charge, now),
        }
    }

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }
}
