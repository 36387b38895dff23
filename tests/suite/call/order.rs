//! Layers are asked in their order, and what a later one refuses costs the earlier ones nothing.

use core::time::Duration;
use resil_core::call::{Call, CallPolicy, End, Gate, Layers, Request, Step};
use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State};
use resil_core::outcome::{FailureClass, Rejected, RetryAt};
use resil_core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};
use resil_core::{ErrorCode, Instant, Outcome, valid};
use resil_tests::spies::{Log, Spy};

const NOW: Instant = Instant::from_nanos(5);
const FULL: Rejected = Rejected::new(ErrorCode::BulkheadFull, RetryAt::Unknown);

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

#[test]
fn the_outermost_is_asked_first_and_told_last() {
    let log = Log::default();
    let mut gates =
        (Spy::new("breaker", &log), Spy::new("limit", &log), Spy::new("bulkhead", &log));
    let permit = gates.try_acquire(&Request::ONE, &mut no_entropy, NOW).unwrap();
    gates.settle(permit, End::Attempted(Outcome::Success), &mut no_entropy, NOW);
    assert_eq!(
        *log.borrow(),
        [
            "breaker lends 1",
            "limit lends 1",
            "bulkhead lends 1",
            "bulkhead gets 1 back: success",
            "limit gets 1 back: success",
            "breaker gets 1 back: success",
        ]
    );
}

#[test]
fn a_refusal_by_a_later_layer_releases_every_earlier_permit_pitfall_6() {
    for refuses in 0..3 {
        let log = Log::default();
        let mut gates =
            (Spy::new("breaker", &log), Spy::new("limit", &log), Spy::new("bulkhead", &log));
        [&mut gates.0, &mut gates.1, &mut gates.2][refuses].refuses = Some(FULL);
        let refused = gates.try_acquire(&Request::ONE, &mut no_entropy, NOW);
        assert_eq!(refused.unwrap_err(), FULL);
        assert_eq!([&gates.0, &gates.1, &gates.2].map(|spy| spy.out.len()), [0; 3]);
        let unused = log.borrow().iter().filter(|line| line.ends_with("unused")).count();
        assert_eq!(unused, refuses, "what was lent before");
    }
}

#[test]
fn a_probe_and_a_token_survive_a_bulkhead_that_is_full_pitfall_6() {
    const BREAKER: CircuitBreakerConfig = valid!(
        CircuitBreakerConfig::builder()
            .failure_threshold(1)
            .timeout(Duration::from_secs(1))
            .build()
    );
    const LIMIT: TokenBucket = TokenBucket::new(RateLimitConfig::DEFAULT);
    use resil_core::call::Bound;
    let (mut breaker, mut bucket) = (CircuitBreakerState::new(), BucketState::FRESH);
    let permit = BREAKER.try_acquire(&mut breaker, no_entropy, NOW).unwrap();
    let failure = Outcome::Failure(FailureClass::Transient);
    BREAKER.record(&mut breaker, permit, failure, no_entropy, NOW);

    let later = NOW.saturating_add(Duration::from_secs(1));
    let log = Log::default();
    let mut bulkhead = Spy::new("bulkhead", &log);
    bulkhead.refuses = Some(FULL);
    for _ in 0..10 {
        let mut gates = Layers::new((
            Bound::new(&BREAKER, &mut breaker),
            Bound::new(&LIMIT, &mut bucket),
            &mut bulkhead,
        ));
        let policy = CallPolicy::default();
        let mut call = Call::start(&policy, Request::ONE, later);
        let step = call.poll(&policy, &mut gates, no_entropy, later);
        assert!(matches!(step, Step::Done(_)));
        assert_eq!(call.attempts(), 0);
    }
    assert_eq!(BREAKER.state(&breaker, later), State::HalfOpen);
    assert_eq!(BREAKER.probes_in_flight(&breaker, later), 0, "the slot is free");
    assert_eq!(LIMIT.available(&bucket, later), 10, "no token was spent");
}
