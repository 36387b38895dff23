//! Stable numbers and names for everything that can go wrong.

use core::fmt;
use core::str::FromStr;

/// States each code once: variant, number, name, meaning.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// What went wrong: a stable number, and a stable upper-case name.
        ///
        /// The thousands are the family ([`family`](Self::family)). Both forms convert in both
        /// directions; a number or a name that this version does not know is an error that keeps
        /// it, and on the wire an unknown number survives as a number.
        ///
        /// ```
        /// use resil_core::ErrorCode;
        ///
        /// assert_eq!(ErrorCode::CircuitBreakerOpen.number(), 3001);
        /// assert_eq!(ErrorCode::try_from(3001), Ok(ErrorCode::CircuitBreakerOpen));
        /// assert_eq!("CIRCUIT_BREAKER_OPEN".parse(), Ok(ErrorCode::CircuitBreakerOpen));
        /// assert_eq!(ErrorCode::CircuitBreakerOpen.to_string(), "CIRCUIT_BREAKER_OPEN");
        /// ```
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number, as it goes over the wire.
            #[must_use]
            #[inline]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            /// The name, as it is written in logs.
            #[must_use]
            #[inline]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The code with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No answer in time.
    NetworkTimeout = 1001, "NETWORK_TIMEOUT";
    /// The connection could not be made, or broke.
    NetworkConnectionFailed = 1002, "NETWORK_CONNECTION_FAILED";
    /// There is no way to the peer.
    NetworkUnreachable = 1003, "NETWORK_UNREACHABLE";
    /// The bucket is short of tokens: wait.
    RateLimitExceeded = 2001, "RATE_LIMIT_EXCEEDED";
    /// The window's quota is used up: wait for it to slide.
    RateLimitQuotaExhausted = 2002, "RATE_LIMIT_QUOTA_EXHAUSTED";
    /// This request asks for more than can ever be there: it can never pass.
    RateLimitCostExceedsBurst = 2003, "RATE_LIMIT_COST_EXCEEDS_BURST";
    /// There is no slot for a new id, and the table is set to refuse it.
    RateLimitTableFull = 2004, "RATE_LIMIT_TABLE_FULL";
    /// The breaker is open.
    CircuitBreakerOpen = 3001, "CIRCUIT_BREAKER_OPEN";
    /// The breaker is half-open, and every probe slot is taken.
    CircuitBreakerHalfOpen = 3002, "CIRCUIT_BREAKER_HALF_OPEN";
    /// All attempts are used.
    RetryExhausted = 4001, "RETRY_EXHAUSTED";
    /// A retryable error was cut short by a budget, a deadline or a "never" from the peer.
    RetryFailed = 4002, "RETRY_FAILED";
    /// Every permit of the bulkhead is out.
    BulkheadFull = 5001, "BULKHEAD_FULL";
    /// Refused to protect against overload.
    LoadShed = 5002, "LOAD_SHED";
    /// The total deadline has passed.
    DeadlineExceeded = 6001, "DEADLINE_EXCEEDED";
    /// The timeout of one attempt fired.
    AttemptTimeout = 6002, "ATTEMPT_TIMEOUT";
    /// A health check failed, or panicked.
    HealthCheckFailed = 7001, "HEALTH_CHECK_FAILED";
    /// A health check did not finish in time.
    HealthCheckTimeout = 7002, "HEALTH_CHECK_TIMEOUT";
    /// There is no fresh result of a health check.
    HealthCheckStale = 7003, "HEALTH_CHECK_STALE";
    /// A setting does not hold.
    ConfigurationInvalid = 8001, "CONFIGURATION_INVALID";
    /// Nobody knows.
    UnknownError = 9001, "UNKNOWN_ERROR";
    /// The operation itself failed.
    OperationFailed = 9002, "OPERATION_FAILED";
}

/// What a code is about: its thousands.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Family {
    /// 1xxx.
    Network,
    /// 2xxx.
    RateLimit,
    /// 3xxx.
    CircuitBreaker,
    /// 4xxx.
    Retry,
    /// 5xxx: bulkhead and load shedding.
    Load,
    /// 6xxx: deadline and timeout.
    Deadline,
    /// 7xxx.
    Health,
    /// 8xxx.
    Configuration,
    /// 9xxx.
    General,
}

impl ErrorCode {
    /// What the code is about.
    #[must_use]
    pub const fn family(self) -> Family {
        match self.number() / 1000 {
            1 => Family::Network,
            2 => Family::RateLimit,
            3 => Family::CircuitBreaker,
            4 => Family::Retry,
            5 => Family::Load,
            6 => Family::Deadline,
            7 => Family::Health,
            8 => Family::Configuration,
            _ => Family::General,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<ErrorCode> for u16 {
    fn from(code: ErrorCode) -> Self {
        code.number()
    }
}

/// A number that no code of this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("no error code has the number {0}")]
pub struct UnknownNumber(pub u16);

impl TryFrom<u16> for ErrorCode {
    type Error = UnknownNumber;

    fn try_from(number: u16) -> Result<Self, UnknownNumber> {
        Self::from_number(number).ok_or(UnknownNumber(number))
    }
}

/// A name that no code of this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("no error code has this name")]
pub struct UnknownName;

impl FromStr for ErrorCode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::from_name(name).ok_or(UnknownName)
    }
}
