//! Core, driven by hand.

use super::ORIGIN;
use super::beside::Subject;
use core::time::Duration;
use resil_core::circuit_breaker::{CircuitBreaker, Permit, Recorded, State};
use resil_core::health::{
    CheckId, CheckStatus, HealthCheckResult, HealthRegistry, HealthStatus, Probe,
};
use resil_core::outcome::{Classification, Rejected, RetryAt};
use resil_core::rate_limit::{Charge, Limit, Limiter, RateLimit, StrictBucket, TokenBucket};
use resil_core::retry::{Next, Retry, Stop};
use resil_core::{Clock, Instant, ManualClock, Outcome, ResilienceError};
use resil_tests::vectors::attempts::{Attempts, Failure};
use resil_tests::vectors::policies::{
    BackoffPolicy, BreakerPolicy, LimitKind, LimitPolicy, NoPolicy, RetrySettings,
};
use resil_tests::vectors::{Engine, Script, machines, millis, replay};
use std::collections::HashMap;

/// No policy of the scripts that get this draws.
fn no_entropy() -> u32 {
    panic!("drew entropy")
}

/// A machine beside a clock, and what it has lent under the names of the script.
pub(super) struct Direct<M, T> {
    clock: ManualClock,
    machine: M,
    held: HashMap<String, T>,
}

impl<M, T> Direct<M, T> {
    fn new(machine: M) -> Self {
        Self { clock: ManualClock::new(ORIGIN), machine, held: HashMap::new() }
    }

    fn keep(&mut self, name: &str, lent: T) {
        assert!(self.held.insert(name.to_owned(), lent).is_none(), "{name} is taken");
    }

    fn take(&mut self, name: &str) -> Option<T> {
        self.held.remove(name)
    }
}

pub(super) fn breaker(script: &Script<BreakerPolicy>) -> String {
    let config = script.policy.build().unwrap();
    replay(script, &mut Direct::<_, Permit>::new(CircuitBreaker::new(config)))
}

impl Engine for Direct<CircuitBreaker, Permit> {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.clock.set(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::breaker(self, event, start)
    }
}

impl machines::Breaker for Direct<CircuitBreaker, Permit> {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let permit = self.machine.try_acquire(no_entropy, self.clock.now())?;
        self.keep(name, permit);
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded> {
        let permit = self.take(name)?;
        Some(self.machine.record(permit, outcome, no_entropy, self.clock.now()))
    }

    fn abandon(&mut self, name: &str) {
        self.tell(name, Outcome::Abandoned);
    }

    fn state(&self) -> State {
        self.machine.state(self.clock.now())
    }

    fn retry_at(&self) -> Option<RetryAt> {
        self.machine.retry_at(self.clock.now())
    }

    fn reset(&mut self) {
        self.machine.reset(self.clock.now());
    }

    fn force_open(&mut self) {
        self.machine.force_open(self.clock.now());
    }

    fn disable(&mut self) {
        self.machine.disable(self.clock.now());
    }

    fn metrics_only(&mut self) {
        self.machine.metrics_only(self.clock.now());
    }
}

pub(super) fn limiter(script: &Script<LimitPolicy>) -> String {
    fn play<L: Limit>(script: &Script<LimitPolicy>, limit: L) -> String {
        replay(script, &mut Direct::<_, Charge<L::Charge>>::new(Limiter::new(limit)))
    }
    let config = script.policy.build().unwrap();
    match script.policy.kind {
        LimitKind::TokenBucket => play(script, TokenBucket::new(config)),
        LimitKind::RateLimit => play(script, RateLimit::<_>::new(config)),
        LimitKind::StrictBucket => play(script, StrictBucket::new(config).unwrap()),
    }
}

impl<L: Limit> Engine for Direct<Limiter<L>, Charge<L::Charge>> {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.clock.set(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::limiter(self, event, start)
    }
}

impl<L: Limit> machines::Limiter for Direct<Limiter<L>, Charge<L::Charge>> {
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected> {
        let charge = self.machine.try_acquire(cost, self.clock.now())?;
        self.keep(name, charge);
        Ok(())
    }

    fn peek(&self, cost: u32) -> Result<(), Rejected> {
        self.machine.peek(cost, self.clock.now())
    }

    fn refund(&mut self, name: &str) {
        if let Some(charge) = self.take(name) {
            self.machine.refund(charge, self.clock.now());
        }
    }

    fn available(&self) -> u32 {
        self.machine.available(self.clock.now())
    }

    fn reset(&mut self) {
        self.machine.reset();
    }
}

/// A curve, and the delay before.
pub(super) struct Delays {
    backoff: resil_core::backoff::Backoff,
    previous: Option<Duration>,
}

impl Subject for Delays {
    type Policy = BackoffPolicy;

    fn new(policy: &BackoffPolicy, _: Instant) -> Self {
        Self { backoff: policy.build().unwrap(), previous: None }
    }

    fn apply(&mut self, event: &[&str], _: Instant, start: Instant) -> String {
        let number = |word: &str| word.parse::<u32>().unwrap();
        let delay = match event {
            ["delay", attempt] => self.backoff.delay(number(attempt)),
            ["jittered", attempt, "entropy", entropy] => {
                self.backoff.jittered(number(attempt), self.previous, number(entropy))
            }
            _ => panic!("a curve knows no event {event:?}"),
        };
        self.previous = Some(delay);
        millis(start.saturating_add(delay), start)
    }
}

pub(super) fn retry(script: &Script<RetrySettings>) -> String {
    let policy = script.policy.build().unwrap().classify(|error: &Classification| *error);
    let (mut attempts, mut now) = (Attempts::new(script, ORIGIN), ORIGIN);
    let mut retry = Retry::start(&policy, now);
    let mut last = None;
    let result = loop {
        let attempt = attempts.begin(now);
        now = now.saturating_add(attempt.takes);
        let wait = match attempt.end {
            Ok(()) => break Ok(()),
            Err(Failure::Error(error)) => {
                last = Some(error);
                match retry.record(&policy, error, no_entropy, now) {
                    Next::Wait(wait) => wait,
                    Next::Stop(stop) => break Err(retry.error(stop, error)),
                }
            }
            Err(Failure::Refused(rejected)) => {
                match retry.refused(&policy, rejected, no_entropy, now) {
                    Next::Wait(wait) => wait,
                    Next::Stop(refused) => break Err(retry.refusal_error(refused, last)),
                }
            }
        };
        now = wait.until();
        if retry.is_past_deadline(now) {
            break Err(last.map_or_else(
                || panic!("no wait outlives the deadline"),
                |error| -> ResilienceError<_> { retry.error(Stop::Deadline, error) },
            ));
        }
    };
    attempts.finish(&result)
}

/// A registry of checks, and their ids by name.
pub(super) type Health = Direct<HealthRegistry<String>, CheckId>;

impl Health {
    fn id(&self, name: &str) -> CheckId {
        *self.held.get(name).unwrap_or_else(|| panic!("{name} is not registered"))
    }
}

impl Subject for Health {
    type Policy = NoPolicy;

    fn new(_: &NoPolicy, now: Instant) -> Self {
        Self::new(HealthRegistry::new(now))
    }

    fn apply(&mut self, event: &[&str], now: Instant, _: Instant) -> String {
        self.clock.set(now);
        machines::health(self, event)
    }
}

impl machines::Health for Health {
    fn register(&mut self, name: &str, ttl: Duration) {
        let id = self.machine.register(name.to_owned(), ttl, self.clock.now()).unwrap();
        self.keep(name, id);
    }

    fn unregister(&mut self, name: &str) {
        let id = self.take(name).unwrap();
        self.machine.unregister(id).unwrap();
    }

    fn record(&mut self, name: &str, status: HealthStatus) {
        let result = HealthCheckResult::new(status, "");
        self.machine.record(self.id(name), result, self.clock.now()).unwrap();
    }

    fn check(&self, name: &str) -> CheckStatus {
        self.machine.check(self.id(name), self.clock.now()).unwrap()
    }

    fn status(&self, probe: Probe) -> HealthStatus {
        self.machine.status(probe, self.clock.now())
    }
}
