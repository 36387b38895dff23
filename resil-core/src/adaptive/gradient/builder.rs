//! The settings, and what of them holds.

use super::config::{Gradient, Probe};
use crate::config::ConfigError;
use crate::fixed;
use crate::ratio::Ratio;
use crate::time::saturating_nanos;
use core::time::Duration;

/// The longest duration a setting may have: 73 years, so that twice it stays inside 2^62 ns.
const LONGEST: u64 = 1 << 61;

/// The most samples whose sum surely fits into 32 bits.
const MAX_SAMPLES: u8 = 64;

/// Builds a [`Gradient`]; each method says what its default is and why.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is checked until `build`"]
pub struct GradientBuilder {
    pub(super) window: u64,
    pub(super) probe_interval: Option<u64>,
    pub(super) probe_jitter: Ratio,
    pub(super) smoothing: Ratio,
    pub(super) tolerance: Ratio,
    pub(super) long_window: u16,
    pub(super) queue: u16,
    pub(super) initial: u16,
    pub(super) min: u16,
    pub(super) max: u16,
    pub(super) probe_limit: u16,
    pub(super) min_samples: u8,
    pub(super) probe_samples: u8,
}

impl GradientBuilder {
    /// The limit to begin with. Default: 20, Netflix's.
    pub const fn initial_limit(mut self, calls: u16) -> Self {
        self.initial = calls;
        self
    }

    /// The lowest limit outside of a probe, 1 or more. Default: 20, Netflix's: low enough to protect,
    /// high enough to measure with.
    pub const fn min_limit(mut self, calls: u16) -> Self {
        self.min = calls;
        self
    }

    /// The highest limit, at most 65,535. Default: 200, Netflix's.
    pub const fn max_limit(mut self, calls: u16) -> Self {
        self.max = calls;
        self
    }

    /// By how much a healthy limit grows, and so how many calls may queue at the peer; 1 or more.
    /// Default: 4, Netflix's.
    pub const fn queue(mut self, calls: u16) -> Self {
        self.queue = calls;
        self
    }

    /// How much slower than usual is still no queue, at least 1. Default: 3/2, Netflix's.
    pub const fn tolerance(mut self, factor: Ratio) -> Self {
        self.tolerance = factor;
        self
    }

    /// How much of the way to the new limit one window goes, above 0 and at most 1. Default: 1/5,
    /// Netflix's.
    pub const fn smoothing(mut self, share: Ratio) -> Self {
        self.smoothing = share;
        self
    }

    /// Over how many windows the usual latency is averaged, 1 or more. Default: 600, Netflix's: ten
    /// minutes.
    pub const fn long_window(mut self, windows: u16) -> Self {
        self.long_window = windows;
        self
    }

    /// How long results are collected before they move the limit. Default: 1 s, Netflix's.
    pub const fn window(mut self, at_least: Duration) -> Self {
        self.window = saturating_nanos(at_least);
        self
    }

    /// How many results move the limit, 1 to 64. Default: 10, Netflix's.
    pub const fn min_samples(mut self, results: u8) -> Self {
        self.min_samples = results;
        self
    }

    /// How often the usual latency is measured anew; `None`: never, as in Netflix's. Default: 60 s,
    /// Envoy's. At least two windows: a window that a probe begins in moves the limit only by its
    /// drops, so shorter ones would leave none to move it.
    pub const fn probe_interval(mut self, interval: Option<Duration>) -> Self {
        self.probe_interval = match interval {
            Some(interval) => Some(saturating_nanos(interval)),
            None => None,
        };
        self
    }

    /// Up to which part of itself the interval is lengthened at random, 0 to 1, so that the clients of
    /// one peer do not all probe at once. Default: 15 %, Envoy's.
    pub const fn probe_jitter(mut self, share: Ratio) -> Self {
        self.probe_jitter = share;
        self
    }

    /// How many calls may be in flight during a probe, 1 or more. Default: 3, Envoy's.
    pub const fn probe_limit(mut self, calls: u16) -> Self {
        self.probe_limit = calls;
        self
    }

    /// How many results end a probe, 1 to 64. Default: 50, Envoy's.
    pub const fn probe_samples(mut self, results: u8) -> Self {
        self.probe_samples = results;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting: a `min_limit`, `queue`, `long_window`, `window`,
    /// `probe_interval` or `probe_limit` of zero, a `max_limit` below `min_limit`, an `initial_limit`
    /// outside of both, a `tolerance` below 1, a `smoothing` that is not above 0 and at most 1, a
    /// `probe_jitter` above 1, `min_samples` or `probe_samples` that are not 1 to 64, or a duration
    /// above 2^61 ns (73 years), or a `probe_interval` below two windows.
    pub const fn build(self) -> Result<Gradient, ConfigError> {
        if let Err(error) = self.check_limits() {
            return Err(error);
        }
        if let Err(error) = self.check_estimate() {
            return Err(error);
        }
        let probe = match self.check_probe() {
            Ok(probe) => probe,
            Err(error) => return Err(error),
        };
        let windows = match self.long_window.checked_add(1) {
            Some(windows) => windows,
            None => u16::MAX,
        };
        Ok(Gradient {
            window: self.window,
            probe,
            smoothing: fixed::parts(self.smoothing),
            learning: fixed::parts(Ratio::new(2, windows)),
            tolerance: self.tolerance,
            queue: self.queue,
            initial: self.initial,
            min: self.min,
            max: self.max,
            min_samples: self.min_samples,
        })
    }

    const fn check_limits(&self) -> Result<(), ConfigError> {
        if self.min == 0 {
            return Err(ConfigError::new("min_limit", "min_limit must be at least 1"));
        }
        if self.max < self.min {
            return Err(ConfigError::new("max_limit", "max_limit must be at least min_limit"));
        }
        if self.initial < self.min || self.initial > self.max {
            return Err(ConfigError::new(
                "initial_limit",
                "initial_limit must be from min_limit to max_limit",
            ));
        }
        if self.queue == 0 {
            return Err(ConfigError::new("queue", "queue must be at least 1"));
        }
        Ok(())
    }

    const fn check_estimate(&self) -> Result<(), ConfigError> {
        let tolerance = self.tolerance;
        if tolerance.denominator() == 0 || tolerance.numerator() < tolerance.denominator() {
            return Err(ConfigError::new("tolerance", "tolerance must be at least 1"));
        }
        if !self.smoothing.is_share() {
            return Err(ConfigError::new("smoothing", "smoothing must be above 0 and at most 1"));
        }
        if self.long_window == 0 {
            return Err(ConfigError::new("long_window", "long_window must be at least 1"));
        }
        if self.window == 0 || self.window > LONGEST {
            return Err(ConfigError::new("window", "window must be from 1 ns to 2^61 ns"));
        }
        if self.min_samples == 0 || self.min_samples > MAX_SAMPLES {
            return Err(ConfigError::new("min_samples", "min_samples must be from 1 to 64"));
        }
        Ok(())
    }

    const fn check_probe(&self) -> Result<Option<Probe>, ConfigError> {
        let jitter = self.probe_jitter;
        if jitter.denominator() == 0 || jitter.numerator() > jitter.denominator() {
            return Err(ConfigError::new("probe_jitter", "probe_jitter must be at most 1"));
        }
        if self.probe_limit == 0 {
            return Err(ConfigError::new("probe_limit", "probe_limit must be at least 1"));
        }
        if self.probe_samples == 0 || self.probe_samples > MAX_SAMPLES {
            return Err(ConfigError::new("probe_samples", "probe_samples must be from 1 to 64"));
        }
        let Some(interval) = self.probe_interval else { return Ok(None) };
        if interval == 0 || interval > LONGEST {
            return Err(ConfigError::new(
                "probe_interval",
                "probe_interval must be from 1 ns to 2^61 ns",
            ));
        }
        if interval >> 1 < self.window {
            return Err(ConfigError::new(
                "probe_interval",
                "probe_interval must be at least two windows",
            ));
        }
        Ok(Some(Probe {
            interval,
            jitter: part_of(interval, jitter),
            patience: if interval < 8 { 1 } else { interval >> 3 },
            limit: self.probe_limit,
            samples: self.probe_samples,
        }))
    }
}

/// `share` of `nanos`, rounded down.
const fn part_of(nanos: u64, share: Ratio) -> u64 {
    let product = (nanos as u128).saturating_mul(share.numerator() as u128);
    match product.checked_div(share.denominator() as u128) {
        Some(part) => part as u64,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_themselves_are_valid() {
        let (gradient, longest) = (Gradient::builder(), Duration::from_nanos(LONGEST));
        for builder in [
            gradient.min_limit(7).initial_limit(7).max_limit(7),
            gradient.tolerance(Ratio::ONE),
            gradient.probe_interval(None).window(longest),
            gradient.min_samples(1),
            gradient.min_samples(64),
            gradient.probe_jitter(Ratio::ONE),
            gradient.probe_samples(1),
            gradient.probe_samples(64),
            gradient.probe_interval(Some(longest)),
        ] {
            assert!(builder.build().is_ok(), "{builder:?}");
        }
        let setting = |builder: GradientBuilder| builder.build().unwrap_err().setting();
        assert_eq!(setting(gradient.probe_samples(65)), "probe_samples");
        let longer = longest + Duration::from_nanos(1);
        assert_eq!(setting(gradient.probe_interval(Some(longer))), "probe_interval");
        assert_eq!(setting(gradient.probe_interval(None).window(longer)), "window");
    }

    #[test]
    fn patience_is_an_eighth_of_the_interval_and_never_nothing() {
        let every = |nanos: u64| {
            let builder = Gradient::builder().window(Duration::from_nanos(1));
            let built = builder.probe_interval(Some(Duration::from_nanos(nanos))).build().unwrap();
            built.probe.unwrap().patience
        };
        assert_eq!([2, 7, 8, 15, 16].map(every), [1, 1, 1, 1, 2]);
    }

    #[test]
    fn a_setting_that_does_not_hold_is_named_pitfall_53() {
        let setting = |builder: GradientBuilder| builder.build().unwrap_err().setting();
        let gradient = Gradient::builder();
        assert_eq!(setting(gradient.min_limit(0)), "min_limit");
        assert_eq!(setting(gradient.max_limit(19)), "max_limit");
        assert_eq!(setting(gradient.initial_limit(201)), "initial_limit");
        assert_eq!(setting(gradient.queue(0)), "queue");
        assert_eq!(setting(gradient.tolerance(Ratio::new(99, 100))), "tolerance");
        assert_eq!(setting(gradient.tolerance(Ratio::new(1, 0))), "tolerance");
        assert_eq!(setting(gradient.smoothing(Ratio::TWO)), "smoothing");
        assert_eq!(setting(gradient.long_window(0)), "long_window");
        assert_eq!(setting(gradient.window(Duration::ZERO)), "window");
        assert_eq!(setting(gradient.window(Duration::MAX)), "window");
        assert_eq!(setting(gradient.min_samples(65)), "min_samples");
        assert_eq!(setting(gradient.probe_samples(0)), "probe_samples");
        assert_eq!(setting(gradient.probe_limit(0)), "probe_limit");
        assert_eq!(setting(gradient.probe_jitter(Ratio::TWO)), "probe_jitter");
        assert_eq!(setting(gradient.probe_interval(Some(Duration::ZERO))), "probe_interval");
        let windows = |millis| gradient.probe_interval(Some(Duration::from_millis(millis)));
        assert_eq!(setting(windows(1_999)), "probe_interval");
        assert!(windows(2_000).build().is_ok());
        assert!(gradient.probe_interval(None).build().is_ok());
        assert!(gradient.long_window(1).smoothing(Ratio::ONE).build().is_ok());
    }
}
