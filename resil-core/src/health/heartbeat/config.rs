//! When a silent peer is suspected.

use super::phi::{FRACTION, Phi};
use crate::config::ConfigError;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// The longest duration a setting may have: 146 years, so that sums of two stay inside a `u64`.
const LONGEST: u64 = 1 << 62;

/// Bits of the longest silence in units: squares of silences fit into 60 bits.
const UNIT_BITS: u32 = 30;

/// Fraction bits of a mean.
pub(super) const MEAN_FRACTION: u32 = 16;

/// When a peer that sends heartbeats is suspected: a constant that any number of peers share.
///
/// ```
/// use core::time::Duration;
/// use resil_core::{health::{HeartbeatConfig, Phi}, valid};
///
/// // A sensor on a radio that sends every ten minutes.
/// static SENSOR: HeartbeatConfig = valid!(
///     HeartbeatConfig::builder()
///         .interval(Duration::from_secs(600))
///         .acceptable_pause(Duration::from_secs(660))
///         .min_std_deviation(Duration::from_secs(10))
///         .build()
/// );
/// assert_eq!(SENSOR.threshold(), Phi::new(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeartbeatConfig {
    /// Nanoseconds.
    pub(super) interval: u64,
    /// Nanoseconds.
    max_silence: u64,
    /// A unit of time is 2^shift ns: the finest in which `max_silence` has no more than 30 bits.
    pub(super) shift: u8,
    /// A sample weighs 1/2^weight.
    pub(super) weight: u8,
    /// Units.
    pub(super) pause: u32,
    /// Units.
    pub(super) min_deviation: u32,
    /// Units.
    pub(super) longest: u32,
    pub(super) threshold: Phi,
    /// The silence at the threshold, in 1/4096 of a standard deviation.
    pub(super) reached_at: i16,
}

impl HeartbeatConfig {
    /// Pekko's: a heartbeat a second, a pause of 3 s, at least 100 ms of deviation, φ 8.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> HeartbeatConfigBuilder {
        HeartbeatConfigBuilder {
            interval: SECOND,
            acceptable_pause: 3 * SECOND,
            min_std_deviation: SECOND / 10,
            max_silence: None,
            threshold: Phi::new(8),
            samples: 32,
        }
    }

    /// The level at which a peer is suspected.
    #[must_use]
    pub const fn threshold(&self) -> Phi {
        self.threshold
    }

    /// How often heartbeats are expected as long as none has come.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The silence after which any peer is suspected, whatever its heartbeats were like.
    #[must_use]
    pub const fn max_silence(&self) -> Duration {
        Duration::from_nanos(self.max_silence)
    }

    /// `interval` as the mean of a peer of which nothing is known.
    pub(super) const fn first_mean(&self) -> u64 {
        (self.interval >> self.shift) << MEAN_FRACTION
    }

    /// The square of a quarter of the interval, which Pekko starts with.
    pub(super) const fn first_variance(&self) -> u64 {
        let quarter = self.interval >> self.shift >> 2;
        quarter.saturating_mul(quarter)
    }

    /// The silence at which a peer is suspected, in units: mean + pause + y · deviation, rounded up.
    pub(super) const fn limit(&self, mean: u64, deviation: u32) -> u64 {
        let beyond = (self.reached_at as i64).saturating_mul(deviation as i64);
        let beyond = beyond.saturating_add((1 << FRACTION) - 1) >> FRACTION;
        let limit = (mean >> MEAN_FRACTION).saturating_add(self.pause as u64);
        let limit = limit.saturating_add_signed(beyond);
        let longest = self.longest as u64;
        if limit < longest { limit } else { longest }
    }

    /// Units in nanoseconds.
    pub(super) const fn nanos(&self, units: u64) -> u64 {
        units << self.shift
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Builds a [`HeartbeatConfig`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct HeartbeatConfigBuilder {
    interval: u64,
    acceptable_pause: u64,
    min_std_deviation: u64,
    max_silence: Option<u64>,
    threshold: Phi,
    samples: u16,
}

impl HeartbeatConfigBuilder {
    /// How often peers send. It is the first estimate of a peer, with a quarter of it as deviation,
    /// until its own heartbeats say better. Default: 1 s, Pekko's `heartbeat-interval`.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = saturating_nanos(interval);
        self
    }

    /// Silence that is added to the mean: for collections of garbage, short outages and lost
    /// heartbeats, so many times the interval as may be lost in a row. Default: 3 s, Pekko's
    /// `acceptable-heartbeat-pause`. Zero is allowed.
    pub const fn acceptable_pause(mut self, pause: Duration) -> Self {
        self.acceptable_pause = saturating_nanos(pause);
        self
    }

    /// The least deviation that is believed: one that comes from very regular heartbeats would have
    /// the first late one suspected. Default: 100 ms, Pekko's `min-std-deviation`.
    pub const fn min_std_deviation(mut self, deviation: Duration) -> Self {
        self.min_std_deviation = saturating_nanos(deviation);
        self
    }

    /// The silence after which any peer is suspected, so that one which slows down bit by bit does
    /// not stretch its own limit for good. Default: ten times the interval and the pause together;
    /// with the default pause, what Pekko would wait for is below that unless the intervals scatter by
    /// more than six times their mean.
    pub const fn max_silence(mut self, silence: Duration) -> Self {
        self.max_silence = Some(saturating_nanos(silence));
        self
    }

    /// The level at which a peer is suspected, above 0.3 and at most 16. Default: 8, Pekko's
    /// `threshold`. What the network does irregularly belongs in the pause, not here.
    pub const fn threshold(mut self, threshold: Phi) -> Self {
        self.threshold = threshold;
        self
    }

    /// The weight of a heartbeat in mean and variance is 1/`samples`; a power of two from 2 to 256.
    ///
    /// Default: 32. Pekko keeps a list of 1000 intervals; weights that fade need 16 bytes in place of
    /// 8 KB, no division, and forget what a network was like before it changed.
    pub const fn samples(mut self, samples: u16) -> Self {
        self.samples = samples;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: an interval or deviation of zero, `samples` that is no
    /// power of two from 2 to 256, a threshold outside of its range, a `max_silence` above 2^62 ns
    /// (146 years) or not above interval and pause together, and a deviation of less than a
    /// millionth of `max_silence` or more than all of it.
    pub const fn build(self) -> Result<HeartbeatConfig, ConfigError> {
        if self.interval == 0 {
            return Err(ConfigError::new("interval", "interval must be at least 1 ns"));
        }
        if !self.samples.is_power_of_two() || self.samples < 2 || self.samples > 256 {
            return Err(ConfigError::new(
                "samples",
                "samples must be a power of two from 2 to 256",
            ));
        }
        // Below 5/16 a peer is suspected before its heartbeat is due.
        let reached_at = match self.threshold.reached_at() {
            Some(at) if at > 0 => at,
            _ => {
                return Err(ConfigError::new("threshold", "threshold must be from 5/16 to 16"));
            }
        };
        let usual = self.interval.saturating_add(self.acceptable_pause);
        let longest = match self.max_silence {
            Some(silence) => silence,
            None => usual.saturating_mul(10),
        };
        if longest <= usual || longest > LONGEST {
            return Err(ConfigError::new(
                "max_silence",
                "max_silence must be longer than interval and acceptable_pause together and at most 2^62 ns (146 years)",
            ));
        }
        if self.min_std_deviation < (longest >> 20)
            || self.min_std_deviation == 0
            || self.min_std_deviation > longest
        {
            return Err(ConfigError::new(
                "min_std_deviation",
                "min_std_deviation must be at least 1 ns, at least a millionth of max_silence and at most all of it",
            ));
        }
        let bits = u64::BITS.saturating_sub(longest.leading_zeros());
        let shift = bits.saturating_sub(UNIT_BITS);
        Ok(HeartbeatConfig {
            interval: self.interval,
            max_silence: longest,
            shift: shift as u8,
            weight: self.samples.trailing_zeros() as u8,
            pause: (self.acceptable_pause >> shift) as u32,
            min_deviation: (self.min_std_deviation >> shift) as u32,
            longest: (longest >> shift) as u32,
            threshold: self.threshold,
            reached_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_names_its_setting() {
        let setting = |builder: HeartbeatConfigBuilder| builder.build().unwrap_err().setting();
        let builder = HeartbeatConfig::builder;
        let second = Duration::from_secs(1);
        assert_eq!(setting(builder().interval(Duration::ZERO)), "interval");
        for samples in [0, 1, 3, 31, 512] {
            assert_eq!(setting(builder().samples(samples)), "samples");
        }
        for sixteenths in [0, 4, 257, u16::MAX] {
            assert_eq!(setting(builder().threshold(Phi::from_sixteenths(sixteenths))), "threshold");
        }
        assert_eq!(setting(builder().max_silence(4 * second)), "max_silence");
        assert_eq!(setting(builder().max_silence(Duration::MAX)), "max_silence");
        assert_eq!(setting(builder().acceptable_pause(Duration::MAX)), "max_silence");
        assert_eq!(setting(builder().min_std_deviation(Duration::ZERO)), "min_std_deviation");
        assert_eq!(setting(builder().min_std_deviation(41 * second)), "min_std_deviation");
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(setting(builder().max_silence(year)), "min_std_deviation");
    }

    #[test]
    fn the_limits_themselves_are_valid() {
        let (builder, nanos) = (HeartbeatConfig::builder, Duration::from_nanos);
        let silence = nanos(40 << 30);
        for valid in [
            builder().samples(2),
            builder().samples(256),
            builder().max_silence(silence).min_std_deviation(silence),
            builder().max_silence(silence).min_std_deviation(nanos(40 << 10)),
        ] {
            assert!(valid.build().is_ok(), "{valid:?}");
        }
    }

    #[test]
    fn the_silence_that_is_suspected_is_rounded_up_and_exact_where_it_can_be() {
        let config = HeartbeatConfig::builder().build().unwrap();
        let (pause, at) = (u64::from(config.pause), config.reached_at as u64);
        assert_eq!(config.limit(0, 1 << FRACTION), pause + at);
        assert_eq!(config.limit(0, 1), pause + at.div_ceil(1 << FRACTION));
        assert_eq!(config.limit(u64::MAX, 0), u64::from(config.longest));
    }

    #[test]
    fn a_unit_is_as_fine_as_thirty_bits_allow() {
        for silence in [5_000_000_000, 1 << 40, (1 << 40) - 1, LONGEST] {
            let config = HeartbeatConfig::builder()
                .max_silence(Duration::from_nanos(silence))
                .min_std_deviation(Duration::from_nanos(silence >> 19))
                .build()
                .unwrap();
            assert!((1 << 29..1 << 30).contains(&config.longest), "{silence}");
            assert!(config.min_deviation >= 512, "{silence}");
        }
        let short = HeartbeatConfig::builder()
            .interval(Duration::from_nanos(1))
            .acceptable_pause(Duration::ZERO)
            .min_std_deviation(Duration::from_nanos(1))
            .build()
            .unwrap();
        assert_eq!((short.shift, short.longest), (0, 10));
    }
}
