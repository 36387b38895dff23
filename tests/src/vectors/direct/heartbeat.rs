//! Suspicion by silence.

use crate::vectors::beside::Subject;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use resil_core::Instant;
use resil_core::health::{Beat, Heartbeat, HeartbeatConfig, Phi};
use resil_core::snapshot::Persist;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    interval: Option<u64>,
    acceptable_pause: Option<u64>,
    min_std_deviation: Option<u64>,
    max_silence: Option<u64>,
    threshold: Option<u8>,
    samples: Option<u16>,
}

impl Settings {
    fn build(&self) -> HeartbeatConfig {
        let mut builder = HeartbeatConfig::builder();
        if let Some(time) = self.interval {
            builder = builder.interval(Duration::from_millis(time));
        }
        if let Some(time) = self.acceptable_pause {
            builder = builder.acceptable_pause(Duration::from_millis(time));
        }
        if let Some(time) = self.min_std_deviation {
            builder = builder.min_std_deviation(Duration::from_millis(time));
        }
        if let Some(time) = self.max_silence {
            builder = builder.max_silence(Duration::from_millis(time));
        }
        if let Some(level) = self.threshold {
            builder = builder.threshold(Phi::new(level));
        }
        if let Some(samples) = self.samples {
            builder = builder.samples(samples);
        }
        builder.build().unwrap()
    }
}

impl Subject for Heartbeat {
    type Policy = Settings;

    fn new(settings: &Settings, _: Instant) -> Self {
        Self::new(settings.build())
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let beat = match event {
            ["beat"] => self.record(now),
            ["beat", number] => self.record_numbered(number.parse().unwrap(), now),
            ["beats", count, "every", millis] => {
                // All of them before now, the last one now.
                let (count, millis): (u64, u64) = (count.parse().unwrap(), millis.parse().unwrap());
                for left in (0..count).rev() {
                    let _ = self.record(now.saturating_sub(Duration::from_millis(left * millis)));
                }
                return "counted".to_owned();
            }
            ["look"] => {
                // Up to the next whole millisecond: the fractions are those of the estimate.
                let deadline = self.next_deadline(now).map_or("never".to_owned(), |at| {
                    at.saturating_since(start).as_nanos().div_ceil(1_000_000).to_string()
                });
                return format!("{} phi {} until {deadline}", self.status(now), self.phi(now));
            }
            ["expect"] => {
                self.expect(now);
                return self.status(now).to_string();
            }
            ["resume"] => {
                self.resume(now);
                return self.status(now).to_string();
            }
            ["reanchor"] => {
                self.reanchor(now);
                return self.status(now).to_string();
            }
            ["reboot"] => {
                let mut bytes = [0; HeartbeatConfig::LEN];
                self.config().save(self.as_state(), now, &mut bytes).unwrap();
                let state = self.config().restore(&bytes, now).unwrap();
                *self = Self::from_parts(*self.config(), state);
                return self.status(now).to_string();
            }
            _ => panic!("a heartbeat knows no event {event:?}"),
        };
        match beat {
            Beat::First => "first",
            Beat::Counted => "counted",
            Beat::Recovered => "recovered",
            Beat::Reanchored => "reanchored",
            Beat::Stale => "stale",
        }
        .to_owned()
    }
}
