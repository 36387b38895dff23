//! What a breaker remembers, and how it changes from one state to the next.

use super::window::Statistics;
use crate::health::HealthStatus;
use crate::time::Instant;
use core::fmt;

/// What callers see of a breaker.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// Calls pass; failures in a row, and what the window measures, are counted.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few probes pass, to find out whether the peer is back.
    HalfOpen,
    /// Calls are refused until someone resets the breaker.
    ForcedOpen,
    /// Calls pass and nothing is counted until someone resets the breaker.
    Disabled,
    /// Calls pass and are counted, and what would have opened the breaker is only
    /// [said](super::Recorded::Detected), until someone resets it.
    MetricsOnly,
}

impl State {
    /// The name as logs have it: `CLOSED`, `OPEN`, `HALF_OPEN`, `FORCED_OPEN`, `DISABLED`,
    /// `METRICS_ONLY`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
            Self::ForcedOpen => "FORCED_OPEN",
            Self::Disabled => "DISABLED",
            Self::MetricsOnly => "METRICS_ONLY",
        }
    }

    /// What a node's health makes of it: degraded while calls are refused or probed, never unhealthy.
    /// A restart here mends no peer.
    ///
    /// ```
    /// use resil_core::circuit_breaker::State;
    /// use resil_core::health::HealthStatus;
    ///
    /// assert_eq!(State::Open.health(), HealthStatus::Degraded);
    /// assert_eq!(State::Closed.health(), HealthStatus::Healthy);
    /// ```
    #[must_use]
    pub const fn health(self) -> HealthStatus {
        match self {
            Self::Closed | Self::Disabled | Self::MetricsOnly => HealthStatus::Healthy,
            Self::Open | Self::HalfOpen | Self::ForcedOpen => HealthStatus::Degraded,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A change of [`State`], as a value to log and to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after; never the same.
    pub to: State,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// [`State`], and whether the last openings still make the next one longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Phase {
    Closed,
    /// Closed, with the openings before not forgotten yet. Only where the open time escalates.
    Settling,
    Open,
    HalfOpen,
    ForcedOpen,
    Disabled,
    MetricsOnly,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Closed,
        Self::Settling,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::Disabled,
        Self::MetricsOnly,
    ];

    /// Its number in a snapshot; it never changes.
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// The phase with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.number() == number)
    }

    /// Whether outcomes go into the row and the window.
    pub(super) const fn counts_calls(self) -> bool {
        matches!(self, Self::Closed | Self::Settling | Self::MetricsOnly)
    }

    pub(super) const fn state(self) -> State {
        match self {
            Self::Closed | Self::Settling => State::Closed,
            Self::Open => State::Open,
            Self::HalfOpen => State::HalfOpen,
            Self::ForcedOpen => State::ForcedOpen,
            Self::Disabled => State::Disabled,
            Self::MetricsOnly => State::MetricsOnly,
        }
    }
}

/// What one breaker remembers, without its policy: 16 bytes, and what its window takes.
///
/// For a table of peers that share one [`CircuitBreakerConfig`](super::CircuitBreakerConfig):
/// every method of the policy takes the state as an argument. It is `Clone` for snapshots and not
/// `Copy`, because an accidental copy would count in one place and admit in another. Where a single
/// breaker is wanted, [`CircuitBreaker`](super::CircuitBreaker) keeps the two together.
///
/// `S` is what the [window](super::window) of the policy remembers: nothing, by default.
///
/// ```
/// use resil_core::circuit_breaker::{CircuitBreakerConfig, CircuitBreakerState, State};
/// use resil_core::{Instant, Outcome};
///
/// static POLICY: CircuitBreakerConfig = CircuitBreakerConfig::DEFAULT;
/// let mut peers = [const { CircuitBreakerState::new() }; 64]; // 1 KiB of state, one policy
///
/// let permit = POLICY.try_acquire(&mut peers[7], 0, Instant::EPOCH)?;
/// POLICY.record(&mut peers[7], permit, Outcome::Success, 0, Instant::EPOCH);
/// assert_eq!(POLICY.state(&peers[7], Instant::EPOCH), State::Closed);
/// # Ok::<(), resil_core::Rejected>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CircuitBreakerState<S = ()> {
    pub(super) core: Core,
    /// Empty unless calls are counted: closed, settling, metrics only.
    pub(super) stats: S,
}

const _: () = assert!(size_of::<CircuitBreakerState>() <= 16);

impl<S: Statistics> CircuitBreakerState<S> {
    /// A closed breaker that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { core: Core::NEW, stats: S::EMPTY }
    }
}

impl<S: Statistics> Default for CircuitBreakerState<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// What every breaker remembers, whatever its window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Core {
    /// Open: when it ends. Half-open: when the lease of the probes ends. Settling: when the openings
    /// are forgotten. Otherwise unused.
    pub(super) until: Instant,
    /// Changes with every transition, so that permits from before it are known.
    pub(super) epoch: u16,
    /// Counting: failures in a row. Half-open: successes; where failures are tolerated, these in the
    /// upper byte.
    pub(super) count: u16,
    pub(super) phase: Phase,
    /// Half-open: probes that have not been told back.
    pub(super) in_flight: u8,
    /// Half-open: probes whose caller went away.
    pub(super) abandoned: u8,
    /// Openings since the open time was last back at its first value.
    pub(super) openings: u8,
}

impl Core {
    pub(super) const NEW: Self = Self {
        until: Instant::EPOCH,
        epoch: 0,
        count: 0,
        phase: Phase::Closed,
        in_flight: 0,
        abandoned: 0,
        openings: 0,
    };

    /// Opens as of `since`, for the time that `open_time` makes of the number of openings in a row.
    pub(super) fn open(
        &mut self,
        open_time: impl FnOnce(u8) -> u64,
        since: Instant,
    ) -> Option<Transition> {
        self.openings = self.openings.saturating_add(1);
        self.enter(Phase::Open, since.plus_nanos(open_time(self.openings)))
    }

    /// Moves to `phase`: permits from before turn stale, counts start at zero.
    pub(super) const fn enter(&mut self, phase: Phase, until: Instant) -> Option<Transition> {
        let (from, to) = (self.phase.state(), phase.state());
        self.epoch = self.epoch.wrapping_add(1);
        self.phase = phase;
        self.until = until;
        self.count = 0;
        self.in_flight = 0;
        self.abandoned = 0;
        // A `State` compares with `==` only outside `const`.
        if from as u8 == to as u8 { None } else { Some(Transition { from, to }) }
    }
}
