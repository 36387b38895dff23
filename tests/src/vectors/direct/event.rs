//! The log of events, on three clocks.

use crate::vectors::beside::Subject;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use resil_core::Instant;
use resil_core::event::{Cursor, Event, EventKind, EventLog};
use serde::Deserialize;

/// Nothing to set: a log of four events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

pub(super) struct Log {
    log: EventLog<4>,
    cursors: BTreeMap<String, Cursor>,
}

impl Log {
    fn push(&mut self, kind: &str, numbers: &[&str], now: Instant) {
        let kind: EventKind = kind.parse().unwrap();
        let [source, a, b] = numbers else { panic!("source, a and b: {numbers:?}") };
        let event =
            Event::new(kind, source.parse().unwrap(), a.parse().unwrap(), b.parse().unwrap(), now);
        self.log.push(event);
    }
}

fn said(event: Option<Event>, start: Instant) -> String {
    event.map_or("nothing".to_owned(), |event| {
        let (number, at) = (event.kind().number(), millis(event.at(), start));
        format!("{number} {:?} at {at}: {event}", event.severity()).to_lowercase()
    })
}

impl Subject for Log {
    type Policy = Settings;

    fn new(_: &Settings, _: Instant) -> Self {
        Self { log: EventLog::new(), cursors: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match *event {
            ["push", kind, ref numbers @ ..] => {
                self.push(kind, numbers, now);
                format!("{} unread, {} lost", self.log.unread(), self.log.lost())
            }
            ["pop"] => said(self.log.pop(), start),
            ["join", name] => {
                self.cursors.insert(name.to_owned(), self.log.cursor());
                format!("{} waiting", self.log.waiting(&self.cursors[name]))
            }
            ["read", name] => {
                let cursor = self.cursors.get_mut(name).unwrap();
                let event = said(self.log.read(cursor), start);
                format!("{event}; {} lost", cursor.lost())
            }
            ref unknown => panic!("the log knows no event {unknown:?}"),
        }
    }
}
