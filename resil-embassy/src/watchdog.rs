//! Feed the hardware watchdog only while every task is alive, and remember which one was not.
//!
//! [`Watchdog`] is core's [gate](resil_core::health::watchdog) as a `static`: when each task is due,
//! behind one of embassy's blocking mutexes. Tasks [check in](Watchdog::check_in), and one task
//! [runs](Watchdog::run) it: it owns the hardware, and nobody else feeds it.
//!
//! # Laws
//!
//! - The hardware is fed exactly while every channel that is not suspended has checked in within its
//!   period, ever since the start. It is not fed again after one has not.
//! - The record of the cause is kept before anything else is done about it.
//! - Between two feeds the chip may sleep: the task wakes when core says, which is once in
//!   [`feed_every`](resil_core::health::WatchdogConfig::feed_every) and when a channel is due; never
//!   because somebody has checked in.
//! - The mutex is held for one decision: never across an `.await`, and not while the hardware is fed or
//!   a record is kept.
//!
//! # When not to use it
//!
//! For what is outside of the node: a peer that is gone is no reason to restart. For checks that find
//! something out: that is [`health`](crate::health), and the task that runs them checks in here for as
//! long as [`may_feed`](crate::HealthChecker::may_feed) says so.

use core::borrow::Borrow;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use resil_core::event::EventKind;
use resil_core::health::{Boot, BootRecord, ChannelError, Starved, WatchdogConfig, WatchdogState};
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::{Clock, Instant};

use crate::clock::{EmbassyClock, sleep_until};
use crate::log;

/// Bytes of a record, whatever the number of channels.
pub const RECORD: usize = <WatchdogConfig<1> as Persist>::LEN;

const _: () = assert!(RECORD == <WatchdogConfig<32> as Persist>::LEN);

/// Stands for it in the log: a node has one.
const NAME: &str = "watchdog";

/// The timer in hardware that resets the chip when it is not fed.
///
/// A closure is one, which is the shortest way to any HAL:
///
/// | HAL | closure |
/// |---|---|
/// | `embassy_stm32::wdg::IndependentWatchdog` | `move \|\| watchdog.pet()` |
/// | `embassy_rp::watchdog::Watchdog` | `move \|\| watchdog.feed()` |
/// | `embassy_nrf::wdt::WatchdogHandle` | `move \|\| handle.pet()` |
///
/// A HAL or a board crate implements it in three lines:
///
/// ```
/// use resil_embassy::watchdog::HardwareWatchdog;
/// # struct IndependentWatchdog;
/// # impl IndependentWatchdog { fn pet(&mut self) {} }
///
/// impl HardwareWatchdog for IndependentWatchdog {
///     fn feed(&mut self) { self.pet(); }
/// }
/// ```
pub trait HardwareWatchdog {
    /// Begins its timeout anew.
    fn feed(&mut self);
}

impl<F: FnMut()> HardwareWatchdog for F {
    fn feed(&mut self) {
        self();
    }
}

/// The gate in front of the hardware watchdog, fit for a `static`.
///
/// `M` is the mutex's kind: `CriticalSectionRawMutex` where interrupts or both cores use it,
/// `NoopRawMutex` where one executor does. `N` is the number of channels, one for each task that is
/// watched, at 8 bytes each. `P` is the policy, or what lends one: a `&'static` policy stays in flash.
///
/// ```
/// use core::time::Duration;
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
/// use resil_embassy::core::health::{Boot, WatchdogConfig};
/// use resil_embassy::core::valid;
/// use resil_embassy::watchdog::{RECORD, Watchdog};
///
/// const RADIO: u8 = 0;
/// const CONTROL: u8 = 1;
/// static POLICY: WatchdogConfig<2> = valid!(
///     WatchdogConfig::builder([Duration::from_secs(5), Duration::from_millis(100)]).build()
/// );
/// static TASKS: Watchdog<CriticalSectionRawMutex, 2> = Watchdog::new(&POLICY);
///
/// # struct Hardware;
/// # impl Hardware { fn pet(&mut self) {} }
/// # let mut hardware = Hardware;
/// // In `main`: what is kept where a reset does not reach, and what the reset register says.
/// let mut kept = [0; RECORD];
/// if TASKS.start(&kept, Boot::Other).is_err() {
///     // Nothing was kept, or not whole: a life without a past.
/// }
///
/// // In each task that is watched, once around its loop:
/// TASKS.check_in(RADIO)?;
///
/// // In a task of its own:
/// let feeding = TASKS.run(move || hardware.pet(), |record| kept = *record);
/// // `let starved = feeding.await;`, and then wait for the reset.
/// # drop(feeding);
/// # Ok::<(), resil_embassy::core::health::ChannelError>(())
/// ```
pub struct Watchdog<M, const N: usize, P = &'static WatchdogConfig<N>> {
    policy: P,
    /// There from the first call on, which is when the clock is there.
    state: Mutex<M, RefCell<Option<WatchdogState<N>>>>,
}

impl<M: RawMutex, const N: usize, P> Watchdog<M, N, P> {
    /// One that begins with the first call to it.
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self { policy, state: Mutex::new(RefCell::new(None)) }
    }
}

impl<M: RawMutex, const N: usize, P: Borrow<WatchdogConfig<N>>> Watchdog<M, N, P> {
    /// Begins with what the last life has left: every channel is due one period from now. `boot` is
    /// why the node has started, from the reset register. Call it before the tasks are started; without
    /// it, whatever comes first begins a life without a past.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] says what is wrong with the bytes. The watchdog has begun all the same, with
    /// nothing known of the life before.
    pub fn start(&self, kept: &[u8], boot: Boot) -> Result<(), SnapshotError> {
        let restored = self.apply(|policy, state, now| {
            let restored = policy.restore(kept, now);
            let record = restored.as_ref().copied().unwrap_or(BootRecord::NONE);
            *state = policy.start(record, boot, now);
            restored
        });
        match restored {
            Ok(record) => {
                log::event(EventKind::SnapshotRestored, NAME, &record);
                Ok(())
            }
            Err(error) => {
                log::event(EventKind::SnapshotRefused, NAME, &error);
                Err(error)
            }
        }
    }

    /// A task is alive: its channel is due one period from now. One that is suspended stays so.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]: it comes too late, or another one already has, and the node is about to be
    /// reset; or there is no such channel.
    pub fn check_in(&self, channel: u8) -> Result<(), ChannelError> {
        self.apply(|policy, state, now| policy.check_in(state, channel, now))
    }

    /// A task sleeps on purpose: nobody waits for its channel until it [resumes](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`check_in`](Self::check_in).
    pub fn suspend(&self, channel: u8) -> Result<(), ChannelError> {
        self.apply(|policy, state, now| policy.suspend(state, channel, now))
    }

    /// A task goes on: its channel is due one period from now.
    ///
    /// # Errors
    ///
    /// As [`check_in`](Self::check_in), but that a channel which slept is not late.
    pub fn resume(&self, channel: u8) -> Result<(), ChannelError> {
        self.apply(|policy, state, now| policy.resume(state, channel, now))
    }

    /// Feeds `hardware` for as long as every channel is on time, and returns what was not. There is
    /// nothing left to do then but to wait for the reset, or to make it.
    ///
    /// `keep` is handed what the next life is to know whenever that changes: at once, when the resets
    /// before this life are forgotten, and when a channel has starved. It is to write the bytes where a
    /// reset does not reach, in less time than the hardware gives.
    ///
    /// Dropping the future stops feeding, and so resets the node.
    pub async fn run(
        &self,
        mut hardware: impl HardwareWatchdog,
        mut keep: impl FnMut(&[u8; RECORD]),
    ) -> Starved {
        let mut kept = None;
        loop {
            let (fed, record) = self.apply(|policy, state, now| {
                (policy.feed(state, now), Self::record(policy, state, now))
            });
            if fed.is_ok() {
                hardware.feed();
            }
            if kept != Some(record) {
                keep(&record);
                kept = Some(record);
            }
            match fed {
                Ok(next) => sleep_until(next).await,
                Err(starved) => {
                    log::event(EventKind::WatchdogStarved, NAME, &starved);
                    return starved;
                }
            }
        }
    }

    /// What has starved, if something has; that feeding is over, then.
    ///
    /// # Errors
    ///
    /// [`Starved`] names the channel that was due first of those that were late.
    pub fn peek(&self) -> Result<(), Starved> {
        self.apply(|policy, state, now| policy.peek(state, now))
    }

    /// When feeding is next forbidden if nobody checks in; `None` if it is already, or if every channel
    /// is suspended.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.apply(|policy, state, now| policy.next_deadline(state, now))
    }

    /// The channel that had starved in the life before this one.
    #[must_use]
    pub fn last_cause(&self) -> Option<u8> {
        self.apply(|_, state, _| state.last_cause())
    }

    /// Resets by the hardware watchdog in a row, this start included; 0 once the node has been running
    /// well for long enough.
    #[must_use]
    pub fn resets(&self) -> u8 {
        self.apply(|policy, state, now| policy.resets(state, now))
    }

    /// For how long to hold back before going to the network again, so that a node which resets into
    /// an outage, and all others that do, do not storm it. Zero without a reset. `entropy` gives 32
    /// random bits.
    #[must_use]
    pub fn splay(&self, entropy: u32) -> Duration {
        self.apply(|policy, state, now| policy.splay(state, entropy, now))
    }

    /// Begins anew without a restart: nobody is late, and every channel is due one period from now. It
    /// hides a hang; for who has mended the cause, and [runs](Self::run) it again.
    pub fn reset(&self) {
        self.apply(WatchdogConfig::reset);
    }

    fn record(policy: &WatchdogConfig<N>, state: &WatchdogState<N>, now: Instant) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        // It can fail by its length alone, which is asserted above.
        let _ = policy.save(&policy.boot_record(state, now), now, &mut record);
        record
    }

    /// One decision under the mutex, at the present instant.
    fn apply<R>(
        &self,
        decide: impl FnOnce(&WatchdogConfig<N>, &mut WatchdogState<N>, Instant) -> R,
    ) -> R {
        let policy = self.policy.borrow();
        self.state.lock(|state| {
            let now = EmbassyClock.now();
            let mut state = state.borrow_mut();
            let begin = || policy.start(BootRecord::NONE, Boot::Other, now);
            decide(policy, state.get_or_insert_with(begin), now)
        })
    }
}

impl<M, const N: usize, P> fmt::Debug for Watchdog<M, N, P>
where
    M: RawMutex,
    P: Borrow<WatchdogConfig<N>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").field("starved", &self.peek().err()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<M, const N: usize, P> defmt::Format for Watchdog<M, N, P>
where
    M: RawMutex,
    P: Borrow<WatchdogConfig<N>>,
{
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "watchdog: {}", self.peek());
    }
}
