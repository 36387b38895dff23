//! A token bucket in eight bytes that never drifts.

use super::{Limit, RateLimitConfig};
use crate::config::ConfigError;
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
/// arrival time*, which each admission moves later) on a finer clock. A token is 2^f units, with f
/// such that a unit lies in (½, 1] ns, so tokens are exact and only reading the clock rounds. With
/// p nanoseconds in a unit, unit u begins at `ceil(u · p - ½)`: one multiplication by a constant, no
/// division. p is 2^f-th part of a token's time, rounded up by less than 2^-65.
///
/// # Time that misbehaves
///
/// - Credit never exceeds the capacity, however far the clock jumps.
/// - When it steps back, nothing is minted; a bucket whose full instant is more than two refills
///   away empties itself as of `now`, so a step costs at most one refill more than was due.
/// - Beyond 2^63 ns (292 years; less for a bucket that takes decades to refill) it reads empty.
///
/// # Cost
///
/// Two wide multiplications to admit (seldom three), one to refuse, the time to come back included.
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
    /// Units in a token: 2^f.
    token: u64,
    /// Units in a full bucket.
    full: u64,
    /// 1 - p in 2^-65, where p is nanoseconds per unit.
    shortfall: u64,
    /// 1/p - 1 in 2^-64.
    excess: u64,
    /// Nanoseconds in which the bucket refills.
    refill: u64,
    /// The last instant that the bucket can tell from later ones.
    horizon: u64,
}

/// What a [`TokenBucket`] remembers: when it will be full again, in units of the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BucketState(u64);

const _: () = assert!(size_of::<BucketState>() == 8);

impl BucketState {
    /// A full bucket.
    pub const FRESH: Self = Self(0);

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

/// What an admission took; drop it when spent, [refund](Limit::refund) it when the request was not
/// made after all.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BucketCharge {
    /// In units.
    cost: u64,
    /// When all of it has been refilled, in units.
    until: u64,
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
        let mut token: u64 = 1;
        while (token as u128) * requests < window {
            token *= 2;
        }
        // There are `units` of them in `window` nanoseconds: as many, or fewer than twice as many.
        let units = (token as u128) * requests;
        // Where there are more than nanoseconds, their number is even.
        let shortfall = quotient((units - window) << 64, units / 2);
        let excess = quotient((shortfall as u128) << 64, (1 << 65) - shortfall as u128);
        let full = token * config.burst_size() as u64;
        let horizon = LAST_NANO;
        let mut bucket = Self { config, token, full, shortfall, excess, refill: 0, horizon };
        bucket.refill = bucket.begin(full);
        let beyond = bucket.begin(u64::MAX - full + 1);
        if beyond <= LAST_NANO {
            bucket.horizon = beyond - 1;
        }
        bucket
    }

    /// The instant at which a unit begins: `ceil(unit · p - ½)`.
    #[inline]
    const fn begin(&self, unit: u64) -> u64 {
        let wide = (unit as u128).wrapping_mul(self.shortfall as u128);
        unit.wrapping_sub(((wide >> 64) as u64).wrapping_add(1) >> 1)
    }

    /// The unit of an instant up to the horizon, the last one to begin by then: `floor((now + ½) / p)`.
    ///
    /// The product falls short of that by less than `now + 2` in 2^-64, which is less than 1; so it
    /// can be one unit behind, and surely is not unless that much would carry.
    #[inline]
    const fn unit(&self, now: u64) -> u64 {
        let half = (1 << 63) | (self.excess >> 1);
        let wide = (now as u128).wrapping_mul(self.excess as u128).wrapping_add(half as u128);
        let guess = now.wrapping_add((wide >> 64) as u64);
        let next = guess.wrapping_add(1);
        let is_sure = (wide as u64).checked_add(now.wrapping_add(2)).is_some();
        if is_sure || self.begin(next) > now { guess } else { next }
    }

    /// The instant at which a unit begins; `None` beyond the horizon.
    #[inline]
    const fn instant_of(&self, unit: u64) -> Option<Instant> {
        let at = Instant::from_nanos(self.begin(unit));
        if self.tells(at) { Some(at) } else { None }
    }

    /// Whether `now` can be told from later instants.
    #[inline]
    pub(super) const fn tells(&self, now: Instant) -> bool {
        now.as_nanos() <= self.horizon
    }

    /// The unit in which the bucket is full again, as of the unit `now`: re-anchored when the clock
    /// has stepped back by more than can be waited for.
    #[inline]
    const fn settled(&self, state: &BucketState, now: u64) -> u64 {
        if state.0.saturating_sub(now) > self.full.wrapping_mul(2) {
            now.wrapping_add(self.full)
        } else {
            state.0
        }
    }

    /// When the bucket is full; `None` beyond the horizon.
    pub(super) const fn full_at(&self, state: &BucketState, now: Instant) -> Option<Instant> {
        if !self.tells(now) {
            return None;
        }
        let unit = self.unit(now.as_nanos());
        let settled = self.settled(state, unit);
        if settled <= unit { Some(now) } else { self.instant_of(settled) }
    }

    /// What is missing from a full bucket, in units; more than a full one beyond the horizon.
    #[inline]
    const fn missing(&self, state: &BucketState, now: Instant) -> u64 {
        if !self.tells(now) {
            return u64::MAX;
        }
        let unit = self.unit(now.as_nanos());
        self.settled(state, unit).saturating_sub(unit)
    }

    /// The decision as a pure transition, for whoever keeps the state in a cell or an atomic.
    ///
    /// A refusal has a state to store only when the clock has stepped back by more than two refills.
    #[inline(always)] // so that what a caller does not read is not computed
    pub const fn step(&self, state: &BucketState, cost: u32, now: Instant) -> Step {
        if cost == 0 {
            let nothing = BucketCharge { cost: 0, until: 0 };
            return Step { outcome: Ok(nothing), store: None };
        }
        let cost = self.token.saturating_mul(cost as u64);
        let Some(room) = self.full.checked_sub(cost) else {
            let never = Rejected::new(ErrorCode::RateLimitCostExceedsBurst, RetryAt::Never);
            return Step { outcome: Err(never), store: None };
        };
        if !self.tells(now) {
            return Step { outcome: Err(self.short(u64::MAX)), store: None };
        }
        let now = now.as_nanos();
        let opens = match state.0.checked_sub(room) {
            Some(unit) => self.begin(unit),
            None => 0,
        };
        if opens <= now {
            let unit = self.unit(now);
            let from = if state.0 > unit { state.0 } else { unit };
            let charge = BucketCharge { cost, until: unit.wrapping_add(cost) };
            return Step { outcome: Ok(charge), store: Some(BucketState(from.wrapping_add(cost))) };
        }
        if opens.wrapping_sub(now) < self.refill {
            return Step { outcome: Err(self.short(opens)), store: None };
        }
        let settled = self.settled_for_long(state, now);
        let opens = self.begin(settled.wrapping_sub(room));
        Step { outcome: Err(self.short(opens)), store: Some(BucketState(settled)) }
    }

    /// [`settled`](Self::settled) for a bucket that will be full only after a whole refill and more,
    /// which no request brings about: perhaps the clock has stepped back.
    #[cold]
    const fn settled_for_long(&self, state: &BucketState, now: u64) -> u64 {
        self.settled(state, self.unit(now))
    }

    /// The refusal of a bucket that is short of tokens until the instant `opens`.
    #[inline(always)]
    const fn short(&self, opens: u64) -> Rejected {
        let opens = Instant::from_nanos(opens);
        let retry = if self.tells(opens) { RetryAt::At(opens) } else { RetryAt::Never };
        Rejected::new(ErrorCode::RateLimitExceeded, retry)
    }
}

impl Limit for TokenBucket {
    type State = BucketState;
    type Charge = BucketCharge;

    const FRESH: BucketState = BucketState::FRESH;

    #[inline]
    fn config(&self) -> &RateLimitConfig {
        &self.config
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.config.burst_size()
    }

    #[inline(always)]
    fn try_acquire(
        &self,
        state: &mut BucketState,
        cost: u32,
        now: Instant,
    ) -> Result<BucketCharge, Rejected> {
        let step = self.step(state, cost, now);
        if let Some(store) = step.store {
            *state = store;
        }
        step.outcome
    }

    #[inline]
    fn peek(&self, state: &BucketState, cost: u32, now: Instant) -> Result<(), Rejected> {
        self.step(state, cost, now).outcome.map(drop)
    }

    #[inline]
    fn refund(&self, state: &mut BucketState, charge: BucketCharge, now: Instant) {
        let left = charge.until.saturating_sub(self.unit(now.as_nanos().min(self.horizon)));
        state.0 = state.0.saturating_sub(left.min(charge.cost));
    }

    #[inline]
    fn available(&self, state: &BucketState, now: Instant) -> u32 {
        let units = self.full.saturating_sub(self.missing(state, now));
        (units >> self.token.trailing_zeros()) as u32
    }

    #[inline]
    fn is_fresh(&self, state: &BucketState, now: Instant) -> bool {
        self.missing(state, now) == 0
    }

    fn next_deadline(&self, state: &BucketState, now: Instant) -> Option<Instant> {
        let missing = self.missing(state, now);
        if missing == 0 || !self.tells(now) {
            return None;
        }
        let next = u64::from(self.available(state, now)).saturating_add(1);
        let allowed = self.full.saturating_sub(next.saturating_mul(self.token));
        let unit = self.unit(now.as_nanos());
        self.instant_of(unit.saturating_add(missing.saturating_sub(allowed)))
    }

    fn reanchor(&self, state: &mut BucketState, now: Instant) {
        if self.tells(now) {
            state.0 = self.settled(state, self.unit(now.as_nanos()));
        }
    }

    fn inherit(&self, old: &Self, state: &BucketState, now: Instant) -> BucketState {
        // A token is a power of two in units of either bucket.
        let missing = u128::from(old.missing(state, now).min(old.full));
        let (from, to) = (old.token.trailing_zeros(), self.token.trailing_zeros());
        let missing = match to.checked_sub(from) {
            Some(finer) => missing.wrapping_shl(finer),
            None => {
                let coarser = from.saturating_sub(to);
                let cut = 1_u128.wrapping_shl(coarser).saturating_sub(1);
                missing.saturating_add(cut).wrapping_shr(coarser)
            }
        };
        if missing == 0 {
            return Self::FRESH;
        }
        let units = self.unit(now.as_nanos().min(self.horizon));
        BucketState(units.saturating_add(missing.min(self.full.into()) as u64))
    }
}

impl TryFrom<RateLimitConfig> for TokenBucket {
    type Error = ConfigError;

    fn try_from(config: RateLimitConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn bucket(requests: u32, window_nanos: u64, burst: u32) -> TokenBucket {
        TokenBucket::new(
            RateLimitConfig::builder()
                .max_requests(requests)
                .time_window(Duration::from_nanos(window_nanos))
                .burst_size(burst)
                .build()
                .unwrap(),
        )
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn retry_nanos(rejected: Rejected) -> u64 {
        match rejected.retry() {
            RetryAt::At(at) => at.as_nanos(),
            other => panic!("{other:?}"),
        }
    }

    /// Whole, odd and extreme token times, up to both ends of what a configuration allows.
    fn buckets() -> [TokenBucket; 10] {
        [
            bucket(1, 1, 1),
            bucket(1, 1, u32::MAX),
            bucket(3, 10, 2),
            bucket(7, 1_000_000_000, 7),
            bucket(u32::MAX, u64::from(u32::MAX) + 1, 1 << 31),
            bucket(u32::MAX, u64::MAX, 1 << 29),
            bucket(100, 60_000_000_000, 10),
            bucket(1, (1 << 30) + 1, 1 << 31),
            bucket(1, 1 << 62, 1),
            bucket(3, (1 << 62) - 1, 3),
        ]
    }

    #[test]
    fn a_unit_is_the_last_to_begin_by_then() {
        for bucket in buckets() {
            for nanos in [0, 1, 2, 3, 1000, 1 << 40, (1 << 62) + 12345, bucket.horizon] {
                for nanos in nanos.saturating_sub(20)..=nanos.min(bucket.horizon) {
                    let unit = bucket.unit(nanos);
                    assert!(bucket.begin(unit) <= nanos, "{bucket:?} {nanos}");
                    assert!(bucket.begin(unit + 1) > nanos, "{bucket:?} {nanos}");
                }
            }
        }
    }

    #[test]
    fn a_refused_request_passes_at_its_instant_and_not_before() {
        for bucket in buckets() {
            for start in [0, 1, 77, 1 << 50] {
                let mut state = BucketState::FRESH;
                bucket.try_acquire(&mut state, bucket.capacity(), at(start)).unwrap();
                for cost in [1, bucket.capacity()] {
                    let retry = retry_nanos(bucket.peek(&state, cost, at(start)).unwrap_err());
                    assert!(retry > start);
                    assert!(bucket.peek(&state, cost, at(retry)).is_ok(), "{bucket:?}");
                    assert!(bucket.peek(&state, cost, at(retry - 1)).is_err(), "{bucket:?}");
                }
            }
        }
    }

    #[test]
    fn beyond_the_horizon_the_bucket_is_empty() {
        for bucket in buckets() {
            let mut state = BucketState::FRESH;
            assert!(bucket.horizon >= 1 << 61, "{bucket:?}");
            for nanos in [bucket.horizon + 1, u64::MAX] {
                let refused = bucket.try_acquire(&mut state, 1, at(nanos)).unwrap_err();
                assert_eq!(refused.code(), ErrorCode::RateLimitExceeded);
                assert_eq!(refused.retry(), RetryAt::Never);
                assert_eq!(bucket.available(&state, at(nanos)), 0);
                assert!(!bucket.is_fresh(&state, at(nanos)));
                assert_eq!(bucket.next_deadline(&state, at(nanos)), None);
            }
            assert_eq!(bucket.available(&state, at(bucket.horizon)), bucket.capacity());
            bucket.try_acquire(&mut state, bucket.capacity(), at(bucket.horizon)).unwrap();
            let last = bucket.try_acquire(&mut state, 1, at(bucket.horizon)).unwrap_err();
            assert_eq!(last.retry(), RetryAt::Never, "it would pass after the horizon");
        }
    }

    #[test]
    fn a_cost_above_the_burst_never_passes_pitfalls_41_59_60() {
        for bucket in buckets() {
            let mut state = BucketState::FRESH;
            for cost in [bucket.capacity().saturating_add(1), u32::MAX] {
                if cost > bucket.capacity() {
                    let refused = bucket.try_acquire(&mut state, cost, at(9)).unwrap_err();
                    assert_eq!(refused.code(), ErrorCode::RateLimitCostExceedsBurst);
                    assert_eq!(refused.retry(), RetryAt::Never);
                }
            }
            assert_eq!(state, BucketState::FRESH);
        }
    }

    #[test]
    fn a_cost_of_zero_passes_and_changes_nothing() {
        let bucket = bucket(1, 10, 1);
        let mut state = BucketState::FRESH;
        bucket.try_acquire(&mut state, 1, at(100)).unwrap();
        let before = state.clone();
        for nanos in [0, 100, u64::MAX] {
            bucket.try_acquire(&mut state, 0, at(nanos)).unwrap();
            assert_eq!(state, before);
        }
    }

    #[test]
    fn a_step_back_costs_at_most_one_refill_pitfall_65() {
        let bucket = bucket(10, 100, 10); // full after 100 ns
        let spent = |now| {
            let mut state = BucketState::FRESH;
            bucket.try_acquire(&mut state, 10, at(now)).unwrap();
            state
        };
        let mut near = spent(1000);
        assert_eq!(retry_nanos(bucket.try_acquire(&mut near, 1, at(900)).unwrap_err()), 1010);
        assert_eq!(near, spent(1000), "two refills ahead are kept");

        let mut far = spent(1000);
        assert_eq!(retry_nanos(bucket.peek(&far, 1, at(899)).unwrap_err()), 909);
        assert_eq!(bucket.next_deadline(&far, at(899)), Some(at(909)));
        assert_eq!(retry_nanos(bucket.try_acquire(&mut far, 1, at(899)).unwrap_err()), 909);
        assert!(bucket.try_acquire(&mut far, 1, at(909)).is_ok());
    }

    #[test]
    fn any_number_is_a_state_pitfall_68() {
        for bucket in buckets() {
            for raw in [0, 1, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX] {
                for nanos in [0, 1, 1 << 62, 1 << 63, u64::MAX] {
                    let mut state = BucketState::from_raw(raw);
                    let _ = bucket.available(&state, at(nanos));
                    let _ = bucket.next_deadline(&state, at(nanos));
                    if let Ok(charge) = bucket.try_acquire(&mut state, 1, at(nanos)) {
                        bucket.refund(&mut state, charge, at(nanos));
                        assert!(bucket.peek(&state, 1, at(nanos)).is_ok());
                    } else {
                        assert!(bucket.peek(&state, 1, at(nanos)).is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn a_deadline_is_the_next_whole_token() {
        let bucket = bucket(1, 10, 3);
        let mut state = BucketState::FRESH;
        assert_eq!(bucket.next_deadline(&state, at(5)), None, "full");
        bucket.try_acquire(&mut state, 3, at(5)).unwrap();
        for (now, next) in
            [(5, Some(15)), (14, Some(15)), (15, Some(25)), (34, Some(35)), (35, None)]
        {
            assert_eq!(bucket.next_deadline(&state, at(now)), next.map(at), "{now}");
        }
    }

    #[test]
    fn a_refund_gives_back_what_has_not_been_refilled() {
        let bucket = bucket(1, 10, 4);
        let mut state = BucketState::FRESH;
        let charge = bucket.try_acquire(&mut state, 4, at(0)).unwrap();
        bucket.refund(&mut state, charge, at(25));
        assert!(bucket.is_fresh(&state, at(25)));

        // Two refunds out of order: what stays spent is as limited as if it had been alone.
        let mut state = BucketState::FRESH;
        let first = bucket.try_acquire(&mut state, 1, at(100)).unwrap();
        let second = bucket.try_acquire(&mut state, 1, at(100)).unwrap();
        bucket.refund(&mut state, first, at(100));
        bucket.try_acquire(&mut state, 1, at(109)).unwrap();
        bucket.refund(&mut state, second, at(112));
        assert!(bucket.available(&state, at(112)) < 4);
    }
}
