//! What a peer said about coming back, while another attempt was still out.

use crate::outcome::{Classification, RetryHint};
use crate::time::{Instant, saturating_nanos};

/// The hint of an attempt that failed beside another one. It says nothing about that other one, and
/// comes into its own when that fails too.
#[derive(Debug)]
pub(super) struct Pushback {
    /// When the time that was asked for is over.
    until: Instant,
    /// That time; [`NEVER`] where no other attempt is wanted.
    nanos: u64,
}

const NEVER: u64 = u64::MAX;

impl Pushback {
    /// Nothing was said.
    pub(super) const NONE: Self = Self { until: Instant::EPOCH, nanos: 0 };

    /// What comes with a failure `now`.
    pub(super) const fn of(classification: Classification, now: Instant) -> Self {
        let nanos = match classification {
            Classification::Failure(_, RetryHint::Never) => NEVER,
            Classification::Failure(_, RetryHint::After(hint)) => match saturating_nanos(hint) {
                NEVER => NEVER - 1,
                nanos => nanos,
            },
            Classification::Failure(_, RetryHint::None) | Classification::Ignored => 0,
        };
        Self { until: now.plus_nanos(nanos), nanos }
    }

    /// A failure `now`, with the stronger of its own hint and this one.
    pub(super) fn with(&self, classification: Classification, now: Instant) -> Classification {
        let left = self.until.nanos_since(now);
        match classification {
            Classification::Failure(class, hint) if self.nanos > 0 => {
                let hint = match hint {
                    _ if self.nanos == NEVER => RetryHint::Never,
                    RetryHint::Never => RetryHint::Never,
                    RetryHint::After(own) if saturating_nanos(own) >= left => hint,
                    _ => RetryHint::After(core::time::Duration::from_nanos(left)),
                };
                Classification::Failure(class, hint)
            }
            _ => classification,
        }
    }

    /// Brings back an end that a backward step of the clock left too far ahead.
    pub(super) const fn keep_time(&mut self, now: Instant) {
        self.until = self.until.min(now.plus_nanos(self.nanos));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureClass;
    use core::time::Duration;

    const LOST: FailureClass = FailureClass::Transient;

    fn failure(hint: RetryHint) -> Classification {
        Classification::Failure(LOST, hint)
    }

    fn after(nanos: u64) -> RetryHint {
        RetryHint::After(Duration::from_nanos(nanos))
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn the_stronger_hint_counts() {
        let none = RetryHint::None;
        for (first, second, both) in [
            (none, none, none),
            (none, after(5), after(5)),
            (after(10), none, after(7)),
            (after(10), after(5), after(7)),
            (after(10), after(9), after(9)),
            (after(10), RetryHint::Never, RetryHint::Never),
            (RetryHint::Never, none, RetryHint::Never),
            (RetryHint::Never, after(5), RetryHint::Never),
        ] {
            let pushback = Pushback::of(failure(first), at(100));
            assert_eq!(
                pushback.with(failure(second), at(103)),
                failure(both),
                "{first:?} {second:?}"
            );
            let ignored = Classification::Ignored;
            assert_eq!(pushback.with(ignored, at(103)), ignored);
        }
    }

    #[test]
    fn a_clock_that_steps_back_makes_no_hint_longer() {
        let mut pushback = Pushback::of(failure(after(10)), at(100));
        pushback.keep_time(at(50));
        assert_eq!(pushback.with(failure(RetryHint::None), at(50)), failure(after(10)));
        let mut pushback = Pushback::of(failure(RetryHint::Never), at(100));
        pushback.keep_time(at(0));
        assert_eq!(pushback.with(failure(after(1)), at(0)), failure(RetryHint::Never));
        let long = RetryHint::After(Duration::MAX);
        let pushback = Pushback::of(failure(long), at(1));
        assert_ne!(pushback.with(failure(RetryHint::None), at(2)), failure(RetryHint::Never));
    }
}
