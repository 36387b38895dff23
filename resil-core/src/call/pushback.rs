//! What a peer said about coming back, while another attempt was still out.

#[cfg(doc)]
use crate::outcome::Classification;
use crate::time::Instant;

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

    /// What comes with a failure `now` ([`Classification::stay_away`]).
    pub(super) const fn of(stay_away: Option<u64>, now: Instant) -> Self {
        let nanos = match stay_away {
            None => NEVER,
            Some(NEVER) => NEVER.saturating_sub(1),
            Some(nanos) => nanos,
        };
        Self { until: now.plus_nanos(nanos), nanos }
    }

    /// The stronger of this and what comes with another failure `now`: nanoseconds to stay away, `None`
    /// for good.
    pub(super) fn with(&self, stay_away: Option<u64>, now: Instant) -> Option<u64> {
        let own = stay_away?;
        if self.nanos == NEVER { None } else { Some(own.max(self.until.nanos_since(now))) }
    }

    /// Brings back an end that a backward step of the clock left too far ahead.
    pub(super) const fn keep_time(&mut self, now: Instant) {
        self.until = self.until.within(self.nanos, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Classification, FailureClass, RetryHint};
    use core::time::Duration;

    fn failure(hint: RetryHint) -> Option<u64> {
        Classification::Failure(FailureClass::Transient, hint).stay_away()
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
            (none, none, Some(0)),
            (none, after(5), Some(5)),
            (after(10), none, Some(7)),
            (after(10), after(5), Some(7)),
            (after(10), after(9), Some(9)),
            (after(10), RetryHint::Never, None),
            (RetryHint::Never, none, None),
            (RetryHint::Never, after(5), None),
        ] {
            let pushback = Pushback::of(failure(first), at(100));
            assert_eq!(pushback.with(failure(second), at(103)), both, "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_clock_that_steps_back_makes_no_hint_longer() {
        let mut pushback = Pushback::of(failure(after(10)), at(100));
        pushback.keep_time(at(50));
        assert_eq!(pushback.with(failure(RetryHint::None), at(50)), Some(10));
        let mut pushback = Pushback::of(failure(RetryHint::Never), at(100));
        pushback.keep_time(at(0));
        assert_eq!(pushback.with(failure(after(1)), at(0)), None);
        let pushback = Pushback::of(failure(RetryHint::After(Duration::MAX)), at(1));
        assert!(pushback.with(failure(RetryHint::None), at(2)).is_some(), "long, but not for ever");
    }
}
