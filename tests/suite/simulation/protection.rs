//! What a node does about overload: nothing, or the composed call.

use core::time::Duration;
use resil_core::backoff::{Curve, Jitter};
use resil_core::call::{Call, CallPolicy, Finished, Layers, Step, Ticket};
use resil_core::retry::RetryPolicy;
use resil_core::{Instant, valid};

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
