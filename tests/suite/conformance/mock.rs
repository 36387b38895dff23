//! resil-embassy, on embassy-time's mock driver at 1 MHz.

use super::ORIGIN;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, MockDriver};
use resil_core::circuit_breaker::{CircuitBreakerConfig, Recorded, State};
use resil_core::outcome::{EveryError, Rejected, RetryAt};
use resil_core::{Clock, Instant, Outcome};
use resil_embassy::circuit_breaker::{CircuitBreaker, Guard};
use resil_embassy::clock::EmbassyClock;
use resil_tests::vectors::policies::BreakerPolicy;
use resil_tests::vectors::{Engine, Script, machines, replay};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// There is one mock driver in a process.
static DRIVER: Mutex<()> = Mutex::new(());

/// The driver, at [`ORIGIN`], and for this script alone.
struct Driver(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

impl Driver {
    fn acquire() -> Self {
        let alone = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        MockDriver::get().reset();
        let mut driver = Self(alone);
        driver.move_to(ORIGIN);
        driver
    }

    fn move_to(&mut self, instant: Instant) {
        let ahead = instant.saturating_since(EmbassyClock.now());
        MockDriver::get().advance(Duration::from_micros(ahead.as_micros().try_into().unwrap()));
        assert_eq!(EmbassyClock.now(), instant);
    }
}

fn no_entropy() -> u32 {
    panic!("drew entropy")
}

type Breaker = CircuitBreaker<NoopRawMutex, EveryError, CircuitBreakerConfig>;

struct Mock<'b> {
    driver: Driver,
    breaker: &'b Breaker,
    held: HashMap<String, Guard<'b, NoopRawMutex, EveryError, CircuitBreakerConfig>>,
}

pub(super) fn breaker(script: &Script<BreakerPolicy>) -> String {
    let breaker = &Breaker::new("peer", script.policy.build().unwrap(), no_entropy);
    replay(script, &mut Mock { driver: Driver::acquire(), breaker, held: HashMap::new() })
}

impl Engine for Mock<'_> {
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

impl machines::Breaker for Mock<'_> {
    fn ask(&mut self, name: &str) -> Result<(), Rejected> {
        let guard = self.breaker.try_acquire().map_err(|error| error.refusal())?;
        assert!(self.held.insert(name.to_owned(), guard).is_none(), "{name} is taken");
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Recorded {
        let guard = self.held.remove(name).unwrap_or_else(|| panic!("{name} was not lent"));
        match outcome {
            Outcome::Success => guard.success(),
            Outcome::Failure(class) => guard.failure(class),
            Outcome::Ignored => guard.ignore(),
            Outcome::Abandoned => panic!("a guard is abandoned by dropping it"),
        }
    }

    fn abandon(&mut self, name: &str) {
        drop(self.held.remove(name).unwrap_or_else(|| panic!("{name} was not lent")));
    }

    fn state(&self) -> State {
        self.breaker.state()
    }

    fn retry_at(&self) -> Option<RetryAt> {
        self.breaker.retry_at()
    }

    fn reset(&mut self) {
        self.breaker.reset();
    }

    fn force_open(&mut self) {
        self.breaker.force_open();
    }

    fn disable(&mut self) {
        self.breaker.disable();
    }
}
