//! What a node does about overload: nothing, or the composed call.

use super::world::HUBS;
use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::call::{
    Budget, Call, CallPolicy, Finished, Layers, PeerGate, PeerPolicy, PeerState, Step, Ticket,
};
use resil_core::circuit_breaker::{self, CircuitBreakerConfig};
use resil_core::rate_limit::{BucketCharge, RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;
use resil_core::retry::budget::{RatioBudget, RetryBudget};
use resil_core::throttle::{self, AdaptiveThrottle, Throttler};
use resil_core::{Instant, Ratio, valid};

/// How one node protects its peers and itself.
pub(super) trait Protection {
    type Permit;
    type Charge;

    fn new() -> Self;
    fn policy() -> &'static CallPolicy;

    fn poll(
        &mut self,
        call: &mut Call<Self::Permit, Self::Charge>,
        hub: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Step;

    /// An attempt was answered.
    fn finish(
        &mut self,
        call: &mut Call<Self::Permit, Self::Charge>,
        ticket: Ticket,
        hub: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Finished;
}

const TIMEOUT: Duration = Duration::from_secs(1);

/// What is written when nobody has thought about it: four attempts, a tenth of a second apart.
pub(super) struct Naive;

const FOUR_ATTEMPTS: CallPolicy = valid!(
    CallPolicy::new(valid!(
        RetryPolicy::builder()
            .max_attempts(4)
            .initial_delay(Duration::from_millis(100))
            .curve(Curve::Fixed)
            .jitter(Jitter::None)
            .build()
    ))
    .with_attempt_timeout(TIMEOUT)
);

impl Protection for Naive {
    type Permit = ();
    type Charge = ();

    fn new() -> Self {
        Self
    }

    fn policy() -> &'static CallPolicy {
        &FOUR_ATTEMPTS
    }

    fn poll(
        &mut self,
        call: &mut Call<(), ()>,
        _: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Step {
        call.poll(Self::policy(), &mut Layers::new(()), entropy, now)
    }

    fn finish(
        &mut self,
        call: &mut Call<(), ()>,
        ticket: Ticket,
        _: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Finished {
        call.finish(Self::policy(), ticket, Ok(()), &mut Layers::new(()), entropy, now)
    }
}

/// The composed call: a share of the requests that the hubs do not take is not sent, a breaker for
/// each hub, one extra attempt for ten calls, and jitter.
pub(super) struct Composed {
    throttle: Throttler,
    budget: RetryBudget<RatioBudget>,
    hubs: [PeerState; HUBS],
}

static PEER: PeerPolicy = PeerPolicy::new(
    valid!(
        CallPolicy::new(valid!(
            RetryPolicy::builder().initial_delay(Duration::from_millis(100)).build()
        ))
        .with_attempt_timeout(TIMEOUT)
    ),
    valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(3)
            .timeout(Duration::from_secs(5))
            .jitter(Jitter::Equal)
            .build()
    ),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);
const THROTTLE: AdaptiveThrottle =
    valid!(AdaptiveThrottle::builder().window(Duration::from_secs(5)).min_requests(2).build());
const TENTH: RatioBudget = valid!(
    RatioBudget::builder()
        .ratio(Ratio::percent(10))
        .minimum(0)
        .window(Duration::from_secs(30))
        .build()
);

impl Composed {
    fn layers(
        &mut self,
        hub: usize,
    ) -> Layers<(&mut Throttler, PeerGate<'_>), &mut RetryBudget<RatioBudget>> {
        Layers::new((&mut self.throttle, PEER.gate(&mut self.hubs[hub])))
            .with_budget(&mut self.budget)
    }
}

impl Protection for Composed {
    type Permit = (throttle::Permit, (circuit_breaker::Permit, BucketCharge));
    type Charge = <RetryBudget<RatioBudget> as Budget>::Charge;

    fn new() -> Self {
        Self {
            throttle: Throttler::new(THROTTLE),
            budget: RetryBudget::new(TENTH),
            hubs: [const { PeerState::FRESH }; HUBS],
        }
    }

    fn policy() -> &'static CallPolicy {
        PEER.call()
    }

    fn poll(
        &mut self,
        call: &mut Call<Self::Permit, Self::Charge>,
        hub: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Step {
        call.poll(PEER.call(), &mut self.layers(hub), entropy, now)
    }

    fn finish(
        &mut self,
        call: &mut Call<Self::Permit, Self::Charge>,
        ticket: Ticket,
        hub: usize,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Finished {
        call.finish(PEER.call(), ticket, Ok(()), &mut self.layers(hub), entropy, now)
    }
}
