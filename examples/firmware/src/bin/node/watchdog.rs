//! The board's watchdog is fed only while every task that is watched is alive.

use core::cell::{Cell, RefCell};
use core::future::{Future, pending};
use core::pin::pin;
use core::time::Duration;
use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use resil_core::health::{Boot, BootRecord, Watchdog as Gate, WatchdogConfig};
use resil_core::snapshot::{Persist, SnapshotError};
use resil_core::text::Text;
use resil_core::valid;
use resil_firmware::board;

use crate::journal::now;
use crate::node::Node;

/// The tasks that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Reads the line.
    Receive,
    /// Serves.
    Serve,
    /// Issues requests.
    Issue,
    /// Ends requests that have waited too long.
    Expire,
    /// Asks the health checks.
    Health,
}

const NAMES: [&str; 5] = ["receive", "serve", "issue", "expire", "health"];

/// How often a task that waits says that it is alive.
const CHECK_IN: embassy_time::Duration = embassy_time::Duration::from_millis(500);

/// How often the board's watchdog is fed, which bites after [`board::watchdog::SECONDS`].
const FEED: embassy_time::Duration = embassy_time::Duration::from_millis(250);

/// Four times as long as a task needs: QEMU may share its processor.
pub(crate) static POLICY: WatchdogConfig<5> =
    valid!(WatchdogConfig::builder([Duration::from_secs(2); 5]).build());

/// The gate between the tasks and the board's watchdog.
pub(crate) struct Watchdog {
    gate: RefCell<Gate<5, &'static WatchdogConfig<5>>>,
    hangs: Cell<Option<Channel>>,
}

impl Watchdog {
    /// Starts with what the life before has left.
    pub(crate) fn start(record: BootRecord) -> Self {
        let boot = if record.cause().is_some() { Boot::Watchdog } else { Boot::Other };
        let mut gate = Gate::start(&POLICY, record, boot, now());
        // A task is watched from its first wait: some start later, some not at all.
        for channel in 0..NAMES.len() as u8 {
            let _ = gate.suspend(channel, now());
        }
        Self { gate: RefCell::new(gate), hangs: Cell::new(None) }
    }

    /// Runs a future of a task, which is alive all the while if the executor polls it.
    pub(crate) async fn alive_while<F: Future>(&self, channel: Channel, future: F) -> F::Output {
        let mut future = pin!(future);
        let _ = self.gate.borrow_mut().resume(channel as u8, now());
        loop {
            if self.hangs.get() == Some(channel) {
                pending::<()>().await;
            }
            // Who is late stays so: the gate has closed and tells it when it is asked.
            let _ = self.gate.borrow_mut().check_in(channel as u8, now());
            if let Either::First(output) = select(&mut future, Timer::after(CHECK_IN)).await {
                return output;
            }
        }
    }

    /// The task has ended, as it should.
    pub(crate) fn retire(&self, channel: Channel) {
        let _ = self.gate.borrow_mut().suspend(channel as u8, now());
    }

    /// Makes a task hang: somebody wants to see what becomes of it.
    pub(crate) fn hang(&self, channel: Channel) {
        self.hangs.set(Some(channel));
    }

    /// Writes what the next life is to know.
    pub(crate) fn save(&self, to: &mut [u8]) -> Result<usize, SnapshotError> {
        let record = self.gate.borrow().boot_record(now());
        POLICY.save(&record, now(), to)
    }
}

/// The name of the task that the watchdog waited for in vain.
pub(crate) fn starved(record: &BootRecord) -> Option<Text<24>> {
    let name = NAMES.get(usize::from(record.cause()?))?;
    Some(Text::from(*name))
}

/// Feeds the board's watchdog as long as the gate lets it.
#[embassy_executor::task]
pub(crate) async fn feed(node: &'static Node) {
    board::watchdog::start();
    loop {
        let answer = node.watchdog.gate.borrow_mut().may_feed(now());
        if let Err(starved) = answer {
            let name = NAMES.get(usize::from(starved.channel())).copied().unwrap_or("?");
            defmt::error!("the watchdog waits for task {=str} in vain: {}", name, starved);
            node.keep();
            // The board's watchdog is not fed any more, and resets the board.
            return;
        }
        board::watchdog::feed();
        Timer::after(FEED).await;
    }
}
