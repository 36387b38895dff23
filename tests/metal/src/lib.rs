//! What the firmwares share: however they fail, QEMU ends with a status that is not 0.
//!
//! A panic's handler is semihosting's: it says where, and exits with 101.
#![no_std]

use cortex_m as _; // the critical section of a single core, which the heap is locked with
use cortex_m_rt::{ExceptionFrame, exception};
use semihosting::{eprintln, process};

/// The status after a hard fault.
const HARD_FAULT: i32 = 102;

// Safety: it returns to nothing, and what it says needs no more than a little stack.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    eprintln!("hard fault at {:#010x}", frame.pc());
    process::exit(HARD_FAULT)
}
