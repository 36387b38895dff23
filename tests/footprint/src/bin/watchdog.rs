//! The gate before the hardware watchdog, with four tasks.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;
use footprint::{Owned, any_now, at};
use resil_core::health::{Boot, BootRecord, ChannelError, Starved, WatchdogConfig, WatchdogState};
use resil_core::{Instant, valid};

static POLICY: WatchdogConfig<4> =
    valid!(WatchdogConfig::builder([Duration::from_secs(1); 4]).build());
static STATE: Owned<Option<WatchdogState<4>>> = Owned::new(None);

fn with<R>(change: impl FnOnce(&WatchdogConfig<4>, &mut WatchdogState<4>) -> R) -> R {
    let policy = black_box(&POLICY);
    let start = || policy.start(black_box(BootRecord::NONE), black_box(Boot::Watchdog), any_now());
    STATE.with(|state| change(policy, state.get_or_insert_with(start)))
}

#[inline(never)]
fn check_in(task: u8, now: Instant) -> Result<(), ChannelError> {
    with(|policy, state| policy.check_in(state, task, now))
}

#[inline(never)]
fn may_feed(now: Instant) -> Result<(), Starved> {
    with(|policy, state| policy.may_feed(state, now))
}

footprint::firmware!(
    || {
        black_box(check_in(black_box(0), any_now()).is_ok());
        black_box(may_feed(any_now()).is_ok());
    },
    |bench| {
        let now = at(500);
        (0..4).for_each(|task| check_in(task, now).unwrap());
        let task = black_box(3);
        bench.case("check in", || check_in(task, now)).unwrap();
        bench.case("may feed, yes", || may_feed(now)).unwrap();
        let now = at(5_000);
        assert!(bench.case("may feed, no", || may_feed(now)).is_err());
    }
);
