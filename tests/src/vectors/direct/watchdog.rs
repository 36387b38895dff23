//! The gate in front of the hardware watchdog.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use resil_core::Instant;
use resil_core::health::{Boot, BootRecord, ChannelError, Watchdog, WatchdogConfig};
use resil_core::snapshot::Persist;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    periods: [u64; 3],
    healthy_after: Option<u64>,
}

impl Subject for Watchdog<3> {
    type Policy = Periods;

    fn new(policy: &Periods, now: Instant) -> Self {
        let mut builder = WatchdogConfig::builder(policy.periods.map(Duration::from_millis));
        if let Some(time) = policy.healthy_after {
            builder = builder.healthy_after(Duration::from_millis(time));
        }
        Self::start(builder.build().unwrap(), BootRecord::NONE, Boot::Other, now)
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let starved = |starved: resil_core::health::Starved| {
            format!("starved by {} since {}", starved.channel(), millis(starved.since(), start))
        };
        let told = |result, word: &str| match result {
            Ok(()) => word.to_owned(),
            Err(ChannelError::Starved(cause)) => starved(cause),
            Err(ChannelError::Unknown) => "no such channel".to_owned(),
        };
        let channel = |word: &str| word.parse().unwrap();
        match event {
            ["check_in", word] => told(self.check_in(channel(word), now), "in time"),
            ["suspend", word] => told(self.suspend(channel(word), now), "suspended"),
            ["resume", word] => told(self.resume(channel(word), now), "resumed"),
            ["feed"] => self.may_feed(now).map_or_else(starved, |()| "fed".to_owned()),
            ["deadline"] => {
                self.next_deadline(now).map_or("never".to_owned(), |at| millis(at, start))
            }
            ["reset"] => {
                self.reset(now);
                "reset".to_owned()
            }
            ["resets"] => self.resets(now).to_string(),
            ["boot", reason] => {
                let boot = if *reason == "watchdog" { Boot::Watchdog } else { Boot::Other };
                let mut bytes = [0; WatchdogConfig::<3>::LEN];
                self.config().save(&self.boot_record(now), now, &mut bytes).unwrap();
                let record = self.config().restore(&bytes, now).unwrap();
                *self = Self::start(*self.config(), record, boot, now);
                match self.last_cause() {
                    Some(channel) => format!("because of {channel}"),
                    None => "for no known cause".to_owned(),
                }
            }
            _ => panic!("a watchdog knows no event {event:?}"),
        }
    }
}
