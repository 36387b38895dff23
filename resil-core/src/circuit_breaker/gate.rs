//! A breaker as something that an attempt has to pass.

use super::config::CircuitBreakerConfig;
use super::machine::CircuitBreaker;
use super::permit::{Permit, Recorded};
use super::state::CircuitBreakerState;
use super::window::Window;
use crate::call::{Bound, End, Gate, Request};
use crate::outcome::Rejected;
use crate::time::Instant;
use core::borrow::Borrow;

impl<W: Window> Gate for Bound<'_, CircuitBreakerConfig<W>, CircuitBreakerState<W::Stats>> {
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

    #[inline]
    fn needs_end(&self) -> bool {
        self.policy.needs_end(self.state)
    }
}

impl<C: Borrow<CircuitBreakerConfig<W>>, W: Window> Gate for CircuitBreaker<C, W> {
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

    #[inline]
    fn needs_end(&self) -> bool {
        self.config().needs_end(self.as_state())
    }
}
