//! An adaptive limit on the way of a call. One call is one permit, whatever it weighs: a weight is for
//! a [`bulkhead`](crate::bulkhead).

use super::aimd::{Aimd, AimdState};
use super::gradient::{Gradient, GradientState};
use super::limit::ConcurrencyLimit;
use super::machine::ConcurrencyLimiter;
use super::permit::{Permit, Recorded};
use crate::call::{Bound, End, Gate, Request};
use crate::outcome::Rejected;
use crate::time::Instant;

impl Gate for Bound<'_, Aimd, AimdState> {
    type Permit = Permit;
    type Report = Recorded;

    #[inline]
    fn try_acquire(
        &mut self,
        _: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.policy.try_acquire(self.state, entropy, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.policy.record(self.state, permit, end.outcome(), entropy, now)
    }
}

impl Gate for Bound<'_, Gradient, GradientState> {
    type Permit = Permit;
    type Report = Recorded;

    #[inline]
    fn try_acquire(
        &mut self,
        _: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.policy.try_acquire(self.state, entropy, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.policy.record(self.state, permit, end.outcome(), entropy, now)
    }
}

impl<L: ConcurrencyLimit> Gate for ConcurrencyLimiter<L> {
    type Permit = Permit;
    type Report = Recorded;

    #[inline]
    fn try_acquire(
        &mut self,
        _: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.try_acquire(entropy, now)
    }

    #[inline]
    fn settle(
        &mut self,
        permit: Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.record(permit, end.outcome(), entropy, now)
    }
}
