//! How long to wait before the next attempt.
//!
//! A [`Backoff`] is a curve (fixed, linear or exponential), a cap, and a jitter. It has no state: the
//! delay is a function of the attempt and of the entropy that is passed in. [`Retry`] drives it;
//! use it directly for whatever else comes round again: reconnecting, polling, announcing.
//!
//! # When not to use it
//!
//! - To keep to a rate: that is a [limiter's](crate::rate_limit) work.
//! - To spare a peer that is down: backoff spreads attempts over time, and does not make them fewer
//!   than one a caller. That takes a [budget](crate::retry::budget) or a
//!   [breaker](crate::circuit_breaker).
//!
//! # Laws
//!
//! - `delay(n) = min(initial · base^n, max)`, n counted from 0: the first wait is `initial`. Off by
//!   less than 1 ns of the exact fraction up to 2^50 ns (13 days), and by less than 2^-48 of it above.
//! - Any `u32` attempt: nothing overflows, and later attempts never wait less.
//! - Jitter comes after the cap: no delay exceeds `max`, whatever the entropy, and at the cap delays
//!   are still spread.
//!
//! # Why jitter, and why the full one
//!
//! Peers that fail together come back together, and fail again. Spreading them over the whole
//! interval `[0, d]` takes the fewest calls to get everybody served, in Marc Brooker's simulation
//! "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): hence [`Jitter::Full`], the
//! default. The seed's ±25 % is [`Jitter::Quarter`].
//!
//! Entropy must differ from device to device. A constant seed makes a fleet jitter in step.
//!
//! # Defaults
//!
//! 1 s, base 2, at most 60 s (the seed's), full jitter.
//!
//! # A timeline
//!
//! ```
//! use core::time::Duration;
//! use resil_core::backoff::{Backoff, Jitter};
//! use resil_core::valid;
//!
//! const RECONNECT: Backoff = valid!(
//!     Backoff::builder()
//!         .max_delay(Duration::from_secs(10))
//!         .jitter(Jitter::Equal) // half of the delay is certain: nobody reconnects at once
//!         .build()
//! );
//! // Lost at 0 s, tried again at 1 s, 3 s, 7 s, 15 s, 25 s, 35 s at the latest ...
//! let latest = [0, 1, 2, 3, 4, 5].map(|attempt| RECONNECT.delay(attempt).as_secs());
//! assert_eq!(latest, [1, 2, 4, 8, 10, 10]);
//! // ... and with the least entropy there is, after half of each of these times.
//! let soonest = [0, 1, 2, 3].map(|attempt| RECONNECT.jittered(attempt, None, 0).as_millis());
//! assert_eq!(soonest, [500, 1_000, 2_000, 4_000]);
//! // After ten years of failing there is still a next time.
//! assert_eq!(RECONNECT.delay(u32::MAX), Duration::from_secs(10));
//! ```
//!
//! # Cost
//!
//! A shift where the base is a power of two, else at most 24 multiplications; jitter is one more.
//!
//! [`Retry`]: crate::retry::Retry

mod builder;
mod curve;
mod factor;
mod persist;

pub use crate::ratio::Ratio;
pub use builder::BackoffBuilder;
pub use curve::Curve;

use crate::entropy::Entropy;
use crate::fixed::sum;
use crate::time::saturating_nanos;
use core::iter::FusedIterator;
use core::time::Duration;
use curve::Growth;

/// `min(initial · base^attempt, max)`, the first attempt being 0.
///
/// The seed's function, without its jitter. It works out the curve anew at each call; a [`Backoff`]
/// does that once. Both give the same, bit for bit.
///
/// The precision of the [module's law](self) holds for the bases that a policy takes, 1 and 1.01 to
/// 64. Others are computed as well: below 1 delays shrink, a denominator of 0 is infinity.
///
/// ```
/// use core::time::Duration;
/// use resil_core::backoff::{Ratio, exponential_backoff};
///
/// let delay = |attempt| {
///     exponential_backoff(attempt, Duration::from_secs(1), Ratio::TWO, Duration::from_secs(60))
/// };
/// assert_eq!([delay(0), delay(1), delay(5)].map(|d| d.as_secs()), [1, 2, 32]);
/// assert_eq!(delay(6), Duration::from_secs(60), "not 64");
/// assert_eq!(delay(u32::MAX), Duration::from_secs(60));
/// ```
#[must_use]
pub const fn exponential_backoff(
    attempt: u32,
    initial: Duration,
    base: Ratio,
    max: Duration,
) -> Duration {
    let (initial, max) = (saturating_nanos(initial), saturating_nanos(max));
    let grown = Growth::exponential(base).grow(initial, attempt);
    Duration::from_nanos(if grown < max { grown } else { max })
}

/// How delays are spread, so that those who failed together do not come back together.
///
/// With `d` for the capped delay:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Jitter {
    /// Exactly `d`. Only where nobody else is retrying.
    None,
    /// Uniform in `[0, d]`: the best spread, and sometimes hardly any wait.
    #[default]
    Full,
    /// Uniform in `[d/2, d]`: never less than half the wait.
    Equal,
    /// Uniform in `[3d/4, min(5d/4, max)]`: the seed's ±25 %, kept under the cap.
    Quarter,
    /// Uniform in `[initial, min(3 · previous, max)]`, whatever the curve; `previous` begins as
    /// `initial`. The AWS article's formula, but capped before it is drawn: capped afterwards, two
    /// thirds of the delays would be `max`.
    Decorrelated,
}

/// Delays: a curve, a cap and a jitter.
///
/// ```
/// use core::time::Duration;
/// use resil_core::backoff::{Backoff, Jitter, Ratio};
/// use resil_core::valid;
///
/// const RECONNECT: Backoff = valid!(
///     Backoff::builder()
///         .initial_delay(Duration::from_millis(100))
///         .max_delay(Duration::from_secs(2))
///         .exponential_base(Ratio::new(3, 2))
///         .jitter(Jitter::Equal)
///         .build()
/// );
/// let millis: Vec<_> = RECONNECT.delays().take(9).map(|delay| delay.as_millis()).collect();
/// assert_eq!(millis, [100, 150, 225, 337, 506, 759, 1139, 1708, 2000]);
///
/// let spread = RECONNECT.jittered(8, None, 0xC0FF_EE00_u32);
/// assert!(spread >= Duration::from_secs(1) && spread <= Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Backoff {
    initial: u64,
    max: u64,
    /// The delay from attempt `flat_from` on: `max`, unless the curve never gets there.
    ceiling: u64,
    growth: Growth,
    flat_from: u32,
    jitter: Jitter,
}

impl Backoff {
    /// 1 s, base 2, at most 60 s (the seed's), full jitter.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// Starts from the defaults.
    pub const fn builder() -> BackoffBuilder {
        BackoffBuilder::DEFAULT
    }

    /// The delay after attempt `attempt`, counted from 0, without jitter.
    ///
    /// Cost: a shift for a base of 1, 2, 4, … 64; for others up to 24 multiplications. No division
    /// but the one that splits nanoseconds into a [`Duration`].
    #[must_use]
    #[inline]
    pub const fn delay(&self, attempt: u32) -> Duration {
        Duration::from_nanos(self.delay_nanos(attempt))
    }

    /// The delay after attempt `attempt`, counted from 0, spread by the jitter.
    ///
    /// `previous` is what the last call returned, `None` at first; only [`Jitter::Decorrelated`]
    /// looks at it. Entropy is drawn once, and not at all for [`Jitter::None`].
    #[must_use]
    #[inline]
    pub fn jittered(
        &self,
        attempt: u32,
        previous: Option<Duration>,
        entropy: impl Entropy,
    ) -> Duration {
        let previous = previous.map_or(0, saturating_nanos);
        Duration::from_nanos(self.jittered_nanos(attempt, previous, entropy))
    }

    /// The delays after attempt 0, 1, 2, …, without jitter and without end.
    #[must_use]
    pub const fn delays(&self) -> Delays {
        Delays { backoff: *self, attempt: 0 }
    }

    /// The longest delay there can be, jitter included.
    #[must_use]
    pub const fn max_delay(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// [`max_delay`](Self::max_delay) in nanoseconds.
    #[inline]
    pub(crate) const fn max_nanos(&self) -> u64 {
        self.max
    }

    /// How delays are spread.
    #[must_use]
    pub const fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// [`delay`](Self::delay) in nanoseconds, for constants.
    pub(crate) const fn delay_nanos(&self, attempt: u32) -> u64 {
        if attempt >= self.flat_from {
            return self.ceiling;
        }
        self.growth.grow(self.initial, attempt)
    }

    /// [`delay_nanos`](Self::delay_nanos), for decisions.
    #[cfg_attr(not(target_has_atomic = "32"), inline(never))]
    #[cfg_attr(target_has_atomic = "32", inline)]
    pub(crate) fn nominal_nanos(&self, attempt: u32) -> u64 {
        if attempt >= self.flat_from {
            return self.ceiling;
        }
        self.growth.below_the_cap(self.initial, attempt)
    }

    /// The longest delay before jitter, in nanoseconds.
    #[inline]
    pub(crate) const fn ceiling_nanos(&self) -> u64 {
        self.ceiling
    }

    /// [`jittered`](Self::jittered) in nanoseconds; at first `previous` is 0.
    #[inline]
    pub(crate) fn jittered_nanos(&self, attempt: u32, previous: u64, entropy: impl Entropy) -> u64 {
        let delay = self.nominal_nanos(attempt);
        let (low, high) = match self.jitter {
            Jitter::Full => (0, delay),
            Jitter::None => return delay,
            Jitter::Equal => (delay.wrapping_sub(delay / 2), delay),
            Jitter::Quarter => {
                let high = sum(delay, delay / 4).min(self.max);
                (delay.wrapping_sub(delay / 4), high)
            }
            Jitter::Decorrelated => {
                let previous = previous.max(self.initial);
                (self.initial, sum(previous, sum(previous, previous)).min(self.max))
            }
        };
        low.wrapping_add(up_to(high.wrapping_sub(low), entropy.draw()))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `entropy` spread evenly over `[0, limit]`: `floor((limit + 1) · entropy / 2^32)`.
///
/// Two products of 32 bits each, so that it is cheap on a Cortex-M0 as well; their sum is below
/// 2^64.
#[inline]
pub(crate) const fn up_to(limit: u64, entropy: u32) -> u64 {
    let entropy = entropy as u64;
    let high = (limit >> 32).wrapping_mul(entropy);
    let low = (limit & 0xFFFF_FFFF).wrapping_add(1).wrapping_mul(entropy) >> 32;
    high.wrapping_add(low)
}

/// The delays of a [`Backoff`], one by one; [`Backoff::delays`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Delays {
    backoff: Backoff,
    attempt: u32,
}

impl Iterator for Delays {
    type Item = Duration;

    #[inline]
    fn next(&mut self) -> Option<Duration> {
        let delay = self.backoff.delay(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        Some(delay)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Delays {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    const NANO: Duration = Duration::from_nanos(1);

    #[test]
    fn a_fixed_curve_may_wait_for_nothing() {
        let at_once =
            Backoff::builder().curve(Curve::Fixed).initial_delay(Duration::ZERO).build().unwrap();
        assert_eq!(at_once.jittered(u32::MAX, None, u32::MAX), Duration::ZERO);
    }

    #[test]
    fn curves_that_never_reach_the_cap_end_where_attempts_end() {
        let builder = Backoff::builder().initial_delay(NANO);
        let linear = builder.curve(Curve::Linear).build().unwrap();
        assert_eq!(linear.delay(u32::MAX - 1), Duration::from_nanos(u64::from(u32::MAX)));
        assert_eq!(linear.delay(u32::MAX), Duration::from_nanos(1 << 32));
        for curve in [Curve::Fixed, Curve::Exponential(Ratio::new(7, 7))] {
            let flat = builder.curve(curve).build().unwrap();
            assert_eq!([flat.delay(0), flat.delay(u32::MAX)], [NANO; 2]);
        }
    }

    #[test]
    fn the_largest_settings_do_not_overflow() {
        for curve in [
            Curve::Fixed,
            Curve::Linear,
            Curve::Exponential(Ratio::new(3, 2)),
            Curve::Exponential(Ratio::TWO),
        ] {
            for jitter in
                [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Quarter, Jitter::Decorrelated]
            {
                let backoff = Backoff::builder()
                    .initial_delay(Duration::MAX)
                    .max_delay(Duration::MAX)
                    .curve(curve)
                    .jitter(jitter)
                    .build()
                    .unwrap();
                let top = backoff.jittered(u32::MAX, Some(Duration::MAX), u32::MAX);
                assert!(top <= backoff.max_delay());
            }
        }
    }

    #[test]
    fn bases_that_no_policy_takes_are_computed_all_the_same() {
        let hour = Duration::from_secs(3600);
        let delay = |attempt, above, below| {
            exponential_backoff(attempt, hour, Ratio::new(above, below), Duration::MAX)
        };
        assert_eq!(delay(2, 1, 2), hour / 4);
        assert_eq!([delay(0, 0, 1), delay(1, 0, 1)], [hour, Duration::ZERO]);
        assert_eq!([delay(0, 1, 0), delay(0, 0, 0)], [hour; 2]);
        assert_eq!(delay(1, 1, 0), Duration::from_nanos(u64::MAX));
        assert_eq!(delay(1, 65_535, 1), hour * 65_535);
        assert_eq!(
            exponential_backoff(9, Duration::ZERO, Ratio::new(1, 0), Duration::MAX),
            Duration::ZERO
        );
    }

    #[test]
    fn nothing_is_nothing_however_often_it_is_doubled() {
        for attempt in [0, 1, 63, 64, 65, u32::MAX] {
            let delay = exponential_backoff(attempt, Duration::ZERO, Ratio::TWO, Duration::MAX);
            assert_eq!(delay, Duration::ZERO, "attempt {attempt}");
        }
    }

    #[test]
    fn policies_of_the_same_settings_are_equal_whatever_the_curve() {
        for curve in [Curve::Fixed, Curve::Linear, Curve::Exponential(Ratio::new(3, 2))] {
            let build = || Backoff::builder().curve(curve).build().unwrap();
            assert_eq!(build(), build());
        }
    }

    #[test]
    fn a_base_that_is_no_power_of_two_is_exact_to_the_nanosecond() {
        for (attempt, nanos) in
            [(7, 1_072_135), (100, 2_704_814), (511, 161_518_400), (1_000, 20_959_155_638)]
        {
            let base = Ratio::new(101, 100);
            let delay = exponential_backoff(attempt, Duration::from_millis(1), base, Duration::MAX);
            assert_eq!(delay, Duration::from_nanos(nanos), "attempt {attempt}");
        }
    }

    #[test]
    fn a_delay_that_no_clock_counts_is_the_longest_there_is() {
        let hour = Duration::from_secs(3600);
        for attempt in [23, 40, 63, 64, 65, u32::MAX] {
            let delay = exponential_backoff(attempt, hour, Ratio::TWO, Duration::MAX);
            assert_eq!(delay, Duration::from_nanos(u64::MAX), "attempt {attempt}");
        }
    }

    #[test]
    fn equal_and_quarter_jitter_reach_both_of_their_ends() {
        let four = Duration::from_secs(4);
        for (jitter, low, high) in [(Jitter::Equal, 2, 4), (Jitter::Quarter, 3, 5)] {
            let builder = Backoff::builder().curve(Curve::Fixed).initial_delay(four);
            let backoff = builder.jitter(jitter).build().unwrap();
            let ends = [0, u32::MAX].map(|entropy| backoff.jittered(0, None, entropy));
            assert_eq!(ends[0], Duration::from_secs(low), "{jitter:?}");
            assert!(ends[1] <= Duration::from_secs(high), "{jitter:?}");
            assert!(ends[1] > Duration::from_secs(high) - 2 * NANO, "{jitter:?}");
        }
    }

    #[test]
    fn the_delays_of_a_backoff_follow_its_curve_and_never_end() {
        let first = [1, 2, 4].map(Duration::from_secs);
        assert!(Backoff::DEFAULT.delays().take(3).eq(first));
        assert_eq!(Backoff::DEFAULT.max_nanos(), 60 * SECOND);
        assert_eq!(Backoff::DEFAULT.delays().size_hint(), (usize::MAX, None));
    }

    #[test]
    fn spreading_reaches_both_ends() {
        assert_eq!(up_to(9, 0), 0);
        assert_eq!(up_to(9, u32::MAX), 9);
        assert_eq!(up_to(0, u32::MAX), 0);
        assert_eq!(up_to(u64::MAX, u32::MAX), u64::MAX - u64::from(u32::MAX));
        for limit in [1, u64::from(u32::MAX), 1 << 32, 60 * SECOND, u64::MAX] {
            for entropy in [0, 1, 0x8000_0000, 0xDEAD_BEEF, u32::MAX] {
                let exact = ((u128::from(limit) + 1) * u128::from(entropy)) >> 32;
                assert_eq!(u128::from(up_to(limit, entropy)), exact);
            }
        }
    }
}
