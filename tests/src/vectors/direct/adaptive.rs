//! Adaptive concurrency, by both algorithms.

use crate::vectors::beside::Subject;
use crate::vectors::machines::{outcome, refused};
use crate::vectors::millis;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use resil_core::adaptive::{
    Aimd, ConcurrencyLimit, ConcurrencyLimiter, Gradient, Permit, Recorded,
};
use resil_core::{Instant, Ratio};
use serde::Deserialize;

/// The same letters for both; what an algorithm does not know must not be given.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub(super) enum Policy {
    Aimd {
        initial_limit: u16,
        min_limit: Option<u16>,
        max_limit: Option<u16>,
        decrease: Option<(u16, u16)>,
        utilisation: Option<(u16, u16)>,
        timeout: Option<u64>,
    },
    Gradient {
        initial_limit: u16,
        min_limit: u16,
        window: Option<u64>,
        min_samples: u8,
        /// 0: never.
        probe_interval: u64,
        probe_limit: Option<u16>,
        probe_samples: Option<u8>,
    },
}

impl Policy {
    fn limiter(self) -> Limiter {
        match self {
            Self::Aimd { initial_limit, min_limit, max_limit, decrease, utilisation, timeout } => {
                let ratio = |given: Option<(u16, u16)>, default: Ratio| {
                    given.map_or(default, |(above, below)| Ratio::new(above, below))
                };
                let aimd = Aimd::builder()
                    .initial_limit(initial_limit)
                    .min_limit(min_limit.unwrap_or(1))
                    .max_limit(max_limit.unwrap_or(100))
                    .decrease(ratio(decrease, Ratio::new(9, 10)))
                    .utilisation(ratio(utilisation, Ratio::new(4, 5)))
                    .timeout(Duration::from_millis(timeout.unwrap_or(5_000)));
                Limiter::Aimd(ConcurrencyLimiter::new(aimd.build().unwrap()))
            }
            Self::Gradient {
                initial_limit,
                min_limit,
                window,
                min_samples,
                probe_interval,
                probe_limit,
                probe_samples,
            } => {
                let interval = Some(probe_interval).filter(|&interval| interval > 0);
                let gradient = Gradient::builder()
                    .initial_limit(initial_limit)
                    .min_limit(min_limit)
                    .window(Duration::from_millis(window.unwrap_or(1_000)))
                    .min_samples(min_samples)
                    .probe_interval(interval.map(Duration::from_millis))
                    .probe_limit(probe_limit.unwrap_or(3))
                    .probe_samples(probe_samples.unwrap_or(50));
                Limiter::Gradient(ConcurrencyLimiter::new(gradient.build().unwrap()))
            }
        }
    }
}

enum Limiter {
    Aimd(ConcurrencyLimiter<Aimd>),
    Gradient(ConcurrencyLimiter<Gradient>),
}

/// What an event may be about: names of calls, and 32 random bits.
struct Words<'a> {
    names: Vec<&'a str>,
    entropy: Option<u32>,
}

fn words<'a>(rest: &[&'a str]) -> Words<'a> {
    match rest {
        [names @ .., "entropy", bits] => {
            Words { names: names.to_vec(), entropy: Some(bits.parse().unwrap()) }
        }
        names => Words { names: names.to_vec(), entropy: None },
    }
}

/// Applies an event that names several calls to each of them; the answer is the last one's.
fn apply<L: ConcurrencyLimit>(
    limiter: &mut ConcurrencyLimiter<L>,
    held: &mut BTreeMap<String, Permit>,
    event: &[&str],
    (now, start): (Instant, Instant),
) -> String {
    let (&verb, rest) = event.split_first().unwrap();
    let Words { names, entropy } = words(rest);
    let draw = || entropy.expect("drew entropy that the script does not give");
    let mut answer = String::new();
    match verb {
        "ask" => {
            for name in names {
                answer = match limiter.try_acquire(draw, now) {
                    Ok(permit) => {
                        assert!(held.insert(name.to_owned(), permit).is_none());
                        "admitted".to_owned()
                    }
                    Err(rejected) => refused(rejected, start),
                };
            }
        }
        "limit" => return format!("{} of {}", limiter.in_flight(), limiter.limit(now)),
        "next" => {
            let next = limiter.next_deadline(now);
            return next.map_or("nothing due".to_owned(), |at| millis(at, start));
        }
        "reset" => {
            limiter.reset();
            return format!("{} of {}", limiter.in_flight(), limiter.limit(now));
        }
        ended => {
            for name in names {
                let permit = held.remove(name).expect("a permit of this name");
                answer = match limiter.record(permit, outcome(ended), draw, now) {
                    Recorded::Counted => "counted".to_owned(),
                    Recorded::Limit { from, to } => format!("{from} -> {to}"),
                    Recorded::Released => "released".to_owned(),
                    Recorded::Stale => "stale".to_owned(),
                };
            }
        }
    }
    answer
}

pub(super) struct Beside {
    limiter: Limiter,
    held: BTreeMap<String, Permit>,
}

impl Subject for Beside {
    type Policy = Policy;

    fn new(policy: &Policy, _: Instant) -> Self {
        Self { limiter: policy.limiter(), held: BTreeMap::new() }
    }

    fn apply(&mut self, event: &[&str], now: Instant, start: Instant) -> String {
        match &mut self.limiter {
            Limiter::Aimd(limiter) => apply(limiter, &mut self.held, event, (now, start)),
            Limiter::Gradient(limiter) => apply(limiter, &mut self.held, event, (now, start)),
        }
    }
}
