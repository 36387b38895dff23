//! A token bucket in eight bytes that never drifts.

mod bucket;
mod carry;
mod elsewhere;
mod limit;
mod reserve;
mod units;

pub use bucket::{Bucket, PlainStep};
pub use elsewhere::BucketNumbers;

use super::RateLimitConfig;
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::time::Instant;

/// A bucket of `burst_size` tokens that refills at `max_requests / time_window`. The policy; what
/// changes per peer is a [`BucketState`] of eight bytes.
///
/// Use it where the long-run rate matters and a burst on top of it is welcome. Where no window may
/// ever see more than `max_requests`, use [`RateLimit`](super::RateLimit) or
/// [`StrictBucket`](super::StrictBucket).
///
/// # Law
///
/// In any interval of length d it admits at most `burst + floor(rate · (d + 1 ns))`. One instant
/// differs from the rational bucket's by at most 1 ns, the error never accumulates, and the
/// retry-after of a refusal is the very first instant at which the same request passes. Where a
/// token takes a whole number of nanoseconds, none ever comes early.
///
/// # How
///
/// It is the generic cell rate algorithm (ITU-T I.371: the bucket is full again at the *theoretical
/// arrival time*, which each admission moves later). Where a token takes a whole number of nanoseconds
/// it counts in these. Else it has a finer clock: a token is 2^f units, with f such that a unit lies in
/// (½, 1) ns, so tokens are exact and only reading the clock rounds. With p nanoseconds in a unit, unit
/// u begins at `ceil(u · p - ½)`: one multiplication by a constant, no division. p is 2^f-th part of a
/// token's time, rounded up by less than 2^-65.
///
/// # Time that misbehaves
///
/// - Credit never exceeds the capacity, however far the clock jumps.
/// - When it steps back, nothing is minted; a bucket whose full instant is more than two refills
///   away empties itself as of `now`, so a step delays a request by at most one refill and the time
///   of its own tokens. (Only a bucket [in debt](super::Reserve#time-that-steps-back) owes more than
///   it can hold, and what is beyond that a step may forgive.)
/// - Beyond 2^63 ns (292 years; less for a bucket that takes decades to refill) it reads empty.
///
/// # Cost
///
/// Where a token takes a whole number of nanoseconds, additions and comparisons. Else a wide
/// multiplication to admit (seldom two), and another one to refuse, for the time to come back.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{BucketState, Limit, RateLimitConfig, TokenBucket};
/// use resil_core::{Instant, RetryAt, valid};
///
/// const TWO_A_SECOND: TokenBucket = TokenBucket::new(valid!(
///     RateLimitConfig::builder()
///         .max_requests(2)
///         .time_window(Duration::from_secs(1))
///         .burst_size(3)
///         .build()
/// ));
/// let mut peer = BucketState::FRESH;
/// let now = Instant::from_nanos(1);
/// assert!(TWO_A_SECOND.try_acquire(&mut peer, 3, now).is_ok());
/// let refused = TWO_A_SECOND.try_acquire(&mut peer, 1, now).unwrap_err();
/// assert_eq!(refused.retry(), RetryAt::At(Instant::from_nanos(500_000_001)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokenBucket {
    config: RateLimitConfig,
    /// Units in a token: its nanoseconds, or 2^f.
    token: u64,
    /// Tokens in a unit, in 2^-64, rounded down.
    tokens_each: u64,
    /// Units in a full bucket.
    full: u64,
    /// Units in a full bucket but for one token, so that it takes no subtraction to compare for one.
    spare: u64,
    /// 1 - p in 2^-65, where p is nanoseconds per unit.
    shortfall: u64,
    /// 1/p - 1 in 2^-64.
    excess: u64,
    /// The last instant that the bucket can tell from later ones.
    horizon: u64,
    /// Where units are nanoseconds, the instant a refill before the horizon; else 0.
    plain_until: u64,
}

/// What a [`TokenBucket`] remembers: when it will be full again, in units of the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BucketState(u64);

const _: () = assert!(size_of::<BucketState>() == 8);

impl BucketState {
    /// A full bucket.
    pub const FRESH: Self = Self(0);

    /// What is left in an atomic whose bucket goes on elsewhere, under another policy: no policy admits
    /// anything from it, nor refuses it plainly. So whoever has looked at the old policy before finds out,
    /// and asks again there.
    ///
    /// No state comes to it by itself but that of a bucket which takes decades to fill, or has been used for
    /// as long: so whoever finds it makes sure.
    ///
    /// ```
    /// use resil_core::Instant;
    /// use resil_core::rate_limit::{BucketState, PlainStep, RateLimitConfig, TokenBucket};
    ///
    /// let (bucket, now) = (TokenBucket::new(RateLimitConfig::DEFAULT), Instant::from_nanos(1));
    /// assert!(BucketState::GONE.is_gone() && !BucketState::FRESH.is_gone());
    /// assert_eq!(bucket.plain_step(&BucketState::GONE, 1, now), PlainStep::Rare);
    /// assert!(!bucket.has_plenty(&BucketState::GONE, 1, now));
    /// ```
    pub const GONE: Self = Self(3 << 62);

    /// Whether it is [`GONE`](Self::GONE), also where somebody who has not found out yet has
    /// [added](TokenBucket::has_plenty) to that.
    #[must_use]
    #[inline]
    pub const fn is_gone(&self) -> bool {
        self.0 >= Self::GONE.0
    }

    /// The state as a number, for an atomic or a snapshot. It means something to its own bucket only.
    #[must_use]
    #[inline]
    pub const fn into_raw(self) -> u64 {
        self.0
    }

    /// The state from a number; every number is one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// What an admission took; drop it when spent, [refund](super::Limit::refund) it when the request was not
/// made after all.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BucketCharge {
    /// In units.
    cost: u64,
    /// When all of it has been refilled, in units.
    until: u64,
    /// The state that it left behind.
    after: u64,
}

impl BucketCharge {
    /// What a cost of zero takes.
    pub(super) const NOTHING: Self = Self { cost: 0, until: 0, after: 0 };

    /// What `cost` units took at `unit`, leaving the bucket full at `after`.
    pub(super) const fn new(cost: u64, unit: u64, after: u64) -> Self {
        Self { cost, until: unit.wrapping_add(cost), after }
    }
}

/// What a bucket makes of a request.
enum Ruling {
    /// It asks for nothing.
    Nothing,
    Admitted(BucketCharge),
    /// There are enough tokens so many units `after` this one, when `room` of the bucket is free.
    Short {
        unit: u64,
        after: u64,
        room: u64,
    },
    Never(ErrorCode),
}

/// What [`TokenBucket::step`] decides.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the new state has to be stored"]
pub struct Step {
    /// The decision.
    pub outcome: Result<BucketCharge, Rejected>,
    /// The state to store, if it changes.
    pub store: Option<BucketState>,
}

/// The last instant that any bucket tells from later ones.
const LAST_NANO: u64 = 1 << 63;

/// `a / b`, of which the compiler cannot see that `b` is not zero: a valid configuration sees to it.
const fn quotient(a: u128, b: u128) -> u64 {
    match a.checked_div(b) {
        Some(quotient) => quotient as u64,
        None => 0,
    }
}

impl TokenBucket {
    /// The bucket for `config`.
    #[must_use]
    #[allow(clippy::arithmetic_side_effects)] // 128 bits hold each product
    pub const fn new(config: RateLimitConfig) -> Self {
        let window = config.window_nanos() as u128;
        let requests = config.max_requests() as u128;
        let mut token = quotient(window, requests);
        if (token as u128) * requests != window {
            token = 1;
            while (token as u128) * requests < window {
                token *= 2;
            }
        }
        // There are `units` of them in `window` nanoseconds: as many, or fewer than twice as many.
        let units = (token as u128) * requests;
        // Where there are more than nanoseconds, their number is even.
        let shortfall = quotient((units - window) << 64, units / 2);
        let excess = quotient((shortfall as u128) << 64, (1 << 65) - shortfall as u128);
        let full = token * config.burst_size() as u64;
        let tokens_each = if token == 1 { u64::MAX } else { quotient(1 << 64, token as u128) };
        let (horizon, plain_until) = (LAST_NANO, 0);
        let mut bucket = Self {
            config,
            token,
            tokens_each,
            full,
            spare: full - token,
            shortfall,
            excess,
            horizon,
            plain_until,
        };
        let beyond = bucket.begin(u64::MAX - full + 1);
        if beyond <= LAST_NANO {
            bucket.horizon = beyond - 1;
        }
        if bucket.is_in_nanos() {
            bucket.plain_until = bucket.horizon.saturating_sub(full);
        }
        bucket
    }

    /// The decision as a pure transition, for whoever keeps the state in a cell or an atomic.
    ///
    /// A refusal has another state to store only when the clock has stepped back by more than two refills.
    #[inline(always)] // so that what a caller does not read is not computed
    pub const fn step(&self, state: &BucketState, cost: u32, now: Instant) -> Step {
        match self.ruling(state, cost, self.unit_at(now)) {
            Ruling::Nothing => Step { outcome: Ok(BucketCharge::NOTHING), store: None },
            Ruling::Admitted(charge) => {
                let store = Some(BucketState(charge.after));
                Step { outcome: Ok(charge), store }
            }
            Ruling::Short { unit, after, room } => {
                let (opens, store) = if after < self.full {
                    (unit.wrapping_add(after), None)
                } else {
                    let settled = self.settled_for_long(state, unit);
                    (settled.wrapping_sub(room), Some(BucketState(settled)))
                };
                Step { outcome: Err(self.short(self.begin(opens))), store }
            }
            Ruling::Never(code) => {
                Step { outcome: Err(Rejected::new(code, RetryAt::Never)), store: None }
            }
        }
    }

    /// The rule, which is stated here alone: a bucket that is full again at `state` has enough for `cost`
    /// from the unit on in which all but `cost` of it is there. `now` is a unit up to the horizon.
    #[inline(always)]
    const fn ruling(&self, state: &BucketState, cost: u32, now: Option<u64>) -> Ruling {
        if cost == 0 {
            return Ruling::Nothing;
        }
        if cost > self.config.burst_size() {
            return Ruling::Never(ErrorCode::RateLimitCostExceedsBurst);
        }
        let Some(unit) = now else {
            return Ruling::Never(ErrorCode::RateLimitExceeded);
        };
        // At most what is in a full bucket.
        let but_one = self.token.wrapping_mul(cost.wrapping_sub(1) as u64);
        let (cost, room) = (but_one.wrapping_add(self.token), self.spare.wrapping_sub(but_one));
        let most = unit.wrapping_add(room); // 64 bits hold as much as a full bucket after the horizon
        if state.0 > most {
            return Ruling::Short { unit, after: state.0.wrapping_sub(most), room };
        }
        let from = if state.0 > unit { state.0 } else { unit };
        Ruling::Admitted(BucketCharge::new(cost, unit, from.wrapping_add(cost)))
    }

    /// [`settled`](Self::settled) for a bucket that will be full only after a whole refill and more,
    /// which no request brings about: perhaps the clock has stepped back.
    #[cold]
    const fn settled_for_long(&self, state: &BucketState, unit: u64) -> u64 {
        self.settled(state, unit)
    }

    /// The refusal of a bucket that is short of tokens until the instant `opens`.
    #[inline(always)]
    pub(super) const fn short(&self, opens: u64) -> Rejected {
        let opens = Instant::from_nanos(opens);
        let retry = if self.tells(opens) { RetryAt::At(opens) } else { RetryAt::Never };
        Rejected::new(ErrorCode::RateLimitExceeded, retry)
    }
}

#[cfg(test)]
mod tests;
