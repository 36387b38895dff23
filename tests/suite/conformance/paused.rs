//! resil-std, on tokio's paused time and on its own mock clock, which can step back.

use core::cell::RefCell;
use core::time::Duration;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::Priority;
use resil_core::circuit_breaker::{Recorded, State};
use resil_core::health::{CheckStatus, HealthCheckResult, HealthStatus, Probe};
use resil_core::outcome::{Classification, EveryError, Rejected, RetryAt};
use resil_core::rate_limit::{Limit, PeerCharge, RateLimit, StrictBucket, TokenBucket};
use resil_core::{Clock, Instant, Outcome, ResilienceError};
use resil_std::bulkhead::{self, Bulkhead};
use resil_std::circuit_breaker::{CircuitBreaker, Guard};
use resil_std::clock::{MockClock, SystemClock};
use resil_std::health::{Check, HealthChecker};
use resil_std::rate_limit::RateLimiter;
use resil_std::retry::Retry;
use resil_tests::vectors::attempts::Attempts;
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::{
    BreakerPolicy, BulkheadPolicy, LimitKind, LimitPolicy, NoPolicy, RetrySettings,
};
use resil_tests::vectors::{Engine, ORIGIN, Script, machines, replay};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, EnterGuard};

/// A runtime whose time stands still.
pub(super) struct Runtime(tokio::runtime::Runtime);

impl Timeline for Runtime {
    const NAME: &'static str = "paused tokio";
    const CAN_STEP_BACK: bool = false;
    const RESOLUTION: u64 = 1;

    fn begin() -> Self {
        let mut runtime = Self(runtime());
        runtime.move_to(ORIGIN);
        runtime
    }

    fn now(&self) -> Instant {
        let _inside = self.0.enter();
        SystemClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        let ahead = instant.saturating_since(self.now());
        self.0.block_on(tokio::time::advance(ahead));
        assert_eq!(self.now(), instant);
    }
}

/// The clock that resil-std has for tests.
pub(super) struct Mocked(MockClock);

impl Timeline for Mocked {
    const NAME: &'static str = "resil-std's mock clock";
    const CAN_STEP_BACK: bool = true;
    const RESOLUTION: u64 = 1;

    fn begin() -> Self {
        Self(MockClock::new(ORIGIN))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.0.set(instant);
    }
}

/// What a machine of resil-std reads the time from.
pub(super) trait Place: Timeline {
    type Clock: Clock + Clone;
    type Inside<'r>
    where
        Self: 'r;

    fn clock(&self) -> Self::Clock;
    /// The clock is read in here.
    fn inside(&self) -> Self::Inside<'_>;
}

impl Place for Runtime {
    type Clock = SystemClock;
    type Inside<'r> = EnterGuard<'r>;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn inside(&self) -> EnterGuard<'_> {
        self.0.enter()
    }
}

impl Place for Mocked {
    type Clock = MockClock;
    type Inside<'r> = ();

    fn clock(&self) -> MockClock {
        self.0.clone()
    }

    fn inside(&self) {}
}

/// An adapter's machine there.
struct Paused<M, T, P = Runtime> {
    machine: M,
    held: HashMap<String, T>,
    place: P,
}

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

impl<M, T, P: Place> Paused<M, T, P> {
    fn new(machine: impl FnOnce(P::Clock) -> M) -> Self {
        let place = P::begin();
        Self { machine: machine(place.clock()), held: HashMap::new(), place }
    }

    fn take(&mut self, name: &str) -> Option<T> {
        self.held.remove(name)
    }
}

type Breaker<P> = CircuitBreaker<EveryError, <P as Place>::Clock>;
type BreakerGuard<P> = Guard<EveryError, <P as Place>::Clock>;

pub(super) fn breaker<P: Place>(script: &Script<BreakerPolicy>) -> String {
    let config = script.policy.build().unwrap();
    let breaker = |clock| Breaker::<P>::with("peer", config, EveryError, clock);
    replay(script, &mut Paused::<_, BreakerGuard<P>, P>::new(breaker))
}

impl<P: Place> Engine for Paused<Breaker<P>, BreakerGuard<P>, P> {
    fn now(&self) -> Instant {
        self.place.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.place.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::breaker(self, event, start)
    }
}

impl<P: Place> machines::Breaker for Paused<Breaker<P>, BreakerGuard<P>, P> {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let _inside = self.place.inside();
        let guard = self.machine.try_acquire().map_err(|error| error.refusal())?;
        assert!(self.held.insert(name.to_owned(), guard).is_none(), "{name} is taken");
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded> {
        let guard = self.take(name)?;
        let _inside = self.place.inside();
        match outcome {
            Outcome::Success => Some(guard.success()),
            Outcome::Failure(class) => Some(guard.failure(class)),
            Outcome::Ignored => Some(guard.ignore()),
            Outcome::Abandoned => panic!("a guard is abandoned by dropping it"),
        }
    }

    fn abandon(&mut self, name: &str) {
        let guard = self.take(name);
        let _inside = self.place.inside();
        drop(guard);
    }

    fn state(&self) -> State {
        let _inside = self.place.inside();
        self.machine.state()
    }

    fn retry_at(&self) -> Option<RetryAt> {
        let _inside = self.place.inside();
        self.machine.retry_at()
    }

    fn reset(&mut self) {
        let _inside = self.place.inside();
        self.machine.reset();
    }

    fn force_open(&mut self) {
        let _inside = self.place.inside();
        self.machine.force_open();
    }

    fn disable(&mut self) {
        let _inside = self.place.inside();
        self.machine.disable();
    }

    fn metrics_only(&mut self) {
        let _inside = self.place.inside();
        self.machine.metrics_only();
    }
}

pub(super) fn bulkhead(script: &Script<BulkheadPolicy>) -> String {
    let uplink = Bulkhead::with_waiters("uplink", script.policy.build().unwrap(), 0);
    replay(script, &mut Paused::<_, bulkhead::Guard>::new(|_| uplink))
}

impl Engine for Paused<Bulkhead, bulkhead::Guard> {
    fn now(&self) -> Instant {
        self.place.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.place.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::bulkhead(self, event, start)
    }
}

/// Nobody waits: a script knows no waiting.
impl machines::Bulkhead for Paused<Bulkhead, bulkhead::Guard> {
    fn ask(&mut self, name: &str, weight: u16, priority: Priority) -> Result<(), Rejected> {
        let tried = self.machine.try_acquire(weight, priority).map(drop);
        let waited = self.place.0.block_on(self.machine.acquire(weight, priority));
        assert_eq!(tried, waited.as_ref().map(|_| ()).map_err(|rejected| *rejected));
        assert!(self.held.insert(name.to_owned(), waited?).is_none(), "{name} is taken");
        Ok(())
    }

    fn tell(&mut self, name: &str, _: Outcome) -> resil_core::bulkhead::Recorded {
        self.take(name).expect("a guard of this name").release()
    }

    fn available(&self, priority: Priority) -> u16 {
        self.machine.available(priority)
    }

    fn held(&self) -> u16 {
        self.machine.held()
    }

    fn reset(&mut self) {
        self.machine.reset();
    }

    fn resize(&mut self, permits: u16) {
        let policy = BulkheadConfig::builder().max_concurrent(permits).build().unwrap();
        self.machine.reconfigure(policy);
    }
}

const PEER: &str = "peer";

type Limiter<L, P> = RateLimiter<&'static str, L, <P as Place>::Clock>;

pub(super) fn limiter<P: Place>(script: &Script<LimitPolicy>) -> String {
    fn play<L: Limit + Clone, P: Place>(script: &Script<LimitPolicy>, limit: L) -> String {
        let limiter =
            |clock| -> Limiter<L, P> { RateLimiter::builder(limit).clock(clock).build().unwrap() };
        replay(script, &mut Paused::<_, PeerCharge<L::Charge>, P>::new(limiter))
    }
    let config = script.policy.build().unwrap();
    match script.policy.kind {
        LimitKind::TokenBucket => play::<_, P>(script, TokenBucket::new(config)),
        LimitKind::RateLimit => play::<_, P>(script, RateLimit::<_>::new(config)),
        LimitKind::StrictBucket => play::<_, P>(script, StrictBucket::new(config).unwrap()),
    }
}

impl<L: Limit, P: Place> Engine for Paused<Limiter<L, P>, PeerCharge<L::Charge>, P> {
    fn now(&self) -> Instant {
        self.place.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.place.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::limiter(self, event, start)
    }
}

impl<L: Limit, P: Place> machines::Limiter for Paused<Limiter<L, P>, PeerCharge<L::Charge>, P> {
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected> {
        let _inside = self.place.inside();
        let charge = self.machine.check(&PEER, cost)?;
        assert!(self.held.insert(name.to_owned(), charge).is_none(), "{name} is taken");
        Ok(())
    }

    fn peek(&self, cost: u32) -> Result<(), Rejected> {
        let _inside = self.place.inside();
        self.machine.peek(&PEER, cost)
    }

    fn refund(&mut self, name: &str) {
        let _inside = self.place.inside();
        if let Some(charge) = self.held.remove(name) {
            self.machine.refund(charge);
        }
    }

    fn available(&self) -> u32 {
        let _inside = self.place.inside();
        self.machine.available(&PEER)
    }

    fn reset(&mut self) {
        self.machine.reset(&PEER);
    }
}

/// Starts when the runtime does: tokio's timers count whole milliseconds from there.
pub(super) fn retry(script: &Script<RetrySettings>) -> String {
    let policy = script.policy.build().unwrap().classify(|error: &Classification| *error);
    runtime().block_on(async {
        let attempts = RefCell::new(Attempts::new(script, SystemClock.now()));
        let operation = async || {
            let attempt = attempts.borrow_mut().begin(SystemClock.now());
            tokio::time::advance(attempt.takes).await;
            attempt.end.map_err(ResilienceError::from)
        };
        let result = Retry::new(&policy, "scripted").call_guarded(operation).await;
        attempts.into_inner().finish(&result)
    })
}

/// What a check finds when it is run.
type Finding = Arc<Mutex<HealthStatus>>;

pub(super) fn health(script: &Script<NoPolicy>) -> String {
    replay(script, &mut Paused::<_, Finding>::new(|_| HealthChecker::new()))
}

impl Engine for Paused<HealthChecker, Finding> {
    fn now(&self) -> Instant {
        self.place.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.place.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], _: Instant) -> String {
        machines::health(self, event)
    }
}

impl machines::Health for Paused<HealthChecker, Finding> {
    fn register(&mut self, name: &str, ttl: Duration) {
        let finding = Finding::new(Mutex::new(HealthStatus::Healthy));
        self.held.insert(name.to_owned(), Arc::clone(&finding));
        let check = Check::new(name, move || {
            let status = *finding.lock().unwrap();
            async move { HealthCheckResult::new(status, "") }
        });
        let _inside = self.place.inside();
        self.machine.register(check.ttl(ttl)).unwrap();
    }

    fn unregister(&mut self, name: &str) {
        assert!(self.take(name).is_some());
        let _inside = self.place.inside();
        assert!(self.machine.unregister(name));
    }

    fn record(&mut self, name: &str, status: HealthStatus) {
        *self.held[name].lock().unwrap() = status;
        self.place.0.block_on(self.machine.check(name)).unwrap();
    }

    fn check(&self, name: &str) -> CheckStatus {
        let _inside = self.place.inside();
        self.machine.report().check(name).unwrap().status
    }

    fn status(&self, probe: Probe) -> HealthStatus {
        let _inside = self.place.inside();
        self.machine.status(probe)
    }
}
