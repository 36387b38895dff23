//! A throttle on the way of a call. A call that a later gate refused was never asked of the peer.

use super::config::AdaptiveThrottle;
use super::machine::Throttler;
use super::state::{Permit, Recorded, ThrottleState};
use crate::call::{Bound, End, Gate, Request};
use crate::outcome::Rejected;
use crate::time::Instant;
use core::borrow::Borrow;
use core::fmt::Debug;

impl Gate for Bound<'_, AdaptiveThrottle, ThrottleState> {
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
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.policy.record(self.state, permit, end.outcome(), now)
    }
}

impl<C: Borrow<AdaptiveThrottle> + Debug> Gate for Throttler<C> {
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
        _: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Recorded {
        self.record(permit, end.outcome(), now)
    }
}
