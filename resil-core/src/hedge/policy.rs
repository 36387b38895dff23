//! After how long, how often, and where to.

use super::HedgeDecision;
use super::builder::HedgePolicyBuilder;
use super::histogram::{HedgeState, PAYLOAD};
use crate::outcome::{FailureClass, RetryHint};
use crate::ratio::Ratio;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::time::Instant;
use core::time::Duration;

/// Where a hedge should go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Target {
    /// To another peer than the attempts that are out, where there is one.
    #[default]
    Other,
    /// To the same peer: it spreads the load itself, or there is only one.
    Same,
}

/// When to hedge: a constant to share between all peers. What is known of a peer is a [`HedgeState`].
///
/// ```
/// use core::time::Duration;
/// use resil_core::hedge::{HedgePolicy, HedgeState};
/// use resil_core::{Instant, Ratio, valid};
///
/// const READS: HedgePolicy = valid!(
///     HedgePolicy::builder()
///         .quantile(Ratio::percent(90))
///         .fallback_delay(Duration::from_millis(200))
///         .build()
/// );
/// let peer = HedgeState::FRESH;
/// assert_eq!(READS.delay(&peer), Some(Duration::from_millis(200)));
/// assert_eq!(READS.due(&peer, 1, Instant::EPOCH), None, "one hedge a call");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HedgePolicy {
    pub(super) fixed: Option<u64>,
    pub(super) fallback: Option<u64>,
    pub(super) min_delay: u64,
    pub(super) max_delay: u64,
    pub(super) quantile: Ratio,
    pub(super) min_samples: u8,
    pub(super) max_hedges: u8,
    pub(super) shift: u8,
    pub(super) target: Target,
}

impl HedgePolicy {
    /// One hedge, at another peer, after the 95th percentile.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// Starts from the defaults.
    pub const fn builder() -> HedgePolicyBuilder {
        HedgePolicyBuilder::DEFAULT
    }

    /// Hedges of a call, the first attempt not counted.
    #[must_use]
    #[inline]
    pub const fn max_hedges(&self) -> u8 {
        self.max_hedges
    }

    /// Where a hedge should go.
    #[must_use]
    #[inline]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// The shortest latency that can be told from shorter ones: `min_delay` rounded down to a power of
    /// two of nanoseconds.
    #[must_use]
    pub const fn resolution(&self) -> Duration {
        Duration::from_nanos(1 << self.shift)
    }

    /// How long to wait before a hedge; `None` while nobody can say.
    #[must_use]
    pub const fn delay(&self, state: &HedgeState) -> Option<Duration> {
        match self.delay_nanos(state) {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => None,
        }
    }

    /// When the next hedge goes, where `sent` are out and the last attempt has started at `since`;
    /// `None` where none will.
    ///
    /// Ask once an attempt, when it starts: the estimate moves. The instant is the call's to wait for.
    #[must_use]
    #[inline]
    pub fn due(&self, state: &HedgeState, sent: u8, since: Instant) -> Option<Instant> {
        if sent >= self.max_hedges {
            return None;
        }
        self.delay_nanos(state).map(|nanos| since.plus_nanos(nanos))
    }

    /// Records how long an attempt took that started at `since` and ends `now`; see
    /// [what to record](super#what-to-record). Where the clock stepped back, nothing.
    pub fn record_latency(&self, state: &mut HedgeState, since: Instant, now: Instant) {
        if since <= now && self.fixed.is_none() {
            state.add(now.nanos_since(since), u32::from(self.shift), self.quantile);
        }
    }

    /// An attempt of a call failed of which `sent` hedges have gone.
    ///
    /// The rules are gRPC's (proposal A6). A peer that says when to come back is taken at its word: it
    /// delays a hedge, which the deadline of the call or the budget may then forbid.
    pub fn on_failure(
        &self,
        sent: u8,
        class: FailureClass,
        hint: RetryHint,
        now: Instant,
    ) -> HedgeDecision {
        match (class, hint) {
            (FailureClass::Fatal, _) => HedgeDecision::Fail,
            _ if sent >= self.max_hedges => HedgeDecision::Stop,
            (FailureClass::Throttled, _) | (_, RetryHint::Never) => HedgeDecision::Stop,
            (_, RetryHint::After(hint)) if !hint.is_zero() => {
                HedgeDecision::At(now.saturating_add(hint))
            }
            (_, RetryHint::After(_) | RetryHint::None) => HedgeDecision::Now,
        }
    }

    /// The samples go on. Where the [resolution](Self::resolution) differs they move to other buckets,
    /// and what is out of their range to the ends.
    #[must_use]
    pub fn inherit(&self, old: &Self, state: &HedgeState, _: Instant) -> HedgeState {
        let octaves = i32::from(self.shift).saturating_sub(i32::from(old.shift));
        state.moved(octaves, self.quantile)
    }

    #[inline]
    const fn delay_nanos(&self, state: &HedgeState) -> Option<u64> {
        if self.fixed.is_some() {
            return self.fixed;
        }
        if state.samples() < self.min_samples {
            return self.fallback;
        }
        let estimate = state.estimate(self.shift as u32);
        let delay = if estimate < self.min_delay { self.min_delay } else { estimate };
        Some(if delay > self.max_delay { self.max_delay } else { delay })
    }
}

impl Default for HedgePolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// 133 bytes.
impl Persist for HedgePolicy {
    type State = HedgeState;

    const KIND: u8 = kind::HEDGE;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = PAYLOAD;

    fn write(&self, state: &HedgeState, _: Instant, to: &mut Writer<'_>) {
        state.write(u32::from(self.shift), to);
    }

    fn read(&self, from: &mut Reader<'_>, _: Instant) -> Result<HedgeState, SnapshotError> {
        HedgeState::read(from, u32::from(self.shift), self.quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: FailureClass = FailureClass::Transient;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_duration(ms(millis))
    }

    fn seen(policy: &HedgePolicy, millis: u64, times: usize) -> HedgeState {
        let mut state = HedgeState::FRESH;
        for _ in 0..times {
            policy.record_latency(&mut state, at(7), at(7 + millis));
        }
        state
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let setting = |builder: HedgePolicyBuilder| builder.build().unwrap_err().setting();
        let builder = HedgePolicy::builder();
        for (above, below) in [(49, 100), (100, 100), (995, 1_000), (1, 0), (0, 0)] {
            assert_eq!(setting(builder.quantile(Ratio::new(above, below))), "quantile");
        }
        assert_eq!(setting(builder.min_samples(0)), "min_samples");
        assert_eq!(setting(builder.min_samples(128)), "min_samples");
        assert_eq!(setting(builder.max_hedges(0)), "max_hedges");
        assert_eq!(setting(builder.max_hedges(5)), "max_hedges");
        assert_eq!(setting(builder.min_delay(Duration::from_nanos(7))), "min_delay");
        assert_eq!(setting(builder.min_delay(Duration::from_nanos((1 << 46) + 1))), "min_delay");
        assert_eq!(setting(builder.max_delay(Duration::from_micros(999))), "max_delay");
    }

    #[test]
    fn a_quantile_needs_samples() {
        let policy = HedgePolicy::DEFAULT;
        assert_eq!(policy.delay(&seen(&policy, 10, 19)), None);
        let delay = policy.delay(&seen(&policy, 10, 20)).unwrap();
        assert!(delay > ms(10) && delay <= Duration::from_micros(11_250), "{delay:?}");
    }

    #[test]
    fn a_delay_keeps_to_its_bounds() {
        let builder = HedgePolicy::builder().min_delay(ms(5)).max_delay(ms(50));
        let policy = builder.build().unwrap();
        assert_eq!(policy.delay(&seen(&policy, 0, 20)), Some(ms(5)));
        assert_eq!(policy.delay(&seen(&policy, 3_000, 20)), Some(ms(50)));
        assert_eq!(policy.resolution(), Duration::from_nanos(1 << 22));
        let fixed = builder.fixed_delay(ms(80)).build().unwrap();
        assert_eq!(fixed.delay(&HedgeState::FRESH), Some(ms(80)));
        assert_eq!(seen(&fixed, 1, 9), HedgeState::FRESH);
    }

    #[test]
    fn a_call_has_so_many_hedges_and_no_more_pitfall_97() {
        let policy = HedgePolicy::builder().fixed_delay(ms(10)).max_hedges(2).build().unwrap();
        let state = HedgeState::FRESH;
        for (sent, due) in [(0, Some(at(17))), (1, Some(at(17))), (2, None), (255, None)] {
            assert_eq!(policy.due(&state, sent, at(7)), due, "{sent}");
        }
        for class in [LOST, FailureClass::Timeout, FailureClass::Local, FailureClass::Throttled] {
            for hint in [RetryHint::None, RetryHint::After(ms(3)), RetryHint::Never] {
                let decision = policy.on_failure(2, class, hint, at(7));
                assert_eq!(decision, HedgeDecision::Stop, "{class:?} {hint:?}");
            }
        }
    }

    #[test]
    fn a_failure_sends_the_next_hedge_unless_somebody_asked_for_less() {
        let policy = HedgePolicy::DEFAULT;
        let decide = |class, hint| policy.on_failure(0, class, hint, at(7));
        for class in [LOST, FailureClass::Timeout, FailureClass::Local] {
            assert_eq!(decide(class, RetryHint::None), HedgeDecision::Now);
        }
        assert_eq!(decide(LOST, RetryHint::After(Duration::ZERO)), HedgeDecision::Now);
        assert_eq!(decide(LOST, RetryHint::After(ms(5))), HedgeDecision::At(at(12)));
        assert_eq!(decide(LOST, RetryHint::After(Duration::MAX)), HedgeDecision::At(Instant::MAX));
        assert_eq!(decide(LOST, RetryHint::Never), HedgeDecision::Stop);
        assert_eq!(decide(FailureClass::Throttled, RetryHint::None), HedgeDecision::Stop);
        assert_eq!(decide(FailureClass::Fatal, RetryHint::None), HedgeDecision::Fail);
    }

    #[test]
    fn a_clock_that_steps_back_records_nothing() {
        let (policy, mut state) = (HedgePolicy::DEFAULT, HedgeState::FRESH);
        policy.record_latency(&mut state, at(9), at(8));
        assert_eq!(state, HedgeState::FRESH);
        policy.record_latency(&mut state, Instant::EPOCH, Instant::MAX);
        assert_eq!(state.samples(), 1);
    }

    #[test]
    fn another_policy_goes_on_with_the_samples() {
        let old = HedgePolicy::DEFAULT;
        let state = seen(&old, 100, 30);
        let new = HedgePolicy::builder().min_delay(ms(4)).quantile(Ratio::percent(50));
        let new = new.build().unwrap();
        assert_eq!(new.delay(&new.inherit(&old, &state, at(0))), old.delay(&state));
        let fresh = new.inherit(&old, &HedgeState::FRESH, at(0));
        assert_eq!(new.delay(&fresh), None);
    }

    #[test]
    fn it_outlives_a_reboot() {
        let policy = HedgePolicy::DEFAULT;
        let (state, mut bytes) = (seen(&policy, 100, 30), [0; HedgePolicy::LEN]);
        assert_eq!(policy.save(&state, Instant::MAX, &mut bytes), Ok(133));
        assert_eq!(policy.restore(&bytes, Instant::EPOCH), Ok(state));
        let other = HedgePolicy::builder().min_delay(ms(8)).build().unwrap();
        assert_eq!(other.restore(&bytes, Instant::EPOCH), Err(SnapshotError::Invalid));
    }
}
