//! Whose fault it is, when several peers fail.

use crate::vectors::beside::Subject;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use resil_core::circuit_breaker::ejection::{Blame, Ejection, EjectionConfig, Spared};
use resil_core::outcome::FailureClass;
use resil_core::{Instant, Outcome, Ratio};
use serde::Deserialize;

/// The rule's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    max_ejected: Option<(u16, u16)>,
    panic_threshold: Option<(u16, u16)>,
    min_peers: Option<u16>,
    window: Option<u64>,
}

impl Subject for Ejection {
    type Policy = Settings;

    fn new(policy: &Settings, _: Instant) -> Self {
        let mut builder = EjectionConfig::builder();
        if let Some((above, below)) = policy.max_ejected {
            builder = builder.max_ejected(Ratio::new(above, below));
        }
        if let Some((above, below)) = policy.panic_threshold {
            builder = builder.panic_threshold(Ratio::new(above, below));
        }
        if let Some(peers) = policy.min_peers {
            builder = builder.min_peers(peers);
        }
        if let Some(millis) = policy.window {
            builder = builder.window(Duration::from_millis(millis));
        }
        Self::new(builder.build().unwrap())
    }

    fn apply(&mut self, event: &[&str], now: Instant, _: Instant) -> String {
        let peer = event.get(1).map_or(0, |peer| peer.parse().expect("a peer is a number"));
        let outcome = match event[0] {
            "eject" => {
                return match self.try_eject(peer, now) {
                    Ok(()) => "ejected".to_owned(),
                    Err(Spared::OwnFault) => "spared: own fault".to_owned(),
                    Err(Spared::TooMany) => "spared: too many".to_owned(),
                };
            }
            "join" => {
                self.join(peer);
                return known(self);
            }
            "leave" => {
                self.leave(peer);
                return known(self);
            }
            "readmit" => {
                self.readmit(peer);
                return known(self);
            }
            "look" => return format!("{}, {}", known(self), whose(self.blame(now))),
            "success" => Outcome::Success,
            "failure" => Outcome::Failure(FailureClass::Transient),
            "local" => Outcome::Failure(FailureClass::Local),
            "ignored" => Outcome::Ignored,
            _ => panic!("the rule knows no event {event:?}"),
        };
        whose(self.record(peer, outcome, now)).to_owned()
    }
}

fn known(rule: &Ejection) -> String {
    format!("{} known, {} ejected", rule.peers(), rule.ejected())
}

const fn whose(blame: Blame) -> &'static str {
    match blame {
        Blame::Peer => "theirs",
        Blame::Me => "mine",
    }
}
