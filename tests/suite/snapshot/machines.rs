//! Machine by machine.

use super::*;
use resil_core::adaptive::{Aimd, ConcurrencyLimit};
use resil_core::backoff::{Backoff, Delays};
use resil_core::call::Extra;
use resil_core::circuit_breaker::State;
use resil_core::health::{HealthStatus, Hysteresis, HysteresisState};
use resil_core::rate_limit::{
    BucketState, Limit, RateLimit, RateLimitConfig, StrictBucket, TokenBucket, WarmUp,
};
use resil_core::retry::budget::{BudgetPolicy, TokenBudget};
use resil_core::{ErrorCode, Rejected, RetryAt};

#[test]
fn a_breaker() {
    let now = at(1_000);
    let mut forced = CircuitBreakerState::new();
    BREAKER.force_open(&mut forced, now);
    let mut disabled = CircuitBreakerState::new();
    BREAKER.disable(&mut disabled, now);
    let states = [breaker(0, now), breaker(3, now), breaker(5, now), forced, disabled];
    assert_persists(&BREAKER, &states, now, |state, from, later| {
        let now = from.saturating_add(later);
        let until = BREAKER.next_deadline(state, now).map(|until| until.saturating_since(now));
        (BREAKER.state(state, now), BREAKER.failures(state), until)
    });
}

#[test]
fn a_breaker_that_a_lost_probe_has_opened_again_is_open_after_a_reboot() {
    let mut state = breaker(5, at(0));
    let lost = BREAKER.try_acquire(&mut state, 0, at(60)).unwrap();
    assert!(lost.is_probe());
    // Its lease ends at 120 s and opens the breaker until 180 s, and nobody asks meanwhile.
    for (now, open) in [(119, false), (120, true), (179, true), (180, false), (1_000, false)] {
        let restored = BREAKER.restore(&saved(&BREAKER, &state, at(now)), at(7)).unwrap();
        assert_eq!(BREAKER.state(&restored, at(7)), BREAKER.state(&state, at(now)), "{now}");
        assert_eq!(BREAKER.state(&restored, at(7)) == State::Open, open, "{now}");
        let left =
            BREAKER.next_deadline(&restored, at(7)).map(|at| at.saturating_since(self::at(7)));
        assert_eq!(left, open.then_some(Duration::from_secs(180 - now.min(180))));
    }
}

/// What is left of the wait, then what the next failure says, and what is left of the deadline.
fn goes_on(
    policy: &RetryPolicy,
    state: &Suspended,
    from: Instant,
    later: Duration,
) -> (Option<Duration>, String, Option<Duration>) {
    let now = from.saturating_add(later);
    let next = match state.retry.clone().record(policy, LOST, 7, now) {
        Next::Wait(wait) => format!("attempt {} in {:?}", wait.attempt(), wait.delay()),
        Next::Stop(stop) => format!("{stop:?}"),
    };
    let deadline = state.retry.deadline().map(|deadline| deadline.saturating_since(now));
    (state.wait.map(|wait| wait.remaining(now)), next, deadline)
}

#[test]
fn a_reconnect_loop() {
    let now = at(5);
    let states = [0, 1, 4, 40, 999].map(|failures| suspended(&JOIN, failures, now));
    assert_persists(&JOIN, &states, now, |state, from, later| goes_on(&JOIN, state, from, later));
}

#[test]
fn a_call_with_a_deadline_and_refusals() {
    let now = at(5);
    let mut refused = suspended(&BOUNDED, 1, now);
    let soon = Rejected::new(ErrorCode::RateLimitExceeded, RetryAt::At(at(2_000)));
    refused.wait = Some(waits(refused.retry.refused(&BOUNDED, soon, 0, now)));
    let mut over = suspended(&BOUNDED, 8, now);
    over.wait = None;
    assert!(matches!(over.retry.record(&BOUNDED, LOST, 0, now), Next::Stop(_)));
    let states = [suspended(&BOUNDED, 0, now), suspended(&BOUNDED, 4, now), refused, over];
    assert_persists(&BOUNDED, &states, now, |state, from, later| {
        goes_on(&BOUNDED, state, from, later)
    });
}

#[test]
fn a_series_of_delays() {
    let states = [0, 3, 100].map(|taken| {
        let mut delays = Backoff::DEFAULT.delays();
        delays.by_ref().take(taken).for_each(drop);
        delays
    });
    assert_persists(&Backoff::DEFAULT, &states, at(9), |state: &Delays, _, _| {
        state.clone().take(9).collect::<Vec<_>>()
    });
}

/// Saved under one policy and restored under another of its kind, at any time: it is refused, or it
/// is a state like any other. Nothing panics.
fn assert_total<P: Persist>(
    policy: &P,
    others: &[P],
    state: &P::State,
    look: impl Fn(&P, &P::State, Instant),
) {
    let now = at(1_000);
    let bytes = saved(policy, state, now);
    for other in others {
        for restart in [Instant::EPOCH, now, Instant::MAX] {
            if let Ok(restored) = other.restore(&bytes, restart) {
                let mut again = vec![0; P::LEN];
                for then in [Instant::EPOCH, restart, Instant::MAX] {
                    look(other, &restored, then);
                    assert_eq!(other.save(&restored, then, &mut again), Ok(P::LEN));
                }
            }
        }
    }
}

fn quota(max: u32, seconds: u64, burst: u32) -> RateLimitConfig {
    let window = Duration::from_secs(seconds);
    let builder = RateLimitConfig::builder().max_requests(max).time_window(window);
    builder.burst_size(burst).build().unwrap()
}

/// A limit after it has admitted `cost` at 1,000 s.
fn spent<L: Limit>(limit: &L, cost: u32) -> L::State {
    let mut state = L::FRESH;
    limit.try_acquire(&mut state, cost, at(1_000)).unwrap();
    state
}

fn a_limit<L>(limits: &[L])
where
    L: Limit + Persist<State = <L as Limit>::State>,
    <L as Limit>::State: Debug,
{
    let (limit, now) = (&limits[0], at(1_000));
    for state in [L::FRESH, spent(limit, 3), spent(limit, 5)] {
        assert_refuses(limit, &saved(limit, &state, now), now);
        assert_total(limit, limits, &state, |limit, state, now| {
            let _ = (limit.available(state, now), limit.next_deadline(state, now));
            let _ = limit.peek(state, 1, now);
        });
    }
}

#[test]
fn every_limit() {
    let quotas = [quota(10, 1, 5), quota(6, 1, 5), quota(1_000_000, 1, 900_000), quota(2, 9, 1)];
    a_limit(&quotas.map(TokenBucket::new));
    a_limit(&quotas.map(|quota| StrictBucket::new(quota).unwrap()));
    a_limit(&quotas.map(RateLimit::new));
    // With a burst of at least the cold factor.
    let warming = |quota| WarmUp::new(quota, Duration::from_secs(9)).unwrap();
    a_limit(&[quotas[0], quotas[1], quotas[2]].map(warming));
}

#[test]
fn a_bucket_and_a_budget_answer_alike() {
    let (now, bucket) = (at(1_000), TokenBucket::new(quota(10, 1, 5)));
    let states = [BucketState::FRESH, spent(&bucket, 2), spent(&bucket, 5)];
    // "Beyond 2^63 ns it reads empty."
    assert_persists_until((1 << 63) - DAY, &bucket, &states, now, |state, from, later| {
        bucket.available(state, from.saturating_add(later))
    });
    let budget = TokenBudget::AWS;
    let mut poor = TokenBudget::FRESH;
    let extra = Extra::Retry(FailureClass::Transient);
    budget.try_withdraw(&mut poor, extra, now).unwrap();
    assert_persists(&budget, &[TokenBudget::FRESH, poor], now, |state, _, _| {
        budget.millitokens(state)
    });
    let mut falling = HysteresisState::new();
    Hysteresis::KUBERNETES.record(&mut falling, HealthStatus::Healthy);
    Hysteresis::KUBERNETES.record(&mut falling, HealthStatus::Unhealthy);
    let states = [HysteresisState::new(), falling];
    assert_persists(&Hysteresis::KUBERNETES, &states, now, |state, _, _| {
        let mut next = state.clone();
        Hysteresis::KUBERNETES.record(&mut next, HealthStatus::Unhealthy)
    });
    let aimd = [Aimd::DEFAULT.start()];
    assert_persists(&Aimd::DEFAULT, &aimd, now, |state, _, _| Aimd::DEFAULT.limit(state, now));
}
