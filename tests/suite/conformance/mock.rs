//! resil-embassy, on embassy-time's mock driver at 1 MHz.

mod bulkhead;
mod health;
mod watchdog;

pub(super) use bulkhead::bulkhead;
pub(super) use health::health;
pub(super) use watchdog::watchdog;

use core::cell::RefCell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::MockDriver;
use resil_core::circuit_breaker::{CircuitBreakerConfig, Recorded, State};
use resil_core::outcome::{Classification, EveryError, Rejected, RetryAt};
use resil_core::rate_limit::{Limit, PeerCharge, RateLimit, StrictBucket, TokenBucket};
use resil_core::{Clock, Instant, Outcome};
use resil_embassy::circuit_breaker::{CircuitBreaker, Guard};
use resil_embassy::clock::EmbassyClock;
use resil_embassy::rate_limit::RateLimiter;
use resil_embassy::retry::retry_with_policy;
use resil_tests::vectors::attempts::{Attempts, Failure};
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::{BreakerPolicy, LimitKind, LimitPolicy, RetrySettings};
use resil_tests::vectors::{Engine, ORIGIN, Script, machines, replay};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nanoseconds in a tick.
pub(super) const TICK: u64 = 1_000_000_000 / embassy_time::TICK_HZ;

/// There is one mock driver in a process.
static DRIVER: Mutex<()> = Mutex::new(());

/// The driver, at [`ORIGIN`], and for this script alone.
pub(super) struct Driver(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

impl Timeline for Driver {
    const NAME: &'static str = "embassy's mock driver";
    const CAN_STEP_BACK: bool = false;
    const RESOLUTION: u64 = TICK;

    fn begin() -> Self {
        let alone = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        MockDriver::get().reset();
        let mut driver = Self(alone);
        driver.move_to(ORIGIN);
        driver
    }

    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.advance(instant.saturating_since(self.now()));
        assert_eq!(self.now(), instant);
    }
}

impl Driver {
    fn advance(&self, by: Duration) {
        let micros = by.as_micros().try_into().unwrap();
        MockDriver::get().advance(embassy_time::Duration::from_micros(micros));
    }

    /// Runs `future`; where it waits, a millisecond passes.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1_000_000 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            self.advance(Duration::from_millis(1));
        }
        panic!("waited for 1000 s")
    }
}

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

type Breaker = CircuitBreaker<NoopRawMutex, EveryError, CircuitBreakerConfig>;
type BreakerGuard<'b> = Guard<'b, NoopRawMutex, EveryError, CircuitBreakerConfig>;

/// An adapter's machine beside the driver.
struct Mock<M, T> {
    driver: Driver,
    machine: M,
    held: HashMap<String, T>,
}

impl<M, T> Mock<M, T> {
    fn new(machine: M) -> Self {
        Self { driver: Driver::begin(), machine, held: HashMap::new() }
    }

    fn keep(&mut self, name: &str, lent: T) {
        assert!(self.held.insert(name.to_owned(), lent).is_none(), "{name} is taken");
    }

    fn take(&mut self, name: &str) -> Option<T> {
        self.held.remove(name)
    }
}

pub(super) fn breaker(script: &Script<BreakerPolicy>) -> String {
    let breaker = &Breaker::new("peer", script.policy.build().unwrap(), no_entropy);
    replay(script, &mut Mock::<_, BreakerGuard>::new(breaker))
}

impl<'b> Engine for Mock<&'b Breaker, BreakerGuard<'b>> {
    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.driver.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::breaker(self, event, start)
    }
}

impl<'b> machines::Breaker for Mock<&'b Breaker, BreakerGuard<'b>> {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let guard = self.machine.try_acquire().map_err(|error| error.refusal())?;
        self.keep(name, guard);
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Option<Recorded> {
        let guard = self.take(name)?;
        match outcome {
            Outcome::Success => Some(guard.success()),
            Outcome::Failure(class) => Some(guard.failure(class)),
            Outcome::Ignored => Some(guard.ignore()),
            Outcome::Abandoned => panic!("a guard is abandoned by dropping it"),
        }
    }

    fn abandon(&mut self, name: &str) {
        drop(self.take(name));
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn retry_at(&self) -> Option<RetryAt> {
        self.machine.retry_at()
    }

    fn reset(&mut self) {
        self.machine.reset();
    }

    fn force_open(&mut self) {
        self.machine.force_open();
    }

    fn disable(&mut self) {
        self.machine.disable();
    }

    fn metrics_only(&mut self) {
        self.machine.metrics_only();
    }
}

const PEER: &str = "peer";

type Limiter<L> = RateLimiter<NoopRawMutex, &'static str, L>;

pub(super) fn limiter(script: &Script<LimitPolicy>) -> String {
    fn play<L: Limit>(script: &Script<LimitPolicy>, limit: L) -> String {
        replay(script, &mut Mock::<_, PeerCharge<L::Charge>>::new(Limiter::new(limit, 7)))
    }
    let config = script.policy.build().unwrap();
    match script.policy.kind {
        LimitKind::TokenBucket => play(script, TokenBucket::new(config)),
        LimitKind::RateLimit => play(script, RateLimit::<_>::new(config)),
        LimitKind::StrictBucket => play(script, StrictBucket::new(config).unwrap()),
    }
}

impl<L: Limit> Engine for Mock<Limiter<L>, PeerCharge<L::Charge>> {
    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.driver.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::limiter(self, event, start)
    }
}

impl<L: Limit> machines::Limiter for Mock<Limiter<L>, PeerCharge<L::Charge>> {
    fn ask(&mut self, name: &str, cost: u32) -> Result<(), Rejected> {
        let charge = self.machine.check(&PEER, cost)?;
        self.keep(name, charge);
        Ok(())
    }

    fn peek(&self, cost: u32) -> Result<(), Rejected> {
        self.machine.peek(&PEER, cost)
    }

    fn refund(&mut self, name: &str) {
        if let Some(charge) = self.take(name) {
            self.machine.refund(charge);
        }
    }

    fn available(&self) -> u32 {
        self.machine.available(&PEER)
    }

    fn reset(&mut self) {
        self.machine.reset(&PEER);
    }
}

pub(super) fn retry(script: &Script<RetrySettings>) -> String {
    let policy = script.policy.build().unwrap().classify(|error: &Classification| *error);
    let driver = Driver::begin();
    let attempts = RefCell::new(Attempts::new(script, EmbassyClock.now()));
    let operation = async || {
        let attempt = attempts.borrow_mut().begin(EmbassyClock.now());
        driver.advance(attempt.takes);
        match attempt.end {
            Ok(()) => Ok(()),
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Refused(rejected)) => panic!("{rejected} is not this adapter's"),
        }
    };
    let result = driver.block_on(retry_with_policy(operation, &policy, "scripted", no_entropy));
    attempts.into_inner().finish(&result)
}
