//! Stable numbers and names for everything that happens.

use super::Severity::{self, Debug, Error, Info, Warn};
use core::fmt;
use core::str::FromStr;

/// What one of the two numbers of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Field {
    /// Nothing; it is 0.
    Unused,
    /// A number, called this.
    Number(&'static str),
    /// A [`Span`](super::Span) of time, called this.
    Span(&'static str),
    /// The number of an [`ErrorCode`](crate::ErrorCode); 0 where there is none.
    Code,
}

/// States each kind once: variant, number, name, severity, what the two numbers say, message.
macro_rules! kinds {
    ($($variant:ident = $number:literal, $name:literal, $severity:ident, $a:expr, $b:expr, $message:literal;)+) => {
        /// What happened: a stable number, and a stable upper-case name.
        ///
        /// The hundreds are the family ([`family`](Self::family)). Both forms convert in both
        /// directions; a number or a name that this version does not know is an error that keeps it.
        ///
        /// ```
        /// use resil_core::event::{EventKind, Severity};
        ///
        /// assert_eq!(EventKind::BreakerOpened.number(), 303);
        /// assert_eq!(EventKind::try_from(303), Ok(EventKind::BreakerOpened));
        /// assert_eq!("BREAKER_OPENED".parse(), Ok(EventKind::BreakerOpened));
        /// assert_eq!(EventKind::BreakerOpened.severity(), Severity::Error);
        /// ```
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum EventKind {
            $(#[doc = concat!("`", $name, "`: ", $message, ". `", stringify!($severity), "`; `a`: ", stringify!($a), ", `b`: ", stringify!($b), ".")] $variant = $number,)+
        }

        impl EventKind {
            /// Every kind, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number, as it is logged and sent.
            #[must_use]
            #[inline]
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The name, as it is written in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What happened, in words.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                }
            }

            /// How loud it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => $severity,)+
                }
            }

            /// What `a` and `b` of such an event say.
            #[must_use]
            pub const fn fields(self) -> [Field; 2] {
                match self {
                    $(Self::$variant => [$a, $b],)+
                }
            }

            /// The kind with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The kind with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        /// The name, which takes no room in flash.
        #[cfg(feature = "defmt")]
        impl defmt::Format for EventKind {
            fn format(&self, f: defmt::Formatter<'_>) {
                match self {
                    $(Self::$variant => defmt::write!(f, $name),)+
                }
            }
        }
    };
}

const UNUSED: Field = Field::Unused;
const CODE: Field = Field::Code;

const fn number(name: &'static str) -> Field {
    Field::Number(name)
}

const fn span(name: &'static str) -> Field {
    Field::Span(name)
}

// Severities are Polly's where Polly has the event (docs/advanced/telemetry.md), but for successes and
// refusals, which are many: they are one lower. `Error` is left for what somebody should look at.
kinds! {
    AttemptStarted = 101, "ATTEMPT_STARTED", Debug, number("attempt"), UNUSED, "an attempt began";
    AttemptSucceeded = 102, "ATTEMPT_SUCCEEDED", Debug, number("attempt"), span("took"), "an attempt succeeded";
    AttemptFailed = 103, "ATTEMPT_FAILED", Warn, number("attempt"), number("class"), "an attempt failed";
    AttemptAbandoned = 104, "ATTEMPT_ABANDONED", Info, number("attempt"), span("took"), "whoever made the attempt went away";
    RetryWaits = 111, "RETRY_WAITS", Warn, number("attempt"), span("wait"), "the next attempt is made after a wait";
    RetryStopped = 112, "RETRY_STOPPED", Warn, number("attempts"), number("reason"), "no other attempt is made";
    RetryRefused = 113, "RETRY_REFUSED", Warn, CODE, span("wait"), "the next attempt was refused by our own side";

    LimitRefused = 201, "LIMIT_REFUSED", Warn, CODE, span("wait"), "a rate limit refused";
    LimitTableFull = 202, "LIMIT_TABLE_FULL", Warn, number("peers"), UNUSED, "there is no slot for a new peer";
    LimitChanged = 203, "LIMIT_CHANGED", Info, number("old"), number("new"), "a rate limit has other settings";

    BreakerRefused = 301, "BREAKER_REFUSED", Warn, CODE, span("wait"), "a breaker refused";
    BreakerClosed = 302, "BREAKER_CLOSED", Info, number("from"), number("to"), "a breaker lets calls pass again";
    BreakerOpened = 303, "BREAKER_OPENED", Error, number("from"), number("to"), "a breaker refuses calls from now on";
    BreakerHalfOpened = 304, "BREAKER_HALF_OPENED", Warn, number("from"), number("to"), "a breaker lets probes pass";
    BreakerForcedOpen = 305, "BREAKER_FORCED_OPEN", Warn, number("from"), number("to"), "somebody opened a breaker by hand";
    BreakerDisabled = 306, "BREAKER_DISABLED", Warn, number("from"), number("to"), "somebody disabled a breaker";
    BreakerStale = 307, "BREAKER_STALE", Debug, UNUSED, UNUSED, "a result came too late to count";
    BreakerMetricsOnly = 308, "BREAKER_METRICS_ONLY", Warn, number("from"), number("to"), "somebody set a breaker to detect only";
    PeerEjected = 311, "PEER_EJECTED", Warn, number("peer"), span("wait"), "a peer gets no calls for a time";
    PeerReadmitted = 312, "PEER_READMITTED", Info, number("peer"), UNUSED, "a peer gets calls again";

    HedgeStarted = 401, "HEDGE_STARTED", Warn, number("attempt"), span("after"), "a second attempt was made beside a slow one";
    HedgeWon = 402, "HEDGE_WON", Info, number("attempt"), span("took"), "the second attempt was the first to answer";
    HedgeLost = 403, "HEDGE_LOST", Debug, number("attempt"), span("took"), "the first attempt answered after all";
    BudgetExhausted = 411, "BUDGET_EXHAUSTED", Warn, number("left"), number("of"), "the budget has nothing left for an extra attempt";
    BudgetRecovered = 412, "BUDGET_RECOVERED", Info, number("left"), number("of"), "the budget pays for extra attempts again";

    BulkheadFull = 501, "BULKHEAD_FULL", Warn, number("out"), number("of"), "every permit of a bulkhead is out";
    LoadShed = 502, "LOAD_SHED", Warn, number("priority"), number("load"), "refused to protect against overload";
    Throttled = 503, "THROTTLED", Warn, number("requests"), number("accepted"), "not sent, because the peer is likely to refuse it";
    ConcurrencyLowered = 511, "CONCURRENCY_LOWERED", Info, number("from"), number("to"), "fewer calls may be out at once";
    ConcurrencyRaised = 512, "CONCURRENCY_RAISED", Debug, number("from"), number("to"), "more calls may be out at once";

    DeadlineExceeded = 601, "DEADLINE_EXCEEDED", Error, number("attempts"), span("late"), "the total deadline has passed";
    AttemptTimeout = 602, "ATTEMPT_TIMEOUT", Error, number("attempt"), span("after"), "an attempt did not finish in time";
    DeadlineTooShort = 603, "DEADLINE_TOO_SHORT", Warn, span("left"), span("needed"), "not begun, because it would not have finished in time";

    HealthRecovered = 701, "HEALTH_RECOVERED", Info, number("from"), number("to"), "healthy again";
    HealthDegraded = 702, "HEALTH_DEGRADED", Warn, number("from"), number("to"), "works, but not as it should";
    HealthFailed = 703, "HEALTH_FAILED", Error, number("from"), number("to"), "does not work";
    HealthUnknown = 704, "HEALTH_UNKNOWN", Warn, number("from"), number("to"), "nobody has said for a time how it is";
    PeerSuspected = 711, "PEER_SUSPECTED", Warn, number("peer"), span("silent"), "a peer's heartbeat is overdue";
    PeerReturned = 712, "PEER_RETURNED", Info, number("peer"), span("silent"), "a peer's heartbeat is back";
    WatchdogFed = 721, "WATCHDOG_FED", Debug, number("tasks"), UNUSED, "every task reported, so the watchdog was fed";
    WatchdogStarved = 722, "WATCHDOG_STARVED", Error, number("task"), span("late"), "a task did not report, so the watchdog was not fed";

    ChaosError = 801, "CHAOS_ERROR", Info, UNUSED, UNUSED, "an error was ordered";
    ChaosDelay = 802, "CHAOS_DELAY", Info, span("delay"), UNUSED, "a delay was ordered";
    ChaosDrop = 803, "CHAOS_DROP", Info, UNUSED, UNUSED, "a loss was ordered";
    ChaosDuplicate = 804, "CHAOS_DUPLICATE", Info, UNUSED, UNUSED, "a duplicate was ordered";
    ChaosReorder = 805, "CHAOS_REORDER", Info, number("places"), UNUSED, "a change of order was ordered";
    ChaosClockStep = 806, "CHAOS_CLOCK_STEP", Info, span("ahead"), span("behind"), "a step of the clock was ordered";
    PartitionBegan = 811, "PARTITION_BEGAN", Info, number("groups"), UNUSED, "the network was split";
    PartitionEnded = 812, "PARTITION_ENDED", Info, UNUSED, UNUSED, "the network is whole again";

    CallStarted = 901, "CALL_STARTED", Debug, UNUSED, UNUSED, "a call began";
    CallSucceeded = 902, "CALL_SUCCEEDED", Debug, number("attempts"), span("took"), "a call succeeded";
    CallFailed = 903, "CALL_FAILED", Error, CODE, span("took"), "a call failed";
    CallRefused = 904, "CALL_REFUSED", Warn, CODE, span("wait"), "a call was refused";
    CallCancelled = 905, "CALL_CANCELLED", Info, number("attempts"), span("took"), "whoever made the call went away";
    CallFellBack = 906, "CALL_FELL_BACK", Warn, CODE, span("took"), "a call was answered by its fallback";
    ConfigurationChanged = 911, "CONFIGURATION_CHANGED", Info, number("machine"), UNUSED, "a machine has other settings";
    SnapshotRestored = 912, "SNAPSHOT_RESTORED", Info, number("machine"), UNUSED, "a machine goes on from before the reboot";
    SnapshotRefused = 913, "SNAPSHOT_REFUSED", Warn, number("machine"), number("reason"), "a machine begins afresh, for its snapshot does not hold";
    ClockSteppedBack = 914, "CLOCK_STEPPED_BACK", Warn, span("by"), UNUSED, "the clock showed an earlier time than before";
    EventsLost = 915, "EVENTS_LOST", Warn, number("lost"), UNUSED, "events were overwritten before they were read";
}

/// What a kind is about: its hundreds.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Family {
    /// 1xx: attempts and retries.
    Retry,
    /// 2xx.
    RateLimit,
    /// 3xx: breakers and ejections.
    CircuitBreaker,
    /// 4xx: hedges and the budget of extra attempts.
    Extra,
    /// 5xx: bulkheads, load shedding, throttling, concurrency.
    Load,
    /// 6xx: deadlines and timeouts.
    Deadline,
    /// 7xx: checks, heartbeats, the watchdog.
    Health,
    /// 8xx: faults to order.
    Chaos,
    /// 9xx: whole calls, and what befalls the machines themselves.
    Call,
}

impl EventKind {
    /// What the kind is about.
    #[must_use]
    pub const fn family(self) -> Family {
        match self.number() / 100 {
            1 => Family::Retry,
            2 => Family::RateLimit,
            3 => Family::CircuitBreaker,
            4 => Family::Extra,
            5 => Family::Load,
            6 => Family::Deadline,
            7 => Family::Health,
            8 => Family::Chaos,
            _ => Family::Call,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<EventKind> for u16 {
    fn from(kind: EventKind) -> Self {
        kind.number()
    }
}

/// A number that no kind of this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("no kind of event has the number {0}")]
pub struct UnknownKind(pub u16);

impl TryFrom<u16> for EventKind {
    type Error = UnknownKind;

    fn try_from(number: u16) -> Result<Self, UnknownKind> {
        Self::from_number(number).ok_or(UnknownKind(number))
    }
}

/// A name that no kind of this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("no kind of event has this name")]
pub struct UnknownKindName;

impl FromStr for EventKind {
    type Err = UnknownKindName;

    fn from_str(name: &str) -> Result<Self, UnknownKindName> {
        Self::from_name(name).ok_or(UnknownKindName)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

/// Refuses numbers that this version does not know.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_kind_converts_both_ways_and_stands_in_ascending_order() {
        assert!(EventKind::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        for &kind in EventKind::ALL {
            assert_eq!(EventKind::from_number(u16::from(kind)), Some(kind));
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert!((100..1_000).contains(&kind.number()));
        }
    }

    #[test]
    fn what_is_not_a_kind_is_an_error_that_keeps_it() {
        let numbers = (0..=u16::MAX).filter(|&number| EventKind::try_from(number).is_ok());
        assert_eq!(numbers.count(), EventKind::ALL.len());
        assert_eq!(EventKind::try_from(999), Err(UnknownKind(999)));
        assert_eq!("breaker_opened".parse::<EventKind>(), Err(UnknownKindName));
    }

    /// Whoever parses logs relies on them; a change here is a change of the format.
    #[test]
    fn numbers_and_names_are_the_published_ones() {
        let published = [
            (111, "RETRY_WAITS", Family::Retry),
            (201, "LIMIT_REFUSED", Family::RateLimit),
            (303, "BREAKER_OPENED", Family::CircuitBreaker),
            (401, "HEDGE_STARTED", Family::Extra),
            (501, "BULKHEAD_FULL", Family::Load),
            (601, "DEADLINE_EXCEEDED", Family::Deadline),
            (703, "HEALTH_FAILED", Family::Health),
            (802, "CHAOS_DELAY", Family::Chaos),
            (915, "EVENTS_LOST", Family::Call),
        ];
        for (number, name, family) in published {
            let kind = EventKind::try_from(number).unwrap();
            assert_eq!((kind.name(), kind.family()), (name, family));
        }
    }

    #[test]
    fn an_unused_number_is_the_last_one() {
        for &kind in EventKind::ALL {
            let [a, b] = kind.fields();
            assert!(a != Field::Unused || b == Field::Unused, "{kind}");
            assert!(!kind.message().is_empty() && !kind.message().ends_with('.'), "{kind}");
        }
    }
}
