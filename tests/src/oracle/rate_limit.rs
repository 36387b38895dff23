//! A bucket and a window in exact fractions, and the laws of admission.

use super::{Ratio, exact};
use num_bigint::BigInt;

/// Requests, window in nanoseconds, burst.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Requests per window.
    pub max: u32,
    /// The window in nanoseconds.
    pub window: u64,
    /// Requests at once.
    pub burst: u32,
}

impl Quota {
    /// Requests per nanosecond.
    #[must_use]
    pub fn rate(&self) -> Ratio {
        exact(self.max.into()) / exact(self.window)
    }
}

/// A bucket that holds a fraction of a token.
#[derive(Clone, Debug)]
pub struct Bucket {
    quota: Quota,
    tokens: Ratio,
    at: u64,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn full(quota: Quota) -> Self {
        Self { quota, tokens: exact(quota.burst.into()), at: 0 }
    }

    /// The tokens at `now`, which is never before the last one.
    #[must_use]
    pub fn tokens(&self, now: u64) -> Ratio {
        let grown = &self.tokens + exact(now - self.at) * self.quota.rate();
        grown.min(exact(self.quota.burst.into()))
    }

    /// Takes tokens; below zero where the machine was up to 1 ns early.
    pub fn take(&mut self, cost: u32, now: u64) {
        self.tokens = self.tokens(now) - exact(cost.into());
        self.at = now;
    }
}

/// When each admission was made, for ever.
#[derive(Clone, Debug, Default)]
pub struct Log {
    admitted: Vec<Admission>,
}

/// One admission that was not refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// When.
    pub at: u64,
    /// How much.
    pub cost: u32,
}

impl Log {
    /// Enters an admission; times never go back.
    pub fn admit(&mut self, cost: u32, at: u64) -> Admission {
        let admission = Admission { at, cost };
        self.admitted.push(admission);
        admission
    }

    /// Strikes an admission that was refunded.
    pub fn refund(&mut self, admission: Admission) {
        let place = self.admitted.iter().position(|one| *one == admission);
        self.admitted.remove(place.expect("only what was admitted is refunded"));
    }

    /// Admitted in `(now - window, now]`.
    #[must_use]
    pub fn in_window(&self, window: u64, now: u64) -> u64 {
        let inside = |one: &&Admission| one.at <= now && now - one.at < window;
        self.admitted.iter().filter(inside).map(|one| u64::from(one.cost)).sum()
    }

    /// The first instant, `now` or later, at which `cost` more keeps within `max` per `window`.
    #[must_use]
    pub fn opens_at(&self, quota: Quota, cost: u32, now: u64) -> u64 {
        let fits = |at| self.in_window(quota.window, at) + u64::from(cost) <= u64::from(quota.max);
        let departures = self.admitted.iter().map(|one| one.at + quota.window);
        core::iter::once(now)
            .chain(departures.filter(|at| *at > now))
            .find(|at| fits(*at))
            .expect("the window is empty in the end")
    }

    /// All that was admitted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.admitted.iter().map(|one| u64::from(one.cost)).sum()
    }

    /// The law of a bucket: in any interval d at most `burst + floor(rate · (d + 1 ns))`.
    ///
    /// # Panics
    ///
    /// When an interval breaks it.
    pub fn assert_bucket_law(&self, quota: Quota) {
        self.assert_every_interval(|length| {
            let refilled = (quota.rate() * (exact(length) + exact(1))).floor().to_integer();
            refilled + BigInt::from(quota.burst)
        });
    }

    /// The law of a window: never more than `max` in any of them.
    ///
    /// # Panics
    ///
    /// When a window breaks it.
    pub fn assert_window_law(&self, quota: Quota) {
        for one in &self.admitted {
            let admitted = self.in_window(quota.window, one.at);
            assert!(admitted <= quota.max.into(), "{admitted} in the window up to {}", one.at);
        }
    }

    fn assert_every_interval(&self, bound: impl Fn(u64) -> BigInt) {
        for (index, first) in self.admitted.iter().enumerate() {
            let mut admitted = 0_u64;
            for last in self.admitted.iter().skip(index) {
                admitted += u64::from(last.cost);
                let length = last.at - first.at;
                let most = bound(length);
                assert!(
                    BigInt::from(admitted) <= most,
                    "{admitted} of at most {most} from {} to {}",
                    first.at,
                    last.at
                );
            }
        }
    }
}
