//! The settings of a backoff, and what must hold of them.

use super::curve::Growth;
use super::{Backoff, Curve, Jitter, Ratio};
use crate::config::ConfigError;
use crate::time::{SECOND, saturating_nanos};
use core::time::Duration;

/// Settings of a [`Backoff`]; [`Backoff::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct BackoffBuilder {
    curve: Curve,
    initial: u64,
    max: u64,
    jitter: Jitter,
}

impl BackoffBuilder {
    pub(super) const DEFAULT: Self = Self {
        curve: Curve::Exponential(Ratio::TWO),
        initial: SECOND,
        max: 60 * SECOND,
        jitter: Jitter::Full,
    };

    /// The delay after the first attempt: 1 s unless set. Zero makes sense for a
    /// [`Fixed`](Curve::Fixed) curve only.
    pub const fn initial_delay(mut self, initial_delay: Duration) -> Self {
        self.initial = saturating_nanos(initial_delay);
        self
    }

    /// The longest delay, jitter included: 60 s unless set. `Duration::MAX` is no cap.
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max = saturating_nanos(max_delay);
        self
    }

    /// An exponential curve with this base; 2 unless set.
    pub const fn exponential_base(self, base: Ratio) -> Self {
        self.curve(Curve::Exponential(base))
    }

    /// How delays grow: exponentially, by 2, unless set.
    pub const fn curve(mut self, curve: Curve) -> Self {
        self.curve = curve;
        self
    }

    /// How delays are spread: [`Jitter::Full`] unless set.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The backoff with these settings.
    ///
    /// # Errors
    ///
    /// `exponential_base` is neither 1 nor from 1.01 to 64; `initial_delay` is zero and the curve is
    /// meant to grow; `max_delay` is below `initial_delay`.
    pub const fn build(self) -> Result<Backoff, ConfigError> {
        let Self { curve, initial, max, jitter } = self;
        if let Curve::Exponential(base) = curve
            && !base.is_base()
        {
            return Err(ConfigError::new(
                "exponential_base",
                "exponential_base must be 1, or from 1.01 to 64",
            ));
        }
        if initial == 0 && !matches!(curve, Curve::Fixed) {
            return Err(ConfigError::new(
                "initial_delay",
                "initial_delay must be above zero, or the curve fixed",
            ));
        }
        if max < initial {
            return Err(ConfigError::new("max_delay", "max_delay must be at least initial_delay"));
        }
        let growth = Growth::of(curve);
        let flat_from = match growth {
            Growth::Shift(0) => 0,
            _ => growth.reaches(initial, max),
        };
        let last = growth.grow(initial, flat_from);
        let ceiling = if last < max { last } else { max };
        Ok(Backoff { initial, max, ceiling, growth, flat_from, jitter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(builder: BackoffBuilder) -> &'static str {
        builder.build().unwrap_err().setting()
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let builder = Backoff::builder();
        assert_eq!(setting(builder.max_delay(Duration::from_millis(999))), "max_delay");
        assert_eq!(setting(builder.initial_delay(Duration::ZERO)), "initial_delay");
        assert_eq!(
            setting(builder.initial_delay(Duration::ZERO).curve(Curve::Linear)),
            "initial_delay"
        );
        for (above, below) in [(0, 1), (1, 0), (1, 2), (1_009, 1_000), (65, 1)] {
            assert_eq!(
                setting(builder.exponential_base(Ratio::new(above, below))),
                "exponential_base"
            );
        }
    }
}
