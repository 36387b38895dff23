//! Reservations, agreement, changes of quota, warming up and classes, beside every clock.

use crate::vectors::beside::Subject;
use crate::vectors::machines::refused;
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::hash::{BuildHasher, Hasher};
use core::time::Duration;
use resil_core::rate_limit::{
    AllOf, BucketCharge, BucketState, Carry, Class, Limit, Limiter, PerRequest, Pinned,
    RateLimitConfig, RateLimiter, Reservation, Reserve, Slot, StrictBucket, TokenBucket, WarmUp,
    WarmUpCharge, WhenFull,
};
use resil_core::{Instant, Rejected};
use serde::Deserialize;

/// A quota, all of it given.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    max_requests: u32,
    time_window: u64,
    burst_size: u32,
}

impl Rate {
    fn config(&self) -> RateLimitConfig {
        RateLimitConfig::builder()
            .max_requests(self.max_requests)
            .time_window(Duration::from_millis(self.time_window))
            .burst_size(self.burst_size)
            .build()
            .expect("the quotas of vectors hold")
    }

    fn bucket(&self) -> TokenBucket {
        TokenBucket::new(self.config())
    }
}

fn number<N: core::str::FromStr>(word: &str) -> N {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn decided<T>(decision: Result<T, Rejected>, start: Instant) -> String {
    match decision {
        Ok(_) => "admitted".to_owned(),
        Err(rejected) => refused(rejected, start),
    }
}

/// A bucket that lends and owes, and what it has lent.
pub(super) struct Owing {
    limit: Either,
    state: BucketState,
    held: BTreeMap<String, Reservation<BucketCharge>>,
}

enum Either {
    Token(TokenBucket),
    Strict(StrictBucket),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwingPolicy {
    #[serde(default)]
    strict: bool,
    quota: Rate,
}

impl Owing {
    fn play<L>(
        limit: &L,
        state: &mut BucketState,
        held: &mut BTreeMap<String, Reservation<BucketCharge>>,
        event: &[&str],
        now: Instant,
        start: Instant,
    ) -> String
    where
        L: Reserve<State = BucketState, Charge = BucketCharge>,
    {
        match event {
            ["ask", cost] => decided(limit.try_acquire(state, number(cost), now), start),
            ["reserve", name, cost, "within", wait] => {
                let latest = now.saturating_add(Duration::from_millis(number(wait)));
                match limit.reserve(state, number(cost), latest, now) {
                    Ok(reservation) => {
                        let due = format!("due at {}", millis(reservation.at(), start));
                        held.insert((*name).to_owned(), reservation);
                        due
                    }
                    Err(rejected) => refused(rejected, start),
                }
            }
            ["cancel", name] => {
                let reservation = held.remove(*name).expect("only what is held is cancelled");
                limit.cancel(state, reservation, now);
                format!("{} available", limit.available(state, now))
            }
            ["charge", cost] => match limit.charge(state, number(cost), now).excess() {
                0 => "taken".to_owned(),
                excess => format!("taken but {excess}"),
            },
            ["available"] => limit.available(state, now).to_string(),
            _ => panic!("a bucket that owes knows no event {event:?}"),
        }
    }
}

impl Subject for Owing {
    type Policy = OwingPolicy;

    fn new(policy: &OwingPolicy, _: Instant) -> Self {
        let limit = if policy.strict {
            Either::Strict(
                StrictBucket::new(policy.quota.config()).expect("a burst below the maximum"),
            )
        } else {
            Either::Token(policy.quota.bucket())
        };
        Self { limit, state: BucketState::FRESH, held: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        let Self { limit, state, held } = self;
        match limit {
            Either::Token(limit) => Self::play(limit, state, held, event, now, start),
            Either::Strict(limit) => Self::play(limit, state, held, event, now, start),
        }
    }
}

type Both = Limiter<AllOf<PerRequest<TokenBucket>, TokenBucket>>;

/// A limit on requests and one on bytes.
pub(super) struct Agreeing(Both);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreeingPolicy {
    requests: Rate,
    bytes: Rate,
}

impl Subject for Agreeing {
    type Policy = AgreeingPolicy;

    fn new(policy: &AgreeingPolicy, _: Instant) -> Self {
        let requests = policy.requests.bucket().per_request();
        Self(Limiter::new(AllOf::new(requests, policy.bytes.bucket())))
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["ask", cost] => decided(self.0.try_acquire(number(cost), now), start),
            ["peek", cost] => decided(self.0.peek(number(cost), now), start),
            ["available"] => {
                let (first, second) = self.0.as_state();
                let limit = self.0.limit();
                let requests = limit.first().limit().available(first, now);
                let bytes = limit.second().available(second, now);
                format!("{requests} requests, {bytes} bytes")
            }
            _ => panic!("limits that agree know no event {event:?}"),
        }
    }
}

/// A bucket whose quota changes.
pub(super) struct Changing(Limiter<TokenBucket>);

impl Subject for Changing {
    type Policy = Rate;

    fn new(policy: &Rate, _: Instant) -> Self {
        Self(Limiter::new(policy.bucket()))
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["ask", cost] => decided(self.0.try_acquire(number(cost), now), start),
            ["peek", cost] => decided(self.0.peek(number(cost), now), start),
            ["change", "keeping", what, max, "per", window, "burst", burst] => {
                let carry = match *what {
                    "spent" => Carry::Spent,
                    "share" => Carry::Share,
                    _ => panic!("what is {what}?"),
                };
                let rate = Rate {
                    max_requests: number(max),
                    time_window: number(window),
                    burst_size: number(burst),
                };
                self.0.reconfigure_with(rate.bucket(), carry, now);
                format!("{} available", self.0.available(now))
            }
            _ => panic!("a quota that changes knows no event {event:?}"),
        }
    }
}

/// A limit that warms up.
pub(super) struct Warming {
    limiter: Limiter<WarmUp>,
    held: BTreeMap<String, resil_core::rate_limit::Charge<WarmUpCharge>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WarmingPolicy {
    quota: Rate,
    warm_up: u64,
    cold_factor: u32,
}

impl Subject for Warming {
    type Policy = WarmingPolicy;

    fn new(policy: &WarmingPolicy, _: Instant) -> Self {
        let warm_up = Duration::from_millis(policy.warm_up);
        let limit = WarmUp::with_cold_factor(policy.quota.config(), warm_up, policy.cold_factor);
        let limiter = Limiter::new(limit.expect("the settings of vectors hold"));
        Self { limiter, held: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["ask", name, cost] => {
                let decision = self.limiter.try_acquire(number(cost), now);
                decided(decision.map(|charge| self.held.insert((*name).to_owned(), charge)), start)
            }
            ["refund", name] => {
                let charge = self.held.remove(*name).expect("only what was admitted is refunded");
                self.limiter.refund(charge, now);
                format!("{} available", self.limiter.available(now))
            }
            ["available"] => self.limiter.available(now).to_string(),
            _ => panic!("a limit that warms up knows no event {event:?}"),
        }
    }
}

/// All ids meet in one set of eight slots.
#[derive(Debug)]
struct OneSet;

struct Zero;

impl Hasher for Zero {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

impl BuildHasher for OneSet {
    type Hasher = Zero;

    fn build_hasher(&self) -> Zero {
        Zero
    }
}

type Peers = RateLimiter<
    u64,
    TokenBucket,
    [Slot<u64, TokenBucket>; 8],
    [Pinned<u64, TokenBucket>; 1],
    OneSet,
    [Class<TokenBucket>; 2],
>;

/// A table of eight peers in three classes.
pub(super) struct Classes(Peers);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassesPolicy {
    classes: [Rate; 3],
    #[serde(default)]
    refuse_when_full: bool,
}

impl Subject for Classes {
    type Policy = ClassesPolicy;

    fn new(policy: &ClassesPolicy, _: Instant) -> Self {
        let [first, second, third] = policy.classes.each_ref().map(Rate::bucket);
        let table = Peers::when_full(
            RateLimiter::new(first, OneSet).with_classes([Class::new(second), Class::new(third)]),
            if policy.refuse_when_full { WhenFull::Refuse } else { WhenFull::Share },
        );
        Self(table)
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match event {
            ["ask", id, "in", class, "cost", cost] => {
                let (class, id) = (number(class), number(id));
                decided(self.0.check_in(class, &id, number(cost), now), start)
            }
            // So many ids from this one on, each of which asks once.
            ["flood", count, "from", id, "in", class] => {
                let (first, count): (u64, u64) = (number(id), number(count));
                let class = number(class);
                let ids = first..first.saturating_add(count);
                let passed = ids.filter(|id| self.0.check_in(class, id, 1, now).is_ok()).count();
                format!("{passed} admitted")
            }
            ["available", id, "in", class] => {
                self.0.available_in(number(class), &number(id), now).to_string()
            }
            ["reset", id] => if self.0.reset(&number(id)) { "reset" } else { "unknown" }.to_owned(),
            _ => panic!("a table with classes knows no event {event:?}"),
        }
    }
}
