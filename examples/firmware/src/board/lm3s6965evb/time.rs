//! embassy's time: SysTick counts, timer 0 wakes.
//!
//! SysTick goes round once a second, and the seconds are counted in its interrupt; between two, its
//! count is the fraction. So the clock does not lose time while interrupts are late.

use core::cell::{Cell, RefCell};
use core::task::Waker;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use super::{CLOCK_HZ, register};
use crate::register::Register;

const CYCLES_PER_TICK: u32 = CLOCK_HZ / TICK_HZ as u32;
/// The farthest alarm: an hour is within the timer's 32 bits of cycles even so.
const FARTHEST: u64 = 300 * TICK_HZ;

const TIMER: Register = register(0x4003_0000);

struct TimeDriver {
    seconds: Mutex<Cell<u64>>,
    /// The last reading.
    latest: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static DRIVER: TimeDriver = TimeDriver {
    seconds: Mutex::new(Cell::new(0)),
    latest: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

pub(super) fn init(mut clock: SYST) {
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(CLOCK_HZ - 1);
    clock.clear_current();
    clock.enable_interrupt();
    clock.enable_counter();
    TIMER.write(0); // GPTMCFG: 32 bits
    TIMER.offset(0x04).write(1); // GPTMTAMR: once
    TIMER.offset(0x18).write(1); // GPTMIMR: interrupt at its end
}

impl TimeDriver {
    fn ticks(&self, section: CriticalSection<'_>) -> u64 {
        let mut count = SYST::get_current();
        let mut seconds = self.seconds.borrow(section).get();
        // It has gone round, and its interrupt waits for this critical section to end.
        if SCB::is_pendst_pending() {
            count = SYST::get_current();
            seconds += 1;
        }
        // Zero is what the counter starts with, and the first cycle of the next second.
        let cycles = if count == 0 { 0 } else { CLOCK_HZ - count };
        let ticks = seconds * TICK_HZ + u64::from(cycles / CYCLES_PER_TICK);
        // QEMU shows zero, too, from the end of a second until it gets to raising the interrupt.
        let latest = self.latest.borrow(section);
        latest.set(latest.get().max(ticks));
        latest.get()
    }

    /// Sets the timer for the next alarm, and wakes whoever is due.
    fn rearm(&self, section: CriticalSection<'_>) {
        let mut queue = self.queue.borrow(section).borrow_mut();
        loop {
            let next = queue.next_expiration(self.ticks(section));
            let now = self.ticks(section);
            if next > now {
                let ticks = (next - now).min(FARTHEST) as u32;
                TIMER.offset(0x0c).write(0); // GPTMCTL: stop
                TIMER.offset(0x24).write(1); // GPTMICR
                TIMER.offset(0x28).write(ticks * CYCLES_PER_TICK); // GPTMTAILR
                TIMER.offset(0x0c).write(1); // GPTMCTL: go
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

#[exception]
fn SysTick() {
    critical_section::with(|section| {
        let seconds = DRIVER.seconds.borrow(section);
        seconds.set(seconds.get() + 1);
    });
}

pub(super) unsafe extern "C" fn on_alarm() {
    TIMER.offset(0x24).write(1); // GPTMICR
    critical_section::with(|section| DRIVER.rearm(section));
}
