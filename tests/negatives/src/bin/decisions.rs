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
use resil_core::adaptive::{Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient};
use resil_core::backoff::Backoff;
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, BulkheadState};
use resil_core::call::{
    Bound, Budget, Call, CallPolicy, Extra, PeerPolicy, PeerState, Priority, Request, Step,
};
use resil_core::chaos::{
    Chaos, ChaosPolicy, ChaosState, Fault, Partition, Skew, SkewedClock, Stream,
};
use resil_core::circuit_breaker::ejection::{Ejection, EjectionConfig};
use resil_core::circuit_breaker::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerState, CountWindow, Recorded, State,
    TimeWindow, Transition, Window,
};
use resil_core::deadline::{CallContext, Deadline, WireContext};
use resil_core::event::{Event, EventKind, EventLog, Span};
use resil_core::fallback::{Answer, is_unavailable, or_degraded};
use resil_core::health::{
    Boot, BootRecord, CheckConfig, CheckStatus, HealthCheckResult, HealthRegistry, HealthStatus,
    Heartbeat, HeartbeatConfig, HeartbeatState, Hysteresis, HysteresisState, LivenessGate, Probe,
    Quorum, Watchdog, WatchdogConfig,
};
use resil_core::hedge::{Hedge, HedgePolicy, HedgeState};
use resil_core::outcome::{Classification, Classify, EveryError, FailureClass, RetryAt, RetryHint};
use resil_core::rate_limit::{
    AllOf, Class, ExactLog, KeyedHash, Limit, Limiter, PerRequest, RateLimit, RateLimitConfig,
    RateLimiter, Reserve, StrictBucket, TokenBucket, WarmUp, acquire_both, acquire_three,
};
use resil_core::retry::budget::{BudgetPolicy, RatioBudget, RetryBudget, TokenBudget};
use resil_core::retry::{Next, Retry, RetryPolicy, Stop, Suspended};
use resil_core::snapshot::Persist;
use resil_core::throttle::{AdaptiveThrottle, ThrottleState, Throttler};
use resil_core::time::{TickCounter, TickRate};
use resil_core::{
    Clock, Entropy, ErrorCode, Instant, Outcome, Ratio, Rejected, ResilienceError, time, valid,
};

const RATE: RateLimitConfig = RateLimitConfig::DEFAULT;
const LOGGED: RateLimit<ExactLog<100>> = valid!(RateLimit::with_exact_log(RATE));
const BY_CALLS: CircuitBreakerConfig<CountWindow<2>> = valid!(
    CircuitBreakerConfig::builder()
        .success_rate(Ratio::percent(50), 10)
        .count_window(50)
        .slow_calls(Duration::from_secs(1), Ratio::percent(50))
        .build()
);
const BY_TIME: CircuitBreakerConfig<TimeWindow<10>> =
    valid!(CircuitBreakerConfig::builder().time_window(Duration::from_secs(60)).build());
const BREAKER: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;
const STRICT: StrictBucket = valid!(StrictBucket::new(RATE));
const BROKER: CheckConfig = valid!(CheckConfig::builder(Duration::from_secs(30)).fall(3).build());
const QUORUM: Quorum = valid!(Quorum::new(3, 2));
const TASKS: WatchdogConfig<2> =
    valid!(WatchdogConfig::builder([Duration::from_secs(5), Duration::from_millis(100)]).build());

/// Where the firmware starts.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        call(&black_box(PeerPolicy::new(
            CallPolicy::new(RetryPolicy::DEFAULT),
            CircuitBreakerConfig::DEFAULT,
            TokenBucket::new(RATE),
        )));
        health();
        heartbeat(&black_box(HeartbeatConfig::DEFAULT));
        watchdog(&black_box(TASKS));
        time_passes();
        deadline();
        hedge(&black_box(HedgePolicy::DEFAULT));
        budget(&black_box(TokenBudget::AWS));
        budget(&black_box(RatioBudget::DEFAULT));
        outcomes();
        retry(&black_box(RetryPolicy::DEFAULT));
        breaker(&black_box(CircuitBreakerConfig::DEFAULT));
        breaker(&black_box(BY_CALLS));
        breaker(&black_box(BY_TIME));
        ejection(black_box(EjectionConfig::DEFAULT));
        limit(&black_box(TokenBucket::new(RATE)));
        limit(&black_box(STRICT));
        limit(&black_box(RateLimit::new(RATE)));
        limit(&black_box(LOGGED));
        peers::<TokenBucket>(TokenBucket::new(RATE));
        peers::<RateLimit>(RateLimit::new(RATE));
        events();
        chaos(&black_box(ChaosPolicy::DEFAULT));
        wrong_clocks(&black_box(SKEW), &black_box(SPLIT));
        ticks(&black_box(TICKS));
        reboot(&black_box(CircuitBreakerConfig::DEFAULT), CircuitBreakerState::new());
        let retry = black_box(Retry::start(&RetryPolicy::DEFAULT, any_now()));
        let wait = black_box(None);
        reboot(&black_box(RetryPolicy::DEFAULT), Suspended { retry, wait });
        reboot(&black_box(Backoff::DEFAULT), Backoff::DEFAULT.delays());
        bulkhead(&black_box(BulkheadConfig::DEFAULT));
        adaptive(&black_box(Aimd::DEFAULT));
        adaptive(&black_box(Gradient::DEFAULT));
        throttle(&black_box(AdaptiveThrottle::DEFAULT));
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

fn breaker<W: Window>(config: &CircuitBreakerConfig<W>) {
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
    black_box(config.counts(&state, any_now()));
    black_box(config.force_open(&mut state, any_now()));
    black_box(config.disable(&mut state, any_now()));
    black_box(config.metrics_only(&mut state, any_now()));
    state = black_box(config.opened(black_box(0_u32), any_now()));
    black_box(config.spare(&mut state, any_now()));
    state = black_box(config.inherit(config, &state, any_now()));
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

/// A call to a peer, whatever happens to it.
fn call(peer: &PeerPolicy) {
    let (policy, mut state) = (peer.call(), black_box(PeerState::FRESH));
    let mut call = black_box(Call::start(policy, black_box(Request::ONE), any_now()));
    let entropy = || black_box(0_u32);
    match call.poll(policy, &mut peer.gates(&mut state), entropy, any_now()) {
        Step::Attempt(ticket) => {
            let result = black_box(Err(Classification::Ignored));
            call.finish(policy, ticket, result, &mut peer.gates(&mut state), entropy, any_now());
        }
        Step::Wait { until, .. } => drop(black_box(until)),
        Step::Done(verdict) => drop(black_box(call.error(verdict, Some(())))),
    }
    call.abandon(policy, &mut peer.gates(&mut state), entropy, any_now());
    black_box((call.attempts(), call.deadline(), call.is_over()));
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
    if let Ok(other) = registry.register(black_box("link"), any_duration(), any_now()) {
        black_box(registry.depend(black_box(id), black_box(other)).is_ok());
    }
    for check in registry.report(any_now()).causes() {
        black_box((check.is_consequence(), check.status()));
    }
    black_box(registry.begin_maintenance(black_box(id)).is_ok());
    black_box(registry.end_maintenance(black_box(id), any_now()).is_ok());
    registry.set_node_maintenance(black_box(true));
    black_box(registry.reconfigure(black_box(id), black_box(BROKER), any_now()).is_ok());
    black_box(registry.may_feed(any_now()).is_ok());
    black_box(black_box(LivenessGate::new()).may_feed(&registry, any_now()).is_ok());
    black_box(registry.unregister(black_box(id)).is_ok());
    let peers = black_box([CheckStatus::Unknown; 5]);
    black_box(black_box(QUORUM).judge(peers).status());
    let mut state = black_box(HysteresisState::new());
    black_box(
        black_box(Hysteresis::KUBERNETES).record(&mut state, black_box(HealthStatus::Healthy)),
    );
}

/// Every decision about a peer that sends heartbeats.
fn heartbeat(config: &HeartbeatConfig) {
    let mut peer = Heartbeat::from_parts(*config, black_box(HeartbeatState::new()));
    peer.expect(any_now());
    let _ = black_box(peer.record(any_now()));
    let _ = black_box(peer.record_numbered(black_box(0), any_now()));
    peer.resume(any_now());
    peer.reanchor(any_now());
    black_box(peer.status(any_now()));
    black_box(peer.phi(any_now()));
    black_box(peer.next_deadline(any_now()));
    peer.reconfigure(black_box(*config), any_now());
    let mut bytes = [0; HeartbeatConfig::LEN];
    black_box(config.save(peer.as_state(), any_now(), &mut bytes).is_ok());
    black_box(config.restore(&black_box(bytes), any_now()).is_ok());
}

/// Every decision of the gate before the hardware watchdog. The splay is a `Duration`, and so
/// elsewhere.
fn watchdog(config: &WatchdogConfig<2>) {
    let record = black_box(BootRecord::NONE);
    let mut tasks = Watchdog::start(config, record, black_box(Boot::Watchdog), any_now());
    black_box(tasks.check_in(black_box(0), any_now()).is_ok());
    black_box(tasks.suspend(black_box(1), any_now()).is_ok());
    black_box(tasks.resume(black_box(1), any_now()).is_ok());
    black_box(tasks.may_feed(any_now()).is_ok());
    black_box(tasks.peek(any_now()).is_ok());
    black_box(tasks.next_deadline(any_now()));
    black_box((tasks.last_cause(), tasks.resets(any_now())));
    let mut bytes = [0; WatchdogConfig::<2>::LEN];
    black_box(config.save(&tasks.boot_record(any_now()), any_now(), &mut bytes).is_ok());
    black_box(config.restore(&black_box(bytes), any_now()).is_ok());
    tasks.reset(any_now());
}

fn refused(rejected: Rejected) {
    black_box(rejected.code().number());
    black_box(rejected.code().name());
    black_box(rejected.retry());
}

const SECOND: Duration = Duration::from_secs(1);
const SKEW: Skew = {
    let drifting = valid!(Skew::NONE.ahead(SECOND).behind(SECOND).drift(-50));
    match drifting.corrected_every(SECOND) {
        Ok(skew) => skew,
        Err(_) => drifting,
    }
};
const SPLIT: Partition = valid!(Partition::new(1, SECOND, 500_000, 3));
const TICKS: TickRate = valid!(TickRate::new(32_768));

/// Making, keeping and reading events. Writing them as text divides, as all text does.
fn events() {
    let mut log = black_box(EventLog::<16>::new());
    let (source, at) = (black_box(0), any_now());
    let (a, b) = (black_box(0), black_box(0));
    log.push(Event::new(black_box(EventKind::CallStarted), source, a, b, at).only_detected());
    let transition = Transition { from: black_box(State::Open), to: black_box(State::Closed) };
    log.push(Event::of_transition(transition, source, at));
    let refusal = Rejected::new(black_box(ErrorCode::LoadShed), black_box(RetryAt::Unknown));
    log.push(Event::of_refusal(refusal, source, at));
    log.push(Event::of_refused_retry(refusal, source, at));
    log.push(Event::of_failure(a, black_box(FailureClass::Local), source, at));
    log.push(Event::of_stop(black_box(Stop::Never), a, source, at));
    let took = Span::from_nanos(black_box(0));
    log.push(Event::of_error(black_box(ErrorCode::UnknownError), took, source, at));
    let status = black_box(Some(HealthStatus::Degraded));
    log.push(Event::of_health(black_box(None), status, source, at));
    if let Some(event) = Event::of_fault(black_box(Fault::Drop), source, at) {
        log.push(event);
    }
    let mut cursor = black_box(log.cursor());
    black_box(log.waiting(&cursor));
    black_box(log.read(&mut cursor));
    black_box((cursor.lost(), log.lost(), log.unread(), log.len()));
    black_box(log.cursor_at_end());
    for event in log.iter() {
        black_box((event.severity(), event.kind().number(), event.kind().fields()));
        black_box((event.at(), event.source(), event.transition()));
    }
    for event in log.drain() {
        black_box(event);
    }
    black_box(EventKind::from_number(black_box(0)));
    black_box(Span::from_units(black_box(0)).as_nanos());
}

fn chaos(policy: &ChaosPolicy) {
    let mut stream = black_box(Stream::new(black_box(0)));
    black_box(policy.fault(&mut stream).until(any_now()));
    black_box(stream.fork(black_box(0)).draw());
    let mut state = black_box(ChaosState::new(stream));
    black_box(policy.inject(&mut state).is_some());
    black_box(state.in_burst());
    black_box(Chaos::from_parts(policy, state).inject().is_some());
}

fn wrong_clocks(skew: &Skew, split: &Partition) {
    black_box(skew.show(any_now()));
    black_box(SkewedClock::new(any_now(), *skew).now());
    black_box(split.is_cut(black_box(1), black_box(2), any_now()));
    black_box(split.group(black_box(1), any_now()));
    black_box(split.next_deadline(any_now()));
}

fn ticks(rate: &TickRate) {
    let mut counter = black_box(TickCounter::from_ticks(rate, black_box(0)));
    black_box(counter.widen(black_box(0)));
    black_box((counter.last(), counter.ticks(), counter.next_deadline()));
    black_box(rate.instant_at(black_box(0)));
    black_box(rate.tick_at(any_now()));
}

/// Saving and restoring: any state, and any bytes.
fn reboot<P: Persist>(policy: &P, state: P::State) {
    let mut flash = black_box([0; 64]);
    if let Ok(written) = policy.save(&black_box(state), any_now(), &mut flash) {
        black_box(written);
    }
    black_box(
        policy
            .restore(black_box(flash.get(..black_box(45)).unwrap_or_default()), any_now())
            .is_ok(),
    );
}

fn bulkhead(config: &BulkheadConfig) {
    let mut state = black_box(BulkheadState::new());
    let priority = black_box(Priority::Low);
    match black_box(config.try_acquire(&mut state, black_box(1), priority, any_now())) {
        Ok(permit) => {
            black_box(config.record(&mut state, permit, black_box(Outcome::Success), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(config.peek(&state, black_box(1), priority, any_now()).is_ok());
    black_box(config.available(&state, priority));
    black_box(config.next_deadline(&state, any_now()));
    black_box(config.is_fresh(&state));
    black_box(config.inherit(config, &state, any_now()));
    config.reset(&mut state);

    let mut bulkhead = Bulkhead::from_parts(config, state);
    if let Ok(permit) = bulkhead.try_acquire(black_box(1), priority, any_now()) {
        black_box(bulkhead.record(permit, Outcome::Success, any_now()));
    }
    bulkhead.reconfigure(config, any_now());
    black_box(bulkhead.held());
}

fn adaptive<L: ConcurrencyLimit>(policy: &L) {
    let mut state = black_box(policy.start());
    match black_box(policy.try_acquire(&mut state, black_box(0_u32), any_now())) {
        Ok(permit) => {
            let outcome = black_box(Outcome::Success);
            black_box(policy.record(&mut state, permit, outcome, black_box(0_u32), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(policy.peek(&state, any_now()).is_ok());
    black_box(policy.limit(&state, any_now()));
    black_box(policy.in_flight(&state));
    black_box(policy.available(&state, any_now()));
    black_box(policy.next_deadline(&state, any_now()));
    black_box(policy.is_fresh(&state));
    let mut state = black_box(policy.inherit(policy, &state, any_now()));
    policy.reset(&mut state);

    let mut limiter = ConcurrencyLimiter::from_parts(policy, state);
    if let Ok(permit) = limiter.try_acquire(black_box(0_u32), any_now()) {
        black_box(limiter.record(permit, Outcome::Abandoned, black_box(0_u32), any_now()));
    }
    limiter.reconfigure(policy, any_now());
    black_box(limiter.limit(any_now()));
}

fn throttle(policy: &AdaptiveThrottle) {
    let mut state = black_box(ThrottleState::new());
    match black_box(policy.try_acquire(&mut state, black_box(0_u32), any_now())) {
        Ok(permit) => {
            black_box(policy.record(&mut state, permit, black_box(Outcome::Success), any_now()));
        }
        Err(rejected) => refused(rejected),
    }
    black_box(policy.reject_share(&state, any_now()));
    black_box((policy.requests(&state, any_now()), policy.accepts(&state, any_now())));
    black_box(policy.next_deadline(&state, any_now()));
    black_box(policy.is_fresh(&state, any_now()));
    black_box(policy.inherit(policy, &state, any_now()));
    policy.reset(&mut state);

    let mut throttler = Throttler::from_parts(policy, state);
    if let Ok(permit) = throttler.try_acquire(black_box(0_u32), any_now()) {
        black_box(throttler.record(permit, Outcome::Success, any_now()));
    }
    throttler.reconfigure(policy, any_now());
}

/// Every decision about whose fault it is, and what it does to a breaker.
fn ejection(config: EjectionConfig) {
    let (mut rule, mut peer) = (Ejection::new(config), black_box(CircuitBreakerState::new()));
    rule.join(black_box(0));
    black_box(rule.record(black_box(0), black_box(Outcome::Success), any_now()));
    if let Some(transition) = BREAKER.force_open(&mut peer, any_now()) {
        let bound = Bound::new(&BREAKER, &mut peer);
        black_box(rule.rule(black_box(0), black_box(transition), bound, any_now()));
    }
    black_box(rule.try_eject(black_box(0), any_now()).is_ok());
    black_box(rule.blame(any_now()));
    black_box((rule.peers(), rule.ejected(), rule.is_ejected(black_box(0))));
    black_box(rule.next_deadline(any_now()));
    rule.readmit(black_box(0));
    rule.leave(black_box(0));
    rule.reconfigure(config, any_now());
}

/// Every decision of a budget on any state, and a retry that asks it.
fn budget<P: BudgetPolicy>(policy: &P) {
    let mut state = black_box(P::FRESH);
    let extra = || black_box(Extra::Retry(FailureClass::Transient));
    policy.begin(&mut state, any_now());
    match black_box(policy.try_withdraw(&mut state, extra(), any_now())) {
        Ok(charge) => policy.refund(&mut state, charge, any_now()),
        Err(rejected) => refused(rejected),
    }
    let charge = policy.try_withdraw(&mut state, extra(), any_now()).ok();
    policy.settle(&mut state, black_box(charge), black_box(Outcome::Success), any_now());
    black_box(policy.peek(&state, extra(), any_now()).is_ok());
    black_box(policy.next_deadline(&state, any_now()));
    let state = black_box(policy.inherit(policy, &state, any_now()));

    let mut budget = RetryBudget::from_parts(policy, state);
    let retries = black_box(RetryPolicy::DEFAULT);
    let mut retry = black_box(Retry::start(&retries, any_now()));
    let failure = black_box(Classification::Ignored);
    match retry.record_within(&retries, &mut budget, failure, black_box(0_u32), any_now()) {
        Ok((wait, charge)) => {
            black_box(wait.until());
            budget.settle(Some(charge), black_box(Outcome::Ignored), any_now());
        }
        Err(stop) => {
            black_box(retry.last_error::<()>(stop, black_box(None)));
        }
    }
    budget.reset();
    black_box(budget.as_state());
}

fn hedge(policy: &HedgePolicy) {
    let mut hedge = Hedge::from_parts(policy, black_box(HedgeState::FRESH));
    hedge.record_latency(any_now(), any_now());
    black_box(hedge.due(black_box(0), any_now()));
    let class = black_box(FailureClass::Transient);
    let _ = black_box(hedge.on_failure(black_box(0), class, black_box(RetryHint::None), any_now()));
    hedge.reconfigure(black_box(policy), any_now());
    black_box(hedge.as_state().samples());
}

fn deadline() {
    let deadline = black_box(Deadline::after(any_now(), any_duration()));
    black_box((deadline.is_past(any_now()), deadline.instant(), deadline.min(Deadline::NONE)));
    black_box(deadline.attempt(any_duration(), any_now()));
    black_box(deadline.next_deadline(any_now()));
    if let Err(rejected) = deadline.check(any_now()) {
        refused(rejected);
    }
    let context = black_box(CallContext::new(deadline)).child(black_box(1), black_box(false));
    let bytes = black_box(context.wire(any_now()).encode());
    let Ok(wire) = WireContext::decode(black_box(&bytes)) else { return };
    let context = black_box(wire.received(any_duration(), any_now()).until(deadline));
    black_box((context.attempt(), context.is_retry(), context.is_hedge()));

    let failed: Result<u8, ResilienceError<()>> = Err(black_box(ResilienceError::operation(())));
    let answer = or_degraded(failed, is_unavailable, |_| black_box(None));
    black_box(answer.map(Answer::into_inner).is_ok());
}

const WARMING: WarmUp = valid!(WarmUp::new(RATE, Duration::from_secs(10)));

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
