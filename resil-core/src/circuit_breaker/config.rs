//! The policy of a breaker: when it opens, for how long, and what closes it.

use super::builder::CircuitBreakerConfigBuilder;
use super::open_time::OpenTime;
use super::window::Consecutive;
use core::time::Duration;

/// When a breaker opens, for how long, and what closes it again.
///
/// A constant that any number of breakers share. Settings that do not hold are an error from
/// [`build`](CircuitBreakerConfigBuilder::build), or with [`valid!`](crate::valid) a failure to
/// compile. `W` is what a closed breaker measures besides failures in a row, by default
/// nothing; see [`window`](super::window).
///
/// ```
/// use core::time::Duration;
/// use resil_core::{circuit_breaker::CircuitBreakerConfig, valid};
///
/// static PEER: CircuitBreakerConfig = valid!(
///     CircuitBreakerConfig::builder()
///         .failure_threshold(3)
///         .timeout(Duration::from_secs(5))
///         .attempt_timeout(Duration::from_secs(2))
///         .build()
/// );
/// assert_eq!(PEER.failure_threshold(), 3);
/// assert_eq!(PEER.lease(), Duration::from_secs(5), "no shorter than the open time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CircuitBreakerConfig<W = Consecutive> {
    pub(super) rules: Rules,
    pub(super) window: W,
}

/// All of a policy but its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Rules {
    pub(super) open_time: OpenTime,
    pub(super) lease: u64,
    pub(super) abandon_counts_after: Option<u64>,
    pub(super) failure_threshold: u16,
    pub(super) success_threshold: u16,
    pub(super) probes: u8,
    /// Failures of probes that one half-open period survives.
    pub(super) tolerated: u8,
}

impl CircuitBreakerConfig {
    /// The seed's: opens after 5 failures in a row, for 60 s; one success of one probe closes it.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> CircuitBreakerConfigBuilder {
        CircuitBreakerConfigBuilder::new()
    }
}

impl<W> CircuitBreakerConfig<W> {
    /// What a closed breaker measures besides failures in a row.
    #[must_use]
    pub const fn window(&self) -> &W {
        &self.window
    }

    /// Failures in a row that open a closed breaker.
    #[must_use]
    pub const fn failure_threshold(&self) -> u16 {
        self.rules.failure_threshold
    }

    /// Successes that close a half-open breaker.
    #[must_use]
    pub const fn success_threshold(&self) -> u16 {
        self.rules.success_threshold
    }

    /// Failures of probes that a half-open breaker puts up with; one more opens it again.
    #[must_use]
    pub const fn tolerated_failures(&self) -> u8 {
        self.rules.tolerated
    }

    /// How long the first opening lasts.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_nanos(self.rules.open_time.first())
    }

    /// How long no opening outlasts.
    #[must_use]
    pub const fn max_timeout(&self) -> Duration {
        self.rules.open_time.max()
    }

    /// Probes that may be out at the same time.
    #[must_use]
    pub const fn probes(&self) -> u8 {
        self.rules.probes
    }

    /// How long a half-open breaker waits for its probes after the last one left.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        Duration::from_nanos(self.rules.lease)
    }

    /// How long an abandoned call must have run to count as a failure; `None`: it never does.
    #[must_use]
    pub const fn abandon_counts_after(&self) -> Option<Duration> {
        match self.rules.abandon_counts_after {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => None,
        }
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
