//! A health checker as a static would be it, and its checks, each run where a script records a result.

use super::Mock;
use core::cell::Cell;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use resil_core::health::{
    CheckConfig, CheckId, CheckStatus, HealthCheckResult, HealthStatus, Probe,
};
use resil_core::{Clock, Instant};
use resil_embassy::{EmbassyClock, HealthChecker};
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::NoPolicy;
use resil_tests::vectors::{Engine, Script, machines, replay};
use std::rc::Rc;

type Checker = HealthChecker<NoopRawMutex, 16>;

/// A check of the script: what it is to find, and how to run it.
struct Scripted<'c> {
    id: CheckId,
    finds: Rc<Cell<HealthStatus>>,
    run: Box<dyn FnMut(&super::Driver) + 'c>,
}

pub(in super::super) fn health(script: &Script<NoPolicy>) -> String {
    let checker = &Checker::new();
    replay(script, &mut Mock::<_, Scripted<'_>>::new(checker))
}

impl<'c> Engine for Mock<&'c Checker, Scripted<'c>> {
    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.driver.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], _: Instant) -> String {
        machines::health(self, event)
    }
}

impl<'c> machines::Health for Mock<&'c Checker, Scripted<'c>> {
    fn register(&mut self, name: &str, ttl: Duration) {
        let finds = Rc::new(Cell::new(HealthStatus::Healthy));
        let ask = {
            let finds = Rc::clone(&finds);
            async move || HealthCheckResult::new(finds.get(), "")
        };
        let config = CheckConfig::builder(ttl).build().unwrap();
        // A name lives as long as a static's; that of a test is few bytes.
        let leaked = name.to_owned().leak();
        let mut check = self.machine.register_check(leaked, config, ask).unwrap();
        let id = check.id();
        let run = move |driver: &super::Driver| {
            driver.block_on(check.run()).unwrap();
        };
        self.keep(name, Scripted { id, finds, run: Box::new(run) });
    }

    fn unregister(&mut self, name: &str) {
        let check = self.take(name).unwrap();
        self.machine.unregister(check.id).unwrap();
    }

    fn record(&mut self, name: &str, status: HealthStatus) {
        let check = self.held.get_mut(name).unwrap();
        check.finds.set(status);
        (check.run)(&self.driver);
    }

    fn check(&self, name: &str) -> CheckStatus {
        self.machine.check(self.held[name].id).unwrap()
    }

    fn status(&self, probe: Probe) -> HealthStatus {
        self.machine.status(probe)
    }
}
