//! Which faults, and how many.

use super::Fault;
use crate::backoff::up_to;
use crate::config::ConfigError;
use crate::entropy::Entropy;
use crate::time::saturating_nanos;
use core::time::Duration;

/// All of them, in millionths.
const ALL: u32 = 1_000_000;

/// Which faults to order, and how many.
///
/// Rates are in millionths: 1,000 is one in a thousand. [`fault`](Self::fault) decides from a number
/// that you draw; a [`Chaos`](super::Chaos) has a seeded sequence of its own, and bursts.
///
/// ```
/// use resil_core::chaos::{ChaosPolicy, Fault};
/// use resil_core::valid;
///
/// const LOSSY: ChaosPolicy = valid!(ChaosPolicy::builder().errors(0).drops(500_000).build());
/// assert_eq!(LOSSY.fault(0), Fault::Drop);
/// assert_eq!(LOSSY.fault(u32::MAX), Fault::None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChaosPolicy {
    /// Where the band of each fault ends in the 2^32 numbers that can be drawn.
    errors: u64,
    delays: u64,
    drops: u64,
    duplicates: u64,
    reorders: u64,
    clock_steps: u64,
    shortest: u64,
    delay_range: u64,
    max_clock_step: u64,
    /// Chances of a burst to begin and to end; both 0 where there are none.
    pub(super) begin: u64,
    pub(super) end: u64,
    max_places: u16,
    is_enabled: bool,
}

impl ChaosPolicy {
    /// Polly's: one error in a thousand, and nothing else.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// Starts from the defaults.
    pub const fn builder() -> ChaosPolicyBuilder {
        ChaosPolicyBuilder {
            errors: 1_000,
            delays: 0,
            shortest: Duration::from_secs(30),
            longest: Duration::from_secs(30),
            drops: 0,
            duplicates: 0,
            reorders: 0,
            max_places: 1,
            clock_steps: 0,
            max_clock_step: Duration::from_secs(1),
            bursts: None,
            is_enabled: true,
        }
    }

    /// Whether it orders anything at all.
    #[must_use]
    #[inline]
    pub const fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Whether faults come in bursts only.
    #[must_use]
    #[inline]
    pub const fn has_bursts(&self) -> bool {
        self.begin != 0
    }

    /// The fault that a random number stands for; `entropy` is drawn once, and not at all where the
    /// policy is disabled.
    ///
    /// It has no memory, so it knows no bursts: each call is as one within a burst.
    #[inline]
    pub fn fault(&self, entropy: impl Entropy) -> Fault {
        if !self.is_enabled {
            return Fault::None;
        }
        let drawn = entropy.draw();
        let place = u64::from(drawn);
        // How much of it: which band the number is in says nothing about its finalised bits.
        let amount = finalize(drawn);
        if place < self.errors {
            Fault::Error
        } else if place < self.delays {
            let nanos = self.shortest.saturating_add(up_to(self.delay_range, amount));
            Fault::Delay { nanos }
        } else if place < self.drops {
            Fault::Drop
        } else if place < self.duplicates {
            Fault::Duplicate
        } else if place < self.reorders {
            let more = up_to(u64::from(self.max_places.saturating_sub(1)), amount);
            Fault::Reorder { places: (more as u16).saturating_add(1) } // `more` is below `max_places`
        } else if place < self.clock_steps {
            self.clock_step(amount)
        } else {
            Fault::None
        }
    }

    /// Ahead or behind by the lowest bit, by 1 ns at least.
    #[inline]
    const fn clock_step(&self, amount: u32) -> Fault {
        let nanos = up_to(self.max_clock_step.saturating_sub(1), amount).saturating_add(1) as i64;
        Fault::ClockStep { nanos: if amount & 1 == 0 { nanos } else { nanos.wrapping_neg() } }
    }
}

impl Default for ChaosPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// MurmurHash3's 32-bit finaliser (Appleby): every bit depends on all of them, and nothing is lost.
#[inline]
const fn finalize(word: u32) -> u32 {
    let word = (word ^ (word >> 16)).wrapping_mul(0x85EB_CA6B);
    let word = (word ^ (word >> 13)).wrapping_mul(0xC2B2_AE35);
    word ^ (word >> 16)
}

/// `millionths` of the 2^32 numbers that can be drawn, rounded down.
pub(super) const fn share(millionths: u32) -> u64 {
    match ((millionths as u64) << 32).checked_div(ALL as u64) {
        Some(share) => share,
        None => 0,
    }
}

/// Settings of a [`ChaosPolicy`]; [`ChaosPolicy::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ChaosPolicyBuilder {
    errors: u32,
    delays: u32,
    shortest: Duration,
    longest: Duration,
    drops: u32,
    duplicates: u32,
    reorders: u32,
    max_places: u16,
    clock_steps: u32,
    max_clock_step: Duration,
    bursts: Option<(u32, u32)>,
    is_enabled: bool,
}

impl ChaosPolicyBuilder {
    /// Errors in a million: 1,000 unless set (Polly's injection rate, 0.001).
    pub const fn errors(mut self, millionths: u32) -> Self {
        self.errors = millionths;
        self
    }

    /// Delays in a million, each uniform in `[shortest, longest]`: none unless set; 30 s is Polly's.
    pub const fn delays(mut self, millionths: u32, shortest: Duration, longest: Duration) -> Self {
        self.delays = millionths;
        self.shortest = shortest;
        self.longest = longest;
        self
    }

    /// Losses in a million: none unless set.
    pub const fn drops(mut self, millionths: u32) -> Self {
        self.drops = millionths;
        self
    }

    /// Duplicates in a million: none unless set.
    pub const fn duplicates(mut self, millionths: u32) -> Self {
        self.duplicates = millionths;
        self
    }

    /// Changes of order in a million, each by 1 to `max_places` places: none unless set.
    pub const fn reorders(mut self, millionths: u32, max_places: u16) -> Self {
        self.reorders = millionths;
        self.max_places = max_places;
        self
    }

    /// Steps of the clock in a million, each by up to `max_step`, ahead as often as behind: none unless
    /// set.
    pub const fn clock_steps(mut self, millionths: u32, max_step: Duration) -> Self {
        self.clock_steps = millionths;
        self.max_clock_step = max_step;
        self
    }

    /// Faults in bursts: before each message a burst begins with the chance `begin`, or ends with the
    /// chance `end`, in millionths; the rates hold within bursts, and outside there are no faults. No
    /// bursts unless set: every message is alike.
    ///
    /// E. N. Gilbert's model of a noisy line ("Capacity of a Burst-Noise Channel", 1960). A burst lasts
    /// `1,000,000 / end` messages on average, and `begin / (begin + end)` of all messages are in one.
    pub const fn bursts(mut self, begin: u32, end: u32) -> Self {
        self.bursts = Some((begin, end));
        self
    }

    /// Whether to order anything: yes unless set. A constant `false` costs one branch.
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.is_enabled = enabled;
        self
    }

    /// The policy with these settings.
    ///
    /// # Errors
    ///
    /// The rates add up to more than a million; `longest` is below `shortest`, `max_places` is zero,
    /// `max_clock_step` is zero or above 146 years; a chance of `bursts` is zero or above a million.
    pub const fn build(self) -> Result<ChaosPolicy, ConfigError> {
        let (shortest, longest) = (saturating_nanos(self.shortest), saturating_nanos(self.longest));
        if longest < shortest {
            return Err(ConfigError::new("delays", "delays must not be longest below shortest"));
        }
        if self.max_places == 0 {
            return Err(ConfigError::new("reorders", "reorders must be by at least 1 place"));
        }
        let max_clock_step = saturating_nanos(self.max_clock_step);
        if max_clock_step == 0 || max_clock_step > 1 << 62 {
            return Err(ConfigError::new(
                "clock_steps",
                "clock_steps must be by more than zero and at most 2^62 ns",
            ));
        }
        let (begin, end) = match self.bursts {
            None => (0, 0),
            Some((begin, end)) if begin >= 1 && begin <= ALL && end >= 1 && end <= ALL => {
                (share(begin), share(end))
            }
            Some(_) => {
                return Err(ConfigError::new(
                    "bursts",
                    "bursts must begin and end with chances of 1 to 1,000,000",
                ));
            }
        };
        let errors = self.errors;
        let delays = errors.saturating_add(self.delays);
        let drops = delays.saturating_add(self.drops);
        let duplicates = drops.saturating_add(self.duplicates);
        let reorders = duplicates.saturating_add(self.reorders);
        let clock_steps = reorders.saturating_add(self.clock_steps);
        if clock_steps > ALL {
            return Err(ConfigError::new(
                "rates",
                "rates must not add up to more than 1,000,000 millionths",
            ));
        }
        Ok(ChaosPolicy {
            errors: share(errors),
            delays: share(delays),
            drops: share(drops),
            duplicates: share(duplicates),
            reorders: share(reorders),
            clock_steps: share(clock_steps),
            shortest,
            delay_range: longest.saturating_sub(shortest),
            max_clock_step,
            begin,
            end,
            max_places: self.max_places,
            is_enabled: self.is_enabled,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ChaosPolicyBuilder = ChaosPolicy::builder().errors(0);

    fn setting(builder: ChaosPolicyBuilder) -> &'static str {
        builder.build().unwrap_err().setting()
    }

    #[test]
    fn settings_that_do_not_hold_are_named() {
        let second = Duration::from_secs(1);
        assert_eq!(setting(NONE.errors(1_000_001)), "rates");
        assert_eq!(setting(NONE.errors(500_000).drops(500_001)), "rates");
        assert_eq!(setting(NONE.errors(u32::MAX).drops(u32::MAX)), "rates");
        assert_eq!(setting(NONE.delays(1, second, Duration::ZERO)), "delays");
        assert_eq!(setting(NONE.reorders(1, 0)), "reorders");
        assert_eq!(setting(NONE.clock_steps(1, Duration::ZERO)), "clock_steps");
        assert_eq!(setting(NONE.clock_steps(1, Duration::MAX)), "clock_steps");
        for (begin, end) in [(0, 1), (1, 0), (1_000_001, 1), (1, 1_000_001)] {
            assert_eq!(setting(NONE.bursts(begin, end)), "bursts");
        }
        assert!(NONE.errors(500_000).drops(500_000).build().is_ok());
    }

    #[test]
    fn a_disabled_policy_draws_nothing() {
        let off = NONE.errors(1_000_000).enabled(false).build().unwrap();
        assert_eq!(off.fault(|| panic!("drawn")), Fault::None);
    }

    #[test]
    fn a_rate_of_one_is_always_and_of_zero_never() {
        let always = NONE.drops(1_000_000).build().unwrap();
        let never = NONE.build().unwrap();
        for drawn in [0, 1, 1 << 31, u32::MAX] {
            assert_eq!(always.fault(drawn), Fault::Drop);
            assert_eq!(never.fault(drawn), Fault::None);
        }
    }

    #[test]
    fn amounts_reach_both_ends_and_not_beyond() {
        let nano = Duration::from_nanos(1);
        let delays = NONE.delays(1_000_000, nano, 4 * nano).build().unwrap();
        let places = NONE.reorders(1_000_000, 3).build().unwrap();
        let steps = NONE.clock_steps(1_000_000, 2 * nano).build().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for drawn in 0..1_000 {
            match (delays.fault(drawn), places.fault(drawn), steps.fault(drawn)) {
                (
                    Fault::Delay { nanos },
                    Fault::Reorder { places },
                    Fault::ClockStep { nanos: step },
                ) => {
                    seen.extend([(0, nanos as i64), (1, i64::from(places)), (2, step)]);
                }
                other => panic!("{other:?}"),
            }
        }
        let all = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)];
        let steps = [(2, -2), (2, -1), (2, 1), (2, 2)];
        assert!(seen.into_iter().eq(all.into_iter().chain(steps)));
    }

    #[test]
    fn the_longest_of_everything_does_not_overflow() {
        let extreme = NONE
            .delays(500_000, Duration::ZERO, Duration::MAX)
            .clock_steps(500_000, Duration::from_nanos(1 << 62))
            .build()
            .unwrap();
        for drawn in (0..=u32::MAX).step_by(1 << 20) {
            match extreme.fault(drawn) {
                Fault::Delay { .. } => {}
                Fault::ClockStep { nanos } => {
                    assert!(nanos.unsigned_abs() <= 1 << 62 && nanos != 0);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
