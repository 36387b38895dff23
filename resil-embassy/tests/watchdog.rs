//! The watchdog gate under embassy's mock time.

mod mock_time;

use core::cell::{Cell, RefCell};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::MockDriver;
use mock_time::{Woken, advance, at_zero, drop_after, poll_once};
use resil_embassy::EmbassyClock;
use resil_embassy::core::health::{Boot, ChannelError, Starved, WatchdogConfig};
use resil_embassy::core::snapshot::SnapshotError;
use resil_embassy::core::{Clock, valid};
use resil_embassy::watchdog::{HardwareWatchdog, RECORD, Watchdog};
use std::sync::Arc;

const RADIO: u8 = 0;
const CONTROL: u8 = 1;
const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);

static POLICY: WatchdogConfig<2> = valid!(
    WatchdogConfig::builder([Duration::from_secs(10), Duration::from_secs(3)])
        .feed_every(SECOND)
        .healthy_after(Duration::from_secs(60))
        .build()
);

type Tasks = Watchdog<CriticalSectionRawMutex, 2>;

/// A watchdog in hardware that notes when it was fed, in milliseconds.
#[derive(Default)]
struct Hardware {
    fed: RefCell<Vec<u64>>,
    kept: Cell<[u8; RECORD]>,
    writes: Cell<usize>,
}

impl Hardware {
    fn run<'a>(&'a self, tasks: &'a Tasks) -> impl Future<Output = Starved> + 'a {
        let feed = || self.fed.borrow_mut().push(EmbassyClock.now().as_nanos() / 1_000_000);
        let keep = |record: &[u8; RECORD]| {
            self.kept.set(*record);
            self.writes.set(self.writes.get() + 1);
        };
        tasks.run(feed, keep)
    }
}

/// Polls `feeding`, moving the clock in small steps to `second`.
fn until<F: Future>(mut feeding: Pin<&mut F>, second: u64) -> Poll<F::Output> {
    loop {
        if let Poll::Ready(output) = poll_once(feeding.as_mut()) {
            return Poll::Ready(output);
        }
        if EmbassyClock.now().as_nanos() >= second * 1_000_000_000 {
            return Poll::Pending;
        }
        advance(STEP);
    }
}

#[test]
fn the_hardware_is_fed_while_every_task_checks_in_and_never_after_one_has_not() {
    static TASKS: Tasks = Watchdog::new(&POLICY);
    let _turn = at_zero();
    let hardware = Hardware::default();
    let mut feeding = pin!(hardware.run(&TASKS));
    for second in 1..=8 {
        assert!(until(feeding.as_mut(), second).is_pending());
        TASKS.check_in(CONTROL).unwrap();
    }
    assert_eq!(*hardware.fed.borrow(), [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000]);
    let Poll::Ready(starved) = until(feeding, 30) else { panic!("the radio never checked in") };
    assert_eq!((starved.channel(), starved.since().as_nanos()), (RADIO, 10_000_000_000));
    assert_eq!(hardware.fed.borrow().last(), Some(&9_000));
    assert_eq!(EmbassyClock.now(), starved.since(), "known at once");
    assert_eq!(TASKS.check_in(RADIO), Err(ChannelError::Starved(starved)), "too late");
    assert_eq!(TASKS.peek(), Err(starved));
    let again = drop_after(1, hardware.run(&TASKS), STEP);
    assert_eq!(again, Some(starved), "it stays so");
    assert_eq!(hardware.fed.borrow().last(), Some(&9_000));
}

#[test]
fn the_cause_outlives_the_reboot_and_a_node_that_resets_in_a_row_holds_back() {
    let _turn = at_zero();
    let hardware = Hardware::default();
    let tasks = Tasks::new(&POLICY);
    let nothing = tasks.start(&hardware.kept.get(), Boot::Other);
    assert_eq!(nothing, Err(SnapshotError::Damaged), "zeros are no record");
    assert_eq!((tasks.last_cause(), tasks.resets(), tasks.splay(7)), (None, 0, Duration::ZERO));
    assert!(until(pin!(hardware.run(&tasks)), 30).is_ready());

    MockDriver::get().reset();
    let tasks = Tasks::new(&POLICY);
    tasks.start(&hardware.kept.get(), Boot::Watchdog).unwrap();
    assert_eq!((tasks.last_cause(), tasks.resets()), (Some(CONTROL), 1));
    assert!(tasks.splay(1 << 31) >= Duration::from_secs(5), "half of 10 s, by this draw");
    let mut feeding = pin!(hardware.run(&tasks));
    assert!(poll_once(feeding.as_mut()).is_pending());
    assert_eq!(hardware.writes.get(), 3, "at each start and at the cause");

    // The node hangs as a whole at 2 s: nothing is fed and no cause is kept, but the count is.
    assert!(until(feeding, 2).is_pending());
    MockDriver::get().reset();
    let tasks = Tasks::new(&POLICY);
    tasks.start(&hardware.kept.get(), Boot::Watchdog).unwrap();
    assert_eq!((tasks.last_cause(), tasks.resets()), (None, 2));

    // It runs well for a minute, and the resets are forgotten, in the record too.
    let mut feeding = pin!(hardware.run(&tasks));
    for second in 0..=61 {
        assert!(until(feeding.as_mut(), second).is_pending());
        tasks.check_in(RADIO).unwrap();
        tasks.check_in(CONTROL).unwrap();
    }
    assert_eq!((tasks.resets(), hardware.writes.get()), (0, 5));
    MockDriver::get().reset();
    let tasks = Tasks::new(&POLICY);
    tasks.start(&hardware.kept.get(), Boot::Watchdog).unwrap();
    assert_eq!(tasks.resets(), 1);
}

#[test]
fn a_task_that_sleeps_on_purpose_is_not_waited_for() {
    let _turn = at_zero();
    let (hardware, tasks) = (Hardware::default(), Tasks::new(&POLICY));
    tasks.suspend(CONTROL).unwrap();
    tasks.suspend(RADIO).unwrap();
    let mut feeding = pin!(hardware.run(&tasks));
    assert!(until(feeding.as_mut(), 100).is_pending());
    assert_eq!(hardware.fed.borrow().len(), 101, "and the hardware does not know");
    tasks.resume(CONTROL).unwrap();
    let Poll::Ready(starved) = until(feeding, 200) else { panic!("control has resumed") };
    assert_eq!((starved.channel(), starved.since().as_nanos()), (CONTROL, 103_000_000_000));
}

#[test]
fn a_channel_that_is_not_there_is_refused_and_changes_nothing() {
    let _turn = at_zero();
    let tasks = Tasks::new(&POLICY);
    for unknown in [2, 31, 32, 255] {
        assert_eq!(tasks.check_in(unknown), Err(ChannelError::Unknown));
        assert_eq!(tasks.suspend(unknown), Err(ChannelError::Unknown));
        assert_eq!(tasks.resume(unknown), Err(ChannelError::Unknown));
    }
    assert!(tasks.peek().is_ok());
}

#[test]
fn whoever_has_mended_the_cause_begins_anew() {
    let _turn = at_zero();
    let (hardware, tasks) = (Hardware::default(), Tasks::new(&POLICY));
    assert!(until(pin!(hardware.run(&tasks)), 30).is_ready());
    tasks.reset();
    assert!(poll_once(pin!(hardware.run(&tasks))).is_pending());
    assert_eq!(hardware.fed.borrow().last(), Some(&3_000), "fed again, at the same moment");
}

#[test]
fn it_sleeps_until_core_says_and_no_check_in_wakes_it_pitfall_22() {
    let _turn = at_zero();
    let (hardware, tasks) = (Hardware::default(), Tasks::new(&POLICY));
    let woken = Arc::new(Woken::default());
    let mut feeding = pin!(hardware.run(&tasks));
    let (mut polls, mut seen) = (1, 0);
    assert!(woken.poll(feeding.as_mut()).is_pending());
    // An executor: polls when woken. Tasks check in every millisecond for 10 s.
    for _ in 0..10_000 {
        advance(Duration::from_millis(1));
        tasks.check_in(RADIO).unwrap();
        tasks.check_in(CONTROL).unwrap();
        if woken.times() != seen {
            seen = woken.times();
            polls += 1;
            assert!(woken.poll(feeding.as_mut()).is_pending());
        }
    }
    assert_eq!((polls, hardware.fed.borrow().len()), (11, 11));
}

#[test]
fn a_hals_type_is_one_in_three_lines_and_a_closure_in_none() {
    struct IndependentWatchdog<'a>(&'a Cell<u32>);
    impl HardwareWatchdog for IndependentWatchdog<'_> {
        fn feed(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let _turn = at_zero();
    let (tasks, pets) = (Tasks::new(&POLICY), Cell::new(0));
    assert!(drop_after(1, tasks.run(IndependentWatchdog(&pets), |_| ()), STEP).is_none());
    let mut handle = IndependentWatchdog(&pets);
    assert!(drop_after(1, tasks.run(|| handle.feed(), |_| ()), STEP).is_none());
    assert_eq!(pets.get(), 2);
}

#[test]
fn dropped_after_any_number_of_polls_it_stops_feeding_and_another_one_goes_on() {
    let _turn = at_zero();
    let mut polls = 0;
    loop {
        MockDriver::get().reset();
        let (hardware, tasks) = (Hardware::default(), Tasks::new(&POLICY));
        assert_eq!(tasks.start(&[], Boot::Other), Err(SnapshotError::Length));
        let done = drop_after(polls, hardware.run(&tasks), STEP);
        let fed = hardware.fed.borrow().len();
        assert_eq!(fed, polls.div_ceil(10).min(3), "after {polls} polls");
        let starved = done.unwrap_or_else(|| {
            advance(STEP);
            assert_eq!(hardware.fed.borrow().len(), fed, "nobody feeds it");
            match until(pin!(hardware.run(&tasks)), 30) {
                Poll::Ready(starved) => starved,
                Poll::Pending => panic!("control never checks in"),
            }
        });
        assert_eq!((starved.channel(), starved.since().as_nanos()), (CONTROL, 3_000_000_000));
        if done.is_some() {
            break;
        }
        polls += 1;
    }
    assert_eq!(polls, 31, "every tenth of a second, until it is over at 3 s");
}
