//! What the machines return, as events.

use super::{Event, EventKind, Span};
use crate::call::{Ticket, Verdict};
use crate::chaos::Fault;
use crate::circuit_breaker::{State, Transition};
use crate::error::Family;
use crate::health::HealthStatus;
use crate::outcome::{FailureClass, Rejected, RetryAt};
use crate::retry::{Stop, Wait};
use crate::time::Instant;
use crate::{ErrorCode, snapshot::SnapshotError};

/// For loggers that write the numbers of an event their own way.
impl EventKind {
    /// The kind of [`Event::of_transition`].
    ///
    /// ```
    /// use resil_core::circuit_breaker::{State, Transition};
    /// use resil_core::event::EventKind;
    ///
    /// let opened = Transition { from: State::Closed, to: State::Open };
    /// assert_eq!(EventKind::of_transition(opened).number(), 303);
    /// ```
    #[must_use]
    #[inline]
    pub const fn of_transition(transition: Transition) -> Self {
        match transition.to {
            State::Closed => Self::BreakerClosed,
            State::Open => Self::BreakerOpened,
            State::HalfOpen => Self::BreakerHalfOpened,
            State::ForcedOpen => Self::BreakerForcedOpen,
            State::Disabled => Self::BreakerDisabled,
            State::MetricsOnly => Self::BreakerMetricsOnly,
        }
    }

    /// The kind of [`Event::of_refusal`].
    #[must_use]
    #[inline]
    pub const fn of_refusal(rejected: Rejected) -> Self {
        match rejected.code().family() {
            Family::RateLimit => Self::LimitRefused,
            Family::CircuitBreaker => Self::BreakerRefused,
            _ => Self::CallRefused,
        }
    }

    /// An adaptive limit moved: 511 where it fell, 512 where it did not.
    ///
    /// ```
    /// use resil_core::event::EventKind;
    ///
    /// assert_eq!(EventKind::of_limit(10, 9).number(), 511);
    /// assert_eq!(EventKind::of_limit(9, 10).number(), 512);
    /// ```
    #[must_use]
    #[inline]
    pub const fn of_limit(from: u16, to: u16) -> Self {
        if to < from { Self::ConcurrencyLowered } else { Self::ConcurrencyRaised }
    }

    /// An attempt began: 101, or 401 where it is a hedge.
    #[must_use]
    #[inline]
    pub const fn of_start(ticket: &Ticket) -> Self {
        if ticket.is_hedge() { Self::HedgeStarted } else { Self::AttemptStarted }
    }

    /// An attempt succeeded: 102, or 402 where it is a hedge.
    #[must_use]
    #[inline]
    pub const fn of_success(ticket: &Ticket) -> Self {
        if ticket.is_hedge() { Self::HedgeWon } else { Self::AttemptSucceeded }
    }

    /// An attempt is stopped because its call has ended: 403 where it is a hedge that was to find the
    /// answer that another attempt found, else 104.
    #[must_use]
    #[inline]
    pub const fn of_loss(ticket: &Ticket, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success if ticket.is_hedge() => Self::HedgeLost,
            _ => Self::AttemptAbandoned,
        }
    }

    /// A call waits before its next attempt: 113 for the end of a refusal, else 111.
    #[must_use]
    #[inline]
    pub const fn of_wait(refusal: Option<Rejected>) -> Self {
        match refusal {
            Some(_) => Self::RetryRefused,
            None => Self::RetryWaits,
        }
    }

    /// A call ended.
    #[must_use]
    #[inline]
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success => Self::CallSucceeded,
            Verdict::Failed(_) => Self::CallFailed,
            Verdict::Refused(_) => Self::CallRefused,
            Verdict::Deadline { .. } => Self::DeadlineExceeded,
            Verdict::Abandoned => Self::CallCancelled,
        }
    }

    /// The kind of [`Event::of_health`].
    #[must_use]
    #[inline]
    pub const fn of_health(to: Option<HealthStatus>) -> Self {
        match to {
            Some(HealthStatus::Healthy) => Self::HealthRecovered,
            Some(HealthStatus::Degraded) => Self::HealthDegraded,
            Some(HealthStatus::Unhealthy) => Self::HealthFailed,
            None => Self::HealthUnknown,
        }
    }
}

impl Event {
    /// A breaker changed its state. `a` and `b` are before and after: 0 closed, 1 open, 2 half-open, 3
    /// forced open, 4 disabled, 5 metrics only.
    #[must_use]
    #[inline]
    pub const fn of_transition(transition: Transition, source: u16, at: Instant) -> Self {
        let kind = EventKind::of_transition(transition);
        Self::new(kind, source, number(transition.from), number(transition.to), at)
    }

    /// A machine refused. `a` is the code, `b` the wait from `at`: zero where it is not known, and
    /// [`Span::MAX`] where it is for ever.
    #[must_use]
    #[inline]
    pub const fn of_refusal(rejected: Rejected, source: u16, at: Instant) -> Self {
        Self::refused(EventKind::of_refusal(rejected), rejected, source, at)
    }

    /// A retry met a refusal of our own. Otherwise as [`of_refusal`](Self::of_refusal).
    #[must_use]
    #[inline]
    pub const fn of_refused_retry(rejected: Rejected, source: u16, at: Instant) -> Self {
        Self::refused(EventKind::RetryRefused, rejected, source, at)
    }

    const fn refused(kind: EventKind, rejected: Rejected, source: u16, at: Instant) -> Self {
        let wait = match rejected.retry() {
            RetryAt::At(until) => Span::from_nanos(until.nanos_since(at)),
            RetryAt::Unknown => Span::ZERO,
            RetryAt::Never => Span::MAX,
        };
        Self::new(kind, source, rejected.code().number() as u32, wait.units(), at)
    }

    /// An attempt failed. `a` is the attempt, `b` the class: 0 transient, 1 throttled, 2 timeout, 3
    /// local, 4 fatal.
    #[must_use]
    #[inline]
    pub const fn of_failure(attempt: u32, class: FailureClass, source: u16, at: Instant) -> Self {
        let class = match class {
            FailureClass::Transient => 0,
            FailureClass::Throttled => 1,
            FailureClass::Timeout => 2,
            FailureClass::Local => 3,
            FailureClass::Fatal => 4,
        };
        Self::new(EventKind::AttemptFailed, source, attempt, class, at)
    }

    /// A retry waits. `a` is the attempt that follows, `b` the wait from `at`.
    #[must_use]
    #[inline]
    pub const fn of_wait(wait: &Wait, source: u16, at: Instant) -> Self {
        let left = Span::from_nanos(wait.until().nanos_since(at));
        Self::new(EventKind::RetryWaits, source, wait.attempt(), left.units(), at)
    }

    /// A retry gave up. `a` is the number of attempts that failed, `b` the reason: 0 fatal, 1 ignored, 2
    /// exhausted, 3 deadline, 4 never, 5 budget.
    #[must_use]
    #[inline]
    pub const fn of_stop(stop: Stop, failed: u32, source: u16, at: Instant) -> Self {
        let reason = match stop {
            Stop::Fatal => 0,
            Stop::Ignored => 1,
            Stop::Exhausted => 2,
            Stop::Deadline => 3,
            Stop::Never => 4,
            Stop::Budget => 5,
        };
        Self::new(EventKind::RetryStopped, source, failed, reason, at)
    }

    /// A call failed. `a` is the code, `b` how long it took.
    #[must_use]
    #[inline]
    pub const fn of_error(code: ErrorCode, took: Span, source: u16, at: Instant) -> Self {
        Self::new(EventKind::CallFailed, source, code.number() as u32, took.units(), at)
    }

    /// A health changed; `None` is "nobody knows". `a` and `b` are before and after: 0 healthy, 1
    /// degraded, 2 unhealthy, 3 unknown.
    #[must_use]
    #[inline]
    pub const fn of_health(
        from: Option<HealthStatus>,
        to: Option<HealthStatus>,
        source: u16,
        at: Instant,
    ) -> Self {
        Self::new(EventKind::of_health(to), source, health(from), health(to), at)
    }

    /// A fault was ordered; `None` where there was none.
    #[must_use]
    #[inline]
    pub const fn of_fault(fault: Fault, source: u16, at: Instant) -> Option<Self> {
        let (kind, a, b) = match fault {
            Fault::None => return None,
            Fault::Error => (EventKind::ChaosError, 0, 0),
            Fault::Delay { nanos } => (EventKind::ChaosDelay, Span::from_nanos(nanos).units(), 0),
            Fault::Drop => (EventKind::ChaosDrop, 0, 0),
            Fault::Duplicate => (EventKind::ChaosDuplicate, 0, 0),
            Fault::Reorder { places } => (EventKind::ChaosReorder, places as u32, 0),
            Fault::ClockStep { nanos } => {
                let step = Span::from_nanos(nanos.unsigned_abs()).units();
                let (ahead, behind) = if nanos < 0 { (0, step) } else { (step, 0) };
                (EventKind::ChaosClockStep, ahead, behind)
            }
        };
        Some(Self::new(kind, source, a, b, at))
    }

    /// A machine was restored, or was not. `a` is its [kind](crate::snapshot::kind); `b`, where it was
    /// not, the reason: 0 length, 1 damaged, 2 kind, 3 version, 4 invalid.
    #[must_use]
    pub const fn of_restore<T>(
        kind: u8,
        result: &Result<T, SnapshotError>,
        source: u16,
        at: Instant,
    ) -> Self {
        let reason = match result {
            Ok(_) => return Self::new(EventKind::SnapshotRestored, source, kind as u32, 0, at),
            Err(SnapshotError::Length) => 0,
            Err(SnapshotError::Damaged) => 1,
            Err(SnapshotError::Kind) => 2,
            Err(SnapshotError::Version) => 3,
            Err(SnapshotError::Invalid) => 4,
        };
        Self::new(EventKind::SnapshotRefused, source, kind as u32, reason, at)
    }

    /// The transition that [`of_transition`](Self::of_transition) was given.
    ///
    /// ```
    /// use resil_core::Instant;
    /// use resil_core::circuit_breaker::{State, Transition};
    /// use resil_core::event::{Event, EventKind};
    ///
    /// let opened = Transition { from: State::Closed, to: State::Open };
    /// let event = Event::of_transition(opened, 0, Instant::EPOCH);
    /// assert_eq!((event.a(), event.b()), (0, 1));
    /// assert_eq!(event.transition(), Some(opened));
    /// assert_eq!(Event::new(EventKind::BreakerOpened, 0, 0, 9, Instant::EPOCH).transition(), None);
    /// assert_eq!(Event::new(EventKind::LimitChanged, 0, 0, 1, Instant::EPOCH).transition(), None);
    /// ```
    #[must_use]
    pub fn transition(&self) -> Option<Transition> {
        let (from, to) = (breaker_state(self.a)?, breaker_state(self.b)?);
        let transition = Transition { from, to };
        let same = Self::of_transition(transition, self.source, self.at);
        (same.kind == self.kind).then_some(transition)
    }
}

/// The number of a breaker's state in events; it never changes.
const fn number(state: State) -> u32 {
    match state {
        State::Closed => 0,
        State::Open => 1,
        State::HalfOpen => 2,
        State::ForcedOpen => 3,
        State::Disabled => 4,
        State::MetricsOnly => 5,
    }
}

/// The state with this number.
const fn breaker_state(number: u32) -> Option<State> {
    Some(match number {
        0 => State::Closed,
        1 => State::Open,
        2 => State::HalfOpen,
        3 => State::ForcedOpen,
        4 => State::Disabled,
        5 => State::MetricsOnly,
        _ => return None,
    })
}

const fn health(status: Option<HealthStatus>) -> u32 {
    match status {
        Some(HealthStatus::Healthy) => 0,
        Some(HealthStatus::Degraded) => 1,
        Some(HealthStatus::Unhealthy) => 2,
        None => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);

    fn said(event: Event) -> std::string::String {
        event.to_string()
    }

    #[test]
    fn states_convert_both_ways() {
        for number in 0..6 {
            assert_eq!(super::number(breaker_state(number).unwrap()), number);
        }
        assert_eq!(breaker_state(6), None);
    }

    #[test]
    fn a_refusal_says_who_why_and_for_how_long() {
        let refusal = |code, retry| said(Event::of_refusal(Rejected::new(code, retry), 1, NOW));
        let soon = RetryAt::At(Instant::from_nanos(1_000_000_001));
        assert_eq!(
            refusal(ErrorCode::RateLimitExceeded, soon),
            "LIMIT_REFUSED by 1: RATE_LIMIT_EXCEEDED, wait 0.001 s"
        );
        assert_eq!(
            refusal(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown),
            "BREAKER_REFUSED by 1: CIRCUIT_BREAKER_HALF_OPEN, wait 0.000 s"
        );
        assert_eq!(
            refusal(ErrorCode::DeadlineExceeded, RetryAt::Never),
            "CALL_REFUSED by 1: DEADLINE_EXCEEDED, wait 4503599.626 s"
        );
        let full = Rejected::new(ErrorCode::BulkheadFull, RetryAt::At(Instant::EPOCH));
        assert_eq!(
            said(Event::of_refused_retry(full, 1, NOW)),
            "RETRY_REFUSED by 1: BULKHEAD_FULL, wait 0.000 s"
        );
    }

    #[test]
    fn a_fault_is_an_event_and_no_fault_is_none() {
        let event = |fault| Event::of_fault(fault, 0, NOW).map(said);
        assert_eq!(event(Fault::None), None);
        assert_eq!(event(Fault::Drop).unwrap(), "CHAOS_DROP by 0");
        assert_eq!(
            event(Fault::ClockStep { nanos: -2_000_000_000 }).unwrap(),
            "CHAOS_CLOCK_STEP by 0: ahead 0.000 s, behind 2.000 s"
        );
        assert_eq!(
            event(Fault::ClockStep { nanos: i64::MIN }).unwrap(),
            "CHAOS_CLOCK_STEP by 0: ahead 0.000 s, behind 4503599.626 s"
        );
    }

    #[test]
    fn a_health_a_stop_and_a_snapshot_have_their_numbers() {
        let sick = Event::of_health(None, Some(HealthStatus::Unhealthy), 4, NOW);
        assert_eq!(said(sick), "HEALTH_FAILED by 4: from 3, to 2");
        let stopped = Event::of_stop(Stop::Deadline, 2, 4, NOW);
        assert_eq!(said(stopped), "RETRY_STOPPED by 4: attempts 2, reason 3");
        let restored = Event::of_restore(5, &Ok(()), 4, NOW);
        assert_eq!(said(restored), "SNAPSHOT_RESTORED by 4: machine 5");
        let refused = Event::of_restore::<()>(5, &Err(SnapshotError::Damaged), 4, NOW);
        assert_eq!(said(refused), "SNAPSHOT_REFUSED by 4: machine 5, reason 1");
    }

    #[test]
    fn a_limit_is_lowered_only_where_it_fell() {
        let kinds = [8, 9, 10].map(|to| EventKind::of_limit(9, to).number());
        assert_eq!(kinds, [511, 512, 512]);
    }
}
