//! Every decision of core, called with values that the optimiser knows nothing about: any policy that
//! was built, any state, any time. It must not panic, use a float, or divide a wide number.
//!
//! What divides on purpose is in `surroundings.rs`: building a policy, and reading a wait as a
//! `Duration`, which keeps seconds and nanoseconds apart. Here policies are constants and waits are
//! instants.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;
use negatives as _;
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerState, Recorded,
};
use resil_core::health::{HealthCheckResult, HealthRegistry, Probe};
use resil_core::outcome::{Classification, Classify, EveryError, RetryAt};
use resil_core::rate_limit::{
    AllOf, Class, ExactLog, KeyedHash, Limit, Limiter, PerRequest, RateLimit, RateLimitConfig,
    RateLimiter, Reserve, StrictBucket, TokenBucket, WarmUp, acquire_both, acquire_three,
};
use resil_core::retry::{Next, Retry, RetryPolicy, Stop};
use resil_core::snapshot::Persist;
use resil_core::{ErrorCode, Instant, Outcome, Rejected, time, valid};

const RATE: RateLimitConfig = RateLimitConfig::DEFAULT;
const LOGGED: RateLimit<ExactLog<100>> = valid!(RateLimit::with_exact_log(RATE));
const STRICT: StrictBucket = valid!(StrictBucket::new(RATE));
const WARMING: WarmUp = valid!(WarmUp::new(RATE, Duration::from_secs(10)));

/// Where the firmware starts.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        health();
        time_passes();
        outcomes();
        retry(&black_box(RetryPolicy::DEFAULT));
        breaker(&black_box(CircuitBreakerConfig::DEFAULT));
        limit(&black_box(TokenBucket::new(RATE)));
        limit(&black_box(STRICT));
        limit(&black_box(RateLimit::new(RATE)));
        limit(&black_box(LOGGED));
        peers::<TokenBucket>(TokenBucket::new(RATE));
        peers::<RateLimit>(RateLimit::new(RATE));
        limit(&black_box(WARMING));
        limit(&black_box(AllOf::new(PerRequest::new(TokenBucket::new(RATE)), STRICT)));
        owes(&black_box(TokenBucket::new(RATE)));
        owes(&black_box(STRICT));
        agree(&black_box(TokenBucket::new(RATE)), &black_box(WARMING));
        classes(black_box(TokenBucket::new(RATE)));
        kept(&black_box(TokenBucket::new(RATE)));
        kept(&black_box(STRICT));
        kept(&black_box(WARMING));
        kept(&black_box(RateLimit::new(RATE)));
        kept(&black_box(LOGGED));
        #[cfg(feature = "breach-panic")]
        black_box([1, 2, 3][black_box(1_usize)]);
        #[cfg(feature = "breach-float")]
        black_box(black_box(1.5_f32) * black_box(2.5_f32));
        #[cfg(feature = "breach-division")]
        black_box(black_box(7_u64).checked_div(black_box(3_u64)));
    }
}

fn any_now() -> Instant {
    Instant::from_nanos(black_box(0))
}

fn any_duration() -> Duration {
    black_box(Duration::ZERO)
}

fn time_passes() {
    let (a, b) = (any_now(), any_now());
    black_box(a.saturating_add(any_duration()));
    black_box(a.saturating_sub(any_duration()));
    black_box(a.is_reached(b));
    black_box(Instant::from_duration(any_duration()));
    black_box(time::earliest(black_box(Some(a)), black_box(Some(b))));
}

fn outcomes() {
    black_box(EveryError.classify(&()));
    black_box(black_box(Classification::Ignored).outcome());
}

fn retry(policy: &RetryPolicy) {
    let mut retry = black_box(Retry::start(policy, any_now()));
    black_box((retry.attempt(), retry.failed(), retry.deadline()));
    black_box(retry.is_past_deadline(any_now()));
    let failure = black_box(Classification::Ignored);
    if let Next::Wait(wait) = retry.record(policy, failure, black_box(0_u32), any_now()) {
        black_box((wait.until(), wait.attempt()));
    }
    let refusal = Rejected::new(black_box(ErrorCode::RateLimitExceeded), black_box(RetryAt::Never));
    match retry.refused(policy, refusal, black_box(0_u32), any_now()) {
        Next::Wait(wait) => black_box(wait.until()),
        Next::Stop(refused) => {
            black_box(retry.refusal_error(refused, Some(())));
            any_now()
        }
    };
    black_box(retry.error(black_box(Stop::Exhausted), ()));
}

fn breaker(config: &CircuitBreakerConfig) {
    let mut state = black_box(CircuitBreakerState::new());
    black_box(config.poll(&mut state, black_box(0_u32), any_now()));
    if let Ok(permit) = black_box(config.try_acquire(&mut state, black_box(0_u32), any_now())) {
        let recorded: Recorded = config.record(
            &mut state,
            permit,
            black_box(Outcome::Success),
            black_box(0_u32),
            any_now(),
        );
        black_box(recorded.transition());
    }
    black_box(config.state(&state, any_now()));
    black_box(config.peek(&state, any_now()).is_ok());
    black_box(config.retry_at(&state, any_now()));
    black_box(config.next_deadline(&state, any_now()));
    black_box(config.failures(&state));
    black_box(config.probes_in_flight(&state, any_now()));
    black_box(config.is_fresh(&state, any_now()));
    black_box(config.force_open(&mut state, any_now()));
    black_box(config.disable(&mut state, any_now()));
    black_box(config.reset(&mut state, any_now()));

    let mut machine = CircuitBreaker::from_parts(config, black_box(state));
    if let Ok(permit) = black_box(machine.try_acquire(black_box(0_u32), any_now())) {
        black_box(machine.record(
            permit,
            black_box(Outcome::Abandoned),
            black_box(0_u32),
            any_now(),
        ));
    }
    black_box(machine.state(any_now()));
}

/// Every decision of a rate limit on any state.
fn limit<L: Limit>(limit: &L) {
    let mut state = black_box(L::FRESH);
    match black_box(limit.try_acquire(&mut state, black_box(1), any_now())) {
        Ok(charge) => limit.refund(&mut state, charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(limit.peek(&state, black_box(1), any_now()).is_ok());
    black_box(limit.available(&state, any_now()));
    black_box(limit.capacity());
    black_box(limit.is_fresh(&state, any_now()));
    black_box(limit.next_deadline(&state, any_now()));
    black_box(limit.inherit(limit, &state, any_now()));
    limit.reanchor(&mut state, any_now());

    let mut limiter = Limiter::from_parts(limit, black_box(L::FRESH));
    if let Ok(charge) = black_box(limiter.try_acquire(black_box(1), any_now())) {
        limiter.refund(charge, any_now());
    }
    black_box(limiter.available(any_now()));
    limiter.reset();
    black_box(limiter.as_state());
}

/// Every decision about one of many peers. A limit of one's own is built, so that is elsewhere.
fn peers<L: Limit>(limit: L) {
    let mut table: RateLimiter<u32, L> =
        black_box(RateLimiter::new(limit, KeyedHash::from_seed(black_box(0))));
    let id = black_box(7);
    match black_box(table.check(&id, black_box(1), any_now())) {
        Ok(charge) => table.refund(charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(table.peek(&id, black_box(1), any_now()).is_ok());
    black_box(table.available(&id, any_now()));
    black_box(table.get_limit(&id));
    black_box(table.len());
    black_box(table.next_deadline(any_now()));
    black_box(table.remove_limit(&id, any_now()));
    black_box(table.reset(&id));
    table.reset_all();
}

fn health() {
    let mut registry: HealthRegistry = black_box(HealthRegistry::new(any_now()));
    let Ok(id) = registry.register(black_box("peers"), any_duration(), any_now()) else { return };
    let result = HealthCheckResult::degraded(black_box("1 of 3"));
    black_box(registry.record(black_box(id), black_box(result), any_now()).is_ok());
    black_box(registry.check(black_box(id), any_now()).is_ok());
    black_box(registry.overall(any_now()));
    black_box(registry.status(black_box(Probe::Liveness), any_now()));
    black_box(registry.next_deadline(any_now()));
    black_box(registry.len());
    black_box(registry.unregister(black_box(id)).is_ok());
}

fn refused(rejected: Rejected) {
    black_box(rejected.code().number());
    black_box(rejected.code().name());
    black_box(rejected.retry());
}

/// Reservations and debts of a limit in any state.
fn owes<L: Reserve>(limit: &L) {
    let mut state = black_box(L::FRESH);
    match black_box(limit.reserve(&mut state, black_box(1), any_now(), any_now())) {
        Ok(reservation) => {
            black_box(reservation.at());
            limit.cancel(&mut state, reservation, any_now());
        }
        Err(rejected) => refused(rejected),
    }
    black_box(limit.charge(&mut state, black_box(1), any_now()).excess());

    let mut limiter = Limiter::from_parts(limit, black_box(state));
    if let Ok(reservation) = black_box(limiter.reserve(black_box(1), any_now(), any_now())) {
        limiter.cancel(reservation, any_now());
    }
    black_box(limiter.charge(black_box(1), any_now()).excess());
    limiter.reconfigure(black_box(limit), any_now());
}

/// Limits that all have to admit.
fn agree<A: Limit, B: Limit>(a: &A, b: &B) {
    let (mut one, mut other, mut third) = black_box((A::FRESH, B::FRESH, A::FRESH));
    let asked = acquire_both((a, &mut one, black_box(1)), (b, &mut other, black_box(1)), any_now());
    if let Err(rejected) = black_box(asked) {
        refused(rejected);
    }
    let first = (a, &mut one, black_box(1));
    let (second, last) = ((b, &mut other, black_box(1)), (a, &mut third, black_box(1)));
    if let Err(rejected) = black_box(acquire_three(first, second, last, any_now())) {
        refused(rejected);
    }
}

/// A table whose peers are of several kinds.
fn classes<L: Reserve + Clone>(limit: L) {
    let table: RateLimiter<u32, L> =
        RateLimiter::new(limit.clone(), KeyedHash::from_seed(black_box(0)));
    let mut table = black_box(table.with_classes([Class::new(limit)]));
    let (class, id) = black_box((1, 7));
    match black_box(table.check_in(class, &id, black_box(1), any_now())) {
        Ok(charge) => table.refund(charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    black_box(table.peek_in(class, &id, black_box(1), any_now()).is_ok());
    black_box(table.available_in(class, &id, any_now()));
    black_box(table.charge_in(class, &id, black_box(1), any_now()).excess());
    black_box(table.entries(any_now()).count());
    black_box(table.adopt(black_box(Some(id)), class, black_box(L::FRESH), any_now()));
    table.reset_all();
}

/// A limit over a reboot.
fn kept<L: Limit + Persist<State = <L as Limit>::State>>(limit: &L) {
    let mut bytes = black_box([0; 1_024]);
    let state = black_box(<L as Limit>::FRESH);
    let written = limit.save(&state, any_now(), &mut bytes).unwrap_or(0);
    let saved = bytes.get(..written).unwrap_or_default();
    black_box(limit.restore(black_box(saved), any_now()).is_ok());
}
