//! The policy: how much slower than usual is too slow, and how often "usual" is measured anew.

use super::builder::GradientBuilder;
use crate::ratio::Ratio;
use crate::time::SECOND;

/// The limit follows the ratio of the usual latency to the present one.
///
/// For servers and for peers that queue before they fail: it backs off while calls only get slower.
///
/// # The rule
///
/// Netflix's Gradient2 over the windows of its `WindowedLimit`, in integers. A window begins with its
/// first result and ends with the first one at which it is [`window`](GradientBuilder::window) old and
/// has [`min_samples`](GradientBuilder::min_samples). From its mean latency `short`:
///
/// ```text
/// long     ← the exponential average of short over `long_window` windows (the first 10: their mean)
/// gradient = clamp(tolerance · long / short, ½, 1)
/// limit    ← (1 − smoothing) · limit + smoothing · (gradient · limit + queue)
/// ```
///
/// - If `long` is more than twice `short`, an overload has passed: `long` is cut by 5 %.
/// - If fewer than half of the limit were in flight at the most, the limit stays: who asks for little
///   learns nothing about the peer.
/// - A transient failure, a throttle or a timeout is a drop. A window with a drop counts as a gradient
///   of ½ without a queue, and teaches no latency: `limit ← (1 − smoothing/2) · limit`, whoever was in
///   flight. That is the drop rule of Netflix's first Gradient; Gradient2 has none.
/// - Ignored, abandoned, local and fatal outcomes give the permit back and move nothing: they say
///   nothing about load. A fatal failure may well be the peer's quickest answer.
///
/// # The probe
///
/// An average learns an overload that lasts long enough as the new normal, and a minimum never learns
/// that a peer has moved further away. So "usual" is measured anew, as Envoy does it: first of all, and
/// then every [`probe_interval`](GradientBuilder::probe_interval) plus a random part of up to
/// [`probe_jitter`](GradientBuilder::probe_jitter), at most
/// [`probe_limit`](GradientBuilder::probe_limit) calls pass at a time, until
/// [`probe_samples`](GradientBuilder::probe_samples) of the calls that started meanwhile have ended.
/// Their mean is the new `long`: it holds what others load on the peer meanwhile, which is one more
/// reason not to probe in step. The limit itself waits, and is in force again after. A window that is
/// cut short by a probe moves the limit if a call was dropped in it, and teaches nothing. A probe is
/// given up after an eighth of the interval; what it has measured by then counts.
///
/// # A timeline
///
/// ```
/// use core::time::Duration;
/// use resil_core::adaptive::{ConcurrencyLimiter, Gradient, Permit, Recorded};
/// use resil_core::{Clock, Instant, ManualClock, Outcome, valid};
///
/// const PEER: Gradient = valid!(
///     Gradient::builder().initial_limit(40).min_limit(5).probe_samples(3).build()
/// );
/// let clock = ManualClock::new(Instant::EPOCH);
/// let mut peer = ConcurrencyLimiter::new(&PEER);
///
/// // As many calls as pass, each of which takes `millis`.
/// let mut round = |millis| {
///     let permits: Vec<Permit> =
///         std::iter::from_fn(|| peer.try_acquire(0, clock.now()).ok()).collect();
///     clock.advance(Duration::from_millis(millis));
///     let calls = permits.len();
///     for permit in permits {
///         peer.record(permit, Outcome::Success, 0, clock.now());
///     }
///     (calls, peer.limit(clock.now()))
/// };
///
/// // 0 s: the probe lets three calls through, and finds that 20 ms are usual. Then 40 pass.
/// assert_eq!(round(20), (3, 40));
///
/// // All take 500 ms, then a second: the peer queues. When the window is over, half of the limit and
/// // the queue of 4 would be 24; a fifth of the way there is 36.8.
/// assert_eq!(round(500), (40, 40));
/// assert_eq!(round(1_000), (40, 36));
///
/// // Back at 20 ms. The next window still has some of the slow ones in its mean; each one after it
/// // adds 0.8.
/// let limits: Vec<u16> = (0..400).map(|_| round(20).1).collect();
/// assert_eq!((limits[0], limits[399]), (36, 41));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gradient {
    pub(super) window: u64,
    pub(super) probe: Option<Probe>,
    /// In parts of 2^32.
    pub(super) smoothing: u32,
    /// 2 / (long_window + 1), in parts of 2^32.
    pub(super) learning: u32,
    pub(super) tolerance: Ratio,
    pub(super) queue: u16,
    pub(super) initial: u16,
    pub(super) min: u16,
    pub(super) max: u16,
    pub(super) min_samples: u8,
}

/// How the baseline is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Probe {
    pub(super) interval: u64,
    /// The most that is added to the interval.
    pub(super) jitter: u64,
    /// How long it may take.
    pub(super) patience: u64,
    pub(super) limit: u16,
    pub(super) samples: u8,
}

impl Gradient {
    /// From 20, between 20 and 200, and the rest of Netflix's and Envoy's; see the builder.
    pub const DEFAULT: Self = crate::valid!(Self::builder().build());

    /// A builder that holds the defaults.
    pub const fn builder() -> GradientBuilder {
        GradientBuilder {
            window: SECOND,
            probe_interval: Some(60 * SECOND),
            probe_jitter: Ratio::percent(15),
            smoothing: Ratio::new(1, 5),
            tolerance: Ratio::new(3, 2),
            long_window: 600,
            queue: 4,
            initial: 20,
            min: 20,
            max: 200,
            probe_limit: 3,
            min_samples: 10,
            probe_samples: 50,
        }
    }

    /// The lowest limit, outside of a probe.
    #[must_use]
    pub const fn min_limit(&self) -> u16 {
        self.min
    }

    /// The highest limit.
    #[must_use]
    pub const fn max_limit(&self) -> u16 {
        self.max
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self::DEFAULT
    }
}
