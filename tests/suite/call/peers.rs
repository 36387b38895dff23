//! Several calls to one peer, and one call to several peers.

use core::time::Duration;
use resil_core::call::{
    Call, CallPolicy, End, Gate, Layers, PeerPolicy, PeerState, Request, Step, Verdict,
};
use resil_core::circuit_breaker::{CircuitBreakerConfig, State};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{FailureClass, Rejected};
use resil_core::rate_limit::{BucketState, RateLimitConfig, TokenBucket};
use resil_core::retry::{Retry, RetryPolicy};
use resil_core::{ErrorCode, Instant, valid};

const PEER: PeerPolicy = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(1)
            .timeout(Duration::from_secs(1))
            .build()
    ),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

/// The composed peer: a retry in flight, a consecutive breaker and a bucket.
const _: () = assert!(size_of::<PeerState>() + size_of::<Retry>() <= 64);

#[test]
fn a_composed_peer_takes_at_most_64_bytes() {
    assert_eq!(size_of::<PeerState>(), 24);
    assert_eq!(size_of::<Retry>(), 24);
    assert_eq!(size_of::<BucketState>(), 8);
}

#[test]
fn two_calls_share_a_peer() {
    let mut peer = PeerState::FRESH;
    let mut calls = [const { None }; 2];
    for slot in &mut calls {
        let mut call = Call::start(PEER.call(), Request::ONE, Instant::EPOCH);
        let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), no_entropy, Instant::EPOCH);
        let Step::Attempt(ticket) = step else { panic!("{step:?}") };
        *slot = Some((call, ticket));
    }
    let [Some((mut first, one)), Some((mut second, two))] = calls else { unreachable!() };
    let now = Instant::EPOCH;
    let fatal = Err(FailureClass::Fatal.into());
    first.finish(PEER.call(), one, fatal, &mut PEER.gates(&mut peer), no_entropy, now);
    assert_eq!(PEER.breaker().state(&peer.breaker, now), State::Open);
    second.finish(PEER.call(), two, Ok(()), &mut PEER.gates(&mut peer), no_entropy, now);
    assert_eq!(PEER.breaker().state(&peer.breaker, now), State::Open, "a late success is stale");
    let step = second.poll(PEER.call(), &mut PEER.gates(&mut peer), no_entropy, now);
    assert_eq!(step, Step::Done(Verdict::Success), "but the call has its answer");
}

/// One gate for several peers: the last one that was chosen is avoided where another is asked for.
struct Anyone<'a> {
    peers: &'a mut [PeerState; 2],
    last: &'a mut usize,
}

impl Gate for Anyone<'_> {
    type Permit =
        (usize, (resil_core::circuit_breaker::Permit, resil_core::rate_limit::BucketCharge));
    type Report = ();

    fn try_acquire(
        &mut self,
        request: &Request,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) -> Result<Self::Permit, Rejected> {
        if request.elsewhere {
            *self.last = 1 - *self.last;
        }
        let mut peer = PEER.gate(&mut self.peers[*self.last]);
        peer.try_acquire(request, entropy, now).map(|permit| (*self.last, permit))
    }

    fn settle(
        &mut self,
        (peer, permit): Self::Permit,
        end: End,
        entropy: &mut impl FnMut() -> u32,
        now: Instant,
    ) {
        PEER.gate(&mut self.peers[peer]).settle(permit, end, entropy, now);
    }
}

const AT_ONCE: Hedge =
    Hedge::new(valid!(HedgePolicy::builder().fixed_delay(Duration::from_nanos(1)).build()));

#[test]
fn a_hedge_goes_to_another_peer_and_each_permit_back_to_its_own() {
    let (mut peers, mut last) = ([PeerState::FRESH, PeerState::FRESH], 0);
    let now = Instant::EPOCH;
    let mut call = Call::start(PEER.call(), Request::ONE, now);
    let mut poll = |call: &mut Call<_, _>, peers: &mut [PeerState; 2], now| {
        let mut gates = Layers::new(Anyone { peers, last: &mut last }).with_hedge(AT_ONCE);
        call.poll(PEER.call(), &mut gates, no_entropy, now)
    };
    let (Step::Attempt(first), Step::Attempt(hedge)) =
        (poll(&mut call, &mut peers, now), poll(&mut call, &mut peers, Instant::from_nanos(1)))
    else {
        panic!("two attempts")
    };
    assert_eq!(call.permit(&first).unwrap().0, 0);
    assert_eq!(call.permit(&hedge).unwrap().0, 1, "elsewhere");
    let mut gates = Layers::new(Anyone { peers: &mut peers, last: &mut last }).with_hedge(AT_ONCE);
    let failure = Err(FailureClass::Transient.into());
    call.finish(PEER.call(), first, failure, &mut gates, no_entropy, now);
    call.finish(PEER.call(), hedge, Ok(()), &mut gates, no_entropy, now);
    let states = peers.each_ref().map(|peer| PEER.breaker().state(&peer.breaker, now));
    assert_eq!(states, [State::Open, State::Closed]);
}

#[test]
fn a_quota_that_is_spent_is_told_with_its_instant() {
    let mut peer = PeerState::FRESH;
    let now = Instant::EPOCH;
    for _ in 0..10 {
        let mut call = Call::start(PEER.call(), Request::ONE, now);
        let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), no_entropy, now);
        let Step::Attempt(ticket) = step else { panic!("{step:?}") };
        call.finish(PEER.call(), ticket, Ok(()), &mut PEER.gates(&mut peer), no_entropy, now);
    }
    let mut call = Call::start(PEER.call(), Request::ONE, now);
    let step = call.poll(PEER.call(), &mut PEER.gates(&mut peer), no_entropy, now);
    let Step::Done(verdict) = step else { panic!("{step:?}") };
    let error = call.error::<()>(verdict, None).unwrap();
    assert_eq!(error.code(), ErrorCode::RateLimitExceeded);
    assert!(error.retry_at().is_some());
}
