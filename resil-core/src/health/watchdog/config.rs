//! How long each channel may be silent, and how a node that keeps resetting holds back.

use crate::backoff::{Backoff, Jitter};
use crate::config::ConfigError;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// The most channels: a bit each in a `u32`.
const MAX_CHANNELS: usize = 32;

/// Kubernetes' for containers that keep crashing: 10 s, doubled, up to 5 minutes; spread, because the
/// nodes of a mesh are reset by one outage.
const SPLAY: Backoff = crate::valid!(
    Backoff::builder()
        .initial_delay(Duration::from_secs(10))
        .max_delay(Duration::from_secs(300))
        .jitter(Jitter::Full)
        .build()
);

/// The channels of a watchdog and their periods: a constant.
///
/// ```
/// use core::time::Duration;
/// use resil_core::{health::WatchdogConfig, valid};
///
/// const RADIO: u8 = 0;
/// const CONTROL: u8 = 1;
/// static TASKS: WatchdogConfig<2> = valid!(
///     WatchdogConfig::builder([Duration::from_secs(5), Duration::from_millis(100)]).build()
/// );
/// assert_eq!(TASKS.period(CONTROL), Some(Duration::from_millis(100)));
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WatchdogConfig<const N: usize> {
    pub(super) periods: [u64; N],
    pub(super) feed_every: u64,
    pub(super) healthy_after: u64,
    pub(super) splay: Backoff,
}

impl<const N: usize> WatchdogConfig<N> {
    /// A builder for channels of these periods, numbered from 0. There is no default: a period is the
    /// longest time that a healthy task needs from one check-in to the next, under load.
    pub const fn builder(periods: [Duration; N]) -> WatchdogConfigBuilder<N> {
        WatchdogConfigBuilder {
            periods,
            feed_every: SECOND,
            healthy_after: 600 * SECOND,
            splay: SPLAY,
        }
    }

    /// The period of a channel.
    #[must_use]
    pub fn period(&self, channel: u8) -> Option<Duration> {
        self.periods.get(usize::from(channel)).map(|&nanos| Duration::from_nanos(nanos))
    }

    /// How often the hardware is fed while every channel is on time.
    #[must_use]
    pub const fn feed_every(&self) -> Duration {
        Duration::from_nanos(self.feed_every)
    }

    /// How long a node has to run before its resets are forgotten.
    #[must_use]
    pub const fn healthy_after(&self) -> Duration {
        Duration::from_nanos(self.healthy_after)
    }
}

/// Builds a [`WatchdogConfig`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct WatchdogConfigBuilder<const N: usize> {
    periods: [Duration; N],
    feed_every: u64,
    healthy_after: u64,
    splay: Backoff,
}

impl<const N: usize> WatchdogConfigBuilder<N> {
    /// How often the hardware is fed while every channel is on time: half of the hardware's own
    /// timeout, or less. Default: 1 s, as Linux' watchdog daemon has it.
    pub const fn feed_every(mut self, time: Duration) -> Self {
        self.feed_every = saturating_nanos(time);
        self
    }

    /// How long the node has to run without starving before its resets are forgotten. Default: 10
    /// minutes, as Kubernetes has it: longer than the longest splay.
    pub const fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = saturating_nanos(time);
        self
    }

    /// How long to hold back after the first reset in a row, the second, and so on. Default: 10 s,
    /// doubled up to 5 minutes, as Kubernetes has it, with full jitter.
    pub const fn splay(mut self, splay: Backoff) -> Self {
        self.splay = splay;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: no channel or more than 32, a period, a `feed_every` or a
    /// `healthy_after` of zero, or a `splay` with decorrelated jitter, which would have to remember the one before.
    pub const fn build(self) -> Result<WatchdogConfig<N>, ConfigError> {
        if N == 0 || N > MAX_CHANNELS {
            return Err(ConfigError::new("periods", "periods must be those of 1 to 32 channels"));
        }
        if self.feed_every == 0 {
            return Err(ConfigError::new("feed_every", "feed_every must be at least 1 ns"));
        }
        if self.healthy_after == 0 {
            return Err(ConfigError::new("healthy_after", "healthy_after must be at least 1 ns"));
        }
        if matches!(self.splay.jitter(), Jitter::Decorrelated) {
            return Err(ConfigError::new("splay", "splay must not have decorrelated jitter"));
        }
        let mut periods = [0; N];
        let (mut from, mut to): (&[Duration], &mut [u64]) = (&self.periods, &mut periods);
        while let ([period, others @ ..], [nanos, rest @ ..]) = (from, to) {
            if period.is_zero() {
                return Err(ConfigError::new("periods", "periods must be at least 1 ns each"));
            }
            *nanos = saturating_nanos(*period);
            (from, to) = (others, rest);
        }
        Ok(WatchdogConfig {
            periods,
            feed_every: self.feed_every,
            healthy_after: self.healthy_after,
            splay: self.splay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_names_its_setting() {
        const SECOND: Duration = Duration::from_secs(1);
        let setting = |builder: WatchdogConfigBuilder<2>| builder.build().unwrap_err().setting();
        let builder = WatchdogConfig::builder([SECOND; 2]);
        assert_eq!(setting(WatchdogConfig::builder([SECOND, Duration::ZERO])), "periods");
        assert_eq!(setting(builder.feed_every(Duration::ZERO)), "feed_every");
        assert_eq!(setting(builder.healthy_after(Duration::ZERO)), "healthy_after");
        let decorrelated = Backoff::builder().jitter(Jitter::Decorrelated).build().unwrap();
        assert_eq!(setting(builder.splay(decorrelated)), "splay");
        assert_eq!(WatchdogConfig::builder([]).build().unwrap_err().setting(), "periods");
        assert_eq!(WatchdogConfig::builder([SECOND; 33]).build().unwrap_err().setting(), "periods");
        let all = WatchdogConfig::builder([SECOND; 32]).build().unwrap();
        assert_eq!((all.period(31), all.period(32)), (Some(SECOND), None));
    }

    #[test]
    fn the_defaults_are_a_second_and_ten_minutes() {
        let config = WatchdogConfig::builder([Duration::from_secs(5)]).build().unwrap();
        assert_eq!(config.feed_every(), Duration::from_secs(1));
        assert_eq!(config.healthy_after(), Duration::from_secs(600));
    }
}
