use super::*;
use crate::snapshot::{Persist, SnapshotError};
use crate::time::Instant;
use core::time::Duration;

/// Channel 0 is due after 10 s, channel 1 after 3 s.
const TWO: WatchdogConfig<2> = crate::valid!(
    WatchdogConfig::builder([Duration::from_secs(10), Duration::from_secs(3)])
        .healthy_after(Duration::from_secs(60))
        .build()
);

fn at(seconds: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(seconds))
}

fn started() -> Watchdog<2> {
    Watchdog::start(TWO, BootRecord::NONE, Boot::Other, at(100))
}

/// Which channel starves, and when, while all but `silent` check in every second.
fn starved_without(silent: u8) -> (u8, Instant) {
    let mut tasks = started();
    for second in 101.. {
        for busy in [0, 1].into_iter().filter(|&busy| busy != silent) {
            let _ = tasks.check_in(busy, at(second));
        }
        if let Err(starved) = tasks.may_feed(at(second)) {
            return (starved.channel(), starved.since());
        }
    }
    unreachable!()
}

#[test]
fn a_channel_that_does_not_check_in_closes_the_gate_for_good() {
    let mut tasks = started();
    assert_eq!(tasks.next_deadline(at(100)), Some(at(103)));
    tasks.check_in(1, at(102)).unwrap();
    assert_eq!(tasks.may_feed(at(104)), Ok(()));
    let starved = tasks.may_feed(at(105)).unwrap_err();
    assert_eq!((starved.channel(), starved.since()), (1, at(105)));
    assert_eq!(tasks.check_in(1, at(106)), Err(ChannelError::Starved(starved)));
    assert_eq!(tasks.check_in(0, at(106)), Err(ChannelError::Starved(starved)));
    assert_eq!(tasks.may_feed(at(50)), Err(starved), "no step back opens it");
    assert_eq!(tasks.next_deadline(at(106)), None);
    tasks.reset(at(107));
    assert_eq!(tasks.may_feed(at(109)), Ok(()));
    assert!(tasks.may_feed(at(110)).is_err());
}

#[test]
fn a_late_check_in_does_not_hide_that_it_was_late() {
    let mut tasks = started();
    // Nobody asked between 103 and 104.
    assert!(tasks.check_in(1, at(104)).is_err());
    assert_eq!(tasks.may_feed(at(104)).unwrap_err().channel(), 1);
    let mut tasks = started();
    assert!(tasks.suspend(1, at(104)).is_err(), "nor can it be slept off");
    assert!(tasks.may_feed(at(104)).is_err());
}

#[test]
fn the_cause_is_the_channel_that_was_due_first() {
    assert_eq!(starved_without(0), (0, at(110)));
    assert_eq!(starved_without(1), (1, at(103)));
    let mut tasks = started();
    // Both are late; 1 was due before 0.
    assert!(tasks.check_in(0, at(200)).is_err());
    assert_eq!(tasks.peek(at(200)).unwrap_err().channel(), 1);
}

#[test]
fn a_channel_that_sleeps_on_purpose_is_not_waited_for() {
    let mut tasks = started();
    tasks.suspend(1, at(101)).unwrap();
    assert_eq!(tasks.next_deadline(at(101)), Some(at(110)));
    tasks.check_in(0, at(109)).unwrap();
    tasks.suspend(0, at(118)).unwrap();
    assert_eq!((tasks.next_deadline(at(118)), tasks.may_feed(at(9_000))), (None, Ok(())));
    tasks.resume(1, at(9_000)).unwrap();
    assert_eq!(tasks.next_deadline(at(9_000)), Some(at(9_003)));
    assert_eq!(tasks.may_feed(at(9_003)).unwrap_err().channel(), 1);
}

#[test]
fn a_number_that_no_channel_has_is_refused() {
    let mut tasks = started();
    for channel in [2, 31, 32, 255] {
        assert_eq!(tasks.check_in(channel, at(101)), Err(ChannelError::Unknown));
        assert_eq!(tasks.suspend(channel, at(101)), Err(ChannelError::Unknown));
        assert_eq!(tasks.resume(channel, at(101)), Err(ChannelError::Unknown));
    }
    assert_eq!(tasks.next_deadline(at(101)), Some(at(103)));
}

#[test]
fn a_clock_that_steps_back_gives_no_channel_more_than_its_period_pitfall_65() {
    let mut tasks = started();
    assert_eq!(tasks.next_deadline(at(10)), Some(at(13)));
    assert_eq!(tasks.may_feed(at(10)), Ok(()));
    assert_eq!(tasks.may_feed(at(12)), Ok(()));
    assert_eq!(tasks.may_feed(at(13)).unwrap_err().channel(), 1);
}

#[test]
fn resets_in_a_row_are_counted_and_forgotten_after_a_healthy_time() {
    let mut record = BootRecord::NONE;
    for resets in 1..=3 {
        let mut tasks = Watchdog::start(TWO, record, Boot::Watchdog, at(0));
        assert_eq!(tasks.resets(at(0)), resets);
        assert_eq!(tasks.last_cause().is_some(), resets > 1);
        let whole = Duration::from_secs(10 << (resets - 1));
        assert!(tasks.splay(u32::MAX, at(0)).abs_diff(whole) < Duration::from_millis(1));
        assert!(tasks.may_feed(at(7)).is_err());
        record = tasks.boot_record(at(7));
        assert_eq!((record.cause(), record.resets()), (Some(1), resets));
        assert_eq!(tasks.boot_record(at(500)), record, "starved is not healthy, however long");
    }
    let mut tasks = Watchdog::start(TWO, record, Boot::Other, at(0));
    assert_eq!(tasks.resets(at(0)), 3, "power that was cut neither counts nor clears");
    for second in 0..61 {
        tasks.check_in(0, at(second)).unwrap();
        tasks.check_in(1, at(second)).unwrap();
    }
    assert_eq!((tasks.resets(at(59)), tasks.resets(at(60))), (3, 0));
    assert_eq!(tasks.splay(7, at(60)), Duration::ZERO);
    assert_eq!(tasks.boot_record(at(60)), BootRecord::NONE);
    let many = (0..300).fold(BootRecord::NONE, |record, _| {
        Watchdog::start(TWO, record, Boot::Watchdog, at(0)).boot_record(at(0))
    });
    assert_eq!(many.resets(), 255);
}

#[test]
fn a_record_is_restored_as_it_was_and_a_cause_that_cannot_be_is_refused() {
    let mut bytes = [0; WatchdogConfig::<2>::LEN];
    assert_eq!(bytes.len(), 6);
    let mut tasks = started();
    for record in [BootRecord::NONE, tasks.boot_record(at(100)), {
        let _ = tasks.may_feed(at(103));
        tasks.boot_record(at(103))
    }] {
        TWO.save(&record, at(103), &mut bytes).unwrap();
        assert_eq!(TWO.restore(&bytes, at(0)), Ok(record));
    }
    let one = WatchdogConfig::builder([Duration::from_secs(1)]).build().unwrap();
    assert_eq!(one.restore(&bytes, at(0)), Err(SnapshotError::Invalid), "there is no channel 1");
}

#[test]
fn no_instant_panics_and_every_deadline_lies_ahead_pitfall_70() {
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(Instant::from_nanos);
    for (start, then, now) in edges
        .into_iter()
        .flat_map(|a| edges.into_iter().flat_map(move |b| edges.map(|c| (a, b, c))))
    {
        let mut tasks = Watchdog::start(&TWO, BootRecord::NONE, Boot::Other, start);
        let _ = (tasks.check_in(0, then), tasks.suspend(1, then), tasks.resume(1, now));
        assert!(tasks.next_deadline(now).is_none_or(|next| next > now));
        let _ = (tasks.peek(now), tasks.boot_record(now), tasks.splay(1, now));
    }
}

#[test]
fn whoever_feeds_comes_back_after_feed_every_or_when_a_channel_is_due() {
    let every = |seconds| {
        let builder = WatchdogConfig::builder(TWO.periods.map(Duration::from_nanos));
        builder.feed_every(Duration::from_secs(seconds)).build().unwrap()
    };
    let start = |config| Watchdog::start(config, BootRecord::NONE, Boot::Other, at(100));
    assert_eq!(start(every(2)).feed(at(100)), Ok(at(102)));
    assert_eq!(start(every(4)).feed(at(100)), Ok(at(103)), "when channel 1 is due");

    let mut asleep = start(every(20));
    asleep.suspend(1, at(100)).unwrap();
    assert_eq!(asleep.feed(at(100)), Ok(at(110)), "when channel 0 is due");
    asleep.suspend(0, at(100)).unwrap();
    assert_eq!(asleep.feed(at(100)), Ok(at(120)), "nobody is waited for, and the hardware is fed");

    let mut late = start(every(1));
    let starved = late.feed(at(103)).unwrap_err();
    assert_eq!((starved.channel(), late.feed(at(101))), (1, Err(starved)));
}

#[test]
fn a_record_names_the_channel_that_starved_and_none_that_did_not() {
    let mut tasks = started();
    let cause = |tasks: &Watchdog<2>, now| tasks.boot_record(at(now)).cause();
    assert_eq!(cause(&tasks, 102), None);
    assert!(tasks.may_feed(at(103)).is_err());
    assert_eq!(cause(&tasks, 103), Some(1));
    tasks = Watchdog::start(TWO, BootRecord::NONE, Boot::Other, at(100));
    tasks.check_in(1, at(102)).unwrap();
    for second in 103..110 {
        tasks.check_in(1, at(second)).unwrap();
    }
    assert!(tasks.may_feed(at(110)).is_err());
    assert_eq!(cause(&tasks, 110), Some(0));
}
