//! Client-side throttling that remembers everything, in exact fractions.

use super::{Ratio, exact};
use num_bigint::BigInt;

/// `max(0, (requests − K · accepts) / (requests + 1))`, at most `max_share`; nothing below the floor.
#[derive(Clone, Debug)]
pub struct Policy {
    /// K.
    pub multiplier: (u16, u16),
    /// The largest share.
    pub max_share: (u16, u16),
    /// The floor.
    pub min_requests: u64,
}

fn fraction((above, below): (u16, u16)) -> Ratio {
    Ratio::new(BigInt::from(above), BigInt::from(below))
}

impl Policy {
    /// The chance of a refusal.
    #[must_use]
    pub fn share(&self, requests: u64, accepts: u64) -> Ratio {
        if requests < self.min_requests {
            return exact(0);
        }
        let excess = exact(requests) - fraction(self.multiplier) * exact(accepts);
        (excess / exact(requests + 1)).max(exact(0)).min(fraction(self.max_share))
    }

    /// Whether a call is refused that draws `drawn` of 2^32.
    #[must_use]
    pub fn refuses(&self, requests: u64, accepts: u64, drawn: u32) -> bool {
        exact(drawn.into()) / exact(1 << 32) < self.share(requests, accepts)
    }
}

/// How many of the instants in `log` lie less than `window` before `now`, and how many less than nine
/// tenths of it: what counts is between the two.
#[must_use]
pub fn counted(log: &[u64], window: u64, now: u64) -> (u64, u64) {
    let younger = |age: u64| log.iter().filter(|&&at| now - at < age).count() as u64;
    (younger(window), younger(window - window / 10))
}
