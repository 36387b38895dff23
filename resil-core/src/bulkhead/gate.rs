//! A bulkhead on the way of a call: it reads the weight and the priority of the request.

use super::config::BulkheadConfig;
use super::machine::Bulkhead;
use super::state::{BulkheadState, Permit, Recorded};
use crate::call::{Bound, End, Gate, Request};
use crate::outcome::{Outcome, Rejected};
use crate::time::Instant;
use core::borrow::Borrow;
use core::fmt::Debug;

impl Gate for Bound<'_, BulkheadConfig, BulkheadState> {
    type Permit = Permit;
    type Report = Recorded;

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.policy.try_acquire(self.state, request.weight, request.priority, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: Permit,
        end: End,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.policy.record(self.state, permit, outcome(end), now)
    }
}

impl<C: Borrow<BulkheadConfig> + Debug> Gate for Bulkhead<C> {
    type Permit = Permit;
    type Report = Recorded;

    #[inline]
    fn try_acquire(
        &mut self,
        request: &Request,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.try_acquire(request.weight, request.priority, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: Permit,
        end: End,
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.record(permit, outcome(end), now)
    }
}

const fn outcome(end: End) -> Outcome {
    match end {
        End::Attempted(outcome) => outcome,
        End::Unused => Outcome::Ignored,
    }
}
