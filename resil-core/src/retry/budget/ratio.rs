//! Extra attempts as a share of the calls.

use super::{BudgetPolicy, SPENT};
use crate::call::Extra;
use crate::config::ConfigError;
use crate::outcome::{Outcome, Rejected};
use crate::ratio::Ratio;
use crate::snapshot::{Persist, Reader, SnapshotError, Writer, kind};
use crate::tally::Tally;
use crate::time::{Instant, saturating_nanos};
use core::time::Duration;

/// Sub-windows: Finagle has ten.
const SLOTS: usize = 10;

/// Which counter of the tally is which.
const CALLS: usize = 0;
const EXTRAS: usize = 1;

/// Extra attempts of a window as a share of its calls, and a few besides.
///
/// The denominator is the number of **calls that have begun** in the window, whatever became of them:
/// not those in flight, which vanish when everything fails at once, and not the successes.
///
/// # Laws
///
/// - Whenever an extra attempt passes, those of the window, this one included, are at most
///   `⌊calls · ratio⌋ + minimum`; and while that holds, it passes. By cross multiplication: a ratio of
///   0.6 gives 60 %.
/// - What was counted at t is in the window while `now < t + 0.9 · window`, and is not from
///   `t + window` on. A budget refills with time: a node that was idle is not stuck at nothing.
/// - A clock that steps back mints nothing, and keeps nothing counted for longer than a window and a
///   half.
///
/// Retries and hedges cost the same, and how an attempt ends is all the same.
///
/// Where layers share one, let only the outermost [`begin`](crate::call::Budget::begin) calls: else the
/// retries of one layer are calls of the next, which earn.
///
/// ```
/// use resil_core::call::{Budget, Extra};
/// use resil_core::outcome::FailureClass;
/// use resil_core::retry::budget::{RatioBudget, RetryBudget};
/// use resil_core::{Instant, Ratio, valid};
///
/// const TENTH: RatioBudget =
///     valid!(RatioBudget::builder().ratio(Ratio::percent(10)).minimum(1).build());
/// let (mut budget, now) = (RetryBudget::new(TENTH), Instant::EPOCH);
/// for _ in 0..39 {
///     budget.begin(now);
/// }
/// let extras = (0..100).filter(|_| budget.try_withdraw(Extra::Hedge, now).is_ok()).count();
/// assert_eq!(extras, 3 + 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RatioBudget {
    /// Nanoseconds of a sub-window.
    width: u64,
    minimum: u32,
    ratio: Ratio,
}

impl RatioBudget {
    /// 20 % of the calls of 10 s, and 10 besides.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// Starts from the defaults.
    pub const fn builder() -> RatioBudgetBuilder {
        RatioBudgetBuilder {
            ratio: Ratio::percent(20),
            minimum: 10,
            window: Duration::from_secs(10),
        }
    }

    /// Extra attempts per call.
    #[must_use]
    pub const fn ratio(&self) -> Ratio {
        self.ratio
    }

    /// Extra attempts of a window that need no call.
    #[must_use]
    pub const fn minimum(&self) -> u32 {
        self.minimum
    }

    /// The time over which both are counted, in whole sub-windows.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.width.saturating_mul(SLOTS as u64))
    }

    /// Calls and extra attempts in the window at `now`.
    #[must_use]
    pub fn counted(&self, state: &RatioBudgetState, now: Instant) -> (u32, u32) {
        let [calls, extras] = state.0.totals_at(self.width, now);
        (calls, extras)
    }

    /// Whether one more extra attempt keeps the law.
    const fn allows(&self, &[calls, extras]: &[u32; 2]) -> bool {
        // What the calls have to pay for. A whole number is at most a fraction exactly if it is at
        // most its floor, so nothing is rounded.
        let Some(more) = extras.checked_add(1) else { return false };
        let paid = more.saturating_sub(self.minimum) as u64;
        paid.saturating_mul(self.ratio.denominator() as u64)
            <= (calls as u64).saturating_mul(self.ratio.numerator() as u64)
    }
}

impl Default for RatioBudget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a [`RatioBudget`] remembers: calls and extra attempts of ten sub-windows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RatioBudgetState(Tally<2, SLOTS>);

const _: () = assert!(size_of::<RatioBudgetState>() <= 104);
const _: () = assert!(size_of::<RatioBudget>() <= 16);

impl Default for RatioBudgetState {
    fn default() -> Self {
        RatioBudget::FRESH
    }
}

/// What a [`RatioBudget`] has charged. Dropping it means spent.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RatioCharge {
    /// When the sub-window began that it is counted in.
    since: Instant,
}

impl BudgetPolicy for RatioBudget {
    type State = RatioBudgetState;
    type Charge = RatioCharge;

    const FRESH: RatioBudgetState = RatioBudgetState(Tally::EMPTY);

    fn begin(&self, state: &mut RatioBudgetState, now: Instant) {
        state.0.advance(self.width, now);
        state.0.add(CALLS, 1);
    }

    fn try_withdraw(
        &self,
        state: &mut RatioBudgetState,
        _: Extra,
        now: Instant,
    ) -> Result<RatioCharge, Rejected> {
        state.0.advance(self.width, now);
        if !self.allows(state.0.totals()) {
            return Err(SPENT);
        }
        state.0.add(EXTRAS, 1);
        Ok(RatioCharge { since: state.0.since() })
    }

    fn peek(&self, state: &RatioBudgetState, _: Extra, now: Instant) -> Result<(), Rejected> {
        if self.allows(&state.0.totals_at(self.width, now)) { Ok(()) } else { Err(SPENT) }
    }

    fn settle(&self, _: &mut RatioBudgetState, _: Option<RatioCharge>, _: Outcome, _: Instant) {}

    #[inline]
    fn needs_end(&self) -> bool {
        false
    }

    /// As long as it is in the window. After a clock has stepped back by more than half of that, it stays
    /// spent: what is counted may be another one.
    fn refund(&self, state: &mut RatioBudgetState, charge: RatioCharge, now: Instant) {
        state.0.advance(self.width, now);
        state.0.take(EXTRAS, self.width, charge.since);
    }

    /// Looks through at most ten sub-windows.
    fn next_deadline(&self, state: &RatioBudgetState, now: Instant) -> Option<Instant> {
        let mut ahead = state.0.clone();
        ahead.advance(self.width, now);
        let allowed = self.allows(ahead.totals());
        for _ in 0..SLOTS {
            let at = ahead.next_change(self.width)?;
            ahead.advance(self.width, at);
            if self.allows(ahead.totals()) != allowed {
                return Some(at);
            }
        }
        None
    }

    /// A window of the same length goes on. Else what is in it counts as if it were from now, calls
    /// and extra attempts alike.
    fn inherit(&self, old: &Self, state: &RatioBudgetState, now: Instant) -> RatioBudgetState {
        if self.width == old.width {
            return state.clone();
        }
        let (calls, extras) = old.counted(state, now);
        let mut tally = Tally::EMPTY;
        tally.advance(self.width, now);
        tally.add(CALLS, calls);
        tally.add(EXTRAS, extras);
        RatioBudgetState(tally)
    }
}

/// 92 bytes.
impl Persist for RatioBudget {
    type State = RatioBudgetState;

    const KIND: u8 = kind::RATIO_BUDGET;
    const VERSION: u8 = 1;
    const PAYLOAD: usize = Tally::<2, SLOTS>::PAYLOAD;

    fn write(&self, state: &RatioBudgetState, now: Instant, to: &mut Writer<'_>) {
        state.0.write(self.width, now, to);
    }

    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<RatioBudgetState, SnapshotError> {
        Tally::read(self.width, from, now).map(RatioBudgetState)
    }
}

/// Settings of a [`RatioBudget`]; [`RatioBudget::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RatioBudgetBuilder {
    ratio: Ratio,
    minimum: u32,
    window: Duration,
}

impl RatioBudgetBuilder {
    /// Extra attempts per call, above 0 and at most 1: 20 % unless set, as Finagle, Envoy and
    /// failsafe-go have it.
    pub const fn ratio(mut self, ratio: Ratio) -> Self {
        self.ratio = ratio;
        self
    }

    /// Extra attempts of a window that need no call, so that a node with a call a minute may retry at
    /// all: 10 unless set, one a second. Finagle's ten a second are for servers; Envoy has three at a
    /// time.
    pub const fn minimum(mut self, minimum: u32) -> Self {
        self.minimum = minimum;
        self
    }

    /// The time over which both are counted: 10 s unless set (Finagle). Counted in tenths.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// `ratio` is not above 0 and at most 1; `minimum` is above 65,535; `window` is below 10 ns, is
    /// no multiple of that, or is above 2^62 ns (146 years).
    pub const fn build(self) -> Result<RatioBudget, ConfigError> {
        if !self.ratio.is_share() {
            return Err(ConfigError::new("ratio", "ratio must be above 0 and at most 1"));
        }
        if self.minimum > u16::MAX as u32 {
            return Err(ConfigError::new("minimum", "minimum must be at most 65,535"));
        }
        let (nanos, slots) = (saturating_nanos(self.window), SLOTS as u64);
        match (nanos.checked_div(slots), nanos.checked_rem(slots)) {
            (Some(width), Some(0)) if width > 0 && nanos <= 1 << 62 => {
                Ok(RatioBudget { width, minimum: self.minimum, ratio: self.ratio })
            }
            _ => Err(ConfigError::new(
                "window",
                "window must be 10 ns to 2^62 ns, in whole tens of nanoseconds",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTRA: Extra = Extra::Hedge;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn budget(ratio: Ratio, minimum: u32) -> RatioBudget {
        RatioBudget::builder().ratio(ratio).minimum(minimum).build().unwrap()
    }

    fn passes(budget: &RatioBudget, state: &mut RatioBudgetState, now: Instant) -> usize {
        (0..10_000).filter(|_| budget.try_withdraw(state, EXTRA, now).is_ok()).count()
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let setting = |builder: RatioBudgetBuilder| builder.build().unwrap_err().setting();
        let builder = RatioBudget::builder();
        for ratio in [Ratio::new(0, 1), Ratio::new(11, 10), Ratio::new(0, 0)] {
            assert_eq!(setting(builder.ratio(ratio)), "ratio");
        }
        assert_eq!(setting(builder.minimum(65_536)), "minimum");
        for minimum in [0, 1, 2, 65_535] {
            assert_eq!(builder.minimum(minimum).build().unwrap().minimum(), minimum);
        }
        for nanos in [0, 9, 11, u64::MAX] {
            assert_eq!(setting(builder.window(Duration::from_nanos(nanos))), "window");
        }
        assert_eq!(RatioBudget::DEFAULT.window(), Duration::from_secs(10));
    }

    #[test]
    fn sixty_percent_are_sixty_percent_pitfall_62() {
        for (percent, expected) in [(60, 60), (30, 30), (1, 1), (99, 99), (100, 100)] {
            let (budget, mut state) = (budget(Ratio::percent(percent), 0), RatioBudget::FRESH);
            for _ in 0..100 {
                budget.begin(&mut state, at(0));
            }
            assert_eq!(passes(&budget, &mut state, at(0)), expected);
        }
    }

    #[test]
    fn all_calls_failing_at_once_get_their_share_pitfall_94() {
        let (budget, mut state) = (RatioBudget::DEFAULT, RatioBudget::FRESH);
        for _ in 0..1_000 {
            budget.begin(&mut state, at(0));
        }
        // None is in flight any more when the first one asks.
        for _ in 0..1_000 {
            let failed = Outcome::Failure(crate::outcome::FailureClass::Transient);
            budget.settle(&mut state, None, failed, at(1));
        }
        assert_eq!(passes(&budget, &mut state, at(1)), 210);
    }

    #[test]
    fn it_is_exhausted_and_recovers_with_time_pitfall_92() {
        let (budget, mut state) = (budget(Ratio::percent(20), 3), RatioBudget::FRESH);
        assert_eq!(passes(&budget, &mut state, at(60_000)), 3);
        assert_eq!(budget.next_deadline(&state, at(60_000)), Some(at(70_000)));
        assert_eq!(budget.peek(&state, EXTRA, at(69_999)), Err(SPENT));
        assert_eq!(passes(&budget, &mut state, at(70_000)), 3);
    }

    #[test]
    fn a_deadline_is_where_the_answer_changes() {
        let (budget, mut state) = (budget(Ratio::ONE, 0), RatioBudget::FRESH);
        assert_eq!(budget.next_deadline(&state, at(5)), None);
        budget.begin(&mut state, at(20_000));
        assert_eq!(budget.next_deadline(&state, at(20_000)), Some(at(30_000)), "the call leaves");
        assert_eq!(passes(&budget, &mut state, at(20_000)), 1);
        assert_eq!(budget.next_deadline(&state, at(20_000)), None, "both leave together");
        budget.begin(&mut state, at(25_000));
        assert_eq!(budget.next_deadline(&state, at(25_000)), Some(at(35_000)));
    }

    #[test]
    fn what_was_not_made_is_refunded_while_it_is_in_the_window() {
        let (budget, mut state) = (budget(Ratio::ONE, 2), RatioBudget::FRESH);
        let first = budget.try_withdraw(&mut state, EXTRA, at(60_000)).unwrap();
        let second = budget.try_withdraw(&mut state, EXTRA, at(65_000)).unwrap();
        assert!(budget.peek(&state, EXTRA, at(66_000)).is_err());
        budget.refund(&mut state, second, at(66_000));
        assert_eq!(budget.counted(&state, at(66_000)), (0, 1));
        let third = budget.try_withdraw(&mut state, EXTRA, at(69_000)).unwrap();
        budget.refund(&mut state, first, at(71_000));
        assert_eq!(budget.counted(&state, at(71_000)), (0, 1), "the first has left by itself");
        budget.refund(&mut state, third, at(500_000));
        assert_eq!(budget.counted(&state, at(500_000)), (0, 0));
    }

    #[test]
    fn a_step_of_the_clock_mints_nothing() {
        let (budget, mut state) = (budget(Ratio::percent(20), 3), RatioBudget::FRESH);
        assert_eq!(passes(&budget, &mut state, at(1_000_000)), 3);
        assert_eq!(passes(&budget, &mut state, at(500)), 0, "back");
        assert_eq!(passes(&budget, &mut state, at(500 + 14_999)), 0);
        assert_eq!(passes(&budget, &mut state, at(500 + 15_000)), 3);
        assert_eq!(passes(&budget, &mut state, Instant::MAX), 3);
        assert_eq!(passes(&budget, &mut state, Instant::MAX), 0);
    }

    #[test]
    fn a_refund_after_a_step_of_the_clock_gives_back_its_own_and_nothing_else() {
        let (one, mut state) = (budget(Ratio::percent(20), 1), RatioBudget::FRESH);
        let early = one.try_withdraw(&mut state, EXTRA, at(1_000_000)).unwrap();
        assert!(one.try_withdraw(&mut state, EXTRA, at(500)).is_err(), "far back");
        assert!(one.try_withdraw(&mut state, EXTRA, at(40_000)).is_ok(), "forgotten");
        one.refund(&mut state, early, at(40_000));
        assert_eq!(one.counted(&state, at(40_000)), (0, 1), "what it took has left");

        let mut state = RatioBudget::FRESH;
        one.begin(&mut state, at(60_000));
        let charge = one.try_withdraw(&mut state, EXTRA, at(59_999)).unwrap();
        one.refund(&mut state, charge, at(59_999));
        assert_eq!(one.counted(&state, at(59_999)), (1, 0), "a moment back");
    }

    #[test]
    fn another_window_keeps_what_was_counted() {
        let (old, mut state) = (budget(Ratio::percent(20), 3), RatioBudget::FRESH);
        old.begin(&mut state, at(60_000));
        assert_eq!(passes(&old, &mut state, at(60_000)), 3);
        let builder = RatioBudget::builder().minimum(4);
        let same = builder.build().unwrap();
        assert_eq!(same.inherit(&old, &state, at(61_000)), state);
        let longer = builder.window(Duration::from_secs(60)).build().unwrap();
        let mut moved = longer.inherit(&old, &state, at(61_000));
        assert_eq!(longer.counted(&moved, at(61_000)), (1, 3));
        assert_eq!(passes(&longer, &mut moved, at(61_000)), 1);
    }

    #[test]
    fn it_outlives_a_reboot() {
        let (budget, mut state) = (budget(Ratio::percent(20), 3), RatioBudget::FRESH);
        for now in [60_000, 63_210, 64_000] {
            budget.begin(&mut state, at(now));
            assert!(budget.try_withdraw(&mut state, EXTRA, at(now)).is_ok());
        }
        let mut bytes = [0; RatioBudget::LEN];
        assert_eq!(budget.save(&state, at(65_500), &mut bytes), Ok(RatioBudget::LEN));
        let restored = budget.restore(&bytes, at(30_000)).unwrap();
        for after in (0..12_000).step_by(250) {
            let (then, now) = (at(65_500 + after), at(30_000 + after));
            assert_eq!(budget.counted(&restored, now), budget.counted(&state, then), "{after}");
            let due = |at: Option<Instant>, now: Instant| at.map(|at| at.saturating_since(now));
            assert_eq!(
                due(budget.next_deadline(&restored, now), now),
                due(budget.next_deadline(&state, then), then)
            );
        }
        // Restarted just now: the sub-windows that have passed lie before the epoch.
        assert!(budget.restore(&bytes, Instant::EPOCH).is_ok());
        let shorter = RatioBudget::builder().window(Duration::from_millis(100)).build().unwrap();
        assert_eq!(shorter.restore(&bytes, at(30_000)), Err(SnapshotError::Invalid));
    }

    #[test]
    fn what_counts_for_longer_than_a_window_and_a_half_is_not_of_this_policy() {
        let of =
            |nanos| RatioBudget::builder().window(Duration::from_nanos(nanos)).build().unwrap();
        let (old, mut state) = (of(600), RatioBudget::FRESH);
        let now = Instant::from_nanos(9_000);
        old.begin(&mut state, now);
        let mut bytes = [0; RatioBudget::LEN];
        old.save(&state, now, &mut bytes).unwrap();
        // The present sub-window ends in 60 ns: one of 10 and half a window of 100.
        let restored = of(100).restore(&bytes, now).unwrap();
        assert_eq!(of(100).counted(&restored, now), (1, 0));
        assert_eq!(of(90).restore(&bytes, now), Err(SnapshotError::Invalid));
    }
}
