//! What a check found.

use super::HealthStatus;
use crate::circuit_breaker::State;
use crate::error::{Details, Value};
use crate::text::Text;
use crate::time::Instant;
use core::fmt;
use core::time::Duration;

/// Bytes of a message that are kept.
pub const MESSAGE: usize = 64;

/// What a check found: a status, a message, details, and when it was recorded.
///
/// A message beyond [`MESSAGE`] bytes is cut and marked; four details fit, more are counted.
///
/// ```
/// use resil_core::health::{HealthCheckResult, HealthStatus};
///
/// let result = HealthCheckResult::degraded(format_args!("{} of 5 peers connected", 3))
///     .with_detail("peer_count", 3u32);
/// assert_eq!(result.status(), HealthStatus::Degraded);
/// assert_eq!(result.to_string(), "DEGRADED: 3 of 5 peers connected (peer_count=3)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HealthCheckResult {
    status: HealthStatus,
    message: Text<MESSAGE>,
    details: Details,
    timestamp: Option<Instant>,
}

impl HealthCheckResult {
    /// A result that says `status`, with what `message` displays as.
    #[must_use]
    pub fn new(status: HealthStatus, message: impl fmt::Display) -> Self {
        Self { status, message: Text::display(&message), details: Details::new(), timestamp: None }
    }

    /// All is well.
    #[must_use]
    pub fn healthy(message: impl fmt::Display) -> Self {
        Self::new(HealthStatus::Healthy, message)
    }

    /// It works, with less than it should have.
    #[must_use]
    pub fn degraded(message: impl fmt::Display) -> Self {
        Self::new(HealthStatus::Degraded, message)
    }

    /// It does not work.
    #[must_use]
    pub fn unhealthy(message: impl fmt::Display) -> Self {
        Self::new(HealthStatus::Unhealthy, message)
    }

    /// It has not answered in time, and so does not work.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resil_core::health::HealthCheckResult;
    ///
    /// let result = HealthCheckResult::timed_out(Duration::from_millis(1500));
    /// assert_eq!(result.to_string(), "UNHEALTHY: no answer within 1.5s");
    /// ```
    #[must_use]
    pub fn timed_out(timeout: Duration) -> Self {
        Self::unhealthy(format_args!("no answer within {timeout:?}"))
    }

    /// Adds a detail.
    #[must_use]
    pub fn with_detail(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.details.push(key, value);
        self
    }

    /// How it is.
    #[must_use]
    pub const fn status(&self) -> HealthStatus {
        self.status
    }

    /// The same in words.
    #[must_use]
    pub const fn message(&self) -> &Text<MESSAGE> {
        &self.message
    }

    /// The facts behind it.
    #[must_use]
    pub const fn details(&self) -> &Details {
        &self.details
    }

    /// When it was recorded; `None` before that.
    #[must_use]
    pub const fn timestamp(&self) -> Option<Instant> {
        self.timestamp
    }

    pub(super) const fn stamp(&mut self, now: Instant) {
        self.timestamp = Some(now);
    }
}

/// What a check may answer with.
///
/// ```
/// use resil_core::health::{HealthStatus, IntoCheckResult};
///
/// let read: Result<bool, &str> = Err("no acknowledgement from the sensor");
/// let result = read.into_check_result();
/// assert_eq!(result.status(), HealthStatus::Unhealthy);
/// assert_eq!(result.message().as_str(), "no acknowledgement from the sensor");
/// assert_eq!(HealthStatus::Degraded.into_check_result().to_string(), "DEGRADED: DEGRADED");
/// ```
///
/// | answer | means |
/// |---|---|
/// | a [`HealthCheckResult`] | itself |
/// | `true`, `()` | healthy |
/// | `false` | unhealthy |
/// | a [`HealthStatus`] | that, with its name as message |
/// | the [`State`] of a breaker | its [`health`](State::health), with the name of the state as message |
/// | `Ok` of any of these | that |
/// | `Err` of anything that displays | unhealthy, with the error as reason |
pub trait IntoCheckResult {
    /// The answer as a result.
    fn into_check_result(self) -> HealthCheckResult;
}

impl IntoCheckResult for HealthCheckResult {
    fn into_check_result(self) -> HealthCheckResult {
        self
    }
}

impl IntoCheckResult for bool {
    fn into_check_result(self) -> HealthCheckResult {
        self.into()
    }
}

impl IntoCheckResult for () {
    fn into_check_result(self) -> HealthCheckResult {
        true.into()
    }
}

impl IntoCheckResult for HealthStatus {
    fn into_check_result(self) -> HealthCheckResult {
        HealthCheckResult::new(self, self.name())
    }
}

/// A check of the peer behind a breaker: what the breaker has seen of it is answer enough.
///
/// ```
/// use resil_core::circuit_breaker::State;
/// use resil_core::health::IntoCheckResult;
///
/// assert_eq!(State::Open.into_check_result().to_string(), "DEGRADED: OPEN");
/// ```
impl IntoCheckResult for State {
    fn into_check_result(self) -> HealthCheckResult {
        HealthCheckResult::new(self.health(), self.name())
    }
}

impl<R: IntoCheckResult, E: fmt::Display> IntoCheckResult for Result<R, E> {
    fn into_check_result(self) -> HealthCheckResult {
        match self {
            Ok(answer) => answer.into_check_result(),
            Err(error) => HealthCheckResult::unhealthy(error),
        }
    }
}

/// A boolean check: `true` is healthy, `false` is not.
impl From<bool> for HealthCheckResult {
    fn from(is_healthy: bool) -> Self {
        if is_healthy { Self::healthy("ok") } else { Self::unhealthy("failed") }
    }
}

impl fmt::Display for HealthCheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, " ({})", self.details) }
    }
}
