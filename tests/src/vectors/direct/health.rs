//! A registry of checks, and their ids by name.

use super::lending::Lending;
use crate::vectors::beside::Subject;
use crate::vectors::machines;
use crate::vectors::policies::NoPolicy;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::time::Duration;
use resil_core::health::{
    CheckId, CheckStatus, HealthCheckResult, HealthRegistry, HealthStatus, Probe,
};
use resil_core::{Clock, Instant};

pub(super) type Health = Lending<HealthRegistry<String>, CheckId>;

impl Health {
    fn id(&self, name: &str) -> CheckId {
        *self.look(name).unwrap_or_else(|| panic!("{name} is not registered"))
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
