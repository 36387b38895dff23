//! How the firmware ends: QEMU exits with a status that says why.

use core::panic::PanicInfo;
use cortex_m_rt::{ExceptionFrame, exception};

/// What it set out to do is done.
pub const SUCCESS: i32 = 0;
/// A check of its own has failed.
pub const FAILURE: i32 = 1;
/// It panicked.
pub const PANIC: i32 = 101;
/// The processor took a hard fault.
pub const HARD_FAULT: i32 = 102;
/// Its watchdog was not fed: on a board whose watchdog QEMU does not have.
pub const WATCHDOG: i32 = 103;

/// Ends QEMU with this status.
pub fn with(status: i32) -> ! {
    semihosting::process::exit(status)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    with(PANIC)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("hard fault at {=u32:#x}", frame.pc());
    with(HARD_FAULT)
}
