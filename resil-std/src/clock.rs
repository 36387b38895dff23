//! Clocks to read and to sleep by.
//!
//! [`SystemClock`] is the real one, [`MockClock`] the one that a test moves. Every adapter takes
//! its clock as an argument with the real one for default, so the same code runs under both.
//!
//! # Which one in a test
//!
//! - Async code: tokio's paused time (`#[tokio::test(start_paused = true)]`). [`SystemClock`] follows
//!   it, sleeps included, so nothing needs to be passed in.
//! - Threads and plain calls: a [`MockClock`]. Time stands still until the test moves it.
//!
//! # Which one in production
//!
//! [`SystemClock`], unless a profile says that reading the time costs too much:
//!
//! | clock | feature | a reading costs about | resolution | where |
//! |---|---|---|---|---|
//! | [`SystemClock`] | | 30 ns | the system's: 1 ns on Linux | everywhere |
//! | `QuantaClock` | `quanta` | 10 ns | the processor's counter's | everywhere |
//! | `CoarseClock` | `coarse` | 11 ns | the kernel's tick: 1 ms to 10 ms | Linux |
//!
//! A composed [call](crate::call) reads its clock once a step, and once in all where it succeeds at once
//! and no layer wants to know when.
//!
//! # Suspend
//!
//! The system clock stands still while the machine sleeps on Linux and macOS and runs on Windows, as
//! `std::time::Instant` does. The machines are right under both: a breaker that was open may stay so for
//! as long again as the machine slept, and a quota is not refilled by sleep.

#[cfg(all(feature = "coarse", target_os = "linux"))]
mod coarse;
#[cfg(feature = "quanta")]
mod quanta;
mod timer;

use core::future::Future;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, LazyLock};

use resil_core::{Clock, Instant};

#[cfg(all(feature = "coarse", target_os = "linux"))]
pub use coarse::CoarseClock;
#[cfg(feature = "quanta")]
pub use quanta::QuantaClock;
pub(crate) use timer::Timer;

/// A clock that one can also sleep by.
///
/// One of your own should not step back: whoever sleeps by it then sleeps longer by as much, and the machines
/// are asked again only afterwards. The clocks here do not, but for a [`MockClock`] that a test sets back.
pub trait Sleep: Clock {
    /// Waits, asynchronously, until `deadline` is reached. Returns at once where it is already.
    ///
    /// Dropping the future ends the wait and nothing else.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send;

    /// Blocks the thread until `deadline` is reached. Returns at once where it is already.
    fn block_until(&self, deadline: Instant);
}

impl<T: Sleep + Sync + ?Sized> Sleep for &T {
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        (**self).sleep_until(deadline)
    }

    fn block_until(&self, deadline: Instant) {
        (**self).block_until(deadline);
    }
}

/// How long before the first reading of the clock its epoch lies.
///
/// A paused runtime stops its clock when it is built, which may be before this process first reads
/// the time; with the epoch well before both, that reading is not cut off at zero.
const LEAD: Instant = Instant::from_duration(Duration::from_secs(24 * 60 * 60));

/// The first reading, which is [`LEAD`] on our scale. One for the whole process, so that the
/// instants of all machines compare.
static FIRST: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The real, monotonic clock; inside a tokio runtime with paused time, the runtime's.
///
/// It works outside a runtime too. [`sleep_until`](Sleep::sleep_until) needs one with time enabled
/// and has tokio's resolution of a millisecond: it returns at the deadline or up to that much later,
/// never earlier.
///
/// [`block_until`](Sleep::block_until) sleeps in real time, also where tokio's time is paused: a
/// thread that is blocked cannot be the one that moves it.
///
/// ```
/// use resil_std::clock::SystemClock;
/// use resil_std::core::Clock;
///
/// assert!(SystemClock.now() <= SystemClock.now());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Instant {
        instant(*FIRST, tokio::time::Instant::now().into_std())
    }
}

/// A reading of the system's clock on our scale, on which `first` is [`LEAD`].
#[inline]
fn instant(first: std::time::Instant, reading: std::time::Instant) -> Instant {
    match reading.checked_duration_since(first) {
        Some(since) => LEAD.saturating_add(since),
        None => LEAD.saturating_sub(first.saturating_duration_since(reading)),
    }
}

impl Sleep for SystemClock {
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        Timer::new(*self, deadline)
    }

    fn block_until(&self, deadline: Instant) {
        std::thread::sleep(deadline.saturating_since(self.now()));
    }
}

/// The system's clock on our scale, also where tokio's time is paused: the other clocks begin there.
#[cfg(any(feature = "quanta", all(feature = "coarse", target_os = "linux")))]
fn system() -> Instant {
    instant(*FIRST, std::time::Instant::now())
}

/// Blocks the thread until `clock`, which is not the one that the system sleeps by, has reached `deadline`.
#[cfg(any(feature = "quanta", all(feature = "coarse", target_os = "linux")))]
fn block(clock: &impl Clock, deadline: Instant) {
    loop {
        let now = clock.now();
        if deadline.is_reached(now) {
            return;
        }
        std::thread::sleep(deadline.saturating_since(now));
    }
}

/// A clock that moves only when told to, shared by everyone who holds a clone of it.
///
/// Sleeping on it moves it: a sleep sets the clock to the deadline and returns. A retry with waits of
/// a minute therefore runs in no time, and afterwards the clock shows how long it would have taken.
/// A test in which several sleepers wait for one another wants tokio's paused time instead.
///
/// ```
/// use core::time::Duration;
/// use resil_std::clock::{MockClock, Sleep};
/// use resil_std::core::{Clock, Instant};
///
/// let clock = MockClock::default();
/// let elsewhere = clock.clone(); // the same clock
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(elsewhere.now(), Instant::from_nanos(1_000_000_000));
///
/// clock.block_until(Instant::from_nanos(5_000_000_000));
/// assert_eq!(elsewhere.now(), Instant::from_nanos(5_000_000_000));
///
/// clock.set(Instant::EPOCH); // a clock that steps back is worth a test
/// assert_eq!(elsewhere.now(), Instant::EPOCH);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MockClock(Arc<AtomicU64>);

impl MockClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_nanos())))
    }

    /// Moves the clock forward; at most to [`Instant::MAX`].
    pub fn advance(&self, by: Duration) {
        let step = |nanos| Some(Instant::from_nanos(nanos).saturating_add(by).as_nanos());
        // The step is never refused, so neither is the update.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
    }

    /// Sets the clock, backward as well.
    pub fn set(&self, now: Instant) {
        self.0.store(now.as_nanos(), Ordering::Release);
    }
}

impl Clock for MockClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Acquire))
    }
}

impl Sleep for MockClock {
    async fn sleep_until(&self, deadline: Instant) {
        self.block_until(deadline);
    }

    fn block_until(&self, deadline: Instant) {
        self.0.fetch_max(deadline.as_nanos(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let start = SystemClock.now();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(SystemClock.now().saturating_since(start), Duration::from_secs(3600));
    }

    #[test]
    fn a_reading_before_the_first_one_is_not_cut_off() {
        // As from a paused runtime whose clock stopped before anyone asked for the time.
        let early = std::time::Instant::now();
        let first = early + Duration::from_secs(60);
        assert_eq!(instant(first, first).saturating_since(instant(first, early)).as_secs(), 60);
        // Up to a day before.
        let day = Duration::from_secs(86_400);
        assert_eq!(instant(early, early), Instant::from_duration(day));
        assert_eq!(instant(early + day, early), Instant::EPOCH);
    }

    #[test]
    fn instants_of_two_threads_compare() {
        let before = SystemClock.now();
        let there = std::thread::spawn(|| SystemClock.now()).join().unwrap();
        assert!(before <= there && there <= SystemClock.now());
    }

    #[tokio::test(start_paused = true)]
    async fn sleeps_until_the_deadline_and_not_before_pitfall_77() {
        let deadline = SystemClock.now().saturating_add(Duration::from_nanos(1_234_567));
        SystemClock.sleep_until(deadline).await;
        assert!(deadline.is_reached(SystemClock.now()));
        SystemClock.sleep_until(Instant::EPOCH).await; // long gone: no wait
    }

    #[tokio::test(start_paused = true)]
    async fn a_century_is_slept_in_pieces_pitfall_74() {
        let start = SystemClock.now();
        SystemClock.sleep_until(start.saturating_add(CENTURY)).await;
        let slept = SystemClock.now().saturating_since(start);
        assert!(slept >= CENTURY && slept < CENTURY + Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_instant_is_a_legal_deadline_pitfall_75() {
        let forever = SystemClock.sleep_until(Instant::MAX);
        assert!(tokio::time::timeout(CENTURY, forever).await.is_err());
    }

    #[tokio::test]
    async fn a_mock_clock_jumps_and_saturates() {
        let clock = MockClock::new(Instant::from_nanos(5));
        clock.sleep_until(Instant::from_nanos(3)).await;
        assert_eq!(clock.now(), Instant::from_nanos(5), "a sleep never moves it back");
        clock.sleep_until(Instant::from_nanos(9)).await;
        assert_eq!(clock.now(), Instant::from_nanos(9));
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Instant::MAX);
    }

    /// For a millisecond: a thread that is blocked cannot be woken by a time that is played.
    fn blocks_until_the_deadline(clock: &impl Sleep) {
        clock.block_until(Instant::EPOCH); // long gone: no wait
        let deadline = clock.now().saturating_add(Duration::from_millis(1));
        clock.block_until(deadline);
        assert!(deadline.is_reached(clock.now()));
    }

    #[test]
    fn a_thread_is_blocked_until_the_deadline_by_the_clock_and_by_a_reference_to_it() {
        blocks_until_the_deadline(&SystemClock);
        blocks_until_the_deadline(&&SystemClock);
        blocks_until_the_deadline(&MockClock::default());
    }

    /// It never goes back, is never more than `ahead` of the system's clock, and not far behind. However
    /// long this thread is kept from running, a reading is between the two that it is held against.
    #[cfg(any(feature = "quanta", all(feature = "coarse", target_os = "linux")))]
    fn follows_the_system(clock: &impl Sleep, ahead: Duration) {
        clock.now(); // the first reading sets it up
        for _ in 0..1_000 {
            let (first, before) = (clock.now(), system());
            let (reading, after) = (clock.now(), system());
            assert!(first <= reading);
            assert!(reading <= after.saturating_add(ahead), "{reading:?} before {after:?}");
            assert!(before.saturating_since(reading).as_secs() < 1, "{reading:?} after {before:?}");
        }
        blocks_until_the_deadline(clock);
        let (before, now) = (SystemClock.now(), system());
        assert!(before <= now, "it counts from where the system's clock does");
    }

    #[cfg(feature = "quanta")]
    #[tokio::test]
    async fn the_counter_follows_the_clock_that_it_begins_at() {
        follows_the_system(&QuantaClock, Duration::from_millis(100));
        let deadline = QuantaClock.now().saturating_add(Duration::from_nanos(1));
        QuantaClock.sleep_until(deadline).await;
        assert!(deadline.is_reached(QuantaClock.now()));
    }

    #[cfg(all(feature = "coarse", target_os = "linux"))]
    #[tokio::test]
    async fn the_coarse_clock_follows_the_system_s_and_is_never_ahead() {
        let resolution = CoarseClock::resolution();
        assert!(resolution >= Duration::from_micros(1) && resolution <= Duration::from_millis(10));
        // What passes between the two readings of the anchor.
        follows_the_system(&CoarseClock, Duration::from_millis(100));
        let deadline = CoarseClock.now().saturating_add(Duration::from_nanos(1));
        CoarseClock.sleep_until(deadline).await;
        assert!(deadline.is_reached(CoarseClock.now()));
    }

    #[test]
    fn concurrent_advances_are_all_counted_pitfall_17() {
        let clock = MockClock::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| clock.advance(Duration::from_nanos(1))));
            }
        });
        assert_eq!(clock.now(), Instant::from_nanos(8000));
    }
}
