//! A bulkhead on the way of a call: it reads the weight and the priority of the request.

use super::config::BulkheadConfig;
use super::machine::Bulkhead;
use super::state::{BulkheadState, Permit, Recorded};
use crate::call::{Bound, End, Gate, Request};
use crate::outcome::Rejected;
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
        self.policy.record(self.state, permit, end.outcome(), now)
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
        self.record(permit, end.outcome(), now)
    }
}
