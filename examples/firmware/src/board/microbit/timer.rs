//! The clock, 64 bits out of a timer of 32, and the sleep until an alarm.

use super::{Line, TIMER0};
use resil_core::time::{TickCounter, TickRate};
use resil_core::{Instant, time, valid};

/// 16 MHz divided by 2^4: TIMER0 comes round after 71 minutes.
static MICROSECONDS: TickRate = valid!(TickRate::new(1_000_000));

// For logs, which need no more than 32 bits: CAPTURE2 into CC2, which nobody else uses.
defmt::timestamp!("{=u32:us}", {
    TIMER0.offset(0x048).write(1);
    TIMER0.offset(0x548).read()
});

/// The clock. There is one, because it counts how often the timer came round.
#[derive(Debug)]
pub struct Timer(TickCounter<&'static TickRate>);

pub(super) fn init() -> Timer {
    TIMER0.offset(0x508).write(3); // BITMODE: 32 bits
    TIMER0.offset(0x510).write(4); // PRESCALER
    TIMER0.offset(0x304).write(1 << 17); // INTENSET: COMPARE1
    TIMER0.write(1); // START
    Timer(TickCounter::new(&MICROSECONDS))
}

impl Timer {
    /// The present instant.
    pub fn now(&mut self) -> Instant {
        TIMER0.offset(0x040).write(1); // CAPTURE0
        self.0.widen(TIMER0.offset(0x540).read()) // CC0
    }

    /// Sleeps until `alarm`, or until something was received.
    pub fn sleep_until(&mut self, alarm: Instant, line: &Line) {
        // At half a round at the latest: none may go by unseen.
        let alarm = time::earliest(Some(alarm), Some(self.0.next_deadline())).unwrap_or(alarm);
        TIMER0.offset(0x544).write(MICROSECONDS.tick_at(alarm) as u32); // CC1
        loop {
            // With interrupts held back, one that is pending still ends the WFI, and is handled after
            // it: nothing can come between the look and the sleep.
            cortex_m::interrupt::disable();
            let is_awake = alarm.is_reached(self.now()) || line.has_received();
            if !is_awake {
                cortex_m::asm::wfi();
            }
            // SAFETY: the main loop calls this, outside of any critical section.
            unsafe { cortex_m::interrupt::enable() };
            if is_awake {
                return;
            }
        }
    }
}

/// That it ended the sleep is all it is for.
pub(super) unsafe extern "C" fn on_alarm() {
    TIMER0.offset(0x144).write(0); // EVENTS_COMPARE1
}
