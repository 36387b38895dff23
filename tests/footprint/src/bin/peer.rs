//! A call to a peer through retry, circuit breaker and token bucket.
#![no_std]
#![no_main]

use core::hint::black_box;
use footprint::{Bench, Owned, any_entropy, any_now, at};
use resil_core::Instant;
use resil_core::call::{
    Call, CallPolicy, Finished, Gate, PeerGate, PeerPolicy, PeerState, Request, Step, Ticket,
};
use resil_core::circuit_breaker::CircuitBreakerConfig;
use resil_core::outcome::{Classification, FailureClass};
use resil_core::rate_limit::{RateLimitConfig, TokenBucket};
use resil_core::retry::RetryPolicy;

/// Lies where the task that makes it keeps it: on its stack.
type PeerCall = Call<<PeerGate<'static> as Gate>::Permit>;

static POLICY: PeerPolicy = PeerPolicy::new(
    CallPolicy::new(RetryPolicy::DEFAULT),
    CircuitBreakerConfig::DEFAULT,
    TokenBucket::new(RateLimitConfig::DEFAULT),
);
static STATE: Owned<PeerState> = Owned::new(PeerState::FRESH);

#[inline(never)]
fn start(now: Instant) -> PeerCall {
    Call::start(POLICY.call(), Request::ONE, now)
}

#[inline(never)]
fn poll(call: &mut PeerCall, now: Instant) -> Step {
    STATE.with(|state| call.poll(POLICY.call(), &mut POLICY.gates(state), any_entropy, now))
}

#[inline(never)]
fn finish(
    call: &mut PeerCall,
    ticket: Ticket,
    result: Result<(), Classification>,
    now: Instant,
) -> Finished {
    STATE.with(|state| {
        call.finish(POLICY.call(), ticket, result, &mut POLICY.gates(state), any_entropy, now)
    })
}

#[inline(never)]
fn abandon(call: &mut PeerCall, now: Instant) {
    STATE.with(|state| call.abandon(POLICY.call(), &mut POLICY.gates(state), any_entropy, now));
}

fn decide() {
    let mut call = start(any_now());
    if let Step::Attempt(ticket) = poll(&mut call, any_now()) {
        black_box(finish(&mut call, ticket, black_box(Ok(())), any_now()));
    }
    abandon(&mut call, any_now());
}

fn attempt(step: Step) -> Ticket {
    let Step::Attempt(ticket) = step else { panic!("no attempt but {step:?}") };
    ticket
}

fn measure(bench: &mut Bench) {
    let now = at(1_000);
    let failure = black_box(Err(FailureClass::Transient.into()));
    let mut call = bench.case("start", || start(now));
    let ticket = attempt(bench.case("poll, attempt", || poll(&mut call, now)));
    bench.case("finish, failure", || finish(&mut call, ticket, failure, now));
    let step = bench.case("poll, wait", || poll(&mut call, now));
    assert!(matches!(step, Step::Wait { .. }));
    let now = at(120_000);
    let ticket = attempt(bench.case("poll, retry", || poll(&mut call, now)));
    bench.case("finish, success", || finish(&mut call, ticket, black_box(Ok(())), now));
    let step = bench.case("poll, done", || poll(&mut call, now));
    assert!(matches!(step, Step::Done(_)));
    let mut call = start(now);
    _ = attempt(poll(&mut call, now));
    bench.case("abandon", || abandon(&mut call, now));
}

footprint::firmware!(decide, measure);
