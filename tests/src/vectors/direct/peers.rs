//! The table of peers: limits of their own, whole ids, and how many of them a call compares.

use crate::vectors::beside::Subject;
use crate::vectors::machines::refused;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::Cell;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;
use resil_core::Instant;
use resil_core::rate_limit::{
    BucketCharge, KeyedHash, PeerCharge, Pinned, RateLimitConfig, RateLimiter, Slot, TokenBucket,
};
use serde::Deserialize;

/// An id as a script spells it. How often one is compared with another is counted.
#[derive(Clone, Debug)]
struct Id {
    is: Is,
    compared: Rc<Cell<u32>>,
}

/// An address where it is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Is {
    Text(String),
    Address(IpAddr),
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.compared.set(self.compared.get() + 1);
        self.is == other.is
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.is.hash(hasher);
    }
}

type Peers =
    RateLimiter<Id, TokenBucket, [Slot<Id, TokenBucket>; 64], [Pinned<Id, TokenBucket>; 1]>;

/// A table of 64 peers, and one with a limit of its own.
pub(super) struct Table {
    peers: Peers,
    held: BTreeMap<String, PeerCharge<BucketCharge>>,
    compared: Rc<Cell<u32>>,
}

/// So many in so long, so many of them at once.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    max_requests: u32,
    time_window: u64,
    burst_size: u32,
}

impl Quota {
    fn config(self) -> RateLimitConfig {
        RateLimitConfig::builder()
            .max_requests(self.max_requests)
            .time_window(Duration::from_millis(self.time_window))
            .burst_size(self.burst_size)
            .build()
            .expect("the quotas of vectors hold")
    }
}

fn number<N: core::str::FromStr>(word: &str) -> N {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

impl Table {
    /// Ids stand in quotes, so that one may be empty.
    fn id(&self, word: &str) -> Id {
        let text = word.trim_matches('\'').to_owned();
        let is = text.parse().map_or(Is::Text(text), Is::Address);
        Id { is, compared: Rc::clone(&self.compared) }
    }

    fn ask(&mut self, name: &str, id: &Id, cost: u32, now: Instant, start: Instant) -> String {
        match self.peers.check(id, cost, now) {
            Ok(charge) => {
                self.held.insert(name.to_owned(), charge);
                "admitted".to_owned()
            }
            Err(rejected) => refused(rejected, start),
        }
    }
}

impl Subject for Table {
    type Policy = Quota;

    fn new(policy: &Quota, _: Instant) -> Self {
        let bucket = TokenBucket::new(policy.config());
        let peers = RateLimiter::new(bucket, KeyedHash::from_seed(7));
        Self { peers, held: BTreeMap::new(), compared: Rc::default() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["ask", name, "by", id, "cost", cost] => {
                self.ask(name, &self.id(id), number(cost), now, start)
            }
            ["refund", name] => {
                let charge = self.held.remove(*name).expect("only what was admitted is refunded");
                self.peers.refund(charge, now);
                "refunded".to_owned()
            }
            ["available", "to", id] => self.peers.available(&self.id(id), now).to_string(),
            ["reset", id] => {
                if self.peers.reset(&self.id(id)) { "reset" } else { "unknown" }.to_owned()
            }
            ["limit", id, "to", max, "per", window, "burst", burst] => {
                let (max_requests, time_window) = (number(max), number(window));
                let quota = Quota { max_requests, time_window, burst_size: number(burst) };
                let set = self.peers.set_limit(self.id(id), quota.config(), now);
                set.map_or_else(|error| error.to_string(), |()| "set".to_owned())
            }
            ["limit", "of", id] => {
                let config = self.peers.get_limit(&self.id(id));
                let (max, burst) = (config.max_requests(), config.burst_size());
                format!("{max} per {} burst {burst}", config.time_window().as_millis())
            }
            ["unlimit", id] => {
                let had_one = self.peers.remove_limit(&self.id(id), now);
                if had_one { "removed" } else { "none" }.to_owned()
            }
            // So many ids that nobody has heard of ask once each.
            ["strangers", count] => {
                let (mut admitted, mut most) = (0, 0);
                for number in 0..number::<u32>(count) {
                    let id = self.id(&format!("stranger{number}"));
                    self.compared.set(0);
                    admitted += u32::from(self.peers.check(&id, 1, now).is_ok());
                    most = most.max(self.compared.get());
                }
                assert!(most > 0, "nothing was compared");
                let within = if most <= 16 { "within" } else { "beyond" };
                format!("{admitted} admitted, {within} 16 comparisons each")
            }
            _ => panic!("a table of peers knows no event {event:?}"),
        }
    }
}
