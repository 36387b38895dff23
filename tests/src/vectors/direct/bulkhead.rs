//! Bulkheads.

use super::lending::Lending;
use crate::vectors::beside::Subject;
use crate::vectors::machines;
use crate::vectors::policies::BulkheadPolicy;
use alloc::string::String;
use resil_core::bulkhead::{Bulkhead, BulkheadConfig, Permit, Recorded};
use resil_core::call::Priority;
use resil_core::outcome::Rejected;
use resil_core::{Clock, Instant, Outcome};

pub(super) type Beside = Lending<Bulkhead, Permit>;

impl Subject for Beside {
    type Policy = BulkheadPolicy;

    fn new(policy: &BulkheadPolicy, _: Instant) -> Self {
        Self::new(Bulkhead::new(policy.build().unwrap()))
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        self.clock.set(now);
        machines::bulkhead(self, event, start)
    }
}

impl machines::Bulkhead for Beside {
    fn ask(&mut self, name: &str, weight: u16, priority: Priority) -> Result<(), Rejected> {
        let permit = self.machine.try_acquire(weight, priority, self.clock.now())?;
        self.keep(name, permit);
        Ok(())
    }

    fn tell(&mut self, name: &str, outcome: Outcome) -> Recorded {
        let permit = self.take(name).expect("a permit of this name");
        self.machine.record(permit, outcome, self.clock.now())
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
        let config = BulkheadConfig::builder().max_concurrent(permits).build().unwrap();
        self.machine.reconfigure(config, self.clock.now());
    }
}
