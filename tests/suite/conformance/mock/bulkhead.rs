//! A bulkhead as a static would be it. Nobody waits: a script knows no waiting.

use super::Mock;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use resil_core::bulkhead::{BulkheadConfig, Recorded};
use resil_core::call::Priority;
use resil_core::outcome::Rejected;
use resil_core::{Clock, Instant, Outcome};
use resil_embassy::EmbassyClock;
use resil_embassy::bulkhead::{Bulkhead, Guard};
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::BulkheadPolicy;
use resil_tests::vectors::{Engine, Script, machines, replay};

type Uplink = Bulkhead<NoopRawMutex, BulkheadConfig, 0>;
type Leave<'b> = Guard<'b, NoopRawMutex, BulkheadConfig, 0>;

pub(in super::super) fn bulkhead(script: &Script<BulkheadPolicy>) -> String {
    let uplink = &Uplink::new("uplink", script.policy.build().unwrap());
    replay(script, &mut Mock::<_, Leave<'_>>::new(uplink))
}

impl<'b> Engine for Mock<&'b Uplink, Leave<'b>> {
    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.driver.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::bulkhead(self, event, start)
    }
}

impl<'b> machines::Bulkhead for Mock<&'b Uplink, Leave<'b>> {
    fn ask(&mut self, name: &str, weight: u16, priority: Priority) -> Result<(), Rejected> {
        let tried = self.machine.try_acquire(weight, priority).map(drop);
        let waited = self.driver.block_on(self.machine.acquire(weight, priority));
        assert_eq!(tried, waited.as_ref().map(|_| ()).map_err(|rejected| *rejected));
        self.keep(name, waited?);
        Ok(())
    }

    fn tell(&mut self, name: &str, _: Outcome) -> Recorded {
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

    fn resize(&mut self, _: u16) {
        panic!("the policy of a static stays");
    }
}
