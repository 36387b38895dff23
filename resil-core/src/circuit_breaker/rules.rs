//! What time, a probe and a verdict do to a breaker, whatever its window.

use super::config::Rules;
use super::permit::{Permit, Recorded};
use super::state::{Core, Phase, Transition};
use crate::entropy::Entropy;
use crate::error::ErrorCode;
use crate::outcome::{Rejected, RetryAt};
use crate::time::Instant;

/// What an outcome says about the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Success,
    Failure,
    Nothing,
    /// Nothing, or that it is down, as the number and the length of such calls tell.
    Abandoned,
}

impl Rules {
    /// Whether `core` is open, on the first look: cheap, and never wrong when it says yes.
    #[inline]
    pub(super) const fn is_surely_open(&self, core: &Core, now: Instant) -> bool {
        // 1 to the first open time; a deadline that is reached wraps round to more than that.
        let left = core.until.as_nanos().wrapping_sub(now.as_nanos());
        left.wrapping_sub(1) < self.open_time.first()
    }

    /// Applies one transition that is due. The open time is an argument: drawn, or the longest that
    /// can be drawn.
    #[cold]
    pub(super) fn poll_due(
        &self,
        core: &mut Core,
        open_time: impl FnOnce(u8) -> u64,
        now: Instant,
    ) -> Option<Transition> {
        self.keep_time(core, now);
        match core.phase {
            Phase::HalfOpen if core.until.is_reached(now) && core.in_flight > 0 => {
                let lost_at = core.until;
                core.open(open_time, lost_at)
            }
            _ => core.half_open_if_due(now),
        }
    }

    /// Applies every transition that is due: two at most, when probes were lost so long ago that the
    /// open time after them is over as well.
    fn catch_up(&self, core: &mut Core, open_time: impl FnOnce(u8) -> u64, now: Instant) {
        if self.poll_due(core, open_time, now).is_some() {
            core.half_open_if_due(now);
        }
    }

    #[cold]
    pub(super) fn try_acquire_due(
        &self,
        core: &mut Core,
        entropy: impl Entropy,
        now: Instant,
    ) -> Result<Permit, Rejected> {
        self.catch_up(core, |openings| self.open_time.draw(openings, entropy), now);
        core.admits(self)?;
        let is_probe = matches!(core.phase, Phase::HalfOpen);
        if is_probe {
            core.in_flight = core.in_flight.saturating_add(1);
            core.until = now.plus_nanos(self.lease);
        }
        Ok(core.permit(now, is_probe))
    }

    /// Counts a call in the row, and says whether the breaker opens.
    #[inline]
    pub(super) fn count(&self, core: &mut Core, failed: bool, now: Instant) -> bool {
        if !failed {
            core.count = 0;
            return false;
        }
        core.count = core.count.saturating_add(1);
        if matches!(core.phase, Phase::Settling) {
            core.until = now.plus_nanos(self.open_time.longest(core.openings));
        }
        core.count >= self.failure_threshold
    }

    /// What a probe says, while half-open.
    pub(super) fn probed(
        &self,
        core: &mut Core,
        said: Said,
        entropy: impl Entropy,
        now: Instant,
    ) -> Recorded {
        if core.in_flight == 0 {
            return Recorded::Stale; // not one of this breaker's probes
        }
        if core.until.is_reached(now) {
            self.open(core, entropy, core.until);
            return Recorded::Stale;
        }
        core.in_flight = core.in_flight.saturating_sub(1);
        match said {
            Said::Success => self.probe_succeeded(core, now),
            Said::Failure => self.probe_failed(core, entropy, now),
            Said::Abandoned => self.probe_abandoned(core, entropy, now),
            Said::Nothing => Recorded::Released,
        }
    }

    fn probe_succeeded(&self, core: &mut Core, now: Instant) -> Recorded {
        core.count = core.count.saturating_add(1);
        // Failures are in the upper byte only where some are tolerated.
        let successes = if self.tolerated == 0 { core.count } else { core.count & 0xFF };
        if successes < self.success_threshold {
            return Recorded::Counted;
        }
        if self.open_time.escalates() {
            let until = now.plus_nanos(self.open_time.longest(core.openings));
            return Recorded::counted(core.enter(Phase::Settling, until));
        }
        core.openings = 0;
        Recorded::counted(core.enter(Phase::Closed, Instant::EPOCH))
    }

    fn probe_failed(&self, core: &mut Core, entropy: impl Entropy, now: Instant) -> Recorded {
        if core.count >> 8 < self.tolerated.into() {
            core.count = core.count.saturating_add(0x100);
            return Recorded::Counted;
        }
        Recorded::counted(self.open(core, entropy, now))
    }

    fn probe_abandoned(&self, core: &mut Core, entropy: impl Entropy, now: Instant) -> Recorded {
        core.abandoned = core.abandoned.saturating_add(1);
        if core.abandoned < self.probes.saturating_mul(3) {
            return Recorded::Released;
        }
        Recorded::counted(self.open(core, entropy, now))
    }

    /// Whether an abandoned call ran for so long that the peer is to blame.
    pub(super) fn counts_as_failure(&self, permit: &Permit, now: Instant) -> bool {
        match self.abandon_counts_after {
            Some(enough) => now.nanos_since(permit.issued_at) >= enough,
            None => false,
        }
    }

    pub(super) fn open(
        &self,
        core: &mut Core,
        entropy: impl Entropy,
        since: Instant,
    ) -> Option<Transition> {
        core.open(|openings| self.open_time.draw(openings, entropy), since)
    }

    /// What time does to a state without a transition: a deadline that a backward step of the clock
    /// left too far ahead comes as close as it may be, and past openings are forgotten.
    pub(super) fn keep_time(&self, core: &mut Core, now: Instant) {
        core.until = core.until.within(self.horizon(core), now);
        if matches!(core.phase, Phase::Settling) && core.until.is_reached(now) {
            core.phase = Phase::Closed;
            core.openings = 0;
        }
    }

    /// How far ahead its deadline can be.
    pub(super) fn horizon(&self, core: &Core) -> u64 {
        match core.phase {
            Phase::Open | Phase::Settling => self.open_time.longest(core.openings),
            Phase::HalfOpen => self.lease,
            Phase::Closed | Phase::ForcedOpen | Phase::Disabled | Phase::MetricsOnly => 0,
        }
    }

    /// What `core` is at `now`, with every transition that is due applied to a copy.
    pub(super) fn at(&self, core: &Core, now: Instant) -> Core {
        let mut core = core.clone();
        self.catch_up(&mut core, |openings| self.open_time.longest(openings), now);
        core
    }
}

impl Core {
    #[inline]
    pub(super) const fn permit(&self, now: Instant, is_probe: bool) -> Permit {
        Permit::new(now, self.epoch, is_probe)
    }

    /// The end of an open time.
    fn half_open_if_due(&mut self, now: Instant) -> Option<Transition> {
        match self.phase {
            Phase::Open if self.until.is_reached(now) => {
                self.enter(Phase::HalfOpen, Instant::EPOCH)
            }
            _ => None,
        }
    }

    /// Whether a call passes, once every transition that is due is applied.
    pub(super) fn admits(&self, rules: &Rules) -> Result<(), Rejected> {
        match self.phase {
            Phase::Closed | Phase::Settling | Phase::Disabled | Phase::MetricsOnly => Ok(()),
            Phase::HalfOpen if self.in_flight < rules.probes => Ok(()),
            Phase::HalfOpen => {
                Err(Rejected::new(ErrorCode::CircuitBreakerHalfOpen, RetryAt::Unknown))
            }
            Phase::Open => Err(refused_until(self.until)),
            Phase::ForcedOpen => {
                Err(Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::Unknown))
            }
        }
    }
}

#[inline]
pub(super) const fn refused_until(until: Instant) -> Rejected {
    Rejected::new(ErrorCode::CircuitBreakerOpen, RetryAt::At(until))
}

#[cfg(test)]
mod tests {
    use crate::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
    use crate::outcome::{FailureClass, Outcome, RetryAt};
    use crate::time::Instant;
    use core::time::Duration;

    #[test]
    fn a_clock_that_steps_back_by_a_nanosecond_brings_the_end_closer_by_one() {
        let at = Instant::from_nanos;
        let policy = CircuitBreakerConfig::builder().failure_threshold(1);
        let policy = policy.timeout(Duration::from_nanos(100)).build().unwrap();
        let mut breaker = CircuitBreaker::new(policy);
        let permit = breaker.try_acquire(0, at(10)).unwrap();
        breaker.record(permit, Outcome::Failure(FailureClass::Transient), 0, at(10));
        for (now, end) in [(10, 110), (9, 109), (8, 108), (108, 108)] {
            let retry = breaker.try_acquire(0, at(now)).map_err(|refused| refused.retry());
            if now < end {
                assert_eq!(retry.unwrap_err(), RetryAt::At(at(end)), "at {now}");
                assert_eq!(breaker.peek(at(now)).unwrap_err().retry(), RetryAt::At(at(end)));
            } else {
                assert!(retry.is_ok(), "at {now}");
            }
        }
        assert!(breaker.peek(at(109)).is_err(), "the only probe is out");
    }
}
