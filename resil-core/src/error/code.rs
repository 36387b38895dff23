//! Stable numbers and names for everything that can go wrong.

use core::fmt;
use core::str::FromStr;

/// States each code once: variant, number, name, message.
macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $message:literal;)+) => {
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
            $(#[doc = concat!("`", $name, "`: ", $message, ".")] $variant = $number,)+
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

            /// What it means, as the message of an error that has nothing better to say.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
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
    NetworkTimeout = 1001, "NETWORK_TIMEOUT", "no answer in time";
    NetworkConnectionFailed = 1002, "NETWORK_CONNECTION_FAILED", "the connection could not be made, or broke";
    NetworkUnreachable = 1003, "NETWORK_UNREACHABLE", "there is no way to the peer";
    RateLimitExceeded = 2001, "RATE_LIMIT_EXCEEDED", "the bucket is short of tokens";
    RateLimitQuotaExhausted = 2002, "RATE_LIMIT_QUOTA_EXHAUSTED", "the window's quota is used up";
    RateLimitCostExceedsBurst = 2003, "RATE_LIMIT_COST_EXCEEDS_BURST", "the request asks for more than can ever be there";
    RateLimitTableFull = 2004, "RATE_LIMIT_TABLE_FULL", "there is no slot for a new id";
    CircuitBreakerOpen = 3001, "CIRCUIT_BREAKER_OPEN", "the breaker is open";
    CircuitBreakerHalfOpen = 3002, "CIRCUIT_BREAKER_HALF_OPEN", "the breaker is half-open and every probe slot is taken";
    RetryExhausted = 4001, "RETRY_EXHAUSTED", "all attempts failed";
    RetryFailed = 4002, "RETRY_FAILED", "the retry was cut short";
    BulkheadFull = 5001, "BULKHEAD_FULL", "every permit of the bulkhead is out";
    LoadShed = 5002, "LOAD_SHED", "refused to protect against overload";
    DeadlineExceeded = 6001, "DEADLINE_EXCEEDED", "the total deadline has passed";
    AttemptTimeout = 6002, "ATTEMPT_TIMEOUT", "the attempt did not finish in time";
    HealthCheckFailed = 7001, "HEALTH_CHECK_FAILED", "the health check failed";
    HealthCheckTimeout = 7002, "HEALTH_CHECK_TIMEOUT", "the health check did not finish in time";
    HealthCheckStale = 7003, "HEALTH_CHECK_STALE", "there is no fresh result of the health check";
    ConfigurationInvalid = 8001, "CONFIGURATION_INVALID", "a setting does not hold";
    UnknownError = 9001, "UNKNOWN_ERROR", "the cause is not known";
    OperationFailed = 9002, "OPERATION_FAILED", "the operation failed";
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

#[cfg(feature = "serde")]
impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

/// Refuses numbers that this version does not know; [`WireError`](super::WireError) keeps them.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_seeds_codes_have_the_numbers_and_names_of_the_specification() {
        let seed = [
            (1001, "NETWORK_TIMEOUT"),
            (1002, "NETWORK_CONNECTION_FAILED"),
            (1003, "NETWORK_UNREACHABLE"),
            (2001, "RATE_LIMIT_EXCEEDED"),
            (2002, "RATE_LIMIT_QUOTA_EXHAUSTED"),
            (3001, "CIRCUIT_BREAKER_OPEN"),
            (3002, "CIRCUIT_BREAKER_HALF_OPEN"),
            (4001, "RETRY_EXHAUSTED"),
            (4002, "RETRY_FAILED"),
            (9001, "UNKNOWN_ERROR"),
            (9002, "OPERATION_FAILED"),
        ];
        for (number, name) in seed {
            let code = ErrorCode::try_from(number).unwrap();
            assert_eq!((code.number(), code.name()), (number, name));
            assert_eq!(name.parse(), Ok(code));
            assert_eq!(code.to_string(), name);
        }
    }

    #[test]
    fn every_code_converts_both_ways_and_stands_in_ascending_order() {
        assert!(ErrorCode::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(u16::from(code)), Some(code));
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
            assert_eq!(code as u16, code.number());
        }
    }

    #[test]
    fn what_is_not_a_code_is_an_error_that_keeps_it() {
        let numbers = (0..=u16::MAX).filter(|&number| ErrorCode::try_from(number).is_ok());
        assert_eq!(numbers.count(), ErrorCode::ALL.len());
        assert_eq!(ErrorCode::try_from(5999), Err(UnknownNumber(5999)));
        assert_eq!("circuit_breaker_open".parse::<ErrorCode>(), Err(UnknownName));
    }

    #[test]
    fn the_thousands_are_the_family() {
        assert_eq!(ErrorCode::NetworkTimeout.family(), Family::Network);
        assert_eq!(ErrorCode::RateLimitTableFull.family(), Family::RateLimit);
        assert_eq!(ErrorCode::CircuitBreakerOpen.family(), Family::CircuitBreaker);
        assert_eq!(ErrorCode::RetryFailed.family(), Family::Retry);
        assert_eq!(ErrorCode::BulkheadFull.family(), Family::Load);
        assert_eq!(ErrorCode::DeadlineExceeded.family(), Family::Deadline);
        assert_eq!(ErrorCode::HealthCheckStale.family(), Family::Health);
        assert_eq!(ErrorCode::ConfigurationInvalid.family(), Family::Configuration);
        assert_eq!(ErrorCode::UnknownError.family(), Family::General);
    }
}
