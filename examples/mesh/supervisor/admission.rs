//! The law of the limiter, recomputed from a receiver's log without the limiter's help.
//!
//! Slow and obviously right: every pair of admissions is looked at, in whole nanoseconds.

use resil_core::rate_limit::RateLimitConfig;

/// What a sender may do at a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) max_requests: usize,
    pub(crate) window_nanos: u64,
    pub(crate) burst: usize,
}

/// A breach of the law, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// More than `max_requests` within one window that starts at this instant.
    Window { from: u64, admitted: usize },
    /// More than the bucket can have held, between these instants.
    Bucket { from: u64, to: u64, admitted: usize },
}

impl Quota {
    pub(crate) fn of(limit: &RateLimitConfig) -> Self {
        Self {
            max_requests: limit.max_requests() as usize,
            window_nanos: limit.time_window().as_nanos() as u64,
            burst: limit.burst_size() as usize,
        }
    }

    /// The most that were admitted within any window.
    pub(crate) fn fullest_window(&self, admitted: &[u64]) -> usize {
        (0..admitted.len()).map(|first| self.in_window_from(admitted, first)).max().unwrap_or(0)
    }

    fn in_window_from(&self, admitted: &[u64], first: usize) -> usize {
        let end = admitted[first].saturating_add(self.window_nanos);
        admitted[first..].iter().take_while(|&&at| at < end).count()
    }

    /// Looks for a breach in the instants at which one sender was admitted, in ascending order.
    pub(crate) fn breach(&self, admitted: &[u64]) -> Option<Breach> {
        (0..admitted.len()).find_map(|first| self.breach_from(admitted, first))
    }

    fn breach_from(&self, admitted: &[u64], first: usize) -> Option<Breach> {
        let from = admitted[first];
        let in_window = self.in_window_from(admitted, first);
        if in_window > self.max_requests {
            return Some(Breach::Window { from, admitted: in_window });
        }
        admitted[first..].iter().enumerate().find_map(|(later, &to)| {
            // In any interval d: at most burst + floor(rate * (d + 1 ns)).
            let refilled = u128::from(to - from + 1) * self.max_requests as u128
                / u128::from(self.window_nanos);
            let admitted = later + 1;
            (admitted as u128 > self.burst as u128 + refilled).then_some(Breach::Bucket {
                from,
                to,
                admitted,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two at once, four in any 100 ns.
    const QUOTA: Quota = Quota { max_requests: 4, window_nanos: 100, burst: 2 };

    #[test]
    fn a_log_at_the_limit_is_no_breach() {
        let log = [0, 0, 25, 50, 100, 100, 125, 150];
        assert_eq!(QUOTA.breach(&log), None);
        assert_eq!(QUOTA.fullest_window(&log), 4);
    }

    #[test]
    fn one_too_many_in_a_window_is_found() {
        let log = [0, 0, 25, 50, 99];
        assert_eq!(QUOTA.breach(&log), Some(Breach::Window { from: 0, admitted: 5 }));
    }

    #[test]
    fn one_too_many_at_once_is_found() {
        let log = [0, 500, 500, 500];
        assert_eq!(QUOTA.breach(&log), Some(Breach::Bucket { from: 500, to: 500, admitted: 3 }));
        // The token that refills after 25 ns is there at 24 ns and the nanosecond of grace.
        assert_eq!(QUOTA.breach(&[0, 0, 24]), None);
        assert!(QUOTA.breach(&[0, 0, 23]).is_some());
    }

    #[test]
    fn an_empty_log_is_no_breach() {
        assert_eq!(QUOTA.breach(&[]), None);
        assert_eq!(QUOTA.fullest_window(&[]), 0);
    }
}
