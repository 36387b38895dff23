//! resil-std, on tokio's paused time.

use core::cell::RefCell;
use core::time::Duration;
use resil_core::bulkhead::BulkheadConfig;
use resil_core::call::Priority;
use resil_core::circuit_breaker::{Recorded, State};
use resil_core::health::{CheckStatus, HealthCheckResult, HealthStatus, Probe};
use resil_core::outcome::{Classification, Rejected, RetryAt};
use resil_core::rate_limit::{Limit, PeerCharge, RateLimit, StrictBucket, TokenBucket};
use resil_core::{Clock, Instant, Outcome, ResilienceError};
use resil_std::bulkhead::{self, Bulkhead};
use resil_std::circuit_breaker::{CircuitBreaker, Guard};
use resil_std::clock::SystemClock;
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
use tokio::runtime::Builder;

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

/// An adapter's machine inside such a runtime.
struct Paused<M, T> {
    machine: M,
    held: HashMap<String, T>,
    runtime: Runtime,
}

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

impl<M, T> Paused<M, T> {
    fn new(machine: M) -> Self {
        Self { machine, held: HashMap::new(), runtime: Runtime::begin() }
    }

    fn take(&mut self, name: &str) -> Option<T> {
        self.held.remove(name)
    }
}

pub(super) fn breaker(script: &Script<BreakerPolicy>) -> String {
    let config = script.policy.build().unwrap();
    replay(script, &mut Paused::<_, Guard>::new(CircuitBreaker::new("peer", config)))
}

impl Engine for Paused<CircuitBreaker, Guard> {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.runtime.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::breaker(self, event, start)
    }
}

impl machines::Breaker for Paused<CircuitBreaker, Guard> {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let _inside = self.runtime.0.enter();
        let guard = self.machine.try_acquire().map_err(|error| error.refusal())?;
        assert!(self.held.insert(name.to_owned(), guard).is_none(), "{name} is taken");
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded> {
        let guard = self.take(name)?;
        let _inside = self.runtime.0.enter();
        match outcome {
            Outcome::Success => Some(guard.success()),
            Outcome::Failure(class) => Some(guard.failure(class)),
            Outcome::Ignored => Some(guard.ignore()),
            Outcome::Abandoned => panic!("a guard is abandoned by dropping it"),
        }
    }

    fn abandon(&mut self, name: &str) {
        let guard = self.take(name);
        let _inside = self.runtime.0.enter();
        drop(guard);
    }

    fn state(&self) -> State {
        let _inside = self.runtime.0.enter();
        self.machine.state()
    }

    fn retry_at(&self) -> Option<RetryAt> {
        let _inside = self.runtime.0.enter();
        self.machine.retry_at()
    }

    fn reset(&mut self) {
        let _inside = self.runtime.0.enter();
        self.machine.reset();
    }

    fn force_open(&mut self) {
        let _inside = self.runtime.0.enter();
        self.machine.force_open();
    }

    fn disable(&mut self) {
        let _inside = self.runtime.0.enter();
        self.machine.disable();
    }

    fn metrics_only(&mut self) {
        let _inside = self.runtime.0.enter();
        self.machine.metrics_only();
    }
}

pub(super) fn bulkhead(script: &Script<BulkheadPolicy>) -> String {
    let uplink = Bulkhead::with_waiters("uplink", script.policy.build().unwrap(), 0);
    replay(script, &mut Paused::<_, bulkhead::Guard>::new(uplink))
}

impl Engine for Paused<Bulkhead, bulkhead::Guard> {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.runtime.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::bulkhead(self, event, start)
    }
}

/// Nobody waits: a script knows no waiting.
impl machines::Bulkhead for Paused<Bulkhead, bulkhead::Guard> {
    fn ask(&mut self, name: &str, weight: u16, priority: Priority) -> Result<(), Rejected> {
        let tried = self.machine.try_acquire(weight, priority).map(drop);
        let waited = self.runtime.0.block_on(self.machine.acquire(weight, priority));
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

type Limiter<L> = RateLimiter<&'static str, L>;

pub(super) fn limiter(script: &Script<LimitPolicy>) -> String {
    fn play<L: Limit + Clone>(script: &Script<LimitPolicy>, limit: L) -> String {
        let limiter: Limiter<L> = RateLimiter::builder(limit).build().unwrap();
        replay(script, &mut Paused::<_, PeerCharge<L::Charge>>::new(limiter))
    }
    let config = script.policy.build().unwrap();
    match script.policy.kind {
        LimitKind::TokenBucket => play(script, TokenBucket::new(config)),
        LimitKind::RateLimit => play(script, RateLimit::<_>::new(config)),
        LimitKind::StrictBucket => play(script, StrictBucket::new(config).unwrap()),
    }
}

impl<L: Limit> Engine for Paused<Limiter<L>, PeerCharge<L::Charge>> {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.runtime.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::limiter(self, event, start)
    }
}

impl<L: Limit> machines::Limiter for Paused<Limiter<L>, PeerCharge<L::Charge>> {
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected> {
        let _inside = self.runtime.0.enter();
        let charge = self.machine.check(&PEER, cost)?;
        assert!(self.held.insert(name.to_owned(), charge).is_none(), "{name} is taken");
        Ok(())
    }

    fn peek(&self, cost: u32) -> Result<(), Rejected> {
        let _inside = self.runtime.0.enter();
        self.machine.peek(&PEER, cost)
    }

    fn refund(&mut self, name: &str) {
        let _inside = self.runtime.0.enter();
        if let Some(charge) = self.held.remove(name) {
            self.machine.refund(charge);
        }
    }

    fn available(&self) -> u32 {
        let _inside = self.runtime.0.enter();
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
    replay(script, &mut Paused::<_, Finding>::new(HealthChecker::new()))
}

impl Engine for Paused<HealthChecker, Finding> {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.runtime.move_to(instant);
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
        let _inside = self.runtime.0.enter();
        self.machine.register(check.ttl(ttl)).unwrap();
    }

    fn unregister(&mut self, name: &str) {
        assert!(self.take(name).is_some());
        let _inside = self.runtime.0.enter();
        assert!(self.machine.unregister(name));
    }

    fn record(&mut self, name: &str, status: HealthStatus) {
        *self.held[name].lock().unwrap() = status;
        self.runtime.0.block_on(self.machine.check(name)).unwrap();
    }

    fn check(&self, name: &str) -> CheckStatus {
        let _inside = self.runtime.0.enter();
        self.machine.report().check(name).unwrap().status
    }

    fn status(&self, probe: Probe) -> HealthStatus {
        let _inside = self.runtime.0.enter();
        self.machine.status(probe)
    }
}
