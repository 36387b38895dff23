//! BBC micro:bit: nRF51822, a Cortex-M0 at 16 MHz with 256 KiB flash and 16 KiB RAM.
//!
//! The one UART is the line to other nodes; TIMER0 is the clock and the alarm; the RNG gives the seed.
//! QEMU has these, and neither the RTC nor the watchdog (their registers read as zero): TIMER1 and an
//! exit status stand in for a [watchdog](watchdog).

mod line;
mod stack;
mod timer;
pub mod watchdog;

pub use line::Line;
pub use stack::stack_used;
pub use timer::Timer;

use super::{DefaultHandler, Vector, unmask};
use crate::register::Register;

/// The board, as QEMU calls it.
pub const NAME: &str = "microbit";

const INTERRUPT_LINE: usize = 2;
const INTERRUPT_ALARM: usize = 8;
const INTERRUPT_WATCHDOG: usize = 9;

const LINE: Register = register(0x4000_2000);
const TIMER0: Register = register(0x4000_8000);
const TIMER1: Register = register(0x4000_9000);
const RNG: Register = register(0x4000_d000);

const fn register(address: usize) -> Register {
    // SAFETY: the addresses in this file are those of the nRF51's reference manual.
    unsafe { Register::at(address) }
}

/// cortex-m-rt puts it behind the vectors of the processor.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; 32] = {
    let mut vectors: [Vector; 32] = [DefaultHandler; 32];
    vectors[INTERRUPT_LINE] = line::on_interrupt;
    vectors[INTERRUPT_ALARM] = timer::on_alarm;
    vectors[INTERRUPT_WATCHDOG] = watchdog::on_starved;
    vectors
};

/// Sets the board up; bytes are received, and time runs, from here on.
///
/// # Panics
///
/// The second time.
#[must_use]
pub fn init() -> (Timer, Line) {
    cortex_m::Peripherals::take().expect("the board is set up once");
    let board = (timer::init(), line::init());
    unmask(&[INTERRUPT_LINE, INTERRUPT_ALARM, INTERRUPT_WATCHDOG]);
    board
}

/// A number that nobody can guess, from the hardware. Takes a few milliseconds.
#[must_use]
pub fn seed() -> u64 {
    let (start, ready, value) = (RNG, RNG.offset(0x100), RNG.offset(0x508));
    start.write(1);
    (0..8).fold(0, |seed, _| {
        while ready.read() == 0 {}
        ready.write(0);
        seed << 8 | u64::from(value.read() & 0xff)
    })
}
