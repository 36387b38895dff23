//! embassy's time: the FPGA's counter counts ticks, timer 1 of the dual timer wakes.

use core::cell::{Cell, RefCell};
use core::task::Waker;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use super::{CLOCK_HZ, register};
use crate::register::Register;

const CYCLES_PER_TICK: u32 = CLOCK_HZ / TICK_HZ as u32;
/// The farthest alarm: within the timer's 32 bits of cycles, and the counter is read at least so often,
/// which goes round in half a day.
const FARTHEST: u64 = 100 * TICK_HZ;

const COUNTER: Register = register(0x4002_8018);
const PRESCALE: Register = register(0x4002_801c);
const TIMER: Register = register(0x4000_2000);

struct TimeDriver {
    /// The counter when it was last read, and how often it has gone round.
    seen: Mutex<Cell<(u32, u32)>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static DRIVER: TimeDriver = TimeDriver {
    seen: Mutex::new(Cell::new((0, 0))),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

pub(super) fn init() {
    PRESCALE.write(CYCLES_PER_TICK - 1);
    // It has been running since the reset, faster.
    COUNTER.write(0);
}

impl TimeDriver {
    fn ticks(&self, section: CriticalSection<'_>) -> u64 {
        let seen = self.seen.borrow(section);
        let (last, rounds) = seen.get();
        let count = COUNTER.read();
        let rounds = rounds + u32::from(count < last);
        seen.set((count, rounds));
        u64::from(rounds) << 32 | u64::from(count)
    }

    /// Sets the timer for the next alarm, and wakes whoever is due.
    fn rearm(&self, section: CriticalSection<'_>) {
        let mut queue = self.queue.borrow(section).borrow_mut();
        loop {
            let next = queue.next_expiration(self.ticks(section));
            let now = self.ticks(section);
            if next > now {
                let ticks = (next - now).min(FARTHEST) as u32;
                TIMER.offset(0x08).write(0); // CONTROL: stop
                TIMER.offset(0x0c).write(1); // INTCLR
                TIMER.write(ticks * CYCLES_PER_TICK); // LOAD
                TIMER.offset(0x08).write(0b1010_0011); // CONTROL: on, interrupt, 32 bits, once
                return;
            }
        }
    }
}

impl Driver for TimeDriver {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.ticks(section))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let is_sooner = self.queue.borrow(section).borrow_mut().schedule_wake(at, waker);
            if is_sooner {
                self.rearm(section);
            }
        });
    }
}

pub(super) unsafe extern "C" fn on_alarm() {
    TIMER.offset(0x0c).write(1); // INTCLR
    critical_section::with(|section| DRIVER.rearm(section));
}
