//! The gate in front of the hardware watchdog.

use super::lending::Lending;
use crate::vectors::beside::Subject;
use crate::vectors::machines;
use crate::vectors::policies::WatchdogPolicy;
use alloc::string::String;
use resil_core::health::{Boot, BootRecord, ChannelError, Starved, Watchdog, WatchdogConfig};
use resil_core::snapshot::Persist;
use resil_core::{Clock, Instant};

pub(super) type Gate = Lending<Watchdog<3>, ()>;

impl Subject for Gate {
    type Policy = WatchdogPolicy;

    fn new(policy: &WatchdogPolicy, now: Instant) -> Self {
        let config = policy.build().unwrap();
        Self::new(Watchdog::start(config, BootRecord::NONE, Boot::Other, now))
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        self.clock.set(now);
        machines::watchdog(self, event, start)
    }
}

impl machines::Watchdog for Gate {
    fn check_in(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.check_in(channel, self.clock.now())
    }

    fn suspend(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.suspend(channel, self.clock.now())
    }

    fn resume(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.resume(channel, self.clock.now())
    }

    fn feed(&mut self) -> Result<(), Starved> {
        self.machine.may_feed(self.clock.now())
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline(self.clock.now())
    }

    fn reset(&mut self) {
        self.machine.reset(self.clock.now());
    }

    fn resets(&self) -> u8 {
        self.machine.resets(self.clock.now())
    }

    fn boot(&mut self, boot: Boot) -> Option<u8> {
        let (config, now) = (*self.machine.config(), self.clock.now());
        let mut bytes = [0; WatchdogConfig::<3>::LEN];
        config.save(&self.machine.boot_record(now), now, &mut bytes).unwrap();
        let record = config.restore(&bytes, now).unwrap();
        self.machine = Watchdog::start(config, record, boot, now);
        self.machine.last_cause()
    }
}
