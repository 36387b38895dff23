//! When what a window has counted opens the breaker.

use crate::circuit_breaker::builder::LONGEST;
use crate::config::ConfigError;
use crate::ratio::Ratio;
use core::time::Duration;

/// What is in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// Calls that counted.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that were slow, failed or not.
    pub slow: u32,
}

/// What was set, and has not been checked.
#[derive(Clone, Copy, Debug)]
pub(in crate::circuit_breaker) struct RateSettings {
    pub(in crate::circuit_breaker) failures: Ratio,
    pub(in crate::circuit_breaker) slow: Option<(u64, Ratio)>,
    pub(in crate::circuit_breaker) minimum: Option<u16>,
}

/// The shares that open a breaker, and of how many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(in crate::circuit_breaker) struct Rates {
    pub(in crate::circuit_breaker) failures: Ratio,
    pub(in crate::circuit_breaker) slow: Option<(u64, Ratio)>,
    pub(in crate::circuit_breaker) minimum: u16,
}

impl Rates {
    /// Whether `counts` open the breaker.
    #[inline]
    pub(in crate::circuit_breaker) fn are_reached(&self, counts: Counts) -> bool {
        let Counts { calls, failures, slow } = counts;
        calls >= u32::from(self.minimum)
            && (self.failures.is_reached(failures, calls)
                || self.slow.is_some_and(|(_, rate)| rate.is_reached(slow, calls)))
    }

    /// Whether no number of successes beside `counts`, one at least, opens the breaker: each of them
    /// lowers both shares.
    #[inline]
    pub(in crate::circuit_breaker) fn are_out_of_reach(&self, counts: Counts) -> bool {
        let Counts { calls, failures, slow } = counts;
        let calls = calls.saturating_add(1);
        !self.failures.is_reached(failures, calls)
            && !self.slow.is_some_and(|(_, rate)| rate.is_reached(slow, calls))
    }

    pub(in crate::circuit_breaker) const fn slow_calls(&self) -> Option<(Duration, Ratio)> {
        match self.slow {
            Some((nanos, rate)) => Some((Duration::from_nanos(nanos), rate)),
            None => None,
        }
    }

    #[inline]
    pub(in crate::circuit_breaker) const fn slow_nanos(&self) -> Option<u64> {
        match self.slow {
            Some((nanos, _)) => Some(nanos),
            None => None,
        }
    }
}

impl RateSettings {
    /// For a window that holds at most `most` calls.
    pub(in crate::circuit_breaker) const fn checked(self, most: u16) -> Result<Rates, ConfigError> {
        if !self.failures.is_share() {
            return Err(ConfigError::new(
                "failure_rate",
                "failure_rate must be above 0 and at most 1",
            ));
        }
        if let Some((nanos, rate)) = self.slow
            && (nanos == 0 || nanos > LONGEST || !rate.is_share())
        {
            return Err(ConfigError::new(
                "slow_calls",
                "slow_calls must be of 1 ns to 2^62 ns (146 years), with a rate above 0 and at most 1",
            ));
        }
        let minimum = match self.minimum {
            Some(calls) if calls == 0 || calls > most => {
                return Err(ConfigError::new(
                    "minimum_calls",
                    "minimum_calls must be at least 1 and no more than the window holds",
                ));
            }
            Some(calls) => calls,
            None if most < 10 => most,
            None => 10,
        };
        Ok(Rates { failures: self.failures, slow: self.slow, minimum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_wants_ten_calls_or_as_many_as_it_holds() {
        let settings = RateSettings { failures: Ratio::ONE, slow: None, minimum: None };
        let minimum = |most| settings.checked(most).unwrap().minimum;
        assert_eq!([1, 9, 10, 11, 500].map(minimum), [1, 9, 10, 10, 10]);
        let longest = RateSettings { slow: Some((LONGEST, Ratio::ONE)), ..settings };
        assert!(longest.checked(4).is_ok());
        let longer = RateSettings { slow: Some((LONGEST + 1, Ratio::ONE)), ..settings };
        assert_eq!(longer.checked(4).unwrap_err().setting(), "slow_calls");
    }
}
