//! What a closed breaker measures, besides failures in a row.
//!
//! | window | looks at | bytes | for |
//! |---|---|---|---|
//! | [`Consecutive`] | nothing more | 0 | peers that work or do not; the default |
//! | [`CountWindow`] | the last calls, however long ago | 8, and 8 for every 32 calls | any traffic, low one too |
//! | [`TimeWindow`] | the last while | 24, and 12 for each sub-window | busy peers: it forgets in time |
//!
//! A window opens the breaker when its share of failures or of slow calls is reached, of no fewer
//! calls than a minimum. Failures in a row open it besides, whichever comes first; so does Finagle's
//! failure accrual.
//!
//! # When not to use one
//!
//! Where a peer either works or does not, failures in a row see it sooner and for nothing. A window is
//! for peers that fail some of the calls, or that get slow.
//!
//! # Laws
//!
//! - Every counted outcome is weighed, successes too, and it is in the window that it is weighed
//!   against: a success may be the call that makes the minimum, or the slow one too many.
//! - The totals are the sums of what is in the window, always.
//! - The minimum concerns only a closed breaker. Half-open, one probe is enough for a verdict.
//! - A breaker that closes begins with an empty window.
//!
//! # Low traffic
//!
//! The minimum is 10 calls unless set, and not the 100 of resilience4j and Polly: a peer that is
//! called once a minute would have to fail for most of two hours. Such a peer opens its breaker by
//! failures in a row; by a [`CountWindow`], which waits for calls and not for time; or by a
//! [`TimeWindow`] that is long and has a small minimum. A minute would hold one call of it.
//!
//! ```
//! use core::time::Duration;
//! use resil_core::circuit_breaker::{
//!     CircuitBreaker, CircuitBreakerConfig, CountWindow, State, TimeWindow, Window,
//! };
//! use resil_core::outcome::FailureClass;
//! use resil_core::{Instant, Outcome, Ratio, Rejected, valid};
//!
//! const IN_A_ROW: CircuitBreakerConfig =
//!     valid!(CircuitBreakerConfig::builder().failure_threshold(3).build());
//! const LAST_TEN: CircuitBreakerConfig<CountWindow<1>> =
//!     valid!(CircuitBreakerConfig::builder().count_window(10).minimum_calls(6).build());
//! const TEN_MINUTES: CircuitBreakerConfig<TimeWindow<5>> = valid!(
//!     CircuitBreakerConfig::builder()
//!         .time_window(Duration::from_secs(600))
//!         .minimum_calls(4)
//!         .failure_rate(Ratio::new(2, 3))
//!         .build()
//! );
//!
//! /// The minute at which a sensor that is called once a minute has opened its breaker.
//! fn opens_at<W: Window>(policy: &CircuitBreakerConfig<W>, calls: &str) -> Result<usize, Rejected> {
//!     let mut breaker = CircuitBreaker::new(policy);
//!     for (minute, call) in calls.chars().enumerate() {
//!         let now = Instant::from_duration(Duration::from_secs(60 * minute as u64));
//!         let permit = breaker.try_acquire(0, now)?;
//!         let failed = Outcome::Failure(FailureClass::Timeout);
//!         breaker.record(permit, if call == 'x' { failed } else { Outcome::Success }, 0, now);
//!         if breaker.state(now) == State::Open {
//!             return Ok(minute);
//!         }
//!     }
//!     Ok(usize::MAX)
//! }
//!
//! // It dies at minute 5: three failures in a row.
//! assert_eq!(opens_at(&IN_A_ROW, ".....xxxxxxx")?, 7);
//! // It fails every other call from minute 1 on: never three in a row, but three of six.
//! assert_eq!(opens_at(&IN_A_ROW, ".x.x.x.x.x.x")?, usize::MAX);
//! assert_eq!(opens_at(&LAST_TEN, ".x.x.x.x.x.x")?, 5);
//! // Two of three fail: the long window has enough at the fourth call, and 2/3 at the sixth.
//! assert_eq!(opens_at(&TEN_MINUTES, ".xx.xx.xx.xx")?, 5);
//! # Ok::<(), Rejected>(())
//! ```
//!
//! # Cost
//!
//! A counted outcome is a few compares and at most four multiplications more than without; in a
//! [`TimeWindow`] it clears as many sub-windows as have ended since the last, at most all.

mod count;
mod over_time;
mod rates;

pub use count::{CountStats, CountWindow};
pub use over_time::{TimeStats, TimeWindow};
pub use rates::Counts;
pub(super) use rates::RateSettings;

use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Instant;
use core::fmt::Debug;

/// What a closed breaker measures: [`Consecutive`], [`CountWindow`] or [`TimeWindow`].
///
/// Sealed: the methods are for the breaker to call.
pub trait Window: Copy + Debug + PartialEq + Format + Sealed {
    /// What it remembers.
    type Stats: Statistics;

    /// Whether it measures anything at all.
    const MEASURES: bool;

    /// Bytes that what it remembers takes in a snapshot.
    const PAYLOAD: usize;

    /// How long a call must have run to be slow, in nanoseconds; `None`: none is.
    fn slow_nanos(&self) -> Option<u64>;

    /// Counts a call, and says whether the breaker opens.
    fn count(&self, stats: &mut Self::Stats, call: Call, now: Instant) -> bool;

    /// Whether one more success leaves everything as it is, whenever it comes and however long it took.
    fn is_settled(&self, stats: &Self::Stats) -> bool;

    /// Whether there can be sub-windows in which successes [add up](Self::adds_up).
    const ADDS_UP: bool = false;

    /// While each further success is one more call in the window, and can open nothing: when the present
    /// sub-window began, and its width in nanoseconds.
    fn adds_up(&self, _stats: &Self::Stats) -> Option<(Instant, u64)> {
        None
    }

    /// Counts successes in the present sub-window, in which they [add up](Self::adds_up).
    fn add(&self, _stats: &mut Self::Stats, _successes: u32) {}

    /// What is in the window at `now`.
    fn counts(&self, stats: &Self::Stats, now: Instant) -> Counts;

    /// Whether what `old` remembers means the same here.
    fn continues(&self, old: &Self) -> bool;

    /// Writes what it remembers.
    fn write(&self, stats: &Self::Stats, now: Instant, to: &mut Writer<'_>);

    /// Reads it back.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Invalid`] for what cannot be.
    fn read(&self, from: &mut Reader<'_>, now: Instant) -> Result<Self::Stats, SnapshotError>;
}

/// What a [`Window`] remembers.
pub trait Statistics: Clone + Debug + PartialEq + Eq + Format + Sealed {
    /// No call at all.
    const EMPTY: Self;

    /// Whether it remembers no call, whatever time it is.
    fn is_empty(&self) -> bool;
}

/// A call that counts, as a [`Window`] sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Call {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// Failures in a row alone: the seed's breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Consecutive;

impl Window for Consecutive {
    type Stats = ();

    const MEASURES: bool = false;
    const PAYLOAD: usize = 0;

    #[inline]
    fn slow_nanos(&self) -> Option<u64> {
        None
    }

    #[inline]
    fn count(&self, (): &mut (), _: Call, _: Instant) -> bool {
        false
    }

    #[inline]
    fn is_settled(&self, (): &()) -> bool {
        true
    }

    fn counts(&self, (): &(), _: Instant) -> Counts {
        Counts::default()
    }

    fn continues(&self, _: &Self) -> bool {
        true
    }

    fn write(&self, (): &(), _: Instant, _: &mut Writer<'_>) {}

    fn read(&self, _: &mut Reader<'_>, _: Instant) -> Result<(), SnapshotError> {
        Ok(())
    }
}

impl Statistics for () {
    const EMPTY: Self = ();

    fn is_empty(&self) -> bool {
        true
    }
}

mod sealed {
    /// Implemented here alone.
    pub trait Sealed {}

    /// What `defmt` asks of the types, where it is there.
    #[cfg(feature = "defmt")]
    pub trait Format: defmt::Format {}
    #[cfg(feature = "defmt")]
    impl<T: defmt::Format> Format for T {}

    /// What `defmt` asks of the types, where it is there.
    #[cfg(not(feature = "defmt"))]
    pub trait Format {}
    #[cfg(not(feature = "defmt"))]
    impl<T> Format for T {}
}

use sealed::{Format, Sealed};

impl Sealed for Consecutive {}
impl Sealed for () {}
impl<const WORDS: usize> Sealed for CountWindow<WORDS> {}
impl<const WORDS: usize> Sealed for CountStats<WORDS> {}
impl<const K: usize> Sealed for TimeWindow<K> {}
impl<const K: usize> Sealed for TimeStats<K> {}
