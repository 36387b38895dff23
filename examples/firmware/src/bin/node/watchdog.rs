//! The board's watchdog is fed only while every task that is watched is alive.

use core::cell::Cell;
use core::future::{Future, pending};
use core::pin::pin;
use core::time::Duration;
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use resil_core::backoff::{Backoff, Jitter};
use resil_core::health::{Boot, WatchdogConfig};
use resil_core::snapshot::Persist;
use resil_core::text::Text;
use resil_core::valid;
use resil_embassy::watchdog::{RECORD, Watchdog};
use resil_firmware::board;

use crate::node::Node;

/// The tasks that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
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

/// A task gets four times as long as it needs: QEMU may have to share its processor.
static POLICY: WatchdogConfig<5> = valid!(
    WatchdogConfig::builder([Duration::from_secs(2); 5])
        .feed_every(Duration::from_millis(250))
        .splay(valid!(
            Backoff::builder()
                .initial_delay(Duration::from_millis(500))
                .max_delay(Duration::from_secs(8))
                .jitter(Jitter::Full)
                .build()
        ))
        .build()
);

static TASKS: Watchdog<CriticalSectionRawMutex, 5> = Watchdog::new(&POLICY);

/// The task that is made to hang.
static HANGS: CriticalSectionMutex<Cell<Option<Task>>> = CriticalSectionMutex::new(Cell::new(None));

/// Begins with the record that the life before has kept, if any, and tells the name of the task that
/// was waited for in vain. A task is watched from its first wait: some start later, some not at all.
pub(crate) fn start(kept: &[u8]) -> Option<Text<24>> {
    // Neither board's reset register tells in QEMU; whoever closed the gate has left the cause.
    let cause =
        POLICY.restore(kept, resil_core::Instant::EPOCH).ok().and_then(|record| record.cause());
    let boot = if cause.is_some() { Boot::Watchdog } else { Boot::Other };
    // Without a record, or with one that does not hold, it begins all the same.
    let _ = TASKS.start(kept, boot);
    for task in 0..NAMES.len() as u8 {
        let _ = TASKS.suspend(task);
    }
    Some(Text::from(*NAMES.get(usize::from(cause?))?))
}

/// How long to hold back after a reset by the watchdog, so as not to storm whoever is in trouble too.
pub(crate) fn splay(random: u32) -> Duration {
    TASKS.splay(random)
}

/// Runs a future of a task, which is alive all the while if the executor polls it.
pub(crate) async fn alive_while<F: Future>(task: Task, future: F) -> F::Output {
    let mut future = pin!(future);
    // Who is late stays so, here and below: the gate has closed, and says so where it feeds.
    let _ = TASKS.resume(task as u8);
    loop {
        if HANGS.lock(Cell::get) == Some(task) {
            pending::<()>().await;
        }
        let _ = TASKS.check_in(task as u8);
        if let Either::First(output) = select(&mut future, Timer::after(CHECK_IN)).await {
            return output;
        }
    }
}

/// The task has ended, as it should.
pub(crate) fn retire(task: Task) {
    let _ = TASKS.suspend(task as u8);
}

/// Makes a task hang: somebody wants to see what becomes of it.
pub(crate) fn hang(task: Task) {
    HANGS.lock(|hangs| hangs.set(Some(task)));
}

/// Feeds the board's watchdog as long as the gate lets it. Then the board is reset.
#[embassy_executor::task]
pub(crate) async fn feed(node: &'static Node) {
    board::watchdog::start();
    let keep = |record: &[u8; RECORD]| {
        node.boot.set(*record);
        node.keep();
    };
    let starved = TASKS.run(board::watchdog::feed, keep).await;
    let name = NAMES.get(usize::from(starved.channel())).copied().unwrap_or("?");
    defmt::error!("the watchdog waits for task {=str} in vain", name);
}
