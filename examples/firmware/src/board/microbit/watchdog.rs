//! What stands in for the watchdog: QEMU's nRF51 has none.
//!
//! TIMER1 runs from one feeding to the next. If it comes to a second, QEMU exits with
//! [`exit::WATCHDOG`]; a real one would reset the chip. Unlike a real one it needs interrupts to be let
//! through. On hardware these are three registers of the WDT instead.

use super::TIMER1;
use crate::exit;

/// A second at 16 MHz / 2^9; TIMER1 has 16 bits.
const SECOND: u32 = 31_250;

/// From here on it has to be fed within every second.
pub fn start() {
    TIMER1.offset(0x508).write(0); // BITMODE: 16 bits
    TIMER1.offset(0x510).write(9); // PRESCALER
    TIMER1.offset(0x540).write(SECOND); // CC0
    TIMER1.offset(0x304).write(1 << 16); // INTENSET: COMPARE0
    TIMER1.write(1); // START
}

/// The second begins anew.
pub fn feed() {
    TIMER1.offset(0x00c).write(1); // CLEAR
}

pub(super) unsafe extern "C" fn on_starved() {
    defmt::error!("the watchdog was not fed for a second");
    exit::with(exit::WATCHDOG)
}
