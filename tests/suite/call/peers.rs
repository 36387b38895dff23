//! Several calls to one peer, and one call to several peers.

use core::time::Duration;
use resil_core::call::{
    Call, CallPolicy, End, Gate, Layers, PeerPolicy, PeerState, Request, Step, Verdict,
};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CountWindow, State};
use resil_core::hedge::{Hedge, HedgePolicy};
use resil_core::outcome::{EveryError, FailureClass, Outcome, Rejected};
use resil_core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};
use resil_core::retry::{Retry, RetryPolicy};
use resil_core::snapshot::Persist;
use resil_core::{ErrorCode, Instant, Ratio, valid};

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
    assert_eq!(size_of::<Call<(), ()>>(), 176);
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

/// A peer whose breaker looks at the last four calls, of which those of 2 s and more are slow.
const WATCHED: PeerPolicy<TokenBucket, EveryError, CountWindow<1>> = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    valid!(
        CircuitBreakerConfig::builder()
            .count_window(4)
            .minimum_calls(4)
            .slow_calls(Duration::from_secs(2), Ratio::percent(50))
            .build()
    ),
    TokenBucket::new(RateLimitConfig::DEFAULT),
);

fn s(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

/// A call of so many seconds that succeeds, from `now` on.
fn succeed(peer: &mut PeerState<TokenBucket, CountWindow<1>>, now: u64, seconds: u64) {
    let policy = WATCHED.call();
    let mut call = Call::start(policy, Request::ONE, s(now));
    let step = call.poll(policy, &mut WATCHED.gates(peer), no_entropy, s(now));
    let Step::Attempt(ticket) = step else { panic!("{step:?}") };
    let end = s(now + seconds);
    call.finish(policy, ticket, Ok(()), &mut WATCHED.gates(peer), no_entropy, end);
}

#[test]
fn a_peer_that_gets_slow_opens_its_breaker_through_the_call() {
    let mut peer = PeerState::FRESH;
    for (now, seconds) in [(0, 0), (10, 1), (20, 2)] {
        succeed(&mut peer, now, seconds);
        assert_eq!(WATCHED.breaker().state(&peer.breaker, s(30)), State::Closed);
    }
    let mut bytes = [0; PeerPolicy::<TokenBucket, EveryError, CountWindow<1>>::LEN];
    WATCHED.save(&peer, s(30), &mut bytes).unwrap();
    let mut restored = WATCHED.restore(&bytes, s(30)).unwrap();
    for peer in [&mut peer, &mut restored] {
        succeed(peer, 40, 5);
        assert_eq!(WATCHED.breaker().state(&peer.breaker, s(45)), State::Open, "two of four");
    }
}

#[test]
fn a_breaker_that_only_measures_lets_every_call_through() {
    let mut peer = PeerState::FRESH;
    PEER.breaker().metrics_only(&mut peer.breaker, s(0));
    for second in 0..5 {
        let (policy, now) = (PEER.call(), s(second));
        let mut call = Call::start(policy, Request::ONE, now);
        let step = call.poll(policy, &mut PEER.gates(&mut peer), no_entropy, now);
        let Step::Attempt(ticket) = step else { panic!("{step:?}") };
        let fatal = Err(FailureClass::Fatal.into());
        call.finish(policy, ticket, fatal, &mut PEER.gates(&mut peer), no_entropy, now);
        assert_eq!(PEER.breaker().state(&peer.breaker, now), State::MetricsOnly);
    }
}

#[test]
fn probes_that_calls_lose_are_abandoned_and_block_nobody_pitfall_18() {
    let mut peer = PeerState::FRESH;
    PEER.breaker().force_open(&mut peer.breaker, s(0));
    PEER.breaker().reset(&mut peer.breaker, s(0));
    let permit = PEER.breaker().try_acquire(&mut peer.breaker, no_entropy, s(0)).unwrap();
    let failure = Outcome::Failure(FailureClass::Transient);
    PEER.breaker().record(&mut peer.breaker, permit, failure, no_entropy, s(0));
    // Its driver goes away three times, each time with the probe; the third reopens.
    for lost in 1..=3 {
        let (policy, now) = (PEER.call(), s(1));
        let mut call = Call::start(policy, Request::ONE, now);
        let step = call.poll(policy, &mut PEER.gates(&mut peer), no_entropy, now);
        assert!(matches!(step, Step::Attempt(_)), "the slot is free: {step:?}");
        call.abandon(policy, &mut PEER.gates(&mut peer), no_entropy, now);
        let state = PEER.breaker().state(&peer.breaker, now);
        assert_eq!(state, if lost < 3 { State::HalfOpen } else { State::Open });
    }
}

#[test]
fn a_peer_goes_on_under_another_policy() {
    let quota =
        |burst| TokenBucket::new(RateLimitConfig::builder().burst_size(burst).build().unwrap());
    let breaker = |timeout| {
        let builder = CircuitBreakerConfig::builder().failure_threshold(1);
        builder.timeout(Duration::from_secs(timeout)).build().unwrap()
    };
    let old = PeerPolicy::new(CallPolicy::new(RetryPolicy::DEFAULT), breaker(100), quota(10));
    let new = PeerPolicy::new(CallPolicy::new(RetryPolicy::DEFAULT), breaker(5), quota(20));
    let (mut peer, mut entropy) = (PeerState::FRESH, no_entropy);
    let request = Request { cost: 4, ..Request::ONE };
    let permit = old.gate(&mut peer).try_acquire(&request, &mut entropy, s(0)).unwrap();
    let late = old.gate(&mut peer).try_acquire(&request, &mut entropy, s(0)).unwrap();
    let fatal = End::Attempted(Outcome::Failure(FailureClass::Fatal));
    old.gate(&mut peer).settle(permit, fatal, &mut entropy, s(0));

    let mut peer = new.inherit(&old, &peer, s(0));
    assert_eq!(new.breaker().state(&peer.breaker, s(4)), State::Open, "it is open still");
    assert_eq!(new.breaker().state(&peer.breaker, s(5)), State::HalfOpen, "for no longer than new");
    let expected = new.limit().inherit(old.limit(), &BucketState::FRESH, s(0));
    assert_eq!(new.limit().available(&expected, s(0)), 20);
    assert_eq!(new.limit().available(&peer.limit, s(0)), 12, "what was spent stays spent");
    let (told, ()) = new.gate(&mut peer).settle(late, fatal, &mut entropy, s(5));
    assert_eq!(told, resil_core::circuit_breaker::Recorded::Stale);
}
