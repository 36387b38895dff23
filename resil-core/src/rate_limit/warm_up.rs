//! A bucket that starts slowly after a pause.

mod limit;
mod persist;

use super::{BucketCharge, BucketState, RateLimitConfig, TokenBucket};
use crate::config::ConfigError;
use crate::time::{Instant, saturating_nanos};
use core::time::Duration;

/// Steps of the ramp.
const STEPS: usize = 16;

/// Factors are in 2^-16.
const ONE: u32 = 1 << 16;

/// The longest warm-up: 2^61 ns, 73 years.
const MAX_WARM_UP: u64 = 1 << 61;

/// A [`TokenBucket`] whose rate climbs from a share of it to all of it while it is used, and falls
/// back while it is not.
///
/// For what is slow at first: a peer whose caches, connections or just-in-time compiler are cold
/// after a restart or a pause, and would be knocked over by its full quota. **Not** to limit what
/// others may send to you: they would be punished for being quiet.
///
/// # Laws
///
/// - It never admits more than the [`TokenBucket`] of the same quota, whose law it keeps, and a
///   refusal is as exact.
/// - Cold it admits at `1 / cold_factor` of the rate, and a burst that is as much smaller. A sender
///   that never rests has the full rate once the warm-up is over. After the bucket has been full for
///   one warm-up it is cold again, and in between it cools as it warmed.
/// - From cold, in any time t, costs of at most `burst / cold_factor` are admitted up to
///   `p(burst · T + t)`, where T is a token's time, k the cold factor, W the warm-up and
///   `p(x) = 2W / ((k² - 1) · T) · (k - √(k² - (k² - 1) · x / W))` up to x = W and one token in T from
///   there: the curve of Guava's `SmoothWarmingUp`, on which the time per token falls in a straight
///   line with the tokens that were used. A cost above `burst / cold_factor` passes when the bucket
///   is full, and takes no more than all of it.
///
/// # How
///
/// While it is cold a request takes more from the bucket than it costs, by a factor that falls with
/// the time for which the bucket has been used: in 16 steps, each at the factor of its beginning, so
/// that the curve above is approached from below and lags by at most one step.
///
/// # Defaults
///
/// The cold factor is 3, Guava's and Sentinel's.
///
/// # Cost
///
/// As a [`TokenBucket`], and one more multiplication and at most 16 comparisons. To look at what is
/// [available](super::Limit::available) takes 32 steps.
///
/// ```
/// use core::time::Duration;
/// use resil_core::rate_limit::{Limiter, RateLimitConfig, WarmUp};
/// use resil_core::{Instant, valid};
///
/// // Ten a second, three at once, full speed after 3 s.
/// const SLOW_START: WarmUp = valid!(WarmUp::new(
///     valid!(
///         RateLimitConfig::builder()
///             .max_requests(10)
///             .time_window(Duration::from_secs(1))
///             .burst_size(3)
///             .build()
///     ),
///     Duration::from_secs(3),
/// ));
/// let ms = |ms: u64| Instant::from_nanos(ms * 1_000_000);
/// let mut limiter = Limiter::new(SLOW_START);
/// let mut in_second = |second: u64| {
///     let asks = second * 1_000..(second + 1) * 1_000;
///     asks.filter(|now| limiter.try_acquire(1, ms(*now)).is_ok()).count()
/// };
/// //      0 s  cold: one at once, and then one per 300 ms and faster
/// //  1, 2 s  climbing
/// //      3 s  warm
/// assert_eq!([0, 1, 2, 3, 4].map(&mut in_second), [4, 5, 7, 10, 10]);
/// // 5..10 s  nobody asks, and it is cold again
/// assert_eq!(in_second(10), 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WarmUp {
    bucket: TokenBucket,
    /// Units of use in a step.
    width: u64,
    /// How much more a token takes in each step, in 2^-16.
    factors: [u32; STEPS],
}

/// What a [`WarmUp`] remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WarmUpState {
    bucket: BucketState,
    /// For how long it has been used when the bucket is full, in units; no more than the ramp is long.
    heat: u64,
}

const _: () = assert!(size_of::<WarmUpState>() == 16);

impl WarmUpState {
    /// A full bucket, cold.
    pub const FRESH: Self = Self { bucket: BucketState::FRESH, heat: 0 };
}

/// What an admission took.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WarmUpCharge {
    taken: BucketCharge,
    /// By how much it has warmed: less than it took, where it was all but warm.
    heat: u64,
}

impl WarmUp {
    /// The limit for `config`, at a third of the rate when cold.
    ///
    /// # Errors
    ///
    /// When `warm_up` is zero or above 2^61 ns, or `burst_size` is below 3.
    pub const fn new(config: RateLimitConfig, warm_up: Duration) -> Result<Self, ConfigError> {
        Self::with_cold_factor(config, warm_up, 3)
    }

    /// The limit for `config`, at `1 / cold_factor` of the rate when cold.
    ///
    /// # Errors
    ///
    /// When `warm_up` is zero or above 2^61 ns, when `cold_factor` is not within 2 to 64, or above
    /// `burst_size` (a cold bucket holds `burst_size / cold_factor`, which has to be a token).
    #[allow(clippy::arithmetic_side_effects)] // 44 bits hold each square
    pub const fn with_cold_factor(
        config: RateLimitConfig,
        warm_up: Duration,
        cold_factor: u32,
    ) -> Result<Self, ConfigError> {
        let nanos = saturating_nanos(warm_up);
        if nanos == 0 || nanos > MAX_WARM_UP {
            return Err(ConfigError::new(
                "warm_up",
                "warm_up must be longer than zero and at most 2^61 ns (73 years)",
            ));
        }
        if cold_factor < 2 || cold_factor > 64 {
            return Err(ConfigError::new("cold_factor", "cold_factor must be within 2 to 64"));
        }
        if config.burst_size() < cold_factor {
            return Err(ConfigError::new("burst_size", "burst_size must be at least cold_factor"));
        }
        let bucket = TokenBucket::new(config);
        let width = (bucket.unit(nanos) >> 4).saturating_add(1);
        let square = cold_factor as u64 * cold_factor as u64;
        let mut factors = [ONE; STEPS];
        let mut rest: &mut [u32] = &mut factors;
        let mut step = 0;
        while let Some((factor, others)) = rest.split_first_mut() {
            // √(k² - (k² - 1) · step / 16)
            *factor = root((16 * square - (square - 1) * step) << 28);
            rest = others;
            step += 1;
        }
        Ok(Self { bucket, width, factors })
    }

    /// Units of use after which it is warm.
    const fn warm(&self) -> u64 {
        self.width.saturating_mul(STEPS as u64)
    }

    /// How much more a token takes after so much use.
    #[inline]
    fn factor(&self, heat: u64) -> u32 {
        let mut end = 0_u64;
        let mut factors = self.factors.iter();
        let step = factors.find(|_| {
            end = end.saturating_add(self.width);
            heat < end
        });
        step.copied().unwrap_or(ONE)
    }

    /// What a cost takes, in units: never less than it costs, nor more than a full bucket.
    #[inline]
    fn effort(&self, cost: u32, factor: u32) -> u64 {
        let wide = u128::from(self.bucket.units(cost)).wrapping_mul(factor.into());
        let up = wide.saturating_add(u128::from(ONE.saturating_sub(1))).wrapping_shr(16);
        up.min(self.bucket.full().into()) as u64
    }

    /// The unit `now`, the one in which the bucket is full, and the heat that is left.
    #[inline]
    fn as_of(&self, state: &WarmUpState, now: Instant) -> (u64, u64, u64) {
        let unit = self.bucket.unit(now.as_nanos());
        let full = self.bucket.settled(&state.bucket, unit);
        (unit, full, state.heat.saturating_sub(unit.saturating_sub(full)))
    }

    /// A state that is full at `full` and so warm at `unit`.
    fn warmed(&self, unit: u64, full: u64, heat: u64) -> WarmUpState {
        WarmUpState { bucket: BucketState::from_raw(full.max(unit)), heat: heat.min(self.warm()) }
    }
}

/// The square root, rounded up, bit by bit; of numbers up to 2^63.
#[allow(clippy::arithmetic_side_effects)] // the root is below 2^32, so its square fits
const fn root(square: u64) -> u32 {
    let mut root: u64 = 0;
    let mut bit: u64 = 1 << 31;
    while bit > 0 {
        let next = root | bit;
        if next * next <= square {
            root = next;
        }
        bit >>= 1;
    }
    if root * root < square { root as u32 + 1 } else { root as u32 }
}

#[cfg(test)]
mod tests;
