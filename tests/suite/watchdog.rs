//! The gate over random sequences of operations, against one that looks every tick.

use core::time::Duration;
use proptest::prelude::*;
use resil_core::Instant;
use resil_core::health::{Boot, BootRecord, ChannelError, Watchdog, WatchdogConfig};
use resil_tests::oracle::health::Ticking;

#[derive(Clone, Copy, Debug)]
enum Op {
    CheckIn(u8),
    Suspend(u8),
    Resume(u8),
    Ask,
    Pass(u64),
    Set(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0_u8..4).prop_map(Op::CheckIn),
        1 => (0_u8..4).prop_map(Op::Suspend),
        2 => (0_u8..4).prop_map(Op::Resume),
        2 => Just(Op::Ask),
        5 => (0_u64..6).prop_map(Op::Pass),
    ]
}

/// As [`op`], with a clock that goes anywhere.
fn wild_op() -> impl Strategy<Value = Op> {
    prop_oneof![8 => op(), 1 => any::<u64>().prop_map(Op::Set), 1 => Just(Op::Set(u64::MAX))]
}

fn gate(periods: [u64; 3], now: u64) -> Watchdog<3> {
    let config = WatchdogConfig::builder(periods.map(Duration::from_nanos)).build().unwrap();
    Watchdog::start(config, BootRecord::NONE, Boot::Other, Instant::from_nanos(now))
}

proptest! {
    /// Allowed exactly while every active channel is fresh and none has ever been late; and
    /// forbidden from the deadline on.
    #[test]
    fn it_is_open_exactly_while_nobody_was_ever_late(
        periods in prop::array::uniform3(1_u64..15),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut now = 1_000;
        let mut gate = gate(periods, now);
        let mut model = Ticking::new(periods.to_vec(), now);
        for op in ops {
            let at = Instant::from_nanos(now);
            match op {
                Op::Pass(ticks) => {
                    now += ticks;
                    model.pass(ticks);
                }
                Op::Ask => {
                    let starved = gate.may_feed(at).err();
                    let starved = starved.map(|s| (s.channel().into(), s.since().as_nanos()));
                    prop_assert_eq!(starved, model.starved);
                }
                Op::Set(_) => unreachable!(),
                Op::CheckIn(channel) | Op::Suspend(channel) | Op::Resume(channel) => {
                    let told = match op {
                        Op::CheckIn(_) => gate.check_in(channel, at),
                        Op::Suspend(_) => gate.suspend(channel, at),
                        _ => gate.resume(channel, at),
                    };
                    if channel > 2 {
                        prop_assert_eq!(told, Err(ChannelError::Unknown));
                        continue;
                    }
                    prop_assert_eq!(told.is_ok(), model.starved.is_none());
                    let index = usize::from(channel);
                    let sleeps = match op {
                        Op::CheckIn(_) => model.sleeps(index), // a sleeper's sign of life wakes nobody
                        Op::Suspend(_) => true,
                        _ => false,
                    };
                    model.check_in(index, sleeps);
                }
            }
            let at = Instant::from_nanos(now);
            prop_assert_eq!(gate.peek(at).is_ok(), model.starved.is_none());
            // Left alone, the model starves at the deadline.
            let mut alone = model.clone();
            alone.pass(20);
            let due = alone.starved.filter(|_| model.starved.is_none()).map(|(_, since)| since);
            prop_assert_eq!(gate.next_deadline(at).map(Instant::as_nanos), due);
        }
    }

    /// Whatever the clock does: closed stays closed, and an active channel that is silent from now on
    /// closes it within its period.
    #[test]
    fn no_clock_opens_it_again_or_keeps_it_open(
        periods in prop::array::uniform3(1_u64..u64::MAX),
        ops in prop::collection::vec(wild_op(), 1..40),
    ) {
        let mut now = 0_u64;
        let mut gate = gate(periods, now);
        let (mut closed, mut sleeping) = (None, [false; 3]);
        for op in ops {
            let at = Instant::from_nanos(now);
            match op {
                Op::Pass(by) => now = now.saturating_add(by),
                Op::Set(to) => now = to,
                Op::Ask => {
                    let fed = gate.may_feed(at);
                    if let Some(closed) = closed {
                        prop_assert_eq!(fed, Err(closed));
                    }
                    closed = fed.err();
                    let awake = (0..3).filter(|&channel| !sleeping[channel]);
                    let least = awake.map(|channel| periods[channel]).min();
                    if let (Some(next), Some(least)) = (gate.next_deadline(at), least) {
                        prop_assert!(next > at && next <= at.saturating_add(Duration::from_nanos(least)));
                    }
                }
                Op::CheckIn(channel) => { let _ = gate.check_in(channel, at); }
                Op::Suspend(channel) => if gate.suspend(channel, at).is_ok() {
                    sleeping[usize::from(channel)] = true;
                },
                Op::Resume(channel) => if gate.resume(channel, at).is_ok() {
                    sleeping[usize::from(channel)] = false;
                },
            }
            prop_assert!(gate.next_deadline(at).is_none_or(|next| next > at));
        }
    }
}

#[test]
fn a_splay_never_exceeds_five_minutes_and_grows_with_every_reset() {
    let config = WatchdogConfig::builder([Duration::from_secs(1)]).build().unwrap();
    let mut record = BootRecord::NONE;
    let mut longest = Duration::ZERO;
    for resets in 1..=20 {
        let gate = Watchdog::start(config, record, Boot::Watchdog, Instant::EPOCH);
        let splay = gate.splay(u32::MAX, Instant::EPOCH);
        assert!(splay >= longest && splay <= Duration::from_secs(300), "{resets}: {splay:?}");
        assert!(gate.splay(0, Instant::EPOCH) < Duration::from_secs(1), "full jitter");
        (longest, record) = (splay, gate.boot_record(Instant::EPOCH));
    }
    assert!(longest > Duration::from_secs(299));
}
