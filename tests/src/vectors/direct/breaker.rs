//! A breaker that counts failures in a row.

use super::lending::Lending;
use super::no_entropy;
use crate::vectors::policies::BreakerPolicy;
use crate::vectors::{Engine, Script, machines, replay};
use alloc::string::String;
use resil_core::circuit_breaker::{CircuitBreaker, Permit, Recorded, State};
use resil_core::outcome::{Rejected, RetryAt};
use resil_core::{Clock, Instant, Outcome};

/// The trace of a script of `circuit_breaker.toml`.
///
/// # Panics
///
/// If the script says what no breaker understands.
#[must_use]
pub fn breaker(script: &Script<BreakerPolicy>) -> String {
    let config = script.policy.build().unwrap();
    replay(script, &mut Lending::<_, Permit>::new(CircuitBreaker::new(config)))
}

impl Engine for Lending<CircuitBreaker, Permit> {
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

impl machines::Breaker for Lending<CircuitBreaker, Permit> {
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
