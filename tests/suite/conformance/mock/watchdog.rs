//! The watchdog's gate as a static would be it, and the task that feeds, polled where a script feeds.

use super::Mock;
use core::cell::Cell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use resil_core::health::{Boot, ChannelError, Starved, WatchdogConfig};
use resil_core::{Clock, Instant};
use resil_embassy::EmbassyClock;
use resil_embassy::watchdog::{RECORD, Watchdog};
use resil_tests::vectors::beside::Timeline;
use resil_tests::vectors::policies::WatchdogPolicy;
use resil_tests::vectors::{Engine, Script, machines, replay};

type Tasks = Watchdog<NoopRawMutex, 3, WatchdogConfig<3>>;

/// The gate, and the policy for its next life.
struct Node {
    tasks: Tasks,
    policy: WatchdogConfig<3>,
}

impl Node {
    /// Feeds once: whether the hardware was, and what the next life is told.
    fn feed(&self) -> (Result<(), Starved>, [u8; RECORD]) {
        let (fed, kept) = (Cell::new(false), Cell::new([0; RECORD]));
        let feeding = self.tasks.run(|| fed.set(true), |record| kept.set(*record));
        let polled = pin!(feeding).poll(&mut Context::from_waker(Waker::noop()));
        let answer = match polled {
            Poll::Ready(starved) => Err(starved),
            Poll::Pending => Ok(()),
        };
        assert_eq!(fed.get(), answer.is_ok());
        (answer, kept.get())
    }
}

pub(in super::super) fn watchdog(script: &Script<WatchdogPolicy>) -> String {
    let policy = script.policy.build().unwrap();
    let mut node = Mock::<_, ()>::new(Node { tasks: Tasks::new(policy), policy });
    node.machine.tasks.reset(); // the first call begins
    replay(script, &mut node)
}

impl Engine for Mock<Node, ()> {
    fn now(&self) -> Instant {
        EmbassyClock.now()
    }

    fn move_to(&mut self, instant: Instant) {
        self.driver.move_to(instant);
    }

    fn apply(&mut self, event: &[&str], start: Instant) -> String {
        machines::watchdog(self, event, start)
    }
}

impl machines::Watchdog for Mock<Node, ()> {
    fn check_in(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.tasks.check_in(channel)
    }

    fn suspend(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.tasks.suspend(channel)
    }

    fn resume(&mut self, channel: u8) -> Result<(), ChannelError> {
        self.machine.tasks.resume(channel)
    }

    fn feed(&mut self) -> Result<(), Starved> {
        self.machine.feed().0
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.machine.tasks.next_deadline()
    }

    fn reset(&mut self) {
        self.machine.tasks.reset();
    }

    fn resets(&self) -> u8 {
        self.machine.tasks.resets()
    }

    fn boot(&mut self, boot: Boot) -> Option<u8> {
        let (_, kept) = self.machine.feed();
        self.machine.tasks = Tasks::new(self.machine.policy);
        self.machine.tasks.start(&kept, boot).unwrap();
        self.machine.tasks.last_cause()
    }
}
